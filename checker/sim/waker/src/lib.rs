//! A waker that says when it is kept, and when it wakes.
//!
//! A future that waits keeps a clone of its task's waker. While it clones it, the stack still shows
//! which `.await` waits, and while somebody wakes it, the stack shows who does. `std::task::Wake` tells
//! of the second only: the clones of its wakers are silent.

use std::marker::PhantomData;
use std::sync::Arc;
use std::task::{RawWaker, RawWakerVTable, Waker};

/// Who is told of what becomes of a waker. Neither method may panic.
pub trait Watch: Send + Sync + 'static {
    /// Somebody keeps the waker: it is being cloned.
    fn kept(&self);

    /// Somebody wakes it.
    fn woken(&self);
}

/// A waker that tells `watch` what becomes of it and of its clones. Two of them
/// [would wake](Waker::will_wake) the same if they were made of the same `Arc`.
pub fn waker<W: Watch>(watch: Arc<W>) -> Waker {
    // SAFETY: the table's functions keep the contract of `RawWaker`. The pointer is an `Arc`'s, and
    // stands for one of its counts; `Watch` is `Send`, `Sync` and `'static`, so that a clone may go to
    // any thread and stay there; and each function does what its name says.
    unsafe { Waker::from_raw(raw(watch)) }
}

fn raw<W: Watch>(watch: Arc<W>) -> RawWaker {
    RawWaker::new(Arc::into_raw(watch).cast(), Table::<W>::TABLE)
}

/// The functions that a waker over a `W` has.
struct Table<W>(PhantomData<W>);

impl<W: Watch> Table<W> {
    const TABLE: &RawWakerVTable =
        &RawWakerVTable::new(Self::clone, Self::wake, Self::wake_by_ref, Self::drop);

    unsafe fn clone(pointer: *const ()) -> RawWaker {
        let pointer = pointer.cast::<W>();
        // SAFETY: the pointer came from `Arc::into_raw` in `raw`, and the waker that is being cloned
        // keeps its count until this returns.
        unsafe {
            (*pointer).kept();
            Arc::increment_strong_count(pointer);
        }
        RawWaker::new(pointer.cast(), Self::TABLE)
    }

    unsafe fn wake(pointer: *const ()) {
        // SAFETY: the pointer came from `Arc::into_raw` in `raw`, and the waker gives its count away:
        // it is not used again.
        unsafe { Arc::from_raw(pointer.cast::<W>()) }.woken();
    }

    unsafe fn wake_by_ref(pointer: *const ()) {
        // SAFETY: the pointer came from `Arc::into_raw` in `raw`, and the waker keeps its count until
        // this returns.
        unsafe { (*pointer.cast::<W>()).woken() }
    }

    unsafe fn drop(pointer: *const ()) {
        // SAFETY: as in `wake`.
        drop(unsafe { Arc::from_raw(pointer.cast::<W>()) });
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;

    use super::*;

    #[derive(Default)]
    struct Counts {
        kept: AtomicUsize,
        woken: AtomicUsize,
    }

    impl Watch for Counts {
        fn kept(&self) {
            self.kept.fetch_add(1, Ordering::Relaxed);
        }

        fn woken(&self) {
            self.woken.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn tells_of_each_clone_and_each_wake_and_ends_with_the_last_waker() {
        let counts = Arc::new(Counts::default());
        let first = waker(Arc::clone(&counts));
        let second = first.clone();
        assert!(first.will_wake(&second));
        assert!(!first.will_wake(&waker(Arc::new(Counts::default()))));
        second.wake_by_ref();
        thread::spawn(move || second.wake()).join().unwrap();
        assert_eq!(counts.kept.load(Ordering::Relaxed), 1);
        assert_eq!(counts.woken.load(Ordering::Relaxed), 2);
        assert_eq!(Arc::strong_count(&counts), 2);
        drop(first);
        assert_eq!(Arc::strong_count(&counts), 1);
    }
}
