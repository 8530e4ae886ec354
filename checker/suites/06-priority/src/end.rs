//! The end of a pool: P19.

use harness::tasks::{all_home, home};
use harness::{Case, clock, fail};
use priority_pool::{Priority, PriorityConfig, PriorityError, Status};

use crate::desk::{BEGIN, Desk, SLACK, ms, order, poll_once, story, up_to};
use crate::places;
use crate::words::{outcome, priority, who};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new("close_ends_the_waiting", "P19", close_ends_the_waiting)
            .title("close ends all waiting, and what is lent out is closed later")
            .paused()
            .hard()
            .points(0.5)
            .lesson("the-end-of-a-queue")
            .hints(&[
                "Who waits when the pool is closed, and how does it hear of that? Dropping a \
                 `oneshot::Sender` tells the other end.",
                "A guard comes back to a closed pool: where does its connection go? And a place, or a \
                 connect that ends after the end?",
                "Whoever has got the place of a broken one just before the end must look once more \
                 before it connects.",
            ]),
    ]
}

fn close_ends_the_waiting() {
    // Three are lent out, one of them idle again; four wait.
    story(async || {
        let desk = Desk::open(up_to(2)).await;
        let mut held = desk.need_all(2, "from a pool that may have 2").await;
        let traders = ["N1", "C1", "N2", "C2"].map(|code| waits_for_the_end(&desk, code));
        desk.at(BEGIN + ms(50)).await;
        close(&desk);
        all_home(traders).await;
        expect_closed(&desk).await;
        held[0].order().await;
        desk.expect_sessions(2, "while two are lent out by a closed pool").await;
        held.pop();
        desk.expect_sessions(1, "when one of two has come back to a closed pool").await;
        close(&desk);
        expect_closed(&desk).await;
        if let Some(last) = held.first() {
            desk.exchange.kill(last.id());
        }
        drop(held);
        desk.expect_sessions(0, "when both have come back to a closed pool").await;
        expect_closed(&desk).await;
        desk.expect_attempts(2, "by a pool that was closed with two lent out");
    });
    // What is idle is closed; there is room, and nobody gets it.
    story(async || {
        let desk = Desk::open(up_to(4)).await;
        let mut held = desk.need_all(3, "from a pool that may have 4").await;
        drop(held.split_off(1));
        desk.at(BEGIN + ms(10)).await;
        close(&desk);
        close(&desk);
        desk.expect_sessions(1, "after `close`, with one lent out and two idle").await;
        expect_closed(&desk).await;
        drop(held);
        desk.expect_sessions(0, "when the last one has come back to a closed pool").await;
        desk.expect_attempts(3, "by a pool that was closed with room for one more");
    });
    // By a clone, which is dropped then.
    story(async || {
        let desk = Desk::open(up_to(1)).await;
        drop(desk.need_all(1, "from a new pool").await);
        let clone = desk.pool.clone();
        clone.close();
        drop(clone);
        desk.expect_sessions(0, "after `close`, called on a clone").await;
        expect_closed(&desk).await;
    });
    nobody_waits_from_then_on();
    while_it_connects();
    in_the_same_instant();
    places::closed_while_it_comes_back();
    handles_go();
}

fn close(desk: &Desk) {
    desk.pool.close();
}

/// One that must get `Closed` at 150 ms.
fn waits_for_the_end(desk: &Desk, code: &'static str) -> tokio::task::JoinHandle<()> {
    desk.trader(&who(code), async move |desk| {
        desk.at(BEGIN + ms(10)).await;
        let result = desk.get(priority(code)).await;
        let (now, end) = (desk.now(), BEGIN + ms(50));
        if !matches!(result, Err(PriorityError::Closed)) || now > end + SLACK {
            fail(
                format!("Closed for {}, which waited, at {}", who(code), clock(end)),
                format!("{} at {}", outcome(&result), clock(now)),
            );
        }
    })
}

/// Fails unless a closed pool says so to everybody, and nobody waits there.
async fn expect_closed(desk: &Desk) {
    for code in ["C9", "N9"] {
        let asked = desk.now();
        let result = desk.get(priority(code)).await;
        if !matches!(result, Err(PriorityError::Closed)) || desk.now() > asked + SLACK {
            fail(
                format!("Closed at once for {}, who asked after the end", who(code)),
                format!("{} after {}", outcome(&result), clock(desk.now().saturating_sub(asked))),
            );
        }
    }
    let status = desk.pool.status();
    if (status.waiting_critical, status.waiting_normal) != (0, 0) {
        fail(
            "waiting_critical 0 and waiting_normal 0 of a pool that is closed",
            format!("{} and {}", status.waiting_critical, status.waiting_normal),
        );
    }
}

