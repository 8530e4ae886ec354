//! `std::thread::scope`.

use ::std::fmt;
use ::std::marker::PhantomData;
use ::std::panic::{AssertUnwindSafe, Location, resume_unwind};
use ::std::sync::{Mutex, PoisonError};

use sim::task::{Handle, RawScope, raw_scope};

use super::{Outcome, Result, Thread};

pub struct Scope<'scope, 'env: 'scope> {
    raw: &'scope RawScope<'scope, 'env>,
    threads: Mutex<Vec<Spawned<'scope>>>,
}

struct Spawned<'scope> {
    handle: Handle,
    /// Whether it ended by a panic that no `join` has taken.
    panicked: Box<dyn Fn() -> bool + Send + 'scope>,
}

#[track_caller]
pub fn scope<'env, F, T>(f: F) -> T
where
    F: for<'scope> FnOnce(&'scope Scope<'scope, 'env>) -> T,
{
    let at = Location::caller();
    let (result, panicked) = raw_scope(|raw| {
        // It has to live as long as `raw`, which is longer than this function runs: so it is
        // leaked, some hundred bytes a scope.
        let scope = &*Box::leak(Box::new(Scope { raw, threads: Mutex::default() }));
        let result = sim::catch_unwind(AssertUnwindSafe(|| f(scope)));
        let mut panicked = false;
        while let Some(thread) = scope.next_thread() {
            thread.handle.join(at);
            panicked |= (thread.panicked)();
        }
        (result, panicked)
    });
    match result {
        Err(payload) => resume_unwind(payload),
        Ok(_) if panicked => panic!("a scoped thread panicked"),
        Ok(result) => result,
    }
}

impl<'scope> Scope<'scope, '_> {
    #[track_caller]
    pub fn spawn<F, T>(&'scope self, f: F) -> ScopedJoinHandle<'scope, T>
    where
        F: FnOnce() -> T + Send + 'scope,
        T: Send + 'scope,
    {
        self.spawn_at(None, Location::caller(), f)
    }

    pub(super) fn spawn_at<F, T>(
        &'scope self,
        name: Option<String>,
        at: &'static Location<'static>,
        f: F,
    ) -> ScopedJoinHandle<'scope, T>
    where
        F: FnOnce() -> T + Send + 'scope,
        T: Send + 'scope,
    {
        let outcome = Outcome::default();
        let handle = sim::task::spawn_scoped(self.raw, name, at, outcome.clone().body(f));
        let panicked = {
            let outcome = outcome.clone();
            Box::new(move || outcome.panicked())
        };
        self.threads().push(Spawned { handle: handle.clone(), panicked });
        ScopedJoinHandle { thread: Thread(handle), outcome, scope: PhantomData }
    }

    fn threads(&self) -> ::std::sync::MutexGuard<'_, Vec<Spawned<'scope>>> {
        self.threads.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next_thread(&self) -> Option<Spawned<'scope>> {
        self.threads().pop()
    }
}

impl fmt::Debug for Scope<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope").finish_non_exhaustive()
    }
}

pub struct ScopedJoinHandle<'scope, T> {
    thread: Thread,
    outcome: Outcome<T>,
    scope: PhantomData<&'scope ()>,
}

impl<T> ScopedJoinHandle<'_, T> {
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

impl<T> fmt::Debug for ScopedJoinHandle<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScopedJoinHandle").finish_non_exhaustive()
    }
}
