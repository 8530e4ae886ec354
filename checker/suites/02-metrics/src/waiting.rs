//! Who waits, and for whom nobody waits: P13.

use std::panic;

use harness::{Case, clock, fail};
use ledger::What;

use crate::desk::{Desk, all_home, expect, ms};
use crate::script::Answer;
use crate::watch::Watch;

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new("pending_falls_again", "P13", pending_falls_again)
            .title("who waits is counted, and nobody waits for the counting")
            .hard()
            .concurrent()
            .points(0.5)
            .lesson("counters-and-gauges")
            .hints(&[
                "There are four ways out of the call into the pool beneath. On which of them does \
                 `pending` fall?",
                "What must happen on every way out, a panic included, belongs in the `Drop` of a \
                 value that lives as long as the attempt.",
                "Nobody may hold a lock that others need while the pool beneath does something: \
                 count, let go of the lock, call, and lock again to count the answer.",
            ]),
    ]
}

fn pending_falls_again() {
    let desk = Desk::open(4);
    desk.beneath
        .tells("thread A", ms(50), Answer::TimeOut) // at 50 ms
        .tells("thread B", ms(30), Answer::Lend) // at 35 ms
        .tells("thread C", ms(30), Answer::Refuse) // at 40 ms
        .tells("thread D", ms(30), Answer::Panic); // at 45 ms
    let names = ["thread A", "thread B", "thread C", "thread D"];
    let traders: Vec<_> = (0..)
        .zip(names)
        .map(|(index, name)| {
            desk.trader(name, move |desk| {
                desk.at(ms(5 * index));
                ask(desk);
            })
        })
        .collect();

    desk.at(ms(20));
    let when = "at 20 ms, while four threads wait for the pool beneath";
    let snapshot = desk.snapshot(when);
    expect("pending", snapshot.pending, 4, when);
    let asked = desk.now();
    let mut held = desk.need();
    desk.at_once(asked, &format!("get_timeout(30 s) {when}, which lends at once"));
    held.record_query();
    desk.at_once(asked, &format!("record_query() {when}"));
    drop(held);
    desk.at_once(asked, &format!("giving a connection back {when}"));
    for (at, pending, what) in [
        (37, 3, "thread B got a connection"),
        (42, 2, "thread C got a connect error"),
        (47, 1, "the pool beneath panicked under thread D"),
        (60, 0, "thread A timed out"),
    ] {
        desk.at(ms(at));
        let when = format!("at {at} ms, after {what}");
        expect("pending", desk.snapshot(&when).pending, pending, &when);
    }
    all_home(traders);

    let (first, second) = (desk.need(), desk.need());
    desk.beneath.giving_back_takes(ms(20));
    let gives = |name, moment, held| {
        desk.trader(name, move |desk: &Desk| {
            desk.at(moment);
            drop(held);
            desk.now()
        })
    };
    let gives = [gives("thread E", ms(70), first), gives("thread F", ms(75), second)];
    desk.at(ms(80));
    let when = "at 80 ms, while threads E and F give connections back, which takes 20 ms";
    desk.snapshot(when);
    let asked = desk.now();
    let mut other = desk.need();
    desk.at_once(asked, &format!("get_timeout(30 s) {when}"));
    other.record_query();
    desk.at_once(asked, &format!("record_query() {when}"));
    let back = all_home(gives)[1];
    if back >= ms(96) {
        fail(
            "thread F to have given its connection back at 95 ms, 20 ms after it began to",
            format!("{}: it waited for thread E, which gave one back until 90 ms", clock(back)),
        );
    }
    drop(other);
    adds_up_in_the_end(&desk);
    counts_a_panic_wholly_or_not_at_all();
}

/// Asks with 50 ms, and outlives a panic of the pool beneath, which is the story's own.
fn ask(desk: &Desk) {
    let asks = || drop(desk.get_timeout(ms(50)));
    if panic::catch_unwind(panic::AssertUnwindSafe(asks)).is_err() {
        let error = "a panic of the pool beneath".to_owned();
        desk.beneath.write(What::GaveUp { error });
    }
}

/// After four attempts in the script, and four connections that were lent besides.
fn adds_up_in_the_end(desk: &Desk) {
    let when = "when everybody has gone home: 5 connections, a time-out, a connect error, and a \
                panic of the pool beneath, which may count as a connect error as well";
    let snapshot = desk.snapshot(when);
    expect("pending", snapshot.pending, 0, when);
    expect("acquired", snapshot.acquired, 5, when);
    expect("released", snapshot.released, 5, when);
    expect("timeouts", snapshot.timeouts, 1, when);
    if snapshot.connect_errors != 2 {
        expect("connect_errors", snapshot.connect_errors, 1, when);
    }
    Watch::default().look(&snapshot);
}

/// A panic alone, so that its time can be told from others.
fn counts_a_panic_wholly_or_not_at_all() {
    let desk = Desk::open(1);
    desk.beneath.then(ms(30), Answer::Panic);
    ask(&desk);
    let when = "after one attempt, under which the pool beneath panicked after 30 ms";
    let snapshot = desk.snapshot(when);
    Watch::default().look(&snapshot);
    let errors = snapshot.connect_errors;
    let expected = if errors == 0 { ms(0) } else { ms(30) };
    if snapshot.wait_total.abs_diff(expected) >= ms(1) {
        fail(
            format!("wait_total {} with connect_errors {errors} {when}", clock(expected)),
            format!(
                "wait_total {}: an attempt counts with its time, or not at all",
                clock(snapshot.wait_total)
            ),
        );
    }
}
