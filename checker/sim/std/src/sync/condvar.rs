//! `std::sync::Condvar`.

use ::std::fmt;
use ::std::panic::{Location, RefUnwindSafe, UnwindSafe};
use ::std::sync::{LockResult, PoisonError};
use ::std::time::Duration;

use sim::{Event, Queue, Wake};

use super::MutexGuard;

#[derive(Debug, PartialEq, Eq, Copy, Clone)]
pub struct WaitTimeoutResult(bool);

impl WaitTimeoutResult {
    #[must_use]
    pub fn timed_out(&self) -> bool {
        self.0
    }
}

#[derive(Default)]
pub struct Condvar {
    waiters: Queue,
}

impl UnwindSafe for Condvar {}
impl RefUnwindSafe for Condvar {}

impl Condvar {
    #[must_use]
    pub const fn new() -> Self {
        Self { waiters: Queue::new() }
    }

    #[track_caller]
    pub fn wait<'a, T: ?Sized>(
        &self,
        mut guard: MutexGuard<'a, T>,
    ) -> LockResult<MutexGuard<'a, T>> {
        self.block(&mut guard, None);
        guard.check()
    }

    #[track_caller]
    pub fn wait_while<'a, T: ?Sized, F: FnMut(&mut T) -> bool>(
        &self,
        mut guard: MutexGuard<'a, T>,
        mut condition: F,
    ) -> LockResult<MutexGuard<'a, T>> {
        while condition(&mut *guard) {
            guard = self.wait(guard)?;
        }
        Ok(guard)
    }

    #[track_caller]
    pub fn wait_timeout<'a, T: ?Sized>(
        &self,
        mut guard: MutexGuard<'a, T>,
        dur: Duration,
    ) -> LockResult<(MutexGuard<'a, T>, WaitTimeoutResult)> {
        let result = WaitTimeoutResult(self.block(&mut guard, sim::deadline_in(dur)));
        with_result(guard.check(), result)
    }

    #[deprecated(since = "1.6.0", note = "replaced by `std::sync::Condvar::wait_timeout`")]
    #[track_caller]
    pub fn wait_timeout_ms<'a, T: ?Sized>(
        &self,
        guard: MutexGuard<'a, T>,
        ms: u32,
    ) -> LockResult<(MutexGuard<'a, T>, bool)> {
        let result = self.wait_timeout(guard, Duration::from_millis(ms.into()));
        let goes_on = |(guard, result): (_, WaitTimeoutResult)| (guard, !result.timed_out());
        result.map(goes_on).map_err(|e| PoisonError::new(goes_on(e.into_inner())))
    }

    #[track_caller]
    pub fn wait_timeout_while<'a, T: ?Sized, F: FnMut(&mut T) -> bool>(
        &self,
        mut guard: MutexGuard<'a, T>,
        dur: Duration,
        mut condition: F,
    ) -> LockResult<(MutexGuard<'a, T>, WaitTimeoutResult)> {
        let deadline = sim::deadline_in(dur);
        loop {
            if !condition(&mut *guard) {
                return Ok((guard, WaitTimeoutResult(false)));
            }
            if deadline.is_some_and(|deadline| sim::deadline_in(Duration::ZERO) >= Some(deadline)) {
                return Ok((guard, WaitTimeoutResult(true)));
            }
            self.block(&mut guard, deadline);
            guard = match guard.check() {
                Ok(guard) => guard,
                Err(e) => return with_result(Err(e), WaitTimeoutResult(false)),
            };
        }
    }

    #[track_caller]
    pub fn notify_one(&self) {
        self.waiters.notify_one(Location::caller());
    }

    #[track_caller]
    pub fn notify_all(&self) {
        self.waiters.notify_all(Location::caller());
    }

    /// Waits for a notification, or for nothing at all; true if the deadline came first.
    #[track_caller]
    fn block<T: ?Sized>(&self, guard: &mut MutexGuard<'_, T>, deadline: Option<Duration>) -> bool {
        let at = Location::caller();
        // Others go first who notify without the lock: what they say is lost then, as it would be.
        sim::point(at);
        let _ = self.waiters.enter(0);
        guard.unlocked(|| self.waiters.wait_loosely(Event::Notification, at, deadline))
            == Wake::TimedOut
    }
}

impl fmt::Debug for Condvar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Condvar").finish_non_exhaustive()
    }
}

fn with_result<G>(
    guard: LockResult<G>,
    result: WaitTimeoutResult,
) -> LockResult<(G, WaitTimeoutResult)> {
    match guard {
        Ok(guard) => Ok((guard, result)),
        Err(e) => Err(PoisonError::new((e.into_inner(), result))),
    }
}
