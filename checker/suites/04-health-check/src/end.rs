//! The end of a pool and of its checker: P10 and P18.

use std::time::Duration;

use crate::graded::{HealthConfig, PoolError};
use harness::tasks::{all_home, ends, tasks};
use harness::{Case, clock, fail};
use ledger::What;

use crate::desk::{Desk, SECOND, SLACK, at_each_poll, between, each_second, ms, story};
use crate::words::outcome;

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new("close_stops_the_checker", "P10", close_stops_the_checker)
            .title("close ends the checker and what is idle")
            .paused()
            .points(0.5)
            .lesson("the-end-of-a-task")
            .hints(&[
                "`Shared::shut` closes the pool. What goes on behind its back?",
                "Keep the `JoinHandle` of the checker's task in `Checker`: `abort` it, and await it, \
                 to know that it has gone.",
                "A connection that is just being pinged is not in the idle list. Who holds it when \
                 the task ends, and what does dropping it do then?",
                "Two call `close`, or one whose `close` is dropped while it waits: who has the \
                 handle then? Leave it in its place until the task has ended, under a lock of \
                 tokio's, which may be held across an `await`.",
            ]),
    ]
}

pub(crate) fn hard_cases() -> Vec<Case> {
    vec![
        Case::new("a_dropped_pool_ends", "P18", a_dropped_pool_ends)
            .title("a pool that is dropped ends its task")
            .paused()
            .hard()
            .points(0.5)
            .lesson("the-end-of-a-task")
            .hints(&[
                "Nobody calls `close`; the last `Pool` is dropped. What still keeps the pool alive?",
                "A task that owns an `Arc` of the pool keeps it for ever. While it sleeps, let it \
                 own a `Weak`, and end when there is nothing to upgrade to.",
            ]),
    ]
}

fn close_stops_the_checker() {
    // With one that waits and two that are lent out.
    story(async || {
        let desk = Desk::open(between(2, 2), each_second()).await;
        let mut held = desk.need_all(2, "from a pool with two idle ones").await;
        let waits = desk.trader("task A", async |desk| {
            let result = desk.get().await;
            let now = desk.now();
            if !matches!(result, Err(PoolError::Closed)) || now > ms(500) + SLACK {
                fail(
                    "Closed at 500 ms, when the pool was closed, for a task that waits",
                    format!("{} at {}", outcome(&result), clock(now)),
                );
            }
        });
        desk.at(ms(500)).await;
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
        expect_silence(&desk, ms(500)).await;
    });
    // While the checker sleeps, pings, restores, and pauses between attempts to restore.
    let moments = [
        (ms(1_500), "between two rounds"),
        (ms(1_015), "while connections were being pinged"),
        (ms(1_050), "while connections were being pinged, or one was being opened"),
        (ms(1_150), "while a connection was being opened"),
    ];
    for (moment, when) in moments {
        story(async || {
            let desk = Desk::open(between(3, 3), each_second()).await;
            desk.exchange.query_takes(ms(30)).connect_takes(ms(100));
            desk.at(ms(500)).await;
            desk.exchange.cut(2);
            closed_at(&desk, moment, when).await;
        });
    }
    story(async || {
        let desk = Desk::open(between(3, 3), each_second()).await;
        desk.at(ms(500)).await;
        desk.exchange.connect_takes(ms(10)).go_offline();
        desk.at(ms(4_250)).await;
        desk.exchange.come_back();
        closed_at(&desk, ms(4_250), "after an outage, before anything was restored").await;
    });
    story(async || {
        let desk = in_a_long_pause().await;
        closed_at(&desk, desk.now(), "in a pause of 30 s after a connect that failed").await;
    });
    story(async || {
        let desk = Desk::open(between(2, 3), each_second()).await;
        desk.at(ms(500)).await;
        desk.exchange.cut(2);
        desk.exchange.hang_next(1);
        let when = "while the checker waited for a connect that never ends";
        closed_at(&desk, 2 * SECOND, when).await;
    });
    // The checker's task has not run yet.
    story(async || {
        let desk = Desk::new(between(2, 3), each_second()).await;
        closed_at(&desk, desk.now(), "right after `Pool::new`").await;
    });
    close_and_close_again();
}

/// A checker that sleeps can end at once, and it has ended when any `close` returns.
fn close_and_close_again() {
    story(async || {
        let desk = Desk::open(between(2, 2), each_second()).await;
        desk.at(ms(1_500)).await;
        let closes = async || {
            desk.close().await;
            expect_no_task(
                "when `close` returns, for each of two that are called at the same time",
            );
        };
        tokio::join!(closes(), closes());
    });
    at_each_poll(async |cut| {
        let desk = Desk::open(between(2, 2), each_second()).await;
        desk.at(ms(1_500)).await;
        let done = cut.apply(desk.pool.close()).await.is_some();
        desk.close().await;
        expect_no_task(&format!("when `close` returns, after another one was dropped {cut}"));
        desk.expect_sessions(
            0,
            &format!("after a `close` that was dropped {cut}, and another one"),
        )
        .await;
        done
    });
}

