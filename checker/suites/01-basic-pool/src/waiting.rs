//! Who waits is served: P10, P12, P13, P16 and P17.

use std::panic;

use basic_pool::PoolError;
use harness::{Case, clock, fail};

use crate::closing;
use crate::desk::{Desk, LONG, SLACK, all_home, at_once, between, ms, outcome, told};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new("return_wakes_a_waiter", "P10", return_wakes_a_waiter)
            .title("a returned connection goes to a waiting thread at once")
            .concurrent()
            .points(0.5)
            .lesson("waiting")
            .hints(&[
                "Who tells a sleeping thread that there is something to take, and could that word \
                 come before the thread is asleep?",
                "Look for a connection and begin to wait under the same lock (that is what a \
                 condition variable is for); put the connection back under that lock, then wake \
                 one.",
                "Wake one thread for every connection that comes back, not only for the first.",
            ]),
    ]
}

/// The cases about waiting that are hard, apart from the one about a discarded connection.
pub(crate) fn hard_cases() -> Vec<Case> {
    vec![
        Case::new("opening_blocks_nobody", "P16", opening_blocks_nobody)
            .title("opening or closing a connection holds nobody up")
            .hard()
            .concurrent()
            .points(0.5)
            .lesson("never-wait-under-the-lock")
            .hints(&[
                "Opening takes a tenth of a second here. Who has to stand in line meanwhile?",
                "No lock may be held across `connect`. Take the place first, let go of the lock, \
                 open, and only then lock again if there is something to write down.",
                "Closing takes time as well, and it happens wherever a connection is dropped: in \
                 `get`, `reap`, `close` and the guard's `drop`. Take it out under the lock, let go \
                 of the lock, and drop it then.",
            ]),
        Case::new("timed_out_waiter_loses_nothing", "P17", timed_out_waiter_loses_nothing)
            .title("a time-out and a return at the same moment")
            .hard()
            .concurrent()
            .points(0.5)
            .lesson("waiting")
            .hints(&[
                "The time is over, and in the same instant a connection arrives. Where is it now?",
                "If connections are handed to a certain waiter, what he leaves behind must go on \
                 to the next one. If they lie in the idle list, a last look before giving up, and \
                 a wake-up that is not wasted on a thread that gives up, are enough.",
            ]),
    ]
}

fn return_wakes_a_waiter() {
    // At 20 ms B surely sleeps when A gives back. At 50 ms it asks in that very moment: whoever is
    // first, B is served then.
    for asks in [ms(20), ms(50)] {
        let desk = Desk::open(between(1, 1));
        let a = desk.trader("thread A", |desk| {
            let held = desk.need("from a pool with one idle connection");
            desk.at(ms(50));
            drop(held);
        });
        let b = desk.trader("thread B", move |desk| {
            desk.at(asks);
            let why = format!("when thread A gave it back; it was asked for at {}", clock(asks));
            drop(desk.need_at(ms(50), &why));
        });
        all_home([a, b]);
    }

    // Two wait, two come back.
    let desk = Desk::open(between(2, 2));
    let held = [desk.need("while two are idle"), desk.need("while one is idle")];
    let waiting = ["thread C", "thread D"].map(|name| {
        desk.trader(name, |desk| {
            let held = desk.need_at(ms(50), "when both connections had come back");
            desk.at(ms(100));
            drop(held);
        })
    });
    desk.at(ms(50));
    drop(held);
    all_home(waiting);

    // One connection goes from hand to hand.
    let desk = Desk::open(between(1, 1));
    let held = desk.need("from a pool with one idle connection");
    let waiting = ["thread E", "thread F", "thread G"].map(|name| {
        desk.trader(name, |desk| {
            let held = desk.need("within 30 s: each of three threads keeps it for 10 ms");
            desk.at(desk.now() + ms(10));
            drop(held);
        })
    });
    desk.at(ms(50));
    drop(held);
    all_home(waiting);
    let served = desk.now();
    if served > ms(80) + 3 * SLACK {
        fail(
            "three threads that keep the connection for 10 ms each, one after the other from \
             50 ms on, to be served by 80 ms",
            format!("the last of them done at {}", clock(served)),
        );
    }
}

fn opening_blocks_nobody() {
    let desk = Desk::open(between(1, 3));
    desk.exchange.connect_takes(ms(100));
    let held = desk.need("from a pool with one idle connection");
    let opening = ["thread A", "thread B"].map(|name| {
        desk.trader(name, |desk| {
            drop(desk.need_at(ms(100), "when its own connection, asked for at 0 ms, was open"));
        })
    });
    let asks = desk.trader("thread C", |desk| {
        desk.at(ms(40));
        let mut held = desk.need_at(ms(40), "idle since 20 ms");
        held.order();
        desk.at(ms(90));
    });
    desk.at(ms(20));
    drop(held);
    at_once(&desk, ms(20), "giving a connection back", "others open connections");
    desk.at(ms(30));
    desk.note("status()");
    desk.pool.status();
    at_once(&desk, ms(30), "status()", "others open connections");
    all_home(opening.into_iter().chain([asks]));

    closing::blocks_nobody();
}

fn timed_out_waiter_loses_nothing() {
    for third in [false, true] {
        let desk = Desk::open(between(1, 1));
        let held = desk.need("from a pool with one idle connection");
        let mut traders = vec![desk.trader("thread B", |desk| {
            // Given up or got: at 50 ms both are right.
            match desk.get_timeout(ms(50)) {
                Ok(_) | Err(PoolError::Timeout) => {}
                Err(error) => fail("a connection or Timeout", told(&error)),
            }
        })];
        if third {
            traders.push(desk.trader("thread C", |desk| {
                desk.at(ms(40));
                let why = "when the only connection came back and thread B gave up";
                drop(desk.need_at(ms(50), why));
            }));
        }
        desk.at(ms(30));
        desk.expect_waiting(1, "while thread B waits");
        desk.at(ms(50));
        drop(held);
        all_home(traders);
        let last = desk.get_timeout(ms(0));
        if last.is_err() {
            fail(
                "a connection from get_timeout(0 ms) when everybody has gone home",
                format!("{}: nobody holds the connection, and nobody gets it", outcome(&last)),
            );
        }
        desk.expect_waiting(0, "when everybody has gone home");
    }
}

/// P12 stands with the cases of broken things, but it is about giving back.
pub(crate) fn survives_a_panicking_holder() {
    let desk = Desk::open(between(1, 1));
    let a = desk.trader("thread A", |desk| {
        let held = desk.need("from a pool with one idle connection");
        // Raised without a panic hook's message: it is the story's panic, not the student's.
        let _ = panic::catch_unwind(panic::AssertUnwindSafe(|| {
            let _held = held;
            desk.at(ms(50));
            desk.note("thread A panics");
            panic::resume_unwind(Box::new("the trader panics"));
        }));
    });
    let b = desk.trader("thread B", |desk| {
        desk.at(ms(20));
        drop(desk.need_at(ms(50), "when thread A panicked and dropped its guard"));
    });
    all_home([a, b]);
    desk.expect_status(1, 0, "after the panic");
    if desk.exchange.opened() > 1 {
        fail(
            "conn 1 for thread B: it came back from a thread that panicked, and it is not broken",
            "conn 1 closed, and conn 2 opened in its place",
        );
    }
    let again = desk.get_timeout(LONG);
    if again.is_err() {
        fail("a connection after the panic", outcome(&again));
    }
}
