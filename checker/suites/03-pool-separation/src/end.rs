//! What history may not do, and the end of the lanes: P19 and P20.

use std::time::Duration;

use crate::graded::{Lane, TradingError};
use harness::Case;
use sqlx::{AnyConnection, Executor};
use tokio::task::{JoinHandle, yield_now};
use tokio::time::sleep;

use crate::desk::{Desk, between, buy, ms, on_each, outcome};
use crate::lanes::work;

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new("history_cannot_write", "P19", history_cannot_write)
            .title("no connection of the history lane can write")
            .real()
            .on_databases()
            .hard()
            .points(0.5)
            .lesson("history-only-reads")
            .hints(&[
                "The statement that forbids writing holds for one connection. Who runs it on those \
                 that the pool opens in an hour?",
                "`AnyPoolOptions::after_connect` is called with each new connection. \
                 `conn.backend_name()` says `PostgreSQL` or `SQLite`.",
            ]),
        Case::new("closes_all_lanes_at_once", "P20", closes_all_lanes_at_once)
            .title("close ends all lanes at the same time")
            .real()
            .on_databases()
            .hard()
            .points(0.5)
            .deadline(Duration::from_secs(30))
            .lesson("closing-time")
            .hints(&[
                "A pool's `close` waits for the connections that are in use. Who lets people into \
                 the other lanes meanwhile?",
                "`tokio::join!` closes all three at the same time. And sqlx's error for a pool that \
                 is closed becomes `TradingError::Closed`.",
            ]),
    ]
}

/// How many connections the history lane may have here.
const MAX: u32 = 3;

fn history_cannot_write() {
    on_each(&async |desk: &Desk| {
        let pools = desk.open([between(1, 1), between(1, MAX), between(1, 1)]).await;
        let mut held = desk.take(&pools, Lane::History, MAX).await;
        for conn in &mut held {
            cannot_write(desk, conn, "a connection of the history lane").await;
        }
        // A new one comes in the place of one that was closed.
        if let Some(conn) = held.pop() {
            let _ = desk.ends("closing a connection", conn.close()).await;
        }
        for conn in &mut desk.take(&pools, Lane::History, 1).await {
            let what = "a connection that the history lane opened in the place of another";
            cannot_write(desk, conn, what).await;
        }
        drop(held);
        desk.need("`record_trade`", pools.record_trade(&buy("AAPL", 10.0, 264.5, 1))).await;
        let trades = desk.need("`get_recent_trades`", pools.get_recent_trades("AAPL", 10)).await;
        if trades.len() != 1 {
            let one = "the history lane to see the trade that was recorded";
            desk.fail(one, format!("{} trades", trades.len())).await;
        }
    });
}

async fn cannot_write(desk: &Desk, conn: &mut AnyConnection, what: &str) {
    let writes = [
        "INSERT INTO positions (symbol, quantity) VALUES ('AAPL', 1)",
        "UPDATE risk_limits SET max_position = 1000000",
        "DELETE FROM trades",
    ];
    for sql in writes {
        if desk.ends(sql, conn.execute(sql)).await.is_ok() {
            desk.fail(format!("{what} to refuse: {sql}"), "it ran").await;
        }
    }
    if let Err(error) = desk.ends("a SELECT", conn.execute("SELECT COUNT(*) FROM trades")).await {
        desk.fail(format!("{what} to read"), error.to_string()).await;
    }
}

fn closes_all_lanes_at_once() {
    on_each(&async |desk: &Desk| {
        for held_up in Lane::ALL {
            let pools = desk.open([between(1, 1); 3]).await;
            let held = desk.take(&pools, held_up, 1).await;
            let waiting = work(&pools, held_up);
            // They are to be waiting by now; whoever asks later gets the same answer.
            sleep(ms(2)).await;
            let close = || {
                let pools = pools.clone();
                harness::tasks::spawn(async move { pools.close().await })
            };
            let closing = close();
            let when = format!("while `close` waits for a connection of the {held_up} lane");
            desk.becomes(&format!("all lanes to be closed {when}"), async || {
                let open = Lane::ALL.into_iter().find(|lane| !pools.pool(*lane).is_closed());
                open.map_or(Ok(()), |lane| Err(format!("the {lane} lane is open")))
            })
            .await;
            let again = close();
            let before = format!("which waited before `close` was called and still did {when}");
            turned_away(desk, &before, waiting).await;
            for lane in Lane::ALL {
                turned_away(desk, &when, work(&pools, lane)).await;
            }
            a_minute_passes().await;
            for (closing, which) in [(&closing, "`close`"), (&again, "`close`, called again,")] {
                if closing.is_finished() {
                    let waits = format!(
                        "{which} to wait for a connection of the {held_up} lane that is in use, \
                         however long it takes"
                    );
                    desk.fail(waits, "it returned before").await;
                }
            }
            drop(held);
            desk.home("`close`, when all connections have come back,", closing).await;
            desk.home("`close`, called again while another waits,", again).await;
            desk.ends("`close`, called again,", pools.close()).await;
            closed(desk).await;
        }
    });
}

/// Fails unless all of them get `Closed`.
async fn turned_away(
    desk: &Desk,
    when: &str,
    requests: Vec<(&'static str, JoinHandle<Result<(), TradingError>>)>,
) {
    for (name, task) in requests {
        let what = format!("`{name}` {when}");
        let result = desk.home(&what, task).await;
        if !matches!(result, Err(TradingError::Closed)) {
            desk.fail(format!("Closed from {what}"), outcome(&result)).await;
        }
    }
}

/// Has a minute pass on tokio's clock, and lets whoever waited for it go on.
async fn a_minute_passes() {
    tokio::time::pause();
    tokio::time::advance(Duration::from_mins(1)).await;
    for _ in 0..20 {
        yield_now().await;
    }
    tokio::time::resume();
}

/// Fails unless the server has no session left.
async fn closed(desk: &Desk) {
    desk.becomes("no connection to be open after `close`", async || {
        match desk.database.sessions().await.map(|sessions| sessions.len()) {
            Ok(0) => Ok(()),
            Ok(left) => Err(format!("{left} open")),
            Err(error) => Err(error.to_string()),
        }
    })
    .await;
}
