//! Tasks and calls whose steps can be told: where they wait, who wakes them, when they are dropped.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use watched_waker::Watch;

use super::steps::{self, Did};
use super::trace::Trace;

thread_local! {
    /// The tasks that are being polled (or dropped) on this thread, one inside the other.
    static POLLED: RefCell<Vec<Polled>> = const { RefCell::new(Vec::new()) };
}

/// A task while it is being polled.
struct Polled {
    task: Arc<str>,
    /// The stacks that have kept its waker in this poll.
    kept: Vec<Arc<Trace>>,
}

/// The task that is being polled on this thread.
pub(super) fn current() -> Option<Arc<str>> {
    POLLED.with_borrow(|polled| polled.last().map(|polled| Arc::clone(&polled.task)))
}

/// What has kept its waker in this poll, but for the first `before`.
fn kept_since(before: usize) -> Vec<Arc<Trace>> {
    POLLED.with_borrow(|polled| {
        let kept = polled.last().map(|polled| polled.kept.iter().skip(before).cloned());
        kept.into_iter().flatten().collect()
    })
}

fn kept() -> usize {
    POLLED.with_borrow(|polled| polled.last().map_or(0, |polled| polled.kept.len()))
}

/// Runs something as done by this task, and says what has kept its waker.
fn as_task<T>(task: &Arc<str>, work: impl FnOnce() -> T) -> (T, Vec<Arc<Trace>>) {
    /// Also when the work panics.
    struct Leave;
    impl Drop for Leave {
        fn drop(&mut self) {
            POLLED.with_borrow_mut(Vec::pop);
        }
    }
    POLLED.with_borrow_mut(|polled| {
        polled.push(Polled { task: Arc::clone(task), kept: Vec::new() });
    });
    let leave = Leave;
    let done = work();
    let kept = kept_since(0);
    drop(leave);
    (done, kept)
}

/// The waker of one poll. Each poll has another, so that what waits again keeps it again.
struct OfPoll {
    task: Arc<str>,
    waker: Waker,
}

impl Watch for OfPoll {
    fn kept(&self) {
        let trace = Arc::new(Trace::take());
        POLLED.with_borrow_mut(|polled| {
            let own = polled.last_mut().filter(|polled| Arc::ptr_eq(&polled.task, &self.task));
            if let Some(polled) = own {
                polled.kept.push(trace);
            }
        });
    }

    fn woken(&self) {
        steps::see(|| Did::Wakes(Arc::clone(&self.task), Trace::take()));
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
            let of_poll = OfPoll { task: Arc::clone(name), waker: context.waker().clone() };
            let waker = watched_waker::waker(Arc::new(of_poll));
            as_task(name, || running.poll(&mut Context::from_waker(&waker)))
        } else {
            (running.poll(context), Vec::new())
        };
        if poll.is_ready() {
            *work = None;
        } else if steps::asked_for() {
            waits.clone_from(&kept);
            steps::keep(Some(Arc::clone(name)), Did::Waits(kept));
        }
        poll
    }
}

impl<F: Future> Drop for Task<F> {
    fn drop(&mut self) {
        if self.work.is_some() && steps::asked_for() {
            let waits = std::mem::take(&mut self.waits);
            steps::keep(Some(Arc::clone(&self.name)), Did::IsDropped(waits));
            as_task(&self.name, || self.work = None);
        }
    }
}

/// A call of the code under test, within a task.
pub(super) struct Call<F: Future> {
    what: String,
    work: Pin<Box<F>>,
    waits: Vec<Arc<Trace>>,
    is_under_way: bool,
}

impl<F: Future> Call<F> {
    pub(super) fn new(what: &str, work: F) -> Self {
        let what = what.to_owned();
        Self { what, work: Box::pin(work), waits: Vec::new(), is_under_way: false }
    }
}

impl<F: Future> Future for Call<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        if !self.is_under_way {
            self.is_under_way = true;
            steps::see(|| Did::Calls(self.what.clone()));
        }
        let before = kept();
        let poll = self.work.as_mut().poll(context);
        if poll.is_ready() {
            self.is_under_way = false;
            steps::see(|| Did::Returns(self.what.clone()));
        } else {
            self.waits = kept_since(before);
        }
        poll
    }
}

impl<F: Future> Drop for Call<F> {
    fn drop(&mut self) {
        if self.is_under_way {
            let waits = std::mem::take(&mut self.waits);
            steps::see(|| Did::Drops(self.what.clone(), waits));
        }
    }
}
