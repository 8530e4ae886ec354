//! A trade that is dropped half-way: P17.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use crate::graded::{Lane, TradingPools};
use fixtures::db::Rows;
use harness::Case;
use tokio::time::timeout;

use crate::desk::{Desk, between, buy, ms, on_each, told};
use crate::relay::{Relay, What, through_this_thread};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new("a_dropped_trade_is_whole", "P17", a_dropped_trade_is_whole)
            .title("a trade that is dropped half-way is there as a whole, or not")
            .real()
            .on_databases()
            .hard()
            .points(0.5)
            .deadline(Duration::from_secs(30))
            .lesson("dropped-half-way-again")
            .hints(&[
                "After an `.await` that is never finished, no line of yours runs any more. What \
                 still runs are destructors.",
                "A `BEGIN` of your own has no destructor. `pool.begin()` gives a `Transaction` that \
                 rolls back when it is dropped, and the pool sees to it before the connection is \
                 used again.",
                "And before there is a `Transaction`? A `begin` that is dropped after BEGIN was sent \
                 and before it was answered rolls nothing back on PostgreSQL (sqlx 0.9.0, issue \
                 4393). Let it run in a task that nobody drops, or have the pool look at what comes \
                 back.",
            ]),
    ]
}

/// More awaits, and more messages, than any way of recording a trade should have.
const MOST: u32 = 200;

fn a_dropped_trade_is_whole() {
    on_each(&async |desk: &Desk| {
        let folder = tempfile::tempdir().expect("a folder for a socket");
        let relay = desk.is_postgres().then(|| through_this_thread(desk.database.url(), &folder));
        let relay = relay.and_then(Result::ok);
        let url = relay.as_ref().map_or(desk.database.url(), |relay| &relay.url);
        let pools = desk.open_at(url, [between(1, 1), between(0, 1), between(0, 1)]).await;
        for table in ["positions", "trades"] {
            dropped_while_locked(desk, &pools, table).await;
        }
        for polls in 1.. {
            if dropped_after(desk, &pools, polls).await {
                break;
            }
            at_most(desk, polls, "polls").await;
        }
        let Some(relay) = relay else { return };
        for messages in 1.. {
            if dropped_at(desk, &pools, &relay, messages).await {
                break;
            }
            at_most(desk, messages, "messages to and from the server").await;
        }
    });
}

async fn at_most(desk: &Desk, count: u32, what: &str) {
    if count >= MOST {
        let most = format!("`record_trade` to come to an end within {MOST} {what}");
        desk.fail(most, "it did not").await;
    }
}

/// Drops a trade that waits for a table: on PostgreSQL for its second row, or for its first; on
/// SQLite for the first.
async fn dropped_while_locked(desk: &Desk, pools: &TradingPools, table: &str) {
    let locked = desk.lock(table).await;
    let trade = buy("AAPL", 10.0, 264.5, 1);
    // Longer than it takes to get there, mostly; whatever it is at is as good.
    let cut = timeout(ms(50), pools.record_trade(&trade)).await;
    desk.unlock(locked).await;
    let when = format!("after a `record_trade` that waited for {table} was dropped");
    if let Ok(Err(error)) = cut {
        desk.fail("`record_trade` to wait for a table that is locked", told(&error)).await;
    }
    whole(desk, pools, &when).await;
}

/// Drops a trade after so many polls; says whether it was done before.
async fn dropped_after(desk: &Desk, pools: &TradingPools, cut_at: u32) -> bool {
    let trade = buy("AAPL", 10.0, 264.5, i64::from(cut_at));
    // The same way through the awaits each time: a connection that is still on its way back would
    // add one.
    desk.waits_a_while_for(ms(500), || pools.pool(Lane::Trades).num_idle() > 0).await;
    let cut = async {
        let mut polled = 0;
        let mut work = pin!(pools.record_trade(&trade));
        poll_fn(|context| {
            polled += 1;
            match work.as_mut().poll(context) {
                Poll::Ready(result) => Poll::Ready(Some(result)),
                Poll::Pending if polled == cut_at => Poll::Ready(None),
                Poll::Pending => Poll::Pending,
            }
        })
        .await
    };
    let when = format!("after a `record_trade` was dropped at poll {cut_at}");
    match desk.ends("`record_trade`", cut).await {
        Some(Err(error)) => {
            desk.fail(format!("`record_trade` to succeed {when} and others before"), told(&error))
                .await
        }
        result => {
            whole(desk, pools, &when).await;
            result.is_some()
        }
    }
}

