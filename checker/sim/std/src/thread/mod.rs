//! The part of `std::thread` that is modelled.

use ::std::fmt;
use ::std::io;
use ::std::num::NonZero;
use ::std::panic::{AssertUnwindSafe, Location};
use ::std::sync::{Arc, Mutex, PoisonError};
use ::std::time::Duration;

use sim::task::Handle;

mod builder;
mod scope;

pub use ::std::thread::Result;
pub use sim::{AccessError, LocalKey, panicking};

pub use builder::Builder;
pub use scope::{Scope, ScopedJoinHandle, scope};

#[track_caller]
pub fn spawn<F, T>(f: F) -> JoinHandle<T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    spawn_at(None, Location::caller(), f)
}

fn spawn_at<F, T>(name: Option<String>, at: &'static Location<'static>, f: F) -> JoinHandle<T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    let result = Outcome::default();
    let thread = sim::task::spawn(name, at, result.clone().body(f));
    JoinHandle { thread: Thread(thread), outcome: result }
}

/// Where a thread leaves what it returned.
struct Outcome<T>(Arc<Mutex<Option<Result<T>>>>);

impl<T> Outcome<T> {
    /// What the thread runs: it never unwinds.
    fn body(self, f: impl FnOnce() -> T) -> impl FnOnce() {
        move || {
            let result = sim::catch_unwind(AssertUnwindSafe(f));
            *self.lock() = Some(result);
            // What nobody will ask for is dropped here, as long as the thread's own values live.
            let dropped = sim::catch_unwind(AssertUnwindSafe(move || drop(self)));
            if dropped.is_err() {
                eprintln!("fatal runtime error: thread result panicked on drop, aborting");
                ::std::process::abort();
            }
        }
    }

    fn take(&self) -> Result<T> {
        self.lock().take().expect("a thread that has ended has a result")
    }

    fn panicked(&self) -> bool {
        matches!(*self.lock(), Some(Err(_)))
    }

    fn lock(&self) -> ::std::sync::MutexGuard<'_, Option<Result<T>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Clone for Outcome<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Default for Outcome<T> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

pub struct JoinHandle<T> {
    thread: Thread,
    outcome: Outcome<T>,
}

impl<T> JoinHandle<T> {
    #[must_use]
    pub fn thread(&self) -> &Thread {
        &self.thread
    }

    #[track_caller]
    pub fn join(self) -> Result<T> {
        self.thread.0.join(Location::caller());
        self.outcome.take()
    }

    #[track_caller]
    pub fn is_finished(&self) -> bool {
        self.thread.0.has_ended(Location::caller())
    }
}

impl<T> fmt::Debug for JoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinHandle").finish_non_exhaustive()
    }
}

#[derive(Clone)]
pub struct Thread(Handle);

impl Thread {
    #[must_use]
    pub fn id(&self) -> ThreadId {
        let (schedule, number) = self.0.id();
        ThreadId { schedule, number }
    }

    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.0.name()
    }

    #[track_caller]
    pub fn unpark(&self) {
        self.0.unpark(Location::caller());
    }
}

impl fmt::Debug for Thread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Thread")
            .field("id", &self.id())
            .field("name", &self.name())
            .finish_non_exhaustive()
    }
}

/// Tells threads apart; those of another schedule as well.
#[derive(Eq, PartialEq, Clone, Copy, Hash)]
pub struct ThreadId {
    schedule: u64,
    number: usize,
}

impl fmt::Debug for ThreadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ThreadId").field(&(self.number + 1)).finish()
    }
}

#[must_use]
pub fn current() -> Thread {
    Thread(sim::task::current())
}

#[track_caller]
pub fn yield_now() {
    sim::yield_now(Location::caller());
}

#[track_caller]
pub fn sleep(dur: Duration) {
    sim::sleep(dur, Location::caller());
}

#[deprecated(since = "1.6.0", note = "replaced by `std::thread::sleep`")]
#[track_caller]
pub fn sleep_ms(ms: u32) {
    sleep(Duration::from_millis(ms.into()));
}

#[track_caller]
pub fn park() {
    sim::task::park(Location::caller(), None);
}

#[track_caller]
pub fn park_timeout(dur: Duration) {
    sim::task::park(Location::caller(), sim::deadline_in(dur));
}

#[deprecated(since = "1.6.0", note = "replaced by `std::thread::park_timeout`")]
#[track_caller]
pub fn park_timeout_ms(ms: u32) {
    park_timeout(Duration::from_millis(ms.into()));
}

/// The same on every machine.
pub fn available_parallelism() -> io::Result<NonZero<usize>> {
    Ok(NonZero::<usize>::MIN.saturating_add(3))
}
