//! Lanes beside each other: P9 to P11.

use std::panic::resume_unwind;
use std::time::Duration;

use harness::Case;
use pool_separation::{Lane, PoolStats, TradingError, TradingPools};
use tokio::task::JoinHandle;
use tokio::time::Instant;

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
            vec![("record_trade", tokio::spawn(record))]
        }
        Lane::History => {
            let (first, second) = (own(), own());
            let price = async move { first.get_latest_price("AAPL").await.map(|_| ()) };
            let trades = async move { second.get_recent_trades("AAPL", 10).await.map(|_| ()) };
            vec![
                ("get_latest_price", tokio::spawn(price)),
                ("get_recent_trades", tokio::spawn(trades)),
            ]
        }
        Lane::Risk => {
            let pools = own();
            let check = async move { pools.check_position_limit("AAPL", 10.0).await.map(|_| ()) };
            vec![("check_position_limit", tokio::spawn(check))]
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
        let times = [ms(400), ms(450), ms(500)];
        let pools = desk.open_in_time(times.map(|time| waiting(1, time))).await;
        let mut held = Vec::new();
        for lane in Lane::ALL {
            held.push(desk.take(&pools, lane, 1).await);
        }
        let began = Instant::now();
        let mut stuck = Vec::new();
        for (lane, time) in Lane::ALL.into_iter().zip(times) {
            stuck.extend(work(&pools, lane).into_iter().map(|work| (lane, time, work)));
        }
        let release = tokio::spawn(async move {
            tokio::time::sleep(FAR_TOO_LONG).await;
            drop(held);
        });
        for (lane, time, (name, task)) in stuck {
            let task = async move {
                let result = task.await.unwrap_or_else(|error| resume_unwind(error.into_panic()));
                (result, began.elapsed())
            };
            timed_out(desk, lane, time, name, tokio::spawn(task)).await;
        }
        // Whoever still waits after several times his time gets one, and is found out.
        release.abort();
    });
}

/// Several times as long as the lanes of the story let one wait.
const FAR_TOO_LONG: Duration = Duration::from_millis(2_200);

async fn timed_out(
    desk: &Desk,
    lane: Lane,
    time: Duration,
    name: &str,
    task: JoinHandle<(Result<(), TradingError>, Duration)>,
) {
    let what = format!("`{name}` in a lane that is full, with {time:?} to wait,");
    let (result, took) = desk.home(&what, task).await;
    match result {
        Err(TradingError::Timeout(which)) if which == lane => {}
        Ok(()) => {
            let got = format!("Ok, with a connection that came back after {FAR_TOO_LONG:?}");
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
        drop(held);
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
