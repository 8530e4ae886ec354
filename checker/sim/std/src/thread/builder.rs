//! `std::thread::Builder`.

use ::std::io;
use ::std::panic::Location;

use super::{JoinHandle, Scope, ScopedJoinHandle};

#[must_use = "must eventually spawn the thread"]
#[derive(Debug)]
pub struct Builder {
    name: Option<String>,
}

#[expect(clippy::new_without_default, reason = "so it is in `std`")]
impl Builder {
    pub fn new() -> Self {
        Self { name: None }
    }

    pub fn name(mut self, name: String) -> Self {
        assert!(!name.contains('\0'), "thread name may not contain interior null bytes");
        self.name = Some(name);
        self
    }

    /// All simulated threads have the same stack.
    pub fn stack_size(self, _size: usize) -> Self {
        self
    }

    #[track_caller]
    pub fn spawn<F, T>(self, f: F) -> io::Result<JoinHandle<T>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        Ok(super::spawn_at(self.name, Location::caller(), f))
    }

    #[track_caller]
    pub fn spawn_scoped<'scope, 'env, F, T>(
        self,
        scope: &'scope Scope<'scope, 'env>,
        f: F,
    ) -> io::Result<ScopedJoinHandle<'scope, T>>
    where
        F: FnOnce() -> T + Send + 'scope,
        T: Send + 'scope,
    {
        Ok(scope.spawn_at(self.name, Location::caller(), f))
    }
}
