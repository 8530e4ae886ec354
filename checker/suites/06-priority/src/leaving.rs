//! Futures that are dropped half-way, and time-outs that meet a turn: P14 and P15.

use std::time::Duration;

use harness::tasks::{Cut, home};
use harness::{Case, clock, fail};
use priority_pool::{Priority, PriorityConfig, PriorityError};
use tokio::time::timeout;

use crate::desk::{BEGIN, Desk, Outcome, SLACK, at_each_poll, ms, order, poll_once, up_to};
use crate::held::Held;
use crate::rush::{HOLD, Rush};
use crate::words::{outcome, priority, who};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new("a_dropped_turn_goes_on", "P14", a_dropped_turn_goes_on)
            .title("what a dropped get was given goes to the next in order")
            .paused()
            .hard()
            .points(0.5)
            .lesson("dropped-in-the-queue")
            .hints(&[
                "A future can be dropped after it has been woken and before it is polled again. Where \
                 is the connection at that moment, and who hears of it?",
                "Send nothing through the channel that is of no use to whoever finds it: a guard, or \
                 a place, whose `Drop` gives it to the next in order, not the bare connection.",
                "The same while it connects: the place must be owned by something in the future that \
                 gives it back, also when `connect` is dropped half-way. And the sender's `send` can \
                 fail: what it gives back to you has to go on to the next as well.",
            ]),
        Case::new("a_late_turn_goes_on", "P15", a_late_turn_goes_on)
            .title("a turn that meets a time-out is not lost")
            .paused()
            .hard()
            .points(0.5)
            .lesson("dropped-in-the-queue")
            .hints(&[
                "The turn comes and the time is over, in the same instant. Both are ready: which one \
                 does your code look at first, and what becomes of the other?",
                "After a time-out, either look once more into the channel, or let what is dropped with \
                 it find its way home.",
            ]),
    ]
}

/// In which situation a `get` is dropped, of a pool with one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum While {
    Waits,
    WaitsForAPlace,
    Opens,
}

const CONNECT: Duration = ms(30);

impl While {
    fn told(self) -> &'static str {
        match self {
            Self::Waits => "that waits for a connection which comes back at 200 ms",
            Self::WaitsForAPlace => "that waits for a connection which comes back broken at 200 ms",
            Self::Opens => "that opens the only connection",
        }
    }

    /// The one that is dropped asks at 120 ms, two others, normal and critical, at 130 and 140 ms.
    async fn tell(self, code: &'static str, cut: Cut) -> bool {
        let desk = Desk::open(PriorityConfig { normal_queue: 2, ..up_to(1) }).await;
        let mut held = Vec::new();
        if self != Self::Opens {
            held = desk.need_all(1, "from a new pool").await;
        }
        desk.exchange.connect_takes(CONNECT);
        if self == Self::Opens {
            desk.exchange.connect_takes(ms(80));
        }
        let dropped = desk.trader(&who(code), async move |desk| {
            desk.at(BEGIN + ms(20)).await;
            let got = cut.apply(desk.get(priority(code))).await;
            (got.is_some(), desk.now())
        });
        let mut rush = Rush::at(&desk);
        rush.asks(BEGIN + ms(30), "N8");
        rush.asks(BEGIN + ms(40), "C9");
        desk.at(BEGIN + ms(100)).await;
        if let (Self::WaitsForAPlace, Some(held)) = (self, held.first()) {
            desk.exchange.kill(held.id());
        }
        drop(held);
        let (done, left) = home(dropped).await;
        let when = format!("with {} {}, dropped {cut}", who(code), self.told());
        let last = if self == Self::Opens && left < BEGIN + ms(30) {
            // Nobody waited: normal 8 finds room, or the connect that goes on.
            rush.over().await.last().map_or(left, |(_, at)| *at)
        } else {
            rush.expect("C9 N8", &when).await
        };
        self.expect_soon(left, last, &when);
        desk.expect_peak(1, &format!(", {when}"));
        desk.exchange.connect_takes(ms(0));
        desk.expect_whole(1, &when).await;
        done
    }

    /// Fails unless the others were served as soon as they could be, the last one at `last`.
    fn expect_soon(self, left: Duration, last: Duration, when: &str) {
        let begins = if self == Self::Opens { left } else { left.max(BEGIN + ms(100)) };
        // They asked at 140 ms at the latest; one opens a connection at most, and one waits until the
        // other has gone.
        let opens = if self == Self::Opens { ms(80) } else { CONNECT };
        let due = begins.max(BEGIN + ms(30)) + opens + HOLD + 2 * SLACK;
        if last > due {
            fail(
                format!("the place to go to the next in order at once, {when}, at {}", clock(left)),
                format!("the last of two others was served at {}: too late", clock(last)),
            );
        }
    }
}

fn a_dropped_turn_goes_on() {
    for situation in [While::Waits, While::WaitsForAPlace, While::Opens] {
        for code in ["C1", "N1"] {
            at_each_poll(async |cut| situation.tell(code, cut).await);
        }
    }
    at_each_poll(alone);
    for again in [false, true] {
        order(async || somebody_came_meanwhile(again).await);
    }
    // Two are dropped that have been woken in the same instant, and two that follow each other.
    for codes in [["N1", "N2"], ["C1", "C2"], ["C1", "N1"]] {
        order(async || two_are_dropped(codes).await);
    }
}

