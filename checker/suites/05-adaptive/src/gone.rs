//! A pool that nobody closes: P21.

use std::time::Duration;

use adaptive_pool::AdaptiveConfig;
use fixtures::exchange::Exchange;
use harness::tasks::tasks;
use harness::{Case, clock, fail};
use tokio::time::sleep;

use crate::desk::{Desk, EVERY, SLACK, between, ms, story};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new("a_dropped_pool_ends", "P21", a_dropped_pool_ends)
            .title("a pool that is dropped ends its task")
            .paused()
            .hard()
            .points(0.5)
            .lesson("the-end-of-a-task")
            .hints(&[
                "Nobody calls `close`; the last `AdaptivePool` is dropped. What still keeps the pool \
                 alive?",
                "A task that owns an `Arc` of the pool keeps it for ever. While it sleeps, let it own \
                 a `Weak`, and end when there is nothing to upgrade to.",
            ]),
    ]
}

fn a_dropped_pool_ends() {
    for (moment, when) in [(ms(0), "right after `new`"), (ms(350), "between two samples")] {
        story(async || {
            let Desk { exchange, pool } = Desk::open(between(3, 9)).await;
            sleep(moment).await;
            drop(pool);
            expect_gone(&exchange, EVERY, when).await;
        });
    }
    story(async || {
        let desk = Desk::open(between(2, 9)).await;
        desk.fill(9).await;
        let Desk { exchange, pool } = desk;
        drop(pool);
        expect_gone(&exchange, EVERY, "when it had grown to nine, and all had just come home")
            .await;
    });
    // A guard is out when the last `AdaptivePool` goes.
    story(async || {
        let Desk { exchange, pool } = Desk::open(between(2, 9)).await;
        let desk = Desk { exchange: exchange.clone(), pool };
        let mut held = desk.need("from a pool with two idle ones").await;
        desk.at(ms(350)).await;
        drop(desk);
        held.order().await;
        sleep(3 * EVERY).await;
        held.order().await;
        drop(held);
        expect_gone(&exchange, EVERY, "before the last guard was").await;
    });
    // It is just growing: connections take their time, or never come.
    for hangs in [0, 9] {
        story(async || {
            let config = AdaptiveConfig { connection_timeout: ms(700), ..between(1, 9) };
            let Desk { exchange, pool } = Desk::open(config).await;
            let desk = Desk { exchange: exchange.clone(), pool };
            let held = desk.need("from a pool with an idle one").await;
            exchange.connect_takes(ms(500)).hang_next(hangs);
            let traders: Vec<_> = (1..=4)
                .map(|_| desk.trader("a task", async |desk| desk.pool.get().await.is_ok()))
                .collect();
            desk.at(ms(250)).await;
            traders.iter().for_each(tokio::task::JoinHandle::abort);
            drop((held, traders, desk));
            expect_gone(
                &exchange,
                EVERY + ms(700),
                "while it grew, with a connection_timeout of 700 ms",
            )
            .await;
        });
    }
}

/// Fails unless a pool that has been dropped leaves nothing behind, in time.
async fn expect_gone(exchange: &Exchange, time: Duration, when: &str) {
    sleep(time + SLACK).await;
    let left = exchange.sessions();
    if left > 0 {
        fail(
            format!(
                "no connection open {} after the last `AdaptivePool` was dropped, {when}",
                clock(time)
            ),
            format!("{left} still open"),
        );
    }
    if tasks() > 0 {
        fail(
            format!(
                "no task of the pool left {} after the last `AdaptivePool` was dropped, {when}",
                clock(time)
            ),
            format!("{} left", tasks()),
        );
    }
}
