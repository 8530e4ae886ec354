//! The mark that a panic leaves on a lock.

use ::std::sync::atomic::{AtomicBool, Ordering};
use ::std::sync::{LockResult, PoisonError};

#[derive(Debug)]
pub(super) struct Flag(AtomicBool);

impl Flag {
    pub(super) const fn new() -> Self {
        Self(AtomicBool::new(false))
    }

    pub(super) fn get(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    pub(super) fn clear(&self) {
        self.0.store(false, Ordering::Relaxed);
    }

    /// The result of taking the lock that this belongs to.
    pub(super) fn check<T>(&self, data: T) -> LockResult<T> {
        if self.get() { Err(PoisonError::new(data)) } else { Ok(data) }
    }

    /// To be kept with the guard, and dropped before the lock is given back.
    pub(super) fn watch(&self) -> Watch<'_> {
        Watch { flag: self, panicking: sim::panicking() }
    }
}

/// Sets the mark when it is dropped by a panic that has begun since.
#[derive(Debug)]
pub(super) struct Watch<'a> {
    flag: &'a Flag,
    panicking: bool,
}

impl<'a> Watch<'a> {
    pub(super) fn flag(&self) -> &'a Flag {
        self.flag
    }
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        if !self.panicking && sim::panicking() {
            self.flag.0.store(true, Ordering::Relaxed);
        }
    }
}
