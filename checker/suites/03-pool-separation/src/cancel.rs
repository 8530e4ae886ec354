//! A trade that is dropped half-way: P17.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use harness::Case;
use pool_separation::{Lane, TradingPools};
use tokio::time::timeout;

use crate::desk::{Desk, between, buy, ms, on_each, told};

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
            ]),
    ]
}

/// More awaits than any way of recording a trade should have.
const MOST_POLLS: u32 = 200;

fn a_dropped_trade_is_whole() {
    on_each(&async |desk: &Desk| {
        let pools = desk.open([between(1, 1), between(0, 1), between(0, 1)]).await;
        for table in ["positions", "trades"] {
            dropped_while_locked(desk, &pools, table).await;
        }
        let mut done = false;
        for polls in 1..=MOST_POLLS {
            done = dropped_after(desk, &pools, polls).await;
            if done {
                break;
            }
        }
        if !done {
            let most = format!("`record_trade` to come to an end within {MOST_POLLS} polls");
            desk.fail(most, "it did not").await;
        }
    });
}

/// Drops a trade that waits for a table: on PostgreSQL for its second row, or for its first; on
/// SQLite for the first.
async fn dropped_while_locked(desk: &Desk, pools: &TradingPools, table: &str) {
    let locked = match desk.database.lock(table).await {
        Ok(locked) => locked,
        Err(error) => desk.fail("the suite to lock a table", error.to_string()).await,
    };
    let trade = buy("AAPL", 10.0, 264.5, 1);
    // Longer than it takes to get there, mostly; whatever it is at is as good.
    let cut = timeout(ms(50), pools.record_trade(&trade)).await;
    if let Err(error) = locked.release().await {
        desk.fail("the suite to release its lock", error.to_string()).await;
    }
    let when = format!("after a `record_trade` that waited for {table} was dropped");
    if let Ok(Err(error)) = cut {
        desk.fail("`record_trade` to wait for a table that is locked", told(&error)).await;
    }
    whole(desk, pools, &when).await;
}

/// Drops a trade after so many polls; says whether it was done before.
async fn dropped_after(desk: &Desk, pools: &TradingPools, cut_at: u32) -> bool {
    let trade = buy("AAPL", 10.0, 264.5, i64::from(cut_at));
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

/// Fails unless there is a position for each trade, nothing is under way, and the next trade is
/// recorded.
async fn whole(desk: &Desk, pools: &TradingPools, when: &str) {
    // Whatever is still under way is over when the lane's only connection has come back.
    drop(desk.take(pools, Lane::Trades, 1).await);
    let trades = count(desk, "trades").await;
    desk.expect_recorded(trades, &format!("a position for each trade, {when}")).await;
    if desk.is_postgres() {
        desk.becomes(&format!("no transaction to stay open {when}"), async || {
            let sessions = desk.database.sessions().await.unwrap_or_default();
            let open = sessions.iter().find(|session| session.state.contains("in transaction"));
            open.map_or(Ok(()), |session| Err(format!("a session that is {}", session.state)))
        })
        .await;
    }
    let next = buy("MSFT", 1.0, 392.5, 1);
    desk.need(&format!("the next `record_trade`, {when},"), pools.record_trade(&next)).await;
    let why = format!("one more trade, {when} and the next was recorded");
    desk.expect_recorded(trades + 1, &why).await;
}

async fn count(desk: &Desk, table: &str) -> usize {
    match desk.database.count(table).await {
        Ok(count) => usize::try_from(count).unwrap_or(usize::MAX),
        Err(error) => desk.fail(format!("the suite to count {table}"), error.to_string()).await,
    }
}
