//! What the tasks of a story did, kept as it happens and told only if the story fails.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use ledger::{Event, What};
use tokio::runtime::Handle;
use tokio::time::Instant;

use super::polled;
use super::trace::Trace;
use crate::verdict;

/// No more steps than this are kept, the last ones: what went wrong went wrong there.
const KEPT: usize = 2_000;

/// Whether steps are kept now.
static KEEPS: AtomicBool = AtomicBool::new(false);

/// The first order whose steps are asked for.
static FROM: OnceLock<u64> = OnceLock::new();

static STORY: Mutex<Story> = Mutex::new(Story { began: None, started: 0, seen: VecDeque::new() });

/// The story that runs.
struct Story {
    /// When its exchange was opened: its events count from there.
    began: Option<Instant>,
    /// How many tasks the code under test has started.
    started: usize,
    seen: VecDeque<Seen>,
}

/// Something that a task did, or that was done to it.
#[derive(Debug)]
pub(super) struct Seen {
    at: Instant,
    /// How many events the watched log held then.
    pub(super) events: usize,
    /// Who did it; nobody, if no task of the story's was being polled.
    pub(super) who: Option<Arc<str>>,
    pub(super) did: Did,
}

/// What can be seen.
#[derive(Debug)]
pub(super) enum Did {
    /// Was polled, and waits: the stacks that kept its waker.
    Waits(Vec<Arc<Trace>>),
    /// Was polled, and has come to its end.
    Ends,
    /// Was polled, and panicked.
    Panics,
    /// Woke a task: the stack that had kept the waker, and the one that used it.
    Wakes { task: Arc<str>, wait: Option<Arc<Trace>>, by: Trace },
    /// Was dropped while it waited so.
    IsDropped(Vec<Arc<Trace>>),
    /// Dropped something that it awaited, which waited so.
    Drops(String, Vec<Arc<Trace>>),
    /// Made this call.
    Calls(String),
    /// This call returned.
    Returns(String),
    /// The exchange, or the desk, wrote this down as done by the task of this name.
    Event(String, What, Trace),
    /// Started the task of this name.
    Starts(String, Trace),
}

/// Steps are asked for, from the order with this number on. Those before are known to end well, and to
/// keep the steps of one takes ten times as long as to run it.
pub(crate) fn ask_for(from: u64) {
    FROM.get_or_init(|| from);
    ledger::event::observe(event);
    begin();
}

/// Whether steps are kept. If not, nothing is paid.
pub(super) fn asked_for() -> bool {
    KEEPS.load(Ordering::Relaxed)
}

/// Another story begins, and the one before ended well.
pub(super) fn begin() {
    let keeps = FROM.get().is_some_and(|from| verdict::orders() >= *from);
    KEEPS.store(keeps, Ordering::Relaxed);
    let mut story = story();
    story.began = None;
    story.started = 0;
    story.seen.clear();
}

/// The code under test starts a task: its name.
pub(super) fn start() -> String {
    let number = {
        let mut story = story();
        story.started += 1;
        story.started
    };
    let name = format!("pool task {number}");
    see(|| Did::Starts(name.clone(), Trace::take()));
    name
}

/// Keeps what the task did that is being polled, if steps are asked for.
pub(super) fn see(did: impl FnOnce() -> Did) {
    if asked_for() {
        keep(polled::task(), did());
    }
}

/// Keeps what was done.
pub(super) fn keep(who: Option<Arc<str>>, did: Did) {
    let now = now();
    let events = verdict::count_events();
    let mut story = story();
    let at = now.or_else(|| story.seen.back().map(|seen| seen.at)).unwrap_or_else(Instant::now);
    if story.seen.len() == KEPT {
        story.seen.pop_front();
    }
    story.seen.push_back(Seen { at, events, who, did });
}

/// An event has been written.
fn event(event: &Event) {
    if !asked_for() {
        return;
    }
    if let Some(now) = now() {
        story().began.get_or_insert_with(|| now - event.at);
    }
    let did = Did::Event(event.thread.clone(), event.what.clone(), Trace::take());
    keep(polled::task(), did);
}

/// What was seen since the story began, each with its moment on the exchange's clock.
pub(super) fn take() -> Vec<(Duration, Seen)> {
    let mut story = story();
    let seen = std::mem::take(&mut story.seen);
    let began = story.began.or_else(|| seen.front().map(|seen| seen.at));
    let at = |seen: &Seen| {
        began.map_or(Duration::ZERO, |began| seen.at.saturating_duration_since(began))
    };
    seen.into_iter().map(|seen| (at(&seen), seen)).collect()
}

/// The story's time; unknown on a thread that its runtime does not know.
fn now() -> Option<Instant> {
    Handle::try_current().ok().map(|_| Instant::now())
}

fn story() -> MutexGuard<'static, Story> {
    STORY.lock().unwrap_or_else(PoisonError::into_inner)
}
