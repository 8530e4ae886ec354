//! Which task is being polled, and what keeps its waker meanwhile.

use std::cell::RefCell;
use std::sync::{Arc, Weak};

use super::trace::Trace;

thread_local! {
    /// The tasks that are being polled, or dropped, on this thread: one inside the other.
    static POLLED: RefCell<Vec<Polled>> = const { RefCell::new(Vec::new()) };
}

struct Polled {
    task: Arc<str>,
    /// Its wakers that were kept in this poll. Those that still are when it ends are what the task waits
    /// for.
    kept: Vec<Weak<Kept>>,
}

/// A waker is kept, for as long as this is.
#[derive(Debug)]
pub(super) struct Kept {
    /// By whom.
    pub(super) by: Arc<Trace>,
}

/// The task that is being polled on this thread.
pub(super) fn task() -> Option<Arc<str>> {
    POLLED.with_borrow(|polled| polled.last().map(|polled| Arc::clone(&polled.task)))
}

/// The waker of this task is kept now, by whoever is seen on the stack.
pub(super) fn keep(task: &Arc<str>) -> Arc<Kept> {
    let kept = Arc::new(Kept { by: Arc::new(Trace::take()) });
    POLLED.with_borrow_mut(|polled| {
        let own = polled.last_mut().filter(|polled| Arc::ptr_eq(&polled.task, task));
        if let Some(polled) = own {
            polled.kept.push(Arc::downgrade(&kept));
        }
    });
    kept
}

/// How often the waker has been kept in this poll.
pub(super) fn kept() -> usize {
    POLLED.with_borrow(|polled| polled.last().map_or(0, |polled| polled.kept.len()))
}

/// By whom it still is, but for the first `before`.
pub(super) fn kept_since(before: usize) -> Vec<Arc<Trace>> {
    POLLED.with_borrow(|polled| {
        let kept = polled.last().into_iter().flat_map(|polled| polled.kept.iter().skip(before));
        kept.filter_map(Weak::upgrade).map(|kept| Arc::clone(&kept.by)).collect()
    })
}

/// Runs something as done by this task, and says what keeps its waker after that.
pub(super) fn as_task<T>(task: &Arc<str>, work: impl FnOnce() -> T) -> (T, Vec<Arc<Trace>>) {
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
    let _leave = Leave;
    let done = work();
    (done, kept_since(0))
}
