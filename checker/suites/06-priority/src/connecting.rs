//! A connect that goes wrong: P18.

use std::time::Duration;

use harness::tasks::{ends, home};
use harness::{Case, clock, fail};
use priority_pool::{Priority, PriorityConfig, PriorityError};
use tokio::task::JoinHandle;

use crate::desk::{BEGIN, Desk, SLACK, ms, story, up_to};
use crate::rush::Rush;
use crate::words::{outcome, priority, who};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new("a_failed_connect_lets_the_next_try", "P18", a_failed_connect_lets_the_next_try)
            .title("a connect that fails tells its caller, and the next one tries")
            .paused()
            .hard()
            .points(0.5)
            .lesson("the-place-and-the-connection")
            .hints(&[
                "Three ways out of `connect` beside a connection: an error, a panic, no answer. What \
                 becomes of the place on each, and who is told?",
                "Let a value in the future own the place while it connects. `?`, unwinding and a \
                 time-out all drop it, and its `Drop` gives the place to the next in order.",
            ]),
    ]
}

/// How a connect goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wrong {
    Fails,
    Panics,
    Hangs,
}

const LIMIT: Duration = ms(200);
const CONNECT: Duration = ms(30);

impl Wrong {
    fn told(self) -> &'static str {
        match self {
            Self::Fails => "was refused",
            Self::Panics => "panicked",
            Self::Hangs => "did not answer",
        }
    }

    fn script(self, desk: &Desk, times: usize) {
        match self {
            Self::Fails => desk.exchange.refuse_next(times),
            Self::Panics => desk.exchange.panic_next(times),
            Self::Hangs => desk.exchange.hang_next(times),
        };
    }

    /// How long after it began, and its request with it, its caller must know.
    fn takes(self) -> Duration {
        if self == Self::Hangs { LIMIT } else { CONNECT }
    }

    /// One that asks now, connects, and must be told what happened.
    fn caller(self, desk: &Desk, code: &'static str) -> JoinHandle<()> {
        let name = who(code);
        let due = desk.now() + self.takes();
        desk.trader(&who(code), async move |desk| {
            // In a task of its own: it may panic.
            let get = desk.trader(&name, async move |desk| {
                let result = desk.get(priority(code)).await;
                let told = outcome(&result);
                let fine = match self {
                    Self::Fails => matches!(result, Err(PriorityError::Connect(_))),
                    // An answer in the place of a panic is fine, if it is no time-out.
                    Self::Panics => !matches!(result, Ok(_) | Err(PriorityError::Timeout)),
                    Self::Hangs => matches!(result, Err(PriorityError::Timeout)),
                };
                (fine, told)
            });
            let result = ends("a `get` whose connect went wrong", get).await;
            let (fine, told) = result.unwrap_or((self == Self::Panics, "a panic".to_owned()));
            let now = desk.now();
            if !fine || now > due + SLACK {
                fail(
                    format!(
                        "{} to be told at {} that its connect {}",
                        name,
                        clock(due),
                        self.told()
                    ),
                    format!("{told} at {}", clock(now)),
                );
            }
        })
    }
}

fn a_failed_connect_lets_the_next_try() {
    for wrong in [Wrong::Fails, Wrong::Panics, Wrong::Hangs] {
        for code in ["N1", "C1"] {
            story(async || goes_wrong(wrong, code).await);
        }
        story(async || in_the_place_of_a_broken_one(wrong).await);
    }
    for wrong in [Wrong::Fails, Wrong::Panics] {
        story(async || one_after_the_other(wrong).await);
    }
    // Nobody waits: the place is free.
    story(async || {
        let desk = Desk::open(up_to(1)).await;
        desk.exchange.refuse_next(2);
        for _ in 0..2 {
            let result = desk.get(Priority::Normal).await;
            if !matches!(result, Err(PriorityError::Connect(_))) {
                fail("Connect, when the exchange refused", outcome(&result));
            }
        }
        desk.expect_whole(1, "after two connects that were refused").await;
    });
}

