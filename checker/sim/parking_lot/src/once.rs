//! `parking_lot::Once`.

use std::fmt;
use std::panic::Location;

use sim::Progress;

#[derive(Copy, Clone, Eq, PartialEq, Debug)]
pub enum OnceState {
    New,
    Poisoned,
    InProgress,
    Done,
}

impl OnceState {
    #[must_use]
    pub fn poisoned(self) -> bool {
        matches!(self, Self::Poisoned)
    }

    #[must_use]
    pub fn done(self) -> bool {
        matches!(self, Self::Done)
    }
}

#[derive(Default)]
pub struct Once(sim::Once);

impl Once {
    #[must_use]
    pub const fn new() -> Self {
        Self(sim::Once::new())
    }

    #[track_caller]
    pub fn state(&self) -> OnceState {
        match self.0.progress(Location::caller()) {
            Progress::New => OnceState::New,
            Progress::Poisoned => OnceState::Poisoned,
            Progress::Running => OnceState::InProgress,
            Progress::Done => OnceState::Done,
        }
    }

    #[track_caller]
    pub fn call_once<F: FnOnce()>(&self, f: F) {
        let done = self.0.call(false, Location::caller(), |_| f());
        assert!(done, "Once instance has previously been poisoned");
    }

    #[track_caller]
    pub fn call_once_force<F: FnOnce(OnceState)>(&self, f: F) {
        self.0.call(true, Location::caller(), |poisoned| {
            f(if poisoned { OnceState::Poisoned } else { OnceState::New });
        });
    }
}

impl fmt::Debug for Once {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Once").field("state", &self.state()).finish()
    }
}
