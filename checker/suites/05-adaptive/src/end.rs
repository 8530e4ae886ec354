//! What `close` ends: P13.

use std::time::Duration;

use adaptive_pool::{AdaptiveConfig, PoolError};
use harness::tasks::{all_home, ends, tasks};
use harness::{Case, clock, fail};

use crate::desk::{Desk, EVERY, SLACK, at_each_poll, between, ms, steady, story};
use crate::under_way;
use crate::words::outcome;

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new("close_ends_the_sampling", "P13", close_ends_the_sampling)
            .title("close ends the sampling and what is idle")
            .paused()
            .points(0.5)
            .lesson("the-end-of-a-task")
            .hints(&[
                "`Shared::shut` closes the pool. What goes on behind its back?",
                "Keep the `JoinHandle` of your task in `Sampling`: `abort` it, and await it, to know \
                 that it has gone. If it has tasks of its own, they must have gone as well: a \
                 `JoinSet` that is dropped only asks its tasks to end, `shutdown().await` waits \
                 until they have.",
                "A connection that was just being opened comes to a pool that is closed: is it closed \
                 as well?",
                "Two call `close`, or one whose `close` is dropped while it waits: who has the handle \
                 then? Leave it in its place until the task has ended, under a lock of tokio's, which \
                 may be held across an `await`.",
            ]),
    ]
}

fn close_ends_the_sampling() {
    // With one that waits and two that are lent out.
    story(async || {
        let desk = Desk::open(steady(2, 9)).await;
        let mut held = desk.need_all(2, "from a pool with two idle ones").await;
        let waits = desk.trader("task A", async |desk| {
            let result = desk.get().await;
            let now = desk.now();
            if !matches!(result, Err(PoolError::Closed)) || now > ms(550) + SLACK {
                fail(
                    "Closed at 550 ms, when the pool was closed, for a task that waits",
                    format!("{} at {}", outcome(&result), clock(now)),
                );
            }
        });
        desk.at(ms(550)).await;
        desk.close().await;
        all_home([waits]).await;
        let late = desk.get().await;
        if !matches!(late, Err(PoolError::Closed)) {
            fail("Closed from a pool that has been closed", outcome(&late));
        }
        held[0].order().await;
        desk.expect_sessions(2, "while two are lent out by a closed pool").await;
        drop(held.pop());
        desk.expect_sessions(1, "when one of two has come back to a closed pool").await;
        desk.close().await;
        drop(held);
        desk.expect_sessions(0, "when both have come back to a closed pool").await;
        expect_silence(&desk, ms(550)).await;
    });
    story(async || {
        let desk = Desk::open(between(3, 9)).await;
        closed_at(&desk, ms(0), "right after `new`").await;
    });
    story(async || {
        let desk = Desk::open(between(3, 9)).await;
        closed_at(&desk, ms(350), "between two samples").await;
    });
    story(async || {
        let desk =
            Desk::open(AdaptiveConfig { sample_every: Duration::MAX, ..between(3, 9) }).await;
        closed_at(&desk, ms(350), "with a sample_every of Duration::MAX").await;
    });
    story(async || {
        let desk = Desk::open(between(2, 9)).await;
        desk.fill(9).await;
        let now = desk.now();
        closed_at(&desk, now + ms(20), "when nine had just come home").await;
    });
    while_it_grows();
    close_and_close_again();
    under_way::dropped_half_way();
    under_way::hundreds_end();
}

/// Connections are being opened, or never come.
fn while_it_grows() {
    for (hangs, when) in [
        (0, "while connections that take 500 ms were being opened for a `Grow`"),
        (9, "while the pool grew, and no connect was ever answered"),
    ] {
        story(async || {
            let desk = Desk::open(between(1, 9)).await;
            let held = desk.need("from a pool with an idle one").await;
            desk.exchange.connect_takes(ms(500)).hang_next(hangs);
            let wait = async |desk: Desk| {
                let result = desk.get().await;
                if !matches!(result, Err(PoolError::Closed)) {
                    fail(
                        "Closed at 450 ms, when the pool was closed, for a task that waits",
                        outcome(&result),
                    );
                }
            };
            let waiting: Vec<_> =
                (1..=4).map(|number| desk.trader(&format!("task {number}"), wait)).collect();
            desk.at(ms(450)).await;
            let closes = async || {
                desk.close().await;
                expect_at_once(&desk, ms(450), when);
            };
            tokio::join!(closes(), closes());
            all_home(waiting).await;
            let told = format!("while one is lent out by a pool that was closed {when}");
            desk.expect_sessions(1, &told).await;
            drop(held);
            let told = format!("when it has come back to a pool that was closed {when}");
            desk.expect_sessions(0, &told).await;
            expect_silence(&desk, ms(450)).await;
        });
    }
}

