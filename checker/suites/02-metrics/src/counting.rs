//! What is handed on and what is counted: P1 to P6.

use std::time::Duration;

use harness::{Case, clock, fail, times};

use crate::desk::{Desk, Held, LONG, expect, ms};
use crate::script::{Answer, Fault};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new("hands_on_the_answer", "P1", hands_on_the_answer)
            .title("measuring changes nothing")
            .points(0.5)
            .lesson("a-layer-around-a-pool")
            .hints(&[
                "What must `Metered` keep to be able to ask the pool beneath, and what must its \
                 guard keep so that the connection stays on loan?",
                "`get_timeout` calls `self.pool.get_timeout(timeout)` once; with `Ok(guard)` it \
                 wraps the guard, an error goes back as it is. The guard's `deref` can give \
                 `&self.guard`: a reference to a guard that derefs is turned into one to its \
                 connection.",
            ]),
        Case::new("counts_connections", "P2", counts_connections)
            .title("a connection handed out is counted")
            .points(0.5)
            .lesson("what-to-count")
            .hints(&[
                "At which moment is it certain that an attempt got a connection?",
                "Look at the answer of the pool beneath before you count: `Ok` is a connection, \
                 `Err` is none. The counters belong to this `Metered` and no other.",
            ]),
        Case::new("counts_returns", "P3", counts_returns)
            .title("a connection given back is counted, and given back")
            .points(0.5)
            .lesson("counters-and-gauges")
            .hints(&[
                "Which function runs when a guard goes out of scope, and what does it need in \
                 order to reach the counters?",
                "The guard keeps an `Arc` to the counters, and its `Drop` counts. The guard of the \
                 pool beneath is a field: it is dropped right after, by itself.",
            ]),
        Case::new("counts_timeouts", "P4", counts_timeouts)
            .title("a time-out is counted")
            .points(0.5)
            .lesson("what-to-count")
            .hints(&[
                "The error is of the pool's own type. Who knows what it means?",
                "`P::refusal(&error)` tells the two kinds of errors apart. Match on it.",
            ]),
        Case::new("counts_connect_errors", "P5", counts_connect_errors)
            .title("a connect error is counted apart from time-outs")
            .points(0.5)
            .lesson("what-to-count")
            .hints(&[
                "A server that is down and a pool that is too small: do the two have the same \
                 cure?",
                "`P::refusal(&error)` tells the two kinds of errors apart. Match on it, with a \
                 counter for each.",
            ]),
        Case::new("counts_queries", "P6", counts_queries)
            .title("a query is counted")
            .points(0.5)
            .lesson("what-to-count")
            .hints(&[
                "`record_query` gets `&self`, a guard. Where do the numbers live that outlive it?",
                "All guards share one set of counters, behind an `Arc`. A lock or an atomic lets \
                 them change it through `&self`.",
            ]),
    ]
}

/// A time-out that nobody would think of by himself.
const ODD: Duration = ms(77);

fn hands_on_the_answer() {
    let desk = Desk::open(2);
    desk.beneath
        .then(ms(0), Answer::Lend)
        .then(ms(10), Answer::TimeOut)
        .then(ms(0), Answer::Refuse);
    match desk.get_timeout(ODD) {
        Ok(mut held) => uses_it(&mut held),
        Err(error) => fail("the connection that the pool beneath lent", error.to_string()),
    }
    for (number, expected) in [Fault::Timeout(1), Fault::Refused(2)].into_iter().enumerate() {
        let got = match desk.get_timeout(ODD) {
            Err(error) if error == expected => continue,
            Err(error) => error.to_string(),
            Ok(_) => "a connection".to_owned(),
        };
        fail(format!("the error of the pool beneath, {expected}, from call {}", number + 2), got);
    }
    // Who waits for ever, and who does not wait at all: no time-out is mended on its way.
    for timeout in [Duration::MAX, ms(0)] {
        drop(desk.get_timeout(timeout));
    }
    let asked = desk.beneath.asked();
    let expected = [ODD, ODD, ODD, Duration::MAX, ms(0)];
    if asked.len() != expected.len() {
        fail(
            "the pool beneath to be asked 5 times for 5 calls of get_timeout",
            format!("it was asked {}", times(asked.len())),
        );
    }
    for (expected, got) in expected.into_iter().zip(asked) {
        if got != expected {
            fail(
                format!("the pool beneath to be asked with the caller's {}", clock(expected)),
                clock(got),
            );
        }
    }
}

/// Reads and writes through the guard.
fn uses_it(held: &mut Held) {
    let connection = held.connection();
    connection.orders += 1;
    connection.orders += 1;
    let (number, orders) = (connection.number, connection.orders);
    if (number, orders) != (1, 2) {
        fail(
            "the guard to lead to the connection that was lent, conn 1, which has carried 2 orders",
            format!("conn {number}, which has carried {orders}"),
        );
    }
}