/// Drops a trade when so many messages have gone to the server and back, with the next one on its way:
/// whatever task of the code under test waits for it. Says whether it was done before.
async fn dropped_at(desk: &Desk, pools: &TradingPools, relay: &Relay, messages: u32) -> bool {
    let trade = buy("AAPL", 10.0, 264.5, i64::from(messages));
    desk.waits_a_while_for(ms(500), || pools.pool(Lane::Trades).num_idle() > 0).await;
    relay.stop_at(What::Message, messages);
    let cut = async {
        tokio::select! {
            result = pools.record_trade(&trade) => Some(result),
            () = relay.arrived() => None,
        }
    };
    let result = desk.ends("`record_trade`", cut).await;
    let done = relay.let_all_through();
    if !done {
        if result.is_some() {
            relay.arrived().await; // it was stopped as the trade came to its end
        }
        relay.go_on();
    }
    let when = format!("after a `record_trade` was dropped with message {messages} on its way");
    if let Some(Err(error)) = result {
        desk.fail(format!("`record_trade` to succeed {when} and others before"), told(&error))
            .await;
    }
    whole(desk, pools, &when).await;
    done
}

/// How many there are of both, at one moment.
const BOTH: &str = "SELECT (SELECT COUNT(*) FROM trades) AS trades, \
                    (SELECT COUNT(*) FROM positions) AS positions";

/// Fails unless there is a position for each trade, nothing is under way, and the next trade is
/// recorded.
async fn whole(desk: &Desk, pools: &TradingPools, when: &str) {
    // Whatever is still under way is over when the lane's only connection has come back, and has
    // been to the server and back again; or it has not begun, and is done behind everybody's back.
    drop(desk.take(pools, Lane::Trades, 1).await);
    expect_pairs(desk, when).await;
    if desk.is_postgres() {
        let what = format!("no transaction to stay open {when}");
        desk.becomes(&what, async || {
            let sessions = desk.database.sessions().await.unwrap_or_default();
            let open = sessions.iter().find(|session| session.state.contains("in transaction"));
            open.map_or(Ok(()), |session| {
                Err(format!("a session that is {}, after {}", session.state, session.statement))
            })
        })
        .await;
    }
    let next = buy("MSFT", 1.0, 392.5, 1);
    let what = format!("the next `record_trade`, {when},");
    let id = desk.need(&what, pools.record_trade(&next)).await;
    let sql = format!("SELECT symbol FROM trades WHERE id = {id}");
    let why = format!("the next trade, {when}");
    desk.expect_rows(&sql, &Rows::new(["symbol"], [["MSFT"]]), &why).await;
    expect_pairs(desk, &format!("{when} and the next was recorded")).await;
}

/// Fails unless there are as many positions as trades.
pub(crate) async fn expect_pairs(desk: &Desk, when: &str) {
    let trades = match desk.ends("the suite's own query", desk.database.rows(BOTH)).await {
        Ok(Rows { rows, .. }) => match rows.first().map(Vec::as_slice) {
            Some([trades, positions]) if trades == positions => return,
            Some([trades, _]) => trades.clone(),
            _ => String::new(),
        },
        Err(error) => desk.fail("the suite to be able to count", error.to_string()).await,
    };
    let expected = Rows::new(["trades", "positions"], [[&trades, &trades]]);
    desk.expect_rows(BOTH, &expected, &format!("a position for each trade, {when}")).await;
}
