//! What is under way when the pool is closed: a `close` that is dropped, and hundreds of connects. Parts
//! of P13.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use adaptive_pool::PoolError;
use harness::fail;
use harness::tasks::home;
use tokio::time::{sleep, timeout};

use crate::desk::{Desk, SLACK, at_each_poll, between, ms, order, story};
use crate::end::{expect_at_once, expect_no_task};
use crate::held::Held;
use crate::words::outcome;

/// A `get` that waits. It is not a task: those that are left in the end are the pool's.
type Waits<'a> = Pin<Box<dyn Future<Output = ()> + 'a>>;

/// Has so many wait, whom nobody has to serve.
async fn wait(desk: &Desk, count: u32) -> Vec<Waits<'_>> {
    let mut waiting: Vec<Waits<'_>> = Vec::new();
    for _ in 0..count {
        let mut get: Waits<'_> = Box::pin(async { drop(desk.pool.get().await) });
        poll_fn(|context| {
            let _ = get.as_mut().poll(context);
            Poll::Ready(())
        })
        .await;
        waiting.push(get);
    }
    waiting
}

/// A pool of one that is lent out and that grows from 200 ms on, though no connect is answered.
async fn growing() -> (Desk, Held) {
    let desk = Desk::open(between(1, 9)).await;
    let held = desk.need("from a pool with an idle one").await;
    desk.exchange.hang_next(9);
    (desk, held)
}

/// Such a `close` has closed the pool. What it did not wait for, the next one does.
pub(crate) fn dropped_half_way() {
    story(async || {
        let (desk, held) = growing().await;
        let waits = desk.trader("task A", async |desk| {
            let result = desk.get().await;
            if !matches!(result, Err(PoolError::Closed)) {
                fail(
                    "Closed for a task that waits when the pool is closed, though that `close` was \
                     dropped after its first poll",
                    outcome(&result),
                );
            }
        });
        desk.at(ms(450)).await;
        // Polls it once, and drops it.
        let _ = timeout(Duration::ZERO, desk.pool.close()).await;
        home(waits).await;
        sleep(SLACK).await;
        let late = desk.get().await;
        if !matches!(late, Err(PoolError::Closed)) {
            fail(
                "Closed for a task that asks when the pool was closed, though that `close` was dropped \
                 after its first poll",
                outcome(&late),
            );
        }
        drop(held);
    });
    at_each_poll(async |cut| {
        let (desk, held) = growing().await;
        let waiting = wait(&desk, 4).await;
        desk.at(ms(450)).await;
        let done = cut.apply(desk.pool.close()).await.is_some();
        desk.close().await;
        let when = format!("while the pool grew, after another one was dropped {cut}");
        expect_no_task(&format!("when `close` returns {when}"));
        expect_at_once(&desk, ms(450), &when);
        drop((waiting, held));
        desk.expect_sessions(0, &format!("when `close` has returned {when}")).await;
        done
    });
}

/// All have ended when `close` returns, and are not only asked to. A runtime of one thread runs some
/// sixty tasks before it looks at who waits for one of them.
pub(crate) fn hundreds_end() {
    order(async || {
        let desk = Desk::open(between(200, 900)).await;
        let held = desk.need_all(200, "from a pool with 200 idle ones").await;
        desk.exchange.connect_takes(ms(1_030));
        let waiting = wait(&desk, 600).await;
        desk.at(ms(250)).await;
        let begun = desk.decided();
        let closes = async || {
            desk.close().await;
            expect_no_task(&format!(
                "when `close` returns at 250 ms, with a connect under way for each place of {begun}: \
                 each has ended, and was not only asked to"
            ));
        };
        tokio::join!(closes(), closes());
        drop((waiting, held));
    });
}
