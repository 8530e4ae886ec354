//! What the tests of the simulation share.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};

/// Runs `body` under 1,000 schedules, none of which may fail or get stuck.
#[track_caller]
pub fn passes(body: impl Fn() + Send + Sync + 'static) {
    let run = sim::explore(0, 1_000, |lines| panic!("stuck:\n{}", lines.join("\n")), body);
    assert_eq!(run, 1_000);
}

/// Runs `body` under up to `schedules` schedules, one of which must fail; tells how.
#[track_caller]
pub fn fails(schedules: u64, body: impl Fn() + Send + Sync + 'static) -> String {
    let run = catch_unwind(AssertUnwindSafe(|| {
        sim::explore(0, schedules, |lines| panic!("stuck:\n{}", lines.join("\n")), body)
    }));
    match run {
        Ok(run) => panic!("all of {run} schedules passed"),
        Err(payload) => message(&*payload),
    }
}

/// The text of a panic.
pub fn message(payload: &(dyn std::any::Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().copied();
    payload.downcast_ref::<String>().cloned().unwrap_or(text.unwrap_or("no text").to_owned())
}

/// Runs `body` under 1,000 schedules and collects what it has seen in them.
#[track_caller]
pub fn reaches(body: impl Fn(&dyn Fn(&str)) + Send + Sync + 'static) -> Seen {
    let seen = Arc::new(Mutex::new(BTreeSet::new()));
    let inner = Arc::clone(&seen);
    passes(move || {
        body(&|what| {
            inner.lock().expect("not poisoned").insert(what.to_owned());
        });
    });
    let seen = seen.lock().expect("not poisoned").clone();
    Seen(seen)
}

/// What was seen in some schedule.
pub struct Seen(BTreeSet<String>);

impl Seen {
    /// All of this was seen, and nothing else.
    #[track_caller]
    pub fn exactly(self, expected: &[&str]) {
        let seen: Vec<&str> = self.0.iter().map(String::as_str).collect();
        assert_eq!(seen, expected);
    }
}
