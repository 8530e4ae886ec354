//! Lanes beside each other: P9 to P11.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};

use crate::graded::{Lane, PoolStats, TradingError, TradingPools};
use harness::Case;
use harness::tasks::joined;
use sqlx::Any;
use sqlx::pool::PoolConnection;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::desk::{Desk, between, buy, ms, on_each, outcome, told, waiting};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new("a_flood_stays_in_its_lane", "P9", a_flood_stays_in_its_lane)
            .title("one lane is full, the other two go on")
            .real()
            .on_databases()
            .points(0.5)
            .lesson("one-queue-or-three")
            .hints(&[
                "Which lane does each of your four requests take its connection from?",
                "Trades are recorded in `Lane::Trades`, prices and past trades read in \
                 `Lane::History`, and the limit checked in `Lane::Risk`; nothing else goes there.",
            ]),
        Case::new("times_out_in_its_lane", "P10", times_out_in_its_lane)
            .title("who waits too long is told in which lane")
            .real()
            .on_databases()
            .points(0.5)
            .lesson("when-a-lane-is-full")
            .hints(&[
                "What does sqlx answer when no connection comes in time? Look for it among the \
                 variants of `sqlx::Error`.",
                "`sqlx::Error::PoolTimedOut` becomes `TradingError::Timeout(lane)`; only the caller \
                 knows which lane it was. Do it for `begin` as well.",
            ]),
        Case::new("tells_its_numbers", "P11", tells_its_numbers)
            .title("how many connections, and how many idle, lane by lane")
            .real()
            .on_databases()
            .points(0.5)
            .lesson("when-a-lane-is-full")
            .hints(&[
                "A pool of sqlx knows both numbers: `size()` and `num_idle()`.",
                "`Lane::ALL.map(|lane| …)` makes three of one, in the right order.",
            ]),
    ]
}

/// What is done in a lane, as a task of its own.
pub(crate) fn work(
    pools: &TradingPools,
    lane: Lane,
) -> Vec<(&'static str, JoinHandle<Result<(), TradingError>>)> {
    let own = || pools.clone();
    match lane {
        Lane::Trades => {
            let pools = own();
            let record =
                async move { pools.record_trade(&buy("AAPL", 10.0, 264.5, 1)).await.map(|_| ()) };
            vec![("record_trade", harness::tasks::spawn(record))]
        }
        Lane::History => {
            let (first, second) = (own(), own());
            let price = async move { first.get_latest_price("AAPL").await.map(|_| ()) };
            let trades = async move { second.get_recent_trades("AAPL", 10).await.map(|_| ()) };
            vec![
                ("get_latest_price", harness::tasks::spawn(price)),
                ("get_recent_trades", harness::tasks::spawn(trades)),
            ]
        }
        Lane::Risk => {
            let pools = own();
            let check = async move { pools.check_position_limit("AAPL", 10.0).await.map(|_| ()) };
            vec![("check_position_limit", harness::tasks::spawn(check))]
        }
    }
}

fn a_flood_stays_in_its_lane() {
    on_each(&async |desk: &Desk| {
        let pools = desk.open([between(1, 2); 3]).await;
        for flooded in Lane::ALL {
            let held = desk.take(&pools, flooded, 2).await;
            let stuck = work(&pools, flooded);
            for lane in Lane::ALL.into_iter().filter(|lane| *lane != flooded) {
                for (name, task) in work(&pools, lane) {
                    let what = format!(
                        "`{name}`, while all connections of the {flooded} lane are in use,"
                    );
                    if let Err(error) = desk.home(&what, task).await {
                        let free = format!("{what} to succeed: the {lane} lane has free ones");
                        desk.fail(free, told(&error)).await;
                    }
                }
            }
            for (name, task) in &stuck {
                if task.is_finished() {
                    desk.fail(
                        format!("`{name}` to wait while all of the {flooded} lane are in use"),
                        "it did not wait: it takes its connection from elsewhere",
                    )
                    .await;
                }
            }
            drop(held);
            for (name, task) in stuck {
                let what = format!("`{name}`, when the {flooded} lane has connections again,");
                if let Err(error) = desk.home(&what, task).await {
                    desk.fail(format!("{what} to succeed"), told(&error)).await;
                }
            }
        }
    });
}

