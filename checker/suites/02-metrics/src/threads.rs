//! What many threads do at the same time: P14, P15 and P20.

use std::panic;
use std::thread;

use harness::{Case, clock, fail};
use ledger::What;
use pool_metrics::Snapshot;

use crate::desk::{Desk, LONG, all_home, expect, ms, us};
use crate::script::{Answer, Fault};

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

/// What the attempts of a thread came to.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    acquired: u64,
    timeouts: u64,
    connect_errors: u64,
}

impl Tally {
    fn count(&mut self, answer: Result<(), Fault>) {
        match answer {
            Ok(()) => self.acquired += 1,
            Err(Fault::Timeout(_)) => self.timeouts += 1,
            Err(Fault::Refused(_)) => self.connect_errors += 1,
        }
    }

    /// Fails unless the snapshot holds exactly what the threads did.
    fn expect(tallies: &[Self], snapshot: &Snapshot, when: &str) {
        let sum = |field: fn(&Self) -> u64| tallies.iter().map(field).sum();
        expect("acquired", snapshot.acquired, sum(|tally| tally.acquired), when);
        expect("released", snapshot.released, sum(|tally| tally.acquired), when);
        expect("timeouts", snapshot.timeouts, sum(|tally| tally.timeouts), when);
        expect("connect_errors", snapshot.connect_errors, sum(|tally| tally.connect_errors), when);
        // Each connection carried one query.
        expect("queries", snapshot.queries, sum(|tally| tally.acquired), when);
        expect("in_use", snapshot.in_use, 0, when);
        expect("pending", snapshot.pending, 0, when);
    }
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
        now
    };
    for _ in 0..12 {
        look();
    }
    let tallies = all_home(traders);
    let snapshot = look();
    Tally::expect(&tallies, &snapshot, "when all threads have gone home");
}

/// Somebody who looks at one snapshot after the other.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    before: Snapshot,
}

impl Watch {
    /// Fails unless the snapshot adds up and nothing has gone back since the last look.
    pub(crate) fn look(&mut self, now: &Snapshot) {
        let Snapshot { acquired, released, in_use, max, .. } = *now;
        if released > acquired {
            fail(
                "a snapshot in which released is not above acquired",
                format!("released {released}, acquired {acquired}"),
            );
        }
        if u64::from(in_use) != acquired - released {
            fail(
                format!(
                    "in_use {} with acquired {acquired}, released {released}",
                    acquired - released
                ),
                format!("in_use {in_use}"),
            );
        }
        if in_use > max {
            fail(
                format!("in_use not above max, which is {max}"),
                format!(
                    "in_use {in_use}: a connection was in use again before it was released, or the \
                     snapshot read the two at different moments"
                ),
            );
        }
        let ended = now.acquired + now.timeouts + now.connect_errors;
        let in_buckets: u64 = now.buckets.iter().sum();
        if in_buckets != ended {
            fail(
                format!(
                    "{ended} attempts in the buckets of a snapshot with acquired {}, timeouts {}, \
                     connect_errors {}",
                    now.acquired, now.timeouts, now.connect_errors
                ),
                format!("{in_buckets}"),
            );
        }
        let before = &self.before;
        for (field, before, now) in [
            ("acquired", before.acquired, now.acquired),
            ("released", before.released, now.released),
            ("timeouts", before.timeouts, now.timeouts),
            ("connect_errors", before.connect_errors, now.connect_errors),
            ("queries", before.queries, now.queries),
        ] {
            if now < before {
                fail(
                    format!("{field} not below {before}, as an earlier snapshot had it"),
                    format!("{field} {now}"),
                );
            }
        }
        self.before = now.clone();
    }
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
        watch.look(&desk.metered.snapshot());
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