fn config() -> PriorityConfig {
    PriorityConfig { connection_timeout: LIMIT, ..up_to(1) }
}

/// It opens the only connection; others wait for it.
async fn goes_wrong(wrong: Wrong, code: &'static str) {
    let desk = Desk::open(config()).await;
    desk.exchange.connect_takes(CONNECT);
    wrong.script(&desk, 1);
    let caller = wrong.caller(&desk, code);
    let mut rush = Rush::at(&desk);
    // Late enough to have time left when the first one has none.
    let fails = BEGIN + wrong.takes();
    rush.asks(fails.saturating_sub(ms(20)), "N8");
    rush.asks(fails.saturating_sub(ms(15)), "C9");
    let when = format!("after the connect of {} {}", who(code), wrong.told());
    let last = rush.expect("C9 N8", &when).await;
    home(caller).await;
    let due = fails + CONNECT + ms(10);
    if last > due + 2 * SLACK {
        fail(
            format!(
                "critical 9 to try at once, and normal 8 to be served by {}, {when}",
                clock(due)
            ),
            format!("normal 8 was served at {}", clock(last)),
        );
    }
    desk.expect_attempts(2, &format!("{when}, and one more time for both"));
    desk.expect_peak(1, ", with max_connections 1");
    desk.expect_whole(1, &when).await;
}

/// It waited, and its turn was the place of a broken one.
async fn in_the_place_of_a_broken_one(wrong: Wrong) {
    let desk = Desk::open(config()).await;
    let held = desk.need_all(1, "from a new pool").await;
    desk.exchange.connect_takes(CONNECT);
    wrong.script(&desk, 1);
    desk.exchange.kill(held[0].id());
    let first = desk.trader("critical 1", async move |desk| {
        let get =
            desk.trader("critical 1", async |desk| desk.get(Priority::Critical).await.is_ok());
        if let Ok(true) = get.await {
            fail(
                format!("no connection for critical 1, whose connect {}", wrong.told()),
                "a connection",
            );
        }
        desk.now()
    });
    let mut rush = Rush::at(&desk);
    rush.asks(BEGIN + ms(60), "N8");
    desk.at(BEGIN + ms(70)).await;
    drop(held);
    let when = format!("after the connect of critical 1 {}", wrong.told());
    let last = rush.expect("N8", &when).await;
    let told = home(first).await;
    if last > told + CONNECT + SLACK {
        fail(
            format!("normal 8 to try at {}, {when}", clock(told)),
            format!("it was served at {}, and connecting takes {}", clock(last), clock(CONNECT)),
        );
    }
    desk.expect_whole(1, &when).await;
}

/// Three in a row go wrong: each tells one, in the order of asking.
async fn one_after_the_other(wrong: Wrong) {
    let times = 3;
    let desk = Desk::open(config()).await;
    desk.exchange.connect_takes(CONNECT);
    wrong.script(&desk, times);
    let mut told = Vec::new();
    for number in 0..4u32 {
        told.push(desk.trader("task A", async move |desk| {
            desk.at(BEGIN + ms(2) * number).await;
            let get = desk.trader("task A", async |desk| desk.get(Priority::Normal).await.is_ok());
            let got = matches!(get.await, Ok(true));
            (got, desk.now())
        }));
    }
    for (number, told) in told.into_iter().enumerate() {
        let (got, at) = home(told).await;
        if got != (number >= times) {
            fail(
                format!(
                    "the first {times} of 4 to be told that their connects went wrong, in the \
                    order of asking, and nobody else"
                ),
                format!(
                    "number {} had {} at {}",
                    number + 1,
                    if got { "a connection" } else { "none" },
                    clock(at)
                ),
            );
        }
    }
    desk.expect_whole(1, "after connects that went wrong one after the other").await;
}
