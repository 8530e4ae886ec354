//! `parking_lot::Condvar`.

use std::fmt;
use std::panic::Location;
use std::ptr;
use std::time::Duration;

use sim::{Event, Instant, Queue, Wake};

use crate::MutexGuard;

#[derive(Debug, PartialEq, Eq, Copy, Clone)]
pub struct WaitTimeoutResult(bool);

impl WaitTimeoutResult {
    #[must_use]
    pub fn timed_out(self) -> bool {
        self.0
    }
}

#[derive(Default)]
pub struct Condvar {
    waiters: Queue,
}

impl Condvar {
    #[must_use]
    pub const fn new() -> Self {
        Self { waiters: Queue::new() }
    }

    #[track_caller]
    pub fn notify_one(&self) -> bool {
        self.waiters.notify_one(Location::caller())
    }

    #[track_caller]
    pub fn notify_all(&self) -> usize {
        self.waiters.notify_all(Location::caller())
    }

    #[track_caller]
    pub fn wait<T: ?Sized>(&self, mutex_guard: &mut MutexGuard<'_, T>) {
        self.block(mutex_guard, None);
    }

    #[track_caller]
    pub fn wait_until<T: ?Sized>(
        &self,
        mutex_guard: &mut MutexGuard<'_, T>,
        timeout: Instant,
    ) -> WaitTimeoutResult {
        self.block(mutex_guard, Some(timeout.deadline()))
    }

    #[track_caller]
    pub fn wait_for<T: ?Sized>(
        &self,
        mutex_guard: &mut MutexGuard<'_, T>,
        timeout: Duration,
    ) -> WaitTimeoutResult {
        self.block(mutex_guard, sim::deadline_in(timeout))
    }

    #[track_caller]
    pub fn wait_while<T, F>(&self, mutex_guard: &mut MutexGuard<'_, T>, condition: F)
    where
        T: ?Sized,
        F: FnMut(&mut T) -> bool,
    {
        self.block_while(mutex_guard, condition, None);
    }

    #[track_caller]
    pub fn wait_while_until<T, F>(
        &self,
        mutex_guard: &mut MutexGuard<'_, T>,
        condition: F,
        timeout: Instant,
    ) -> WaitTimeoutResult
    where
        T: ?Sized,
        F: FnMut(&mut T) -> bool,
    {
        self.block_while(mutex_guard, condition, Some(timeout.deadline()))
    }

    #[track_caller]
    pub fn wait_while_for<T: ?Sized, F>(
        &self,
        mutex_guard: &mut MutexGuard<'_, T>,
        condition: F,
        timeout: Duration,
    ) -> WaitTimeoutResult
    where
        F: FnMut(&mut T) -> bool,
    {
        self.block_while(mutex_guard, condition, sim::deadline_in(timeout))
    }

    #[track_caller]
    fn block_while<T: ?Sized>(
        &self,
        guard: &mut MutexGuard<'_, T>,
        mut condition: impl FnMut(&mut T) -> bool,
        deadline: Option<Duration>,
    ) -> WaitTimeoutResult {
        let mut result = WaitTimeoutResult(false);
        while !result.timed_out() && condition(guard) {
            result = self.block(guard, deadline);
        }
        result
    }

    #[track_caller]
    fn block<T: ?Sized>(
        &self,
        guard: &mut MutexGuard<'_, T>,
        deadline: Option<Duration>,
    ) -> WaitTimeoutResult {
        let at = Location::caller();
        // Others go first who notify without the lock: what they say is lost then, as it would be.
        sim::point(at);
        let mutex = ptr::from_ref(MutexGuard::mutex(guard)).addr();
        assert!(
            self.waiters.enter(mutex).is_ok(),
            "attempted to use a condition variable with more than one mutex"
        );
        let wake =
            MutexGuard::unlocked(guard, || self.waiters.wait(Event::Notification, at, deadline));
        WaitTimeoutResult(wake == Wake::TimedOut)
    }
}

impl fmt::Debug for Condvar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad("Condvar { .. }")
    }
}