/// Some attempts of every kind: 3 connections, 2 time-outs, 1 connect error.
fn mixed(desk: &Desk) {
    desk.attempts(1, ms(0), Answer::Lend);
    desk.attempts(1, ms(5), Answer::TimeOut);
    desk.attempts(1, ms(5), Answer::Refuse);
    desk.attempts(2, ms(5), Answer::Lend);
    desk.attempts(1, ms(0), Answer::TimeOut);
}

const AFTER_MIXED: &str = "after 3 connections, 2 time-outs and 1 connect error";

fn counts_connections() {
    let desk = Desk::open(2);
    expect("acquired", desk.snapshot("before anything").acquired, 0, "before anything");
    let held = desk.need();
    let when = "while the first connection is in use";
    expect("acquired", desk.snapshot(when).acquired, 1, when);
    drop(held);
    let when = "after the first connection came back";
    expect("acquired", desk.snapshot(when).acquired, 1, when);

    let desk = Desk::open(2);
    mixed(&desk);
    expect("acquired", desk.snapshot(AFTER_MIXED).acquired, 3, AFTER_MIXED);
}

fn counts_returns() {
    let desk = Desk::open(3);
    let held = [desk.need(), desk.need(), desk.need()];
    says(&desk, (0, 3), "while three connections are in use");
    let [first, second, third] = held;
    for (count, held) in [(1, second), (2, first), (3, third)] {
        drop(held);
        let when = format!("after {count} of three guards have been dropped");
        says(&desk, (count, 3 - count), &when);
    }
    mixed(&desk);
    says(&desk, (6, 0), "after all six connections came back, 2 time-outs and 1 connect error");

    // A guard that outlives all who could take a snapshot.
    let mut held = desk.need();
    let Desk { beneath, metered } = desk;
    drop(metered);
    held.record_query();
    held.connection().orders += 1;
    drop(held);
    if beneath.lent() > 0 {
        fail(
            "the pool beneath to have back the connection that was dropped after the Metered",
            "it has not got it back",
        );
    }
}

/// What a snapshot must say of `released` and `in_use`; and the pool beneath must agree.
fn says(desk: &Desk, (released, in_use): (u64, u64), when: &str) {
    let snapshot = desk.snapshot(when);
    expect("released", snapshot.released, released, when);
    expect("in_use", snapshot.in_use, in_use, when);
    let lent = desk.beneath.lent();
    if lent as u64 != in_use {
        fail(
            format!("the pool beneath to have lent {in_use} connections {when}"),
            format!("{lent}: it has not got back what was dropped"),
        );
    }
}

fn counts_timeouts() {
    let desk = Desk::open(1);
    mixed(&desk);
    expect("timeouts", desk.snapshot(AFTER_MIXED).timeouts, 2, AFTER_MIXED);

    let desk = Desk::open(1);
    let held = desk.need();
    if let Ok(_second) = desk.get_timeout(ms(50)) {
        fail("the time-out of the pool beneath, whose only connection is in use", "a connection");
    }
    drop(held);
    let when = "after one thread waited for the only connection for 50 ms";
    expect("timeouts", desk.snapshot(when).timeouts, 1, when);
}

fn counts_connect_errors() {
    let desk = Desk::open(1);
    mixed(&desk);
    expect("connect_errors", desk.snapshot(AFTER_MIXED).connect_errors, 1, AFTER_MIXED);
    desk.attempts(4, ms(100), Answer::Refuse);
    let when = "after five connect errors in all";
    expect("connect_errors", desk.snapshot(when).connect_errors, 5, when);

    // Opening a connection cannot be broken off, and what it ended with is no matter of time.
    let desk = Desk::open(1);
    desk.beneath.then(ms(80), Answer::Refuse);
    drop(desk.get_timeout(ms(50)));
    let when = "after a connect error that came after 80 ms, when the time-out of 50 ms had passed";
    let snapshot = desk.snapshot(when);
    expect("connect_errors", snapshot.connect_errors, 1, when);
    expect("timeouts", snapshot.timeouts, 0, when);
}

fn counts_queries() {
    let desk = Desk::open(2);
    let (mut first, mut second) = (desk.need(), desk.need());
    for _ in 0..3 {
        first.record_query();
    }
    second.record_query();
    let when = "after 3 queries on one connection and 1 on another";
    expect("queries", desk.snapshot(when).queries, 4, when);
    drop(first);
    drop(second);
    let when = "after both connections came back";
    expect("queries", desk.snapshot(when).queries, 4, when);
    let mut again = desk.get_timeout(LONG).unwrap_or_else(|error| {
        fail("the connection that the pool beneath lends", error.to_string())
    });
    again.record_query();
    drop(again);
    let when = "after 1 more query on a connection that was taken again";
    expect("queries", desk.snapshot(when).queries, 5, when);
}
