//! A waker that says when it is kept, and when it wakes.
//!
//! A future that waits keeps a clone of its task's waker. While it clones it, the stack still shows
//! which `.await` waits, and while somebody wakes it, the stack shows who does. `std::task::Wake` tells
//! of the second only: the clones of its wakers are silent.

use std::marker::PhantomData;
use std::sync::Arc;
use std::task::{RawWaker, RawWakerVTable, Waker};

/// Who is told of what becomes of a waker, and is dropped with it. Neither method may panic.
pub trait Watch: Send + Sync + 'static {
    /// Somebody keeps the waker: it is being cloned. The clone is watched by what this returns.
    fn kept(&self) -> Arc<Self>;

    /// Somebody wakes it.
    fn woken(&self);
}

/// A waker that tells `watch` what becomes of it. Two of them [would wake](Waker::will_wake) the same
/// if they are watched by the same `Arc`.
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
        // SAFETY: the pointer came from `Arc::into_raw` in `raw`, and the waker that is being cloned
        // keeps its count until this returns.
        raw(unsafe { (*pointer.cast::<W>()).kept() })
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
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;

    use super::*;

    /// Which clone it is, and all that was woken.
    struct Numbered {
        number: usize,
        next: Arc<AtomicUsize>,
        woken: Arc<Mutex<Vec<usize>>>,
    }

    impl Watch for Numbered {
        fn kept(&self) -> Arc<Self> {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            let (next, woken) = (Arc::clone(&self.next), Arc::clone(&self.woken));
            Arc::new(Self { number, next, woken })
        }

        fn woken(&self) {
            self.woken.lock().unwrap().push(self.number);
        }
    }

    #[test]
    fn tells_of_each_clone_and_each_wake_and_ends_with_its_waker() {
        let woken = Arc::new(Mutex::new(Vec::new()));
        let next = Arc::new(AtomicUsize::new(1));
        let watch = Arc::new(Numbered { number: 0, next, woken: Arc::clone(&woken) });
        let first = waker(Arc::clone(&watch));
        let (second, third) = (first.clone(), first.clone());
        assert!(first.will_wake(&waker(Arc::clone(&watch))));
        assert!(!first.will_wake(&second));
        third.wake_by_ref();
        thread::spawn(move || second.wake()).join().unwrap();
        first.wake_by_ref();
        assert_eq!(*woken.lock().unwrap(), [2, 1, 0]);
        assert_eq!(Arc::strong_count(&watch), 2);
        drop(first);
        assert_eq!(Arc::strong_count(&watch), 1);
        // The second is gone as well: the list, the first and the third hold what was woken.
        assert_eq!(Arc::strong_count(&woken), 3);
        drop(third);
        assert_eq!(Arc::strong_count(&woken), 2);
    }
}
