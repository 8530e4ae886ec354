//! Tasks and calls whose steps can be told: where they wait, who wakes them, when they are dropped.

use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::thread;

use watched_waker::Watch;

use super::polled::{self, Kept};
use super::steps::{self, Did};
use super::trace::Trace;

/// A waker of one poll of a task: the one that it is polled with, or one that a future has kept.
struct OfPoll {
    task: Arc<str>,
    waker: Waker,
    kept: Option<Arc<Kept>>,
}

impl Watch for OfPoll {
    fn kept(&self) -> Arc<Self> {
        let (task, waker) = (Arc::clone(&self.task), self.waker.clone());
        let kept = Some(polled::keep(&task));
        Arc::new(Self { task, waker, kept })
    }

    fn woken(&self) {
        steps::see(|| {
            let wait = self.kept.as_ref().map(|kept| Arc::clone(&kept.by));
            Did::Wakes { task: Arc::clone(&self.task), wait, by: Trace::take() }
        });
        self.waker.wake_by_ref();
    }
}

/// A task under a name by which its steps are told.
pub(super) struct Task<F: Future> {
    name: Arc<str>,
    work: Option<Pin<Box<F>>>,
    waits: Vec<Arc<Trace>>,
}

impl<F: Future> Task<F> {
    pub(super) fn new(name: &str, work: F) -> Self {
        Self { name: name.into(), work: Some(Box::pin(work)), waits: Vec::new() }
    }
}

impl<F: Future> Future for Task<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let Self { name, work, waits } = &mut *self;
        let running = work.as_mut().expect("it is not polled after its end").as_mut();
        let (poll, kept) = if steps::asked_for() {
            let (task, waker) = (Arc::clone(name), context.waker().clone());
            let waker = watched_waker::waker(Arc::new(OfPoll { task, waker, kept: None }));
            let _panics = TellsOfPanics(name);
            polled::as_task(name, || running.poll(&mut Context::from_waker(&waker)))
        } else {
            (running.poll(context), Vec::new())
        };
        if poll.is_ready() {
            *work = None;
        }
        if steps::asked_for() {
            waits.clone_from(&kept);
            let did = if poll.is_ready() { Did::Ends } else { Did::Waits(kept) };
            steps::keep(Some(Arc::clone(name)), did);
        }
        poll
    }
}

/// While a task is polled: says so if it panics.
struct TellsOfPanics<'a>(&'a Arc<str>);

impl Drop for TellsOfPanics<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            steps::keep(Some(Arc::clone(self.0)), Did::Panics);
        }
    }
}

impl<F: Future> Drop for Task<F> {
    fn drop(&mut self) {
        if self.work.is_some() && steps::asked_for() {
            let waits = mem::take(&mut self.waits);
            steps::keep(Some(Arc::clone(&self.name)), Did::IsDropped(waits));
            polled::as_task(&self.name, || self.work = None);
        }
    }
}

/// Something that a task awaits and may drop half-way.
pub(super) struct Awaited<F: Future> {
    /// Whether its beginning and its end are told as well.
    is_call: bool,
    /// Continues "drops" and "calls". If it is empty, nothing is told.
    what: String,
    work: Pin<Box<F>>,
    waits: Vec<Arc<Trace>>,
    is_under_way: bool,
}

impl<F: Future> Awaited<F> {
    /// A call of the code under test; `sentence` names it in backquotes, or else it is not told of.
    pub(super) fn call(sentence: &str, work: F) -> Self {
        let call = steps::asked_for().then(|| sentence.split('`').nth(1)).flatten();
        let what = call.map(|call| format!("`{call}`")).unwrap_or_default();
        let mut awaited = Self::new(what, work);
        awaited.is_call = call.is_some();
        awaited
    }

    /// Something else. `what` continues "drops".
    pub(super) fn new(what: String, work: F) -> Self {
        let waits = Vec::new();
        Self { is_call: false, what, work: Box::pin(work), waits, is_under_way: false }
    }
}

impl<F: Future> Future for Awaited<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        if !self.is_under_way {
            self.is_under_way = true;
            self.says(Did::Calls);
        }
        let before = polled::kept();
        let poll = self.work.as_mut().poll(context);
        if poll.is_ready() {
            self.is_under_way = false;
            self.says(Did::Returns);
        } else {
            self.waits = polled::kept_since(before);
        }
        poll
    }
}

impl<F: Future> Awaited<F> {
    fn says(&self, what: fn(String) -> Did) {
        if self.is_call {
            steps::see(|| what(self.what.clone()));
        }
    }
}

impl<F: Future> Drop for Awaited<F> {
    fn drop(&mut self) {
        if self.is_under_way && !self.what.is_empty() {
            let (what, waits) = (mem::take(&mut self.what), mem::take(&mut self.waits));
            steps::see(|| Did::Drops(what, waits));
        }
    }
}
