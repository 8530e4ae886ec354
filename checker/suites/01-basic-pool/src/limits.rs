//! What a pool refuses, and when: P7 to P9.

use std::time::Duration;

use basic_pool::{PoolConfig, PoolError};
use fixtures::exchange::Exchange;
use harness::{Case, clock, fail};

use crate::desk::{Desk, Outcome, SLACK, all_home, between, ms, outcome, told};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new("times_out_on_time", "P7", times_out_on_time)
            .title("a wait ends on time")
            .concurrent()
            .points(0.5)
            .lesson("waiting")
            .hints(&[
                "From when on does the time-out count: from the call, or from the last time the \
                 thread was woken?",
                "Compute the moment at which it ends once, before the loop, and wait until that \
                 moment; a thread that is woken in vain then has no more time than it had.",
            ]),
        Case::new("zero_never_waits", "P8", zero_never_waits)
            .title("a time-out of zero asks without waiting")
            .points(0.5)
            .lesson("waiting")
            .concurrent()
            .hints(&[
                "What does a caller want who says zero: an error, or whatever is there right now?",
                "Look for a connection first and at the clock second: the first look is free.",
                "A look is a whole look: the first idle connection may be broken, and the next one \
                 good. And a lock that another thread holds for a moment says nothing yet.",
            ]),
        Case::new("never_above_max", "P9", never_above_max)
            .title("never more than max_connections")
            .concurrent()
            .points(0.5)
            .lesson("check-then-act")
            .hints(&[
                "Two threads ask at the same moment whether there is room for one more. What do \
                 both of them see?",
                "Between \"is there room?\" and \"now it is taken\" no other thread may look: both \
                 belong under one lock. The opening itself comes later, when the place is yours.",
                "Count the place before you let go of the lock, open outside of it, and give the \
                 place back if opening fails.",
            ]),
    ]
}

fn times_out_on_time() {
    gives_up_on_time();
    waits_no_longer_for_being_woken();
    counts_what_it_closes();
    never_ends_with_the_longest_time_out();
    is_not_late_for_nothing();
}

fn gives_up_on_time() {
    let config = PoolConfig { connection_timeout: ms(80), ..between(1, 1) };
    let desk = Desk::open(config);
    let held = desk.need("from a pool with one idle connection");
    expect_timeout(&desk, "get_timeout(50 ms)", ms(50), || desk.get_timeout(ms(50)));
    expect_timeout(&desk, "get(), with a connection_timeout of 80 ms,", ms(80), || desk.get());
    // Less than a millisecond is more than nothing.
    let short = Duration::from_micros(900);
    expect_timeout(&desk, "get_timeout(0.9 ms)", short, || desk.get_timeout(short));
    drop(held);
}

/// The one connection comes back at 20 ms and is taken again at once. Whoever waits for it may be
/// quicker, or be woken in vain; in no case does the wait grow longer.
fn waits_no_longer_for_being_woken() {
    let desk = Desk::open(between(1, 1));
    let busy = desk.trader("thread A", |desk| {
        let held = desk.need("from a pool with one idle connection");
        desk.at(ms(20));
        drop(held);
        if let Ok(_held) = desk.get_timeout(ms(0)) {
            desk.at(ms(500));
        }
    });
    let waiter = desk.trader("thread B", |desk| {
        desk.at(ms(5));
        let result = desk.get_timeout(ms(50));
        let now = desk.now();
        if now > ms(55) + SLACK {
            fail(
                "get_timeout(50 ms), called at 5 ms, to end by 55 ms, however often it is woken",
                format!("{} at {}", outcome(&result), clock(now)),
            );
        }
    });
    all_home([busy, waiter]);
}

/// Thread A finds a broken connection, and closes it from 10 to 40 ms. If thread B then is quicker
/// to take the free place, there is nothing for A to the end of its time, which began with the call.
fn counts_what_it_closes() {
    let desk = Desk::open(between(2, 2));
    let held = desk.need("while two are idle");
    desk.exchange.kill(3 - held.id());
    desk.exchange.close_takes(ms(30));
    let a = desk.trader("thread A", |desk| {
        desk.at(ms(10));
        let result = desk.get_timeout(ms(50));
        let now = desk.now();
        if now > ms(60) + SLACK {
            fail(
                "get_timeout(50 ms), called at 10 ms, to end by 60 ms: the 30 ms in which it closed \
                 a broken connection count",
                format!("{} at {}", outcome(&result), clock(now)),
            );
        }
    });
    let b = desk.trader("thread B", |desk| {
        desk.at(ms(20));
        let held = desk.need("once there is room, or one comes back at 300 ms");
        desk.at(ms(200));
        drop(held);
    });
    desk.at(ms(300));
    desk.exchange.close_takes(ms(0));
    drop(held);
    all_home([a, b]);
}

