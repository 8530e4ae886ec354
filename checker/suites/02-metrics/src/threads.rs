//! What many threads do at the same time: P14, P15 and P20.

use std::panic;
use std::thread;

use harness::{Case, clock, fail};
use ledger::What;
use pool_metrics::Snapshot;

use crate::desk::{Desk, LONG, all_home, expect, ms, us};
use crate::script::Answer;
use crate::watch::{Tally, Watch, each_carries_a_query};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new("a_snapshot_is_one_moment", "P14", a_snapshot_is_one_moment)
            .title("a snapshot adds up in every schedule")
            .hard()
            .concurrent()
            .points(0.5)
            .lesson("one-moment")
            .hints(&[
                "You read `acquired`, then another thread gets a connection and gives it back, \
                 then you read `released`. What does your snapshot say?",
                "What belongs together must change together and be read together: one lock around \
                 all of it, held for a few additions, is enough.",
                "When does a connection stop being in use: before the pool beneath has it back, or \
                 after? Somebody else may take it in between.",
            ]),
        Case::new("survives_a_panicking_holder", "P15", survives_a_panicking_holder)
            .title("a panic gives back, and counts")
            .hard()
            .points(0.5)
            .lesson("counters-and-gauges")
            .hints(&[
                "What still runs when a thread panics while it holds a guard?",
                "`Drop` runs while the thread unwinds. It counts and gives back without asking \
                 why it is called; and a `std::sync::Mutex` that a panicking thread only held for \
                 a moment is not poisoned.",
                "`thread::panicking()` says that this thread unwinds, and not why: whether the pool \
                 beneath has panicked is known by there being no answer.",
            ]),
    ]
}

/// The last case of all: it runs on real threads.
pub(crate) fn real_cases() -> Vec<Case> {
    vec![
        Case::new("counts_real_threads", "P20", counts_real_threads)
            .title("8 real threads, 10,000 times each")
            .real()
            .hard()
            .points(0.5)
            .lesson("what-measuring-costs")
            .hints(&[
                "Which of your counts is read, changed and written back in more than one step?",
                "`fetch_add`, or an addition under a lock that is held from reading to writing, \
                 loses nothing. A `load` and a `store` do.",
            ]),
    ]
}

fn a_snapshot_is_one_moment() {
    // One connection that goes from hand to hand; then two of them, and threads that use them at
    // the same time.
    adds_up(1, &["thread A", "thread B"]);
    adds_up(2, &["thread A", "thread B", "thread C"]);
    waits_add_up();
}

/// Each attempt takes 5 ms, and somebody looks whenever one ends.
fn waits_add_up() {
    let desk = Desk::open(2);
    for _ in 0..4 {
        desk.beneath.then(ms(5), Answer::Lend);
    }
    let traders = ["thread A", "thread B"].map(|name| {
        desk.trader(name, |desk| {
            for _ in 0..2 {
                drop(desk.get_timeout(LONG));
            }
        })
    });
    for moment in [5, 10] {
        desk.at(ms(moment));
        for _ in 0..4 {
            let now = desk.metered.snapshot();
            let attempts = now.acquired + now.timeouts + now.connect_errors;
            let expected = ms(5) * u32::try_from(attempts).unwrap_or(u32::MAX);
            if now.wait_total.abs_diff(expected) > us(10) {
                fail(
                    format!(
                        "wait_total {} in a snapshot with {attempts} attempts of 5 ms",
                        clock(expected)
                    ),
                    format!("{}: the two are of different moments", clock(now.wait_total)),
                );
            }
        }
    }
    all_home(traders);
}

