//! Many trades at once: P14 and P15.

use std::time::Duration;

use crate::graded::{Lane, Limits, TradingError};
use fixtures::db::Rows;
use harness::Case;
use harness::tasks::joined;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::sleep;

use crate::desk::{Desk, between, buy, ms, on_each, told, waiting};
use crate::lanes::work;

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new("a_thousand_trades", "P14", a_thousand_trades)
            .title("a thousand trades at once, with time enough")
            .real()
            .on_databases()
            .hard()
            .points(0.5)
            .deadline(Duration::from_mins(1))
            .lesson("a-thousand-trades")
            .hints(&[
                "Do they all succeed one after the other? Then what do two of them have in common \
                 that they should not?",
                "On SQLite a transaction that has read first cannot always write afterwards: \
                 begin it with the `INSERT`. The id is the one that `RETURNING` gives.",
            ]),
        Case::new("a_full_lane_loses_no_trade", "P15", a_full_lane_loses_no_trade)
            .title("too slow for its load: what is Ok is written, and nothing else")
            .real()
            .on_databases()
            .hard()
            .points(0.5)
            .deadline(Duration::from_secs(30))
            .lesson("when-a-lane-is-full")
            .hints(&[
                "`acquire_timeout` is about the queue. May it interrupt who has got a connection?",
                "Leave the waiting to the pool, which does it already; a `timeout` around the whole \
                 of `record_trade` cuts transactions in the middle.",
            ]),
    ]
}

const TRADES: u32 = 1_000;

type Recorded = JoinHandle<Result<i64, TradingError>>;

fn a_thousand_trades() {
    on_each(&async |desk: &Desk| {
        // SQLite lets one write at a time, and does not queue the others.
        let max = if desk.is_postgres() { 8 } else { 2 };
        let patient = Limits { min: max, max, acquire_timeout: Duration::from_secs(30) };
        let pools = desk.open([patient, between(0, 1), between(0, 1)]).await;
        let mut all = JoinSet::new();
        for number in 0..TRADES {
            let pools = pools.clone();
            let trade = buy("AAPL", 1.0, f64::from(number), i64::from(number));
            all.spawn(async move { (number, pools.record_trade(&trade).await) });
        }
        let mut rows = Vec::new();
        let next = || format!("the next of {TRADES} trades at once");
        while let Some(task) = desk.ends(&next(), all.join_next()).await {
            match joined(task) {
                (number, Ok(id)) => rows.push([id, i64::from(number)]),
                (number, Err(error)) => {
                    let expected = format!("Ok for trade {number} of {TRADES} at once");
                    desk.fail(expected, told(&error)).await;
                }
            }
        }
        rows.sort_unstable();
        let rows = Rows::new(["id", "price"], rows);
        let why = "each with the id that its caller got";
        desk.expect_rows("SELECT id, price FROM trades ORDER BY id", &rows, why).await;
        desk.expect_recorded(TRADES as usize, "a thousand trades, a thousand positions").await;
    });
}

/// How many wait for one connection.
const WAITING: u32 = 200;

fn a_full_lane_loses_no_trade() {
    on_each(&async |desk: &Desk| {
        // The first one could come too late as well, on a machine that is busy enough.
        for attempt in 1..=ATTEMPTS {
            if full_lane(desk, attempt == ATTEMPTS).await {
                break;
            }
        }
        if desk.is_postgres() {
            long_reads(desk).await;
        }
    });
}

const ATTEMPTS: u32 = 5;

/// How long a lane lets one wait that is to be full, and one whose requests are to wait for a table.
const FLOODED: Duration = Duration::from_millis(100);
const SHORT: Duration = Duration::from_millis(150);

/// Whoever reads has a connection, and waits for tables that are locked: for longer than one may wait
/// for a connection.
async fn long_reads(desk: &Desk) {
    let pools = desk.open_in_time([between(0, 1), waiting(2, SHORT), waiting(1, SHORT)]).await;
    let locked = desk.lock("trades, market_data, risk_limits, positions").await;
    let reads: Vec<_> =
        [Lane::History, Lane::Risk].into_iter().flat_map(|lane| work(&pools, lane)).collect();
    desk.becomes("three requests to read tables that are locked", async || {
        let sessions = desk.database.sessions().await.unwrap_or_default();
        let waiting = sessions.iter().filter(|session| session.waits).count();
        if waiting == reads.len() { Ok(()) } else { Err(format!("{waiting} do")) }
    })
    .await;
    sleep(SHORT + ms(30)).await;
    desk.unlock(locked).await;
    for (name, task) in reads {
        let what = format!("`{name}`");
        if let Err(error) = desk.home(&what, task).await {
            let expected = format!(
                "{what} to succeed: it had a connection, and its table was locked for longer than \
                 the lane's acquire_timeout of {SHORT:?}"
            );
            desk.fail(expected, told(&error)).await;
        }
    }
}

/// Tells the story; says whether a trade was recorded, or fails without one if it must.
async fn full_lane(desk: &Desk, must: bool) -> bool {
    desk.execute("DELETE FROM trades").await;
    desk.execute("DELETE FROM positions").await;
    let lanes = [waiting(1, FLOODED), between(0, 1), between(0, 1)];
    let pools = desk.open_in_time(lanes).await;
    let locked = desk.lock("positions").await;
    let record = |number: u32| -> Recorded {
        let pools = pools.clone();
        let trade = buy("AAPL", 1.0, f64::from(number), i64::from(number));
        harness::tasks::spawn(async move { pools.record_trade(&trade).await })
    };
    let first = record(0);
    let taken = async || match pools.pool(Lane::Trades).num_idle() {
        0 => Ok(()),
        _ => Err("it does not take one".to_owned()),
    };
    desk.becomes("`record_trade` to take a connection of the trades lane", taken).await;
    let others: Vec<Recorded> = (1..WAITING).map(record).collect();
    let (mut recorded, mut refused) = (0, String::new());
    for task in others {
        match desk.home("`record_trade` in a lane that is full", task).await {
            Ok(_) => recorded += 1,
            Err(error) => refused = told(&error),
        }
    }
    desk.unlock(locked).await;
    match desk.home("`record_trade` on a table that was locked for a while", first).await {
        Ok(_) => recorded += 1,
        Err(error) => refused = told(&error),
    }
    // Whatever is still under way is over when the connection has come back.
    drop(desk.take(&pools, Lane::Trades, 1).await);
    if recorded == 0 && must {
        desk.fail(
            format!(
                "one of {WAITING} trades to be recorded: the first had the lane's connection, and \
                 its table was locked for a while"
            ),
            format!("none; the last one got {refused}"),
        )
        .await;
    }
    let why = "as many rows as callers that were told Ok";
    desk.expect_recorded(recorded, why).await;
    recorded > 0
}