/// Nobody waits in a closed pool, whether his task has run or not; nor is its queue ever full.
fn nobody_waits_from_then_on() {
    for normal_queue in [0, 1] {
        order(async || {
            let desk = Desk::open(PriorityConfig { normal_queue, ..up_to(1) }).await;
            let held = desk.need_all(1, "from a new pool").await;
            let mut gets = Vec::new();
            for code in ["C1", "N1"].into_iter().take(1 + normal_queue) {
                let mut get = Box::pin(desk.get(priority(code)));
                if let Some(early) = poll_once(&mut get).await {
                    let expected = format!("{} to wait for the only connection", who(code));
                    fail(expected, outcome(&early));
                }
                gets.push((code, get));
            }
            close(&desk);
            desk.at(desk.now() + SLACK).await;
            let Status { waiting_critical, waiting_normal, .. } = desk.pool.status();
            if (waiting_critical, waiting_normal) != (0, 0) {
                fail(
                    "status() to say waiting_critical 0 and waiting_normal 0 of a pool that has been \
                     closed, also before the tasks of those that waited have run",
                    format!("waiting_critical {waiting_critical}, waiting_normal {waiting_normal}"),
                );
            }
            for (code, get) in gets {
                let result = get.await;
                if !matches!(result, Err(PriorityError::Closed)) {
                    fail(format!("Closed for {}, which waited", who(code)), outcome(&result));
                }
            }
            // The only one is lent out, and a queue of none is full.
            expect_closed(&desk).await;
            drop(held);
        });
    }
}

/// Somebody is opening a connection; another one waits.
fn while_it_connects() {
    for refused in [false, true] {
        story(async || {
            let desk = Desk::open(up_to(1)).await;
            desk.exchange.connect_takes(ms(100)).refuse_next(usize::from(refused));
            let opens = desk.trader("normal 1", async |desk| {
                let result = desk.get(Priority::Normal).await;
                if let Err(PriorityError::Timeout | PriorityError::QueueFull) = &result {
                    fail(
                        "a connection, or Closed, for a `get` that was opening one at the end",
                        outcome(&result),
                    );
                }
                desk.at(desk.now() + ms(50)).await;
            });
            let waits = waits_for_the_end(&desk, "C1");
            desk.at(BEGIN + ms(50)).await;
            close(&desk);
            home(waits).await;
            expect_closed(&desk).await;
            home(opens).await;
            desk.expect_sessions(
                0,
                "when a connection has come home that was being opened at the end",
            )
            .await;
            desk.expect_attempts(1, "by a pool that was closed while it opened its first one");
        });
    }
}

/// A turn comes, and before anybody can run, the pool is closed.
fn in_the_same_instant() {
    for broken in [false, true] {
        story(async || {
            let desk = Desk::open(up_to(1)).await;
            let held = desk.need_all(1, "from a new pool").await;
            let traders = ["C1", "N1"].map(|code| {
                desk.trader(&who(code), async move |desk| {
                    let result = desk.get(priority(code)).await;
                    let (now, end) = (desk.now(), BEGIN + ms(50));
                    if !matches!(result, Ok(_) | Err(PriorityError::Closed)) || now > end + SLACK {
                        fail(
                            format!("a connection, or Closed, for {} at {}", who(code), clock(end)),
                            format!("{} at {}", outcome(&result), clock(now)),
                        );
                    }
                })
            });
            desk.at(BEGIN + ms(50)).await;
            if broken {
                desk.exchange.kill(held[0].id());
            }
            drop(held);
            close(&desk);
            all_home(traders).await;
            let when = "by a pool that was closed in the instant in which one came back";
            desk.expect_attempts(1, when);
            let when = "when all have gone home from a pool that was closed in the instant in which \
                        one came back, and was to go to critical 1";
            desk.expect_sessions(0, when).await;
        });
    }
}

/// Nobody closes it; the handles go, and then the guards.
fn handles_go() {
    story(async || {
        let desk = Desk::open(up_to(3)).await;
        let exchange = desk.exchange.clone();
        let mut held = desk.need_all(3, "from a pool that may have 3").await;
        drop(held.pop());
        drop(desk);
        for held in &mut held {
            held.order().await;
        }
        drop(held);
        tokio::time::sleep(SLACK).await;
        if exchange.sessions() > 0 {
            fail(
                "nothing to be open when the last handle and the last guard are gone",
                harness::open_connections(exchange.sessions()),
            );
        }
    });
    // A handle that was cloned and dropped closes nothing.
    story(async || {
        let desk = Desk::open(up_to(1)).await;
        let held = desk.need_all(1, "from a new pool").await;
        drop(desk.pool.clone());
        drop(held);
        desk.expect_sessions(1, "when a clone of the pool has been dropped").await;
        desk.expect_whole(1, "when a clone of the pool has been dropped").await;
    });
}