fn adds_up(max: u32, names: &[&str]) {
    let desk = Desk::open(max);
    desk.beneath.then(ms(0), Answer::Lend).then(ms(0), Answer::Refuse);
    let traders = names.iter().map(|name| {
        desk.trader(name, |desk| {
            let mut tally = Tally::default();
            for _ in 0..2 {
                tally.count(desk.get_timeout(ms(0)).map(|mut held| held.record_query()));
            }
            tally
        })
    });
    let traders: Vec<_> = traders.collect();
    let mut watch = Watch::default();
    let mut said = String::new();
    let mut look = || {
        let now = desk.metered.snapshot();
        let Snapshot { acquired, timeouts, connect_errors, released, in_use, queries, .. } = now;
        let text = format!(
            "snapshot: acquired {acquired}, timeouts {timeouts}, connect_errors {connect_errors}, \
             released {released}, in_use {in_use}, queries {queries}"
        );
        if text != said {
            said.clone_from(&text);
            desk.beneath.write(What::Note { text });
        }
        watch.look(&now);
        each_carries_a_query(&now);
        now
    };
    for _ in 0..12 {
        look();
    }
    let tallies = all_home(traders);
    let snapshot = look();
    Tally::expect(&tallies, &snapshot, "when all threads have gone home");
}

fn survives_a_panicking_holder() {
    let desk = Desk::open(1);
    let mut held = desk.need();
    let trader = desk.trader("thread A", move |desk| {
        let _ = panic::catch_unwind(panic::AssertUnwindSafe(|| {
            held.record_query();
            let _held = held;
            desk.at(ms(50));
            panic::resume_unwind(Box::new("the trader panics"));
        }));
    });
    all_home([trader]);
    let when = "after thread A panicked while it held the only connection";
    let snapshot = desk.snapshot(when);
    expect("released", snapshot.released, 1, when);
    expect("in_use", snapshot.in_use, 0, when);
    match desk.get_timeout(LONG) {
        Ok(_held) => {}
        Err(error) => fail(format!("a connection {when}"), error.to_string()),
    }
    let when = "after that, and one more attempt";
    let snapshot = desk.snapshot(when);
    expect("acquired", snapshot.acquired, 2, when);
    expect("released", snapshot.released, 2, when);
    a_destructor_asks();
}

/// Asks twice when it is dropped: it writes down what was left undone.
struct Undone<'a>(&'a Desk);

impl Drop for Undone<'_> {
    fn drop(&mut self) {
        let Self(desk) = self;
        if let Ok(mut held) = desk.attempt(ms(5), Answer::Lend) {
            held.record_query();
        }
        drop(desk.attempt(ms(5), Answer::TimeOut));
    }
}

fn a_destructor_asks() {
    let desk = Desk::open(1);
    let trader = desk.trader("thread B", |desk| {
        let _ = panic::catch_unwind(panic::AssertUnwindSafe(|| {
            let _undone = Undone(desk);
            panic::resume_unwind(Box::new("the trader panics"));
        }));
    });
    all_home([trader]);
    let when = "after a destructor asked twice while thread B unwound a panic of its own, and got a \
                connection and a time-out";
    let snapshot = desk.snapshot(when);
    let tally = Tally { acquired: 1, timeouts: 1, connect_errors: 0 };
    Tally::expect(&[tally], &snapshot, when);
    Watch::default().look(&snapshot);
}

/// How often each of the real threads asks.
const ROUNDS: usize = 10_000;

fn counts_real_threads() {
    let desk = Desk::open(4);
    for _ in 0..ROUNDS {
        desk.beneath.then(ms(0), Answer::Lend).then(ms(0), Answer::Refuse);
    }
    let began = desk.now();
    let traders: Vec<_> = (1..=8)
        .map(|number| {
            desk.trader(&format!("trader {number}"), |desk| {
                let mut tally = Tally::default();
                for _ in 0..ROUNDS {
                    let answer = desk.metered.get_timeout(ms(0));
                    tally.count(answer.map(|held| held.record_query()));
                }
                tally
            })
        })
        .collect();
    let mut watch = Watch::default();
    while !traders.iter().all(thread::JoinHandle::is_finished) {
        let snapshot = desk.metered.snapshot();
        watch.look(&snapshot);
        each_carries_a_query(&snapshot);
        thread::yield_now();
    }
    let tallies = all_home(traders);
    let took = desk.now().saturating_sub(began);
    let snapshot = desk.metered.snapshot();
    watch.look(&snapshot);
    Tally::expect(&tallies, &snapshot, "when all eight have gone home");
    if snapshot.wait_total > took * 8 {
        fail(
            format!("wait_total of at most {}, which is all that 8 threads had", clock(took * 8)),
            clock(snapshot.wait_total),
        );
    }
}
