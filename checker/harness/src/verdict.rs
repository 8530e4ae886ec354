//! How a running case ends: the one place where its outcome is written, once.
//!
//! A failing case is not unwound. It tells the main thread why it failed and then stands still, in
//! the very state in which the promise was broken, while the main thread writes the record and ends
//! the process. So no destructor of the code under test runs after the verdict, and in a simulated
//! case, whose threads all live on one thread of the system, the whole world stands still with it.

use std::any::Any;
use std::collections::BTreeMap;
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::thread;

use ledger::{Event, Failure, Log, Outcome, What, plain};

use crate::source::{self, LONGEST};
use crate::{likeness, panics, schedule};

/// How the case ended, as the thread that ran it says it.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) outcome: Outcome,
    pub(crate) failure: Option<Failure>,
    pub(crate) schedules: u64,
    pub(crate) seed: Option<u64>,
}

/// Where the verdict goes. Only the first that is sent counts.
static VERDICT: OnceLock<Mutex<Sender<Ended>>> = OnceLock::new();

/// How many orders of events the case has begun to drive itself.
static ORDERS: AtomicU64 = AtomicU64::new(0);

/// The threads that are in the middle of what they do for the case.
static AT_WORK: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// The name of the thread that runs a case's body.
pub(crate) const MAIN: &str = "main";

/// The log of the story that runs.
static LOG: Mutex<Option<Log>> = Mutex::new(None);

pub(crate) fn open(verdict: Sender<Ended>) {
    assert!(VERDICT.set(Mutex::new(verdict)).is_ok(), "one process runs one case");
}

pub(crate) fn send(ended: Ended) {
    let verdict = VERDICT.get().expect("a case runs inside `serve`");
    // The main thread may have ended the case at its deadline and be gone.
    let _ = verdict.lock().unwrap_or_else(PoisonError::into_inner).send(ended);
}

/// No more than so many events are told of, the last ones: a picture of more shows nothing.
const MOST_EVENTS: usize = 20_000;

/// Fails the case: the promise leads one to expect `expected`, and there was `got` instead.
///
/// Both are read by a student, so they are phrases in plain words that continue "expected" and
/// "got". Does not return and does not unwind.
pub fn fail(expected: impl Into<String>, got: impl Into<String>) -> ! {
    fail_with(Failure { expected: expected.into(), got: got.into(), ..Failure::default() })
}

/// Ends the case without a verdict on the code: it cannot run here, for this reason.
pub fn skip(reason: impl Into<String>) -> ! {
    end(Outcome::Skipped, Failure { got: reason.into(), ..Failure::default() })
}

pub(crate) fn fail_with(mut failure: Failure) -> ! {
    let texts = [&mut failure.expected, &mut failure.got];
    for text in texts.into_iter().chain(&mut failure.waiting) {
        source::shorten(text);
    }
    end(Outcome::Failed, failure)
}

fn end(outcome: Outcome, failure: Failure) -> ! {
    if !likeness::is_wanted(outcome, &failure) {
        schedule::give_up();
    }
    let seed = schedule::seed();
    send(Ended { outcome, failure: Some(failure), schedules: schedules(), seed });
    loop {
        thread::park();
    }
}

/// Runs what a thread of the case does; a panic that comes out of it fails the case.
pub fn guarded<T>(body: impl FnOnce() -> T) -> T {
    let thread = panics::thread_name();
    AT_WORK.lock().unwrap_or_else(PoisonError::into_inner).push(thread.clone());
    let done = panic::catch_unwind(AssertUnwindSafe(body));
    let mut at_work = AT_WORK.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(place) = at_work.iter().position(|name| *name == thread) {
        at_work.swap_remove(place);
    }
    drop(at_work);
    match done {
        Ok(value) => value,
        Err(payload) => fail_with(panics::failure(payload_text(&*payload).as_deref())),
    }
}

fn payload_text(payload: &(dyn Any + Send)) -> Option<String> {
    let text = payload.downcast_ref::<&str>().copied();
    let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    text.map(|text| plain::cut(text, LONGEST).into_owned())
}

/// From now on, the case's picture is drawn from this log, and its steps are told. What was before is
/// forgotten: its story has ended well.
pub fn watch(log: &Log) {
    *LOG.lock().unwrap_or_else(PoisonError::into_inner) = Some(log.clone());
    schedule::forget_steps();
}

/// Begins another run of the story, in another order of its events: counts it, and forgets the log of
/// the one before. For cases that drive the orders themselves; the simulation counts its own.
pub fn order() {
    ORDERS.fetch_add(1, Ordering::Relaxed);
    begin_schedule();
}

/// Forgets the log of the schedule before.
pub(crate) fn begin_schedule() {
    *LOG.lock().unwrap_or_else(PoisonError::into_inner) = None;
    AT_WORK.lock().unwrap_or_else(PoisonError::into_inner).clear();
}

/// What the watched log holds.
fn events() -> Vec<Event> {
    let log = LOG.lock().unwrap_or_else(PoisonError::into_inner);
    log.as_ref().map(Log::events).unwrap_or_default()
}

/// How many events the watched log holds.
#[cfg(any(feature = "sim", feature = "tasks"))]
pub(crate) fn count_events() -> usize {
    let log = LOG.lock().unwrap_or_else(PoisonError::into_inner);
    log.as_ref().map(Log::count).unwrap_or_default()
}

/// What of that is told, no more than anybody could look at; and how many before are not.
pub(crate) fn last_events() -> (Vec<Event>, usize) {
    let mut events = events();
    let untold = events.len().saturating_sub(MOST_EVENTS);
    events.drain(..untold);
    for Event { thread, what, .. } in &mut events {
        let text = match what {
            What::GaveUp { error } | What::Refused { error, .. } => Some(error),
            What::Note { text } => Some(text),
            _ => None,
        };
        for text in text.into_iter().chain([thread]) {
            source::shorten(text);
        }
    }
    (events, untold)
}

/// Which threads have not come to an end, and what they were last seen to do: what can be said of
/// real threads.
pub(crate) fn at_work() -> Vec<String> {
    let mut last: BTreeMap<String, String> = BTreeMap::new();
    for Event { at, thread, what } in events() {
        let at = at.as_millis();
        let seen = match what {
            What::Asked => format!("asked for a connection at {at} ms and still waits for it"),
            What::Got { conn } => format!("got {conn} at {at} ms and has not given it back"),
            What::Returned { conn } => format!("began to give {conn} back at {at} ms"),
            _ => continue,
        };
        last.insert(thread, seen);
    }
    let mut threads = AT_WORK.lock().unwrap_or_else(PoisonError::into_inner).clone();
    // The thread of the case itself waits for the others.
    threads.retain(|thread| thread != MAIN);
    threads.sort();
    let doing = |thread: String| {
        let seen = last.get(&thread).map_or("has not come to an end", String::as_str);
        format!("{thread} {seen}")
    };
    threads.into_iter().map(doing).collect()
}

/// How many orders the case has driven itself; one, if it does not count them.
pub(crate) fn orders() -> u64 {
    ORDERS.load(Ordering::Relaxed).max(1)
}

/// How many schedules, or orders, have been begun.
pub(crate) fn schedules() -> u64 {
    orders().max(schedule::schedules_run())
}