fn never_ends_with_the_longest_time_out() {
    for call in ["get_timeout(Duration::MAX)", "get(), with a connection_timeout of Duration::MAX,"]
    {
        let config = PoolConfig { connection_timeout: Duration::MAX, ..between(1, 1) };
        let desk = Desk::open(config);
        let held = desk.need("from a pool with one idle connection");
        let waiter = desk.trader("thread B", move |desk| {
            desk.at(ms(20));
            let by_name = call.starts_with("get_timeout");
            let result = if by_name { desk.get_timeout(Duration::MAX) } else { desk.get() };
            let now = desk.now();
            if result.is_err() || now > ms(50) + SLACK {
                fail(
                    format!("a connection from {call} at 50 ms, when the only one came back"),
                    format!("{} at {}", outcome(&result), clock(now)),
                );
            }
        });
        desk.at(ms(50));
        drop(held);
        all_home([waiter]);
    }
}

/// A pool that opens on a thread of its own may give up on time. One that waits until its connection
/// is open has no reason left to give up.
fn is_not_late_for_nothing() {
    let desk = Desk::open(between(0, 1));
    desk.exchange.connect_takes(ms(50));
    let result = desk.get_timeout(ms(20));
    let now = desk.now();
    if matches!(result, Err(PoolError::Timeout)) && now <= ms(20) + SLACK {
        return;
    }
    if result.is_err() {
        fail(
            "the new connection from get_timeout(20 ms) at 50 ms, when it was open: the time-out \
             does not bound connect",
            format!("{} at {}", outcome(&result), clock(now)),
        );
    }
}

fn expect_timeout<T>(desk: &Desk, call: &str, after: Duration, get: impl FnOnce() -> Outcome<T>) {
    let asked = desk.now();
    let result = get();
    let took = desk.now().saturating_sub(asked);
    match result {
        Err(PoolError::Timeout) if took >= after && took <= after + SLACK => {}
        Err(PoolError::Timeout) => fail(
            format!("{call} to give up after {}", clock(after)),
            format!("Timeout after {}", clock(took)),
        ),
        Err(error) => fail(
            format!("{call} to return Timeout while the only connection is in use"),
            told(&error),
        ),
        Ok(_) => fail(
            format!("{call} to return Timeout while the only connection is in use"),
            "a connection",
        ),
    }
}

fn zero_never_waits() {
    let desk = Desk::open(between(1, 1));
    let asked = desk.now();
    let first = desk.get_timeout(ms(0));
    if first.is_err() {
        fail("the idle connection from get_timeout(0 ms)", outcome(&first));
    }
    let second = desk.get_timeout(ms(0));
    if !matches!(second, Err(PoolError::Timeout)) {
        fail(
            "Timeout from get_timeout(0 ms) while the only connection is in use",
            outcome(&second),
        );
    }
    let took = desk.now().saturating_sub(asked);
    if took > ms(0) {
        fail("both answers at once", format!("the second after {}", clock(took)));
    }
    drop(first);

    // Three are idle, and two of them have broken, whichever are looked at first.
    for good in 1..=3 {
        let desk = Desk::open(between(3, 3));
        (1..=3).filter(|&id| id != good).for_each(|id| desk.exchange.kill(id));
        let result = desk.get_timeout(ms(0));
        if result.is_err() {
            fail(
                format!("conn {good}, the good one of three idle ones, from get_timeout(0 ms)"),
                format!("{}: it was given up after a broken one", outcome(&result)),
            );
        }
    }

    // Two are idle, two ask, and the pool has other things to do in this very moment.
    let desk = Desk::open(between(2, 2));
    let asking = ["thread A", "thread B"].map(|name| {
        desk.trader(name, |desk| {
            let result = desk.get_timeout(ms(0));
            if result.is_err() {
                fail(
                    "a connection each for two threads that call get_timeout(0 ms) at the same \
                     moment, while two are idle",
                    outcome(&result),
                );
            }
            desk.at(ms(10));
        })
    });
    desk.pool.status();
    all_home(asking);
}

fn never_above_max() {
    let exchange = Exchange::new();
    exchange.connect_takes(ms(10)).query_takes(ms(1));
    let desk = Desk::over(exchange, between(0, 2));
    let traders = ["thread A", "thread B", "thread C", "thread D"].map(|name| {
        desk.trader(name, |desk| {
            for _ in 0..2 {
                desk.need("within 30 s, from a pool whose connections are held for 1 ms").order();
            }
        })
    });
    all_home(traders);
    desk.expect_peak(2, ", with max_connections 2");
}
