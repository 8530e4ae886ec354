//! A queue with an end, and those whom it does not bind: P7, P8, P10.

use std::time::Duration;

use harness::tasks::{all_home, home};
use harness::{Case, clock, fail};
use priority_pool::{Priority, PriorityConfig, PriorityError};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::desk::{BEGIN, Desk, SLACK, ms, order, story, up_to};
use crate::rush::{RETURN, Rush};
use crate::words::outcome;

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new("a_full_queue_refuses", "P7", a_full_queue_refuses)
            .title("QueueFull at exactly the limit, and at once")
            .paused()
            .points(1.0)
            .lesson("a-queue-with-an-end")
            .hints(&[
                "How many normal ones wait already, at the moment at which one more would have to? \
                 Compare that with `normal_queue`.",
                "Look at the queue last: first for an idle connection, then for room to open one. Who \
                 need not wait is never refused.",
                "Who has been served does not wait any more: its place in the queue is free.",
            ]),
        Case::new("critical_enters_a_full_queue", "P8", critical_enters_a_full_queue)
            .title("a critical request may always wait")
            .paused()
            .points(0.5)
            .lesson("a-queue-with-an-end")
            .hints(&[
                "`normal_queue` bounds one of the two queues. Do you count the other one as well?",
            ]),
        Case::new("who_leaves_frees_the_queue", "P10", who_leaves_frees_the_queue)
            .title("a request that gives up frees its place in the queue")
            .paused()
            .points(0.5)
            .lesson("dropped-in-the-queue")
            .hints(&[
                "A time-out drops the future that waits. Is its entry in the queue still there \
                 afterwards, and is it counted?",
                "A value with a `Drop` that takes the entry out of the queue, owned by the future: it \
                 works for a time-out, for a `select!` and for an aborted task alike.",
            ]),
    ]
}

/// A queue of this length before one connection.
fn queue(normal_queue: usize) -> PriorityConfig {
    PriorityConfig { normal_queue, ..up_to(1) }
}

/// Fails unless a normal request is refused at once now; `why` continues "`QueueFull` at once".
async fn expect_refused(desk: &Desk, why: &str) {
    let asked = desk.now();
    let result = desk.get(Priority::Normal).await;
    let now = desk.now();
    if !matches!(result, Err(PriorityError::QueueFull)) || now > asked + SLACK {
        fail(
            format!("QueueFull at once, at {}, {why}", clock(asked)),
            format!("{} at {}", outcome(&result), clock(now)),
        );
    }
}

fn a_full_queue_refuses() {
    for limit in [0, 1, 3] {
        story(async || {
            let mut rush = Rush::at_desk(queue(limit)).await;
            let held = rush.desk.need_all(1, "from a new pool, whatever its queue").await;
            let waiting: Vec<String> = (1..=limit).map(|number| format!("N{number}")).collect();
            rush.ask(&waiting.join(" "));
            rush.desk.at(BEGIN + ms(50)).await;
            for _ in 0..2 {
                let why = format!("with normal_queue {limit} and {limit} that wait");
                expect_refused(&rush.desk, &why).await;
            }
            rush.begin(held).await;
            rush.expect_steady(&waiting.join(" "), "those who were let into the queue").await;
        });
        // Who finds a connection, or room for one, needs no queue.
        story(async || {
            let config = PriorityConfig { max_connections: 3, ..queue(limit) };
            let desk = Desk::open(config).await;
            let held = desk.need_all(3, &format!("with normal_queue {limit} and room for 3")).await;
            drop(held);
            drop(desk.need_all(3, &format!("with normal_queue {limit} and 3 idle ones")).await);
        });
    }
    // Who has been served does not wait any more.
    story(async || {
        let mut rush = Rush::at_desk(queue(2)).await;
        let held = rush.desk.need_all(1, "from a new pool").await;
        rush.ask("N1 N2");
        // Normal 1 has the connection; one waits.
        rush.asks(RETURN + ms(5), "N3");
        rush.begin(held).await;
        rush.desk.at(RETURN + ms(6)).await;
        expect_refused(&rush.desk, "with normal_queue 2, when the first of 3 has been served")
            .await;
        rush.expect_steady("N1 N2 N3", "with normal_queue 2").await;
    });
}