/// Closes the pool at this moment, twice at the same time.
async fn closed_at(desk: &Desk, moment: Duration, when: &str) {
    desk.at(moment).await;
    tokio::join!(closed_in_time(desk, moment, when), closed_in_time(desk, moment, when));
    expect_silence(desk, desk.now()).await;
}

async fn closed_in_time(desk: &Desk, moment: Duration, when: &str) {
    desk.close().await;
    expect_at_once(desk, moment, when);
    let told = format!("after `close`, called twice {when}, has returned");
    desk.expect_sessions(0, &told).await;
    expect_no_task(&told);
}

/// Fails if a `close` that was called at this moment has returned late.
pub(crate) fn expect_at_once(desk: &Desk, moment: Duration, when: &str) {
    let took = desk.now().saturating_sub(moment);
    if took > SLACK {
        fail(
            "`close` to return at once",
            format!("it returned {} later, called {when}", clock(took)),
        );
    }
}

/// Fails if a task of the pool is left. The traders of these stories have gone home, or wait for what
/// the pool owes them.
pub(crate) fn expect_no_task(when: &str) {
    if tasks() > 0 {
        fail(format!("no task of the pool left {when}"), format!("{} left", tasks()));
    }
}

/// Fails if anything is opened from `since` on, or a task of the pool goes on.
async fn expect_silence(desk: &Desk, since: Duration) {
    desk.at(since + 30 * EVERY).await;
    if let Some(late) = desk.attempts().into_iter().find(|&at| at > since + SLACK) {
        fail(
            format!("nothing to be opened after the end at {}", clock(since)),
            format!("an attempt to connect at {}", clock(late)),
        );
    }
    expect_no_task(&format!("after the end at {}", clock(since)));
}

/// A task that sleeps can end at once, and it has ended when any `close` returns.
fn close_and_close_again() {
    story(async || {
        let desk = Desk::open(between(2, 9)).await;
        desk.at(ms(350)).await;
        let closes = async || {
            desk.close().await;
            expect_no_task(
                "when `close` returns, for each of two that are called at the same time",
            );
        };
        tokio::join!(closes(), closes());
    });
    at_each_poll(async |cut| {
        let desk = Desk::open(between(2, 9)).await;
        desk.at(ms(350)).await;
        let done = cut.apply(desk.pool.close()).await.is_some();
        desk.close().await;
        expect_no_task(&format!("when `close` returns, after another one was dropped {cut}"));
        let when = format!("after a `close` that was dropped {cut}, and another one");
        desk.expect_sessions(0, &when).await;
        done
    });
    // One handle of several is dropped, or closes the pool for all.
    story(async || {
        let desk = Desk::open(between(2, 9)).await;
        drop(desk.pool.clone());
        desk.at(ms(230)).await;
        let why = "when one clone of the pool was dropped, and another one is there";
        let held = desk.need(why).await;
        desk.at(ms(330)).await;
        if desk.sample().in_use != 1 {
            fail(
                "the samples to go on when one clone of the pool was dropped, and another one is there",
                format!("in_use {} at 330 ms: one is lent out since 230 ms", desk.sample().in_use),
            );
        }
        drop(held);
        let clone = desk.pool.clone();
        ends("`close`", clone.close()).await;
        let late = desk.get().await;
        if !matches!(late, Err(PoolError::Closed)) {
            fail("Closed from a pool that a clone of it has closed", outcome(&late));
        }
    });
}
