//! Many trades at once: P14 and P15.

use std::time::Duration;

use fixtures::db::Rows;
use harness::Case;
use pool_separation::{Lane, Limits, TradingError};
use tokio::task::JoinHandle;

use crate::desk::{Desk, between, buy, ms, on_each, told, waiting};

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
        let all: Vec<(u32, Recorded)> = (0..TRADES)
            .map(|number| {
                let pools = pools.clone();
                let trade = buy("AAPL", 1.0, f64::from(number), i64::from(number));
                (number, tokio::spawn(async move { pools.record_trade(&trade).await }))
            })
            .collect();
        let mut rows = Vec::new();
        for (number, task) in all {
            let what = format!("trade {number} of {TRADES} at once");
            let id = match tokio::time::timeout(Duration::from_secs(40), task).await {
                Ok(Ok(Ok(id))) => id,
                Ok(Ok(Err(error))) => desk.fail(format!("Ok for {what}"), told(&error)).await,
                Ok(Err(error)) => std::panic::resume_unwind(error.into_panic()),
                Err(_) => desk.fail(format!("an end of {what}"), "none after 40 s").await,
            };
            rows.push([id, i64::from(number)]);
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
        for attempt in 1..=3 {
            if full_lane(desk, attempt == 3).await {
                return;
            }
        }
    });
}

/// Tells the story; says whether a trade was recorded, or fails without one if it must.
async fn full_lane(desk: &Desk, must: bool) -> bool {
    desk.execute("DELETE FROM trades").await;
    desk.execute("DELETE FROM positions").await;
    let lanes = [waiting(1, ms(400)), between(0, 1), between(0, 1)];
    let pools = desk.open_in_time(lanes).await;
    let locked = match desk.database.lock("positions").await {
        Ok(locked) => locked,
        Err(error) => desk.fail("the suite to lock a table", error.to_string()).await,
    };
    let record = |number: u32| -> Recorded {
        let pools = pools.clone();
        let trade = buy("AAPL", 1.0, f64::from(number), i64::from(number));
        tokio::spawn(async move { pools.record_trade(&trade).await })
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
    if let Err(error) = locked.release().await {
        desk.fail("the suite to release its lock", error.to_string()).await;
    }
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
