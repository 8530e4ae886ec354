//! `std::sync::Once`.

use ::std::fmt;
use ::std::panic::{Location, RefUnwindSafe, UnwindSafe};

use sim::Progress;

#[derive(Default)]
pub struct Once {
    inner: sim::Once,
}

pub struct OnceState {
    poisoned: bool,
}

#[deprecated(since = "1.38.0", note = "the `Once::new()` function is now preferred")]
#[expect(clippy::declare_interior_mutable_const, reason = "so it is in `std`")]
pub const ONCE_INIT: Once = Once::new();

impl UnwindSafe for Once {}
impl RefUnwindSafe for Once {}

impl Once {
    #[must_use]
    pub const fn new() -> Self {
        Self { inner: sim::Once::new() }
    }

    #[track_caller]
    pub fn call_once<F: FnOnce()>(&self, f: F) {
        let done = self.inner.call(false, Location::caller(), |_| f());
        assert!(done, "Once instance has previously been poisoned");
    }

    #[track_caller]
    pub fn call_once_force<F: FnOnce(&OnceState)>(&self, f: F) {
        self.inner.call(true, Location::caller(), |poisoned| f(&OnceState { poisoned }));
    }

    #[track_caller]
    pub fn is_completed(&self) -> bool {
        self.inner.progress(Location::caller()) == Progress::Done
    }

    #[track_caller]
    pub fn wait(&self) {
        let done = self.inner.wait(false, Location::caller());
        assert!(done, "Once instance has previously been poisoned");
    }

    #[track_caller]
    pub fn wait_force(&self) {
        self.inner.wait(true, Location::caller());
    }
}

impl OnceState {
    #[must_use]
    pub fn is_poisoned(&self) -> bool {
        self.poisoned
    }
}

impl fmt::Debug for Once {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Once").finish_non_exhaustive()
    }
}

impl fmt::Debug for OnceState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OnceState").field("poisoned", &self.poisoned).finish()
    }
}