fn critical_enters_a_full_queue() {
    for limit in [0, 2] {
        story(async || {
            let mut rush = Rush::at_desk(queue(limit)).await;
            let held = rush.desk.need_all(1, "from a new pool").await;
            let (first, then) = if limit == 0 {
                ("C1 C2 C3", "C1 C2 C3")
            } else {
                ("N1 N2 C1 C2 C3", "C1 C2 C3 N1 N2")
            };
            rush.ask(first);
            rush.desk.at(BEGIN + ms(50)).await;
            let why = format!("with normal_queue {limit}, and {first} that wait");
            expect_refused(&rush.desk, &why).await;
            rush.begin(held).await;
            rush.expect_steady(then, &format!("with normal_queue {limit}")).await;
        });
    }
    // They take no normal one's place.
    story(async || {
        let mut rush = Rush::at_desk(queue(2)).await;
        let held = rush.desk.need_all(1, "from a new pool").await;
        rush.ask("C1 C2 C3 C4 N1 N2");
        rush.begin(held).await;
        rush.expect_steady("C1 C2 C3 C4 N1 N2", "with normal_queue 2 and 4 critical ones").await;
    });
    // A hundred of them.
    order(async || {
        let mut rush = Rush::at_desk(queue(1)).await;
        let held = rush.desk.need_all(1, "from a new pool").await;
        let codes: Vec<String> = (1..=100).map(|number| format!("C{number}")).collect();
        rush.ask(&codes.join(" "));
        rush.desk.at(BEGIN + ms(400)).await;
        drop(held);
        rush.expect(&codes.join(" "), "100 critical ones with normal_queue 1").await;
    });
}

/// How a request leaves the queue.
#[derive(Clone, Copy, Debug)]
enum Leaves {
    TimesOut,
    IsDropped,
    IsAborted,
}

impl Leaves {
    fn told(self) -> &'static str {
        match self {
            Self::TimesOut => "whose time was over",
            Self::IsDropped => "whose future was dropped",
            Self::IsAborted => "whose task was aborted",
        }
    }

    /// One that waits from this moment on, and has left the queue 150 ms after [`BEGIN`].
    fn begins(self, desk: &Desk, name: &str, at: Duration, priority: Priority) -> JoinHandle<()> {
        desk.trader(name, async move |desk| {
            desk.at(at).await;
            let left = BEGIN + ms(150);
            match self {
                Self::TimesOut => drop(desk.get(priority).await),
                Self::IsDropped => drop(timeout(left.saturating_sub(at), desk.get(priority)).await),
                Self::IsAborted => {
                    let inner = desk.trader("task A", async move |desk| desk.get(priority).await);
                    desk.at(left).await;
                    inner.abort();
                    let _ = inner.await;
                }
            }
        })
    }
}

fn who_leaves_frees_the_queue() {
    for leaves in [Leaves::TimesOut, Leaves::IsDropped, Leaves::IsAborted] {
        story(async || one_leaves(leaves).await);
        story(async || critical_leaves(leaves).await);
    }
    // All of them leave, again and again.
    story(async || {
        let desk = Desk::open(queue(3)).await;
        let held = desk.need_all(1, "from a new pool").await;
        for round in 0..5 {
            let waiting = [(); 3].map(|()| {
                desk.trader("task A", async |desk| {
                    drop(timeout(ms(20), desk.get(Priority::Normal)).await);
                })
            });
            desk.at(BEGIN + ms(100) * round + ms(10)).await;
            let why = format!("with 3 of 3 waiting, in round {} of 5", round + 1);
            expect_refused(&desk, &why).await;
            all_home(waiting).await;
            desk.at(BEGIN + ms(100) * (round + 1)).await;
        }
        drop(held);
        desk.expect_whole(1, "after 15 requests that gave up").await;
    });
}

async fn one_leaves(leaves: Leaves) {
    let config = PriorityConfig { connection_timeout: ms(140), ..queue(2) };
    let mut rush = Rush::at_desk(config).await;
    let desk = rush.desk.clone();
    let held = desk.need_all(1, "from a new pool").await;
    let left = leaves.begins(&desk, "normal 1", BEGIN + ms(10), Priority::Normal);
    rush.asks(BEGIN + ms(50), "N2");
    desk.at(BEGIN + ms(60)).await;
    expect_refused(&desk, "with normal_queue 2 and 2 that wait").await;
    // At 160 ms one of two has left. It was the first; the second stays the first.
    desk.at(BEGIN + ms(160)).await;
    home(left).await;
    rush.asks(desk.now(), "N3");
    desk.at(BEGIN + ms(165)).await;
    let why =
        format!("with normal_queue 2, when one {} had left and another had come", leaves.told());
    expect_refused(&desk, &why).await;
    desk.at(BEGIN + ms(170)).await;
    drop(held);
    rush.expect("N2 N3", &format!("after normal 1, {}, had left", leaves.told())).await;
    desk.expect_whole(1, &format!("after one {}", leaves.told())).await;
}

/// A critical one that leaves frees no place in a queue in which it never stood.
async fn critical_leaves(leaves: Leaves) {
    let config = PriorityConfig { connection_timeout: ms(140), ..queue(1) };
    let mut rush = Rush::at_desk(config).await;
    let desk = rush.desk.clone();
    let held = desk.need_all(1, "from a new pool").await;
    let left = leaves.begins(&desk, "critical 1", BEGIN + ms(10), Priority::Critical);
    rush.asks(BEGIN + ms(50), "N1");
    desk.at(BEGIN + ms(160)).await;
    home(left).await;
    let why = format!("with normal_queue 1, when a critical one {} had left", leaves.told());
    expect_refused(&desk, &why).await;
    drop(held);
    rush.expect("N1", "when the critical one had left").await;
}