/// Nobody else wants it: it is idle afterwards, or its place is free.
async fn alone(cut: Cut) -> bool {
    let desk = Desk::open(up_to(2)).await;
    let held = desk.need_all(2, "from a pool that may have 2").await;
    let dropped = desk.trader("normal 1", async move |desk| {
        cut.apply(desk.get(Priority::Normal)).await.is_some()
    });
    desk.at(BEGIN + ms(100)).await;
    drop(held);
    let done = home(dropped).await;
    let when = format!("after a `get` that nobody waited behind was dropped {cut}");
    desk.expect_whole(2, &when).await;
    desk.expect_attempts(2, &when);
    done
}

/// A normal one's turn has come. Before it can run, a critical one asks, and the normal one is dropped:
/// the next in order is the critical one, whoever else waits.
async fn somebody_came_meanwhile(again: bool) {
    let desk = Desk::open(up_to(1)).await;
    let held = desk.need_all(1, "from a new pool").await;
    let mut leaves = Box::pin(desk.get(Priority::Normal));
    let mut equal = Box::pin(desk.get(Priority::Normal));
    let early = (poll_once(&mut leaves).await, poll_once(&mut equal).await);
    if let (Some(early), _) | (_, Some(early)) = &early {
        fail("two `get`s to wait while the only connection is lent out", outcome(early));
    }
    if again {
        // It has been polled before, and waits again.
        desk.at(BEGIN + ms(20)).await;
        drop(poll_once(&mut leaves).await);
    }
    drop(held);
    let mut urgent = Box::pin(desk.get(Priority::Critical));
    let got = poll_once(&mut urgent).await;
    drop(leaves);
    let got = match got {
        Some(got) => got,
        None => match timeout(SLACK, urgent).await {
            Ok(got) => got,
            Err(_) => fail(
                "a critical request to be the next in order, when a normal one is dropped at its \
                 turn, though another normal one has waited for longer",
                "it still waits 5 ms later",
            ),
        },
    };
    if let Some(early) = poll_once(&mut equal).await {
        fail("one connection to be lent out once", outcome(&early));
    }
    drop(got);
    drop(equal);
    desk.expect_whole(1, "after a normal request was dropped at its turn").await;
}

/// Both have been woken, and neither is polled again: what they were given goes to the two behind
/// them.
async fn two_are_dropped(codes: [&'static str; 2]) {
    let desk = Desk::open(up_to(2)).await;
    let held = desk.need_all(2, "from a pool that may have 2").await;
    let mut gets = Vec::new();
    for code in codes {
        let mut get = Box::pin(desk.get(priority(code)));
        if let Some(early) = poll_once(&mut get).await {
            fail("a `get` to wait while both connections are lent out", outcome(&early));
        }
        gets.push(get);
    }
    let mut rush = Rush::at(&desk);
    rush.asks(BEGIN + ms(30), "N8");
    rush.asks(BEGIN + ms(40), "C9");
    desk.at(BEGIN + ms(100)).await;
    drop(held);
    // Their turns have come; they go away one after the other.
    for get in gets {
        drop(get);
        desk.at(desk.now() + ms(5)).await;
    }
    let when = format!("when {} and {} were dropped at their turn", who(codes[0]), who(codes[1]));
    let last = rush.expect("C9 N8", &when).await;
    if last > BEGIN + ms(105) + SLACK {
        fail(
            format!("both connections to be lent out at {}, {when}", clock(BEGIN + ms(105))),
            format!("the second one at {}", clock(last)),
        );
    }
    desk.expect_whole(2, &when).await;
}

fn a_late_turn_goes_on() {
    for code in ["C1", "N1"] {
        for broken in [false, true] {
            // Around the moment at which the time is over, and at that very moment: once with the
            // clock of the one that gives back set before, once after.
            for comes_back in [199, 200, 201].map(ms) {
                for first in [true, false] {
                    order(async || meets(code, broken, comes_back, first).await);
                }
            }
        }
    }
}

/// One asks at 120 ms and has 80 ms; the connection comes back at about the end of that.
async fn meets(code: &'static str, broken: bool, comes_back: Duration, first: bool) {
    let desk = Desk::open(PriorityConfig { connection_timeout: ms(80), ..up_to(1) }).await;
    let held = desk.need_all(1, "from a new pool").await;
    desk.exchange.connect_takes(ms(10));
    let begin = if first { BEGIN } else { BEGIN + ms(25) };
    let giver = desk.trader("the holder", async move |desk| {
        desk.at(begin).await;
        desk.at(comes_back).await;
        if broken {
            desk.exchange.kill(held[0].id());
        }
        drop(held);
    });
    let late = desk.trader(&who(code), async move |desk| {
        desk.at(BEGIN + ms(20)).await;
        let result: Outcome<Held> = desk.get(priority(code)).await;
        if !matches!(result, Ok(_) | Err(PriorityError::Timeout)) {
            fail("a connection, or Timeout, when both come together", outcome(&result));
        }
        let got = result.is_ok();
        drop(result);
        (got, desk.now())
    });
    let next = desk.trader("normal 2", async move |desk| {
        desk.at(BEGIN + ms(60)).await;
        let got = desk.need(Priority::Normal, "that came back while it waited").await;
        let now = desk.now();
        drop(got);
        now
    });
    home(giver).await;
    let (_, left) = home(late).await;
    let served = home(next).await;
    // Who took the place of a broken one gives up while it connects, or does not.
    let due = left.max(comes_back) + ms(10) + SLACK;
    if served > due {
        fail(
            format!(
                "a connection for normal 2 by {}: it came back at {}, when the time of {}, who was \
                 first, was over at 200 ms",
                clock(due),
                clock(comes_back),
                who(code)
            ),
            format!("one at {}", clock(served)),
        );
    }
    let when = "after a turn that met a time-out";
    desk.exchange.connect_takes(ms(0));
    desk.expect_whole(1, when).await;
}