fn expect_no_task(when: &str) {
    if tasks() > 0 {
        fail(format!("no task of the pool to be left {when}"), format!("{} left", tasks()));
    }
}

/// A desk whose checker pauses for 30 s, because it could not restore a connection.
async fn in_a_long_pause() -> Desk {
    let health =
        HealthConfig { backoff_min: 30 * SECOND, backoff_max: 30 * SECOND, ..each_second() };
    let desk = Desk::open(between(2, 2), health).await;
    desk.at(ms(500)).await;
    desk.exchange.refuse_next(1).cut(1);
    desk.at(ms(2_500)).await;
    desk
}

/// Closes the pool at this moment, twice at the same time; nothing is lent out.
async fn closed_at(desk: &Desk, moment: Duration, when: &str) {
    desk.at(moment).await;
    tokio::join!(closed_in_time(desk, moment, when), closed_in_time(desk, moment, when));
    expect_silence(desk, desk.now()).await;
}

async fn closed_in_time(desk: &Desk, moment: Duration, when: &str) {
    desk.close().await;
    let took = desk.now().saturating_sub(moment);
    if took > ms(200) + SLACK {
        fail(
            "`close` to return as soon as the pings that are under way have ended, after a \
             ping_timeout of 200 ms at the latest",
            format!("it returned {} later, called {when}", clock(took)),
        );
    }
    let told = format!("after `close`, called twice {when}, has returned");
    desk.expect_sessions(0, &told).await;
    expect_no_task(&told);
}

/// Fails if anything is pinged or opened from `since` on, or a task of the pool goes on.
async fn expect_silence(desk: &Desk, since: Duration) {
    desk.at(since + 10 * SECOND).await;
    let late = desk.events().into_iter().find(|event| {
        event.at > since + SLACK
            && matches!(event.what, What::Pinged { .. } | What::Connecting { .. })
    });
    if let Some(event) = late {
        let what = match event.what {
            What::Pinged { conn, .. } => format!("a ping of {conn}"),
            _ => "an attempt to connect".to_owned(),
        };
        fail(
            format!("nothing to be pinged or opened after the end at {}", clock(since)),
            format!("{what} at {}", clock(event.at)),
        );
    }
    if tasks() > 0 {
        fail(
            format!("no task of the pool to be left after the end at {}", clock(since)),
            format!("{} left 10 s later", tasks()),
        );
    }
}

fn a_dropped_pool_ends() {
    let moments = [
        (ms(1_500), "between two rounds"),
        (ms(1_050), "in the middle of a round"),
        (ms(3_050), "while connecting failed"),
    ];
    for (moment, when) in moments {
        story(async || {
            let Desk { exchange, pool } = Desk::open(between(3, 3), each_second()).await;
            let desk = Desk { exchange: exchange.clone(), pool };
            exchange.query_takes(ms(90));
            if moment > SECOND * 2 {
                desk.at(ms(1_900)).await;
                exchange.connect_takes(ms(10)).go_offline();
            }
            desk.at(moment).await;
            drop(desk);
            expect_gone(&exchange, when).await;
        });
    }
    story(async || {
        let Desk { exchange, pool } = in_a_long_pause().await;
        drop(pool);
        expect_gone(&exchange, "in a pause of 30 s").await;
    });
    story(async || {
        let Desk { exchange, pool } = Desk::new(between(2, 3), each_second()).await;
        drop(pool);
        expect_gone(&exchange, "right after `Pool::new`").await;
    });
    // A guard is out when the last `Pool` goes.
    story(async || {
        let Desk { exchange, pool } = Desk::open(between(2, 2), each_second()).await;
        let desk = Desk { exchange: exchange.clone(), pool };
        let mut held = desk.need("from a pool with two idle ones").await;
        desk.at(ms(1_500)).await;
        drop(desk);
        held.order().await;
        drop(held);
        expect_gone(&exchange, "before the last guard was").await;
    });
}

/// Fails unless a pool that has been dropped leaves nothing behind, in time.
async fn expect_gone(exchange: &fixtures::exchange::Exchange, when: &str) {
    // An interval, and a round of three that began just then.
    ends("the time that a pool has to end", tokio::time::sleep(SECOND + 3 * ms(200) + SLACK)).await;
    let left = exchange.sessions();
    if left > 0 {
        fail(
            format!(
                "no connection open an interval and a round after the last `Pool` was dropped, \
                 {when}"
            ),
            format!("{left} still open"),
        );
    }
    if tasks() > 0 {
        fail(
            format!(
                "no task of the pool left an interval after the last `Pool` was dropped, {when}"
            ),
            format!("{} left", tasks()),
        );
    }
}