fn times_out_in_its_lane() {
    on_each(&async |desk: &Desk| {
        let times = [ms(60), ms(70), ms(80)];
        // Three desks: on each another lane is full, and the other two have a connection at hand.
        let mut stories = Vec::new();
        for (lane, time) in Lane::ALL.into_iter().zip(times) {
            let pools = desk.open_in_time(times.map(|time| waiting(1, time))).await;
            let held = desk.take(&pools, lane, 1).await;
            stories.push((lane, time, pools, held));
        }
        let began = Instant::now();
        let mut waiting = Vec::new();
        for (lane, time, pools, held) in stories {
            let is_back = Arc::new(AtomicBool::new(false));
            for (name, task) in work(&pools, lane) {
                let is_back = Arc::clone(&is_back);
                let task = async move {
                    let result = joined(task.await);
                    Ended { result, took: began.elapsed(), was_back: is_back.load(SeqCst) }
                };
                waiting.push((lane, time, name, harness::tasks::spawn(task)));
            }
            harness::tasks::spawn(come_back_too_late(pools, lane, time, held, is_back));
        }
        for (lane, time, name, task) in waiting {
            timed_out(desk, lane, time, name, task).await;
        }
    });
}

/// Has the lane's connection come back when whoever asked before this has waited too long for it, on
/// a machine however busy: when the suite itself, which asks later, has come to its time-out, and
/// half as long has passed again. Whoever still waits then gets it, and is found out.
async fn come_back_too_late(
    pools: TradingPools,
    lane: Lane,
    time: Duration,
    held: Vec<PoolConnection<Any>>,
    is_back: Arc<AtomicBool>,
) {
    // They are to have asked by now, each in a task of its own.
    sleep(ms(5)).await;
    let _ = pools.pool(lane).acquire().await;
    sleep(time / 2).await;
    is_back.store(true, SeqCst);
    drop(held);
}

/// What came of a request in a lane that is full.
struct Ended {
    result: Result<(), TradingError>,
    took: Duration,
    /// Whether the lane's connection had come back by then.
    was_back: bool,
}

async fn timed_out(desk: &Desk, lane: Lane, time: Duration, name: &str, task: JoinHandle<Ended>) {
    let what = format!("`{name}` in a lane that is full, with {time:?} to wait");
    let Ended { result, took, was_back } = desk.home(&format!("{what},"), task).await;
    match result {
        Err(TradingError::Timeout(which)) if which == lane => {}
        Ok(()) if was_back => {
            let got = format!(
                "Ok after {} ms, with a connection that came back after the time-out",
                took.as_millis()
            );
            desk.fail(format!("Timeout({lane:?}) from {what}"), got).await;
        }
        Ok(()) => {
            let got = "Ok: it takes a connection of another lane";
            desk.fail(format!("Timeout({lane:?}) from {what}"), got).await;
        }
        other => {
            desk.fail(format!("Timeout({lane:?}) from {what}"), outcome(&other)).await;
        }
    }
    if took < time {
        let early = format!("after {} ms", took.as_millis());
        desk.fail(format!("Timeout({lane:?}) after {time:?}, from {what}"), early).await;
    }
}

fn tells_its_numbers() {
    on_each(&async |desk: &Desk| {
        let pools = desk.open([between(3, 5), between(2, 4), between(1, 2)]).await;
        let mut held = desk.take(&pools, Lane::Trades, 2).await;
        held.extend(desk.take(&pools, Lane::History, 1).await);
        numbers(desk, &pools, [2, 1, 0]).await;
        held.extend(desk.take(&pools, Lane::Trades, 3).await);
        held.extend(desk.take(&pools, Lane::Risk, 2).await);
        numbers(desk, &pools, [5, 1, 2]).await;
        if let Some(conn) = held.pop() {
            let _ = desk.ends("closing a connection", conn.close()).await;
        }
        numbers(desk, &pools, [5, 1, 1]).await;
        drop(held);
        numbers(desk, &pools, [0, 0, 0]).await;
        desk.ends("`close`", pools.close()).await;
        numbers(desk, &pools, [0, 0, 0]).await;
    });
}

/// Fails unless the numbers come to be right, with so many in use in each lane. How many a lane has
/// beyond its minimum is its own affair; and a connection takes a moment to come back.
async fn numbers(desk: &Desk, pools: &TradingPools, in_use: [usize; 3]) {
    let told = |all: &[PoolStats]| {
        let each = all.iter().map(|stats| {
            let PoolStats { lane, size, idle } = stats;
            format!("{lane} size {size} idle {idle}")
        });
        each.collect::<Vec<_>>().join(", ")
    };
    let right = || {
        let mut in_use = in_use.into_iter();
        Lane::ALL.map(|lane| {
            let size = pools.pool(lane).size();
            let idle = (size as usize).saturating_sub(in_use.next().unwrap_or_default());
            PoolStats { lane, size, idle }
        })
    };
    let [trades, history, risk] = in_use;
    let what = format!("the numbers of lanes with {trades}, {history} and {risk} in use");
    desk.becomes(&what, async || {
        let (stats, wanted) = (pools.stats(), right());
        if stats == wanted {
            return Ok(());
        }
        Err(format!("{} instead of {}", told(&stats), told(&wanted)))
    })
    .await;
}
