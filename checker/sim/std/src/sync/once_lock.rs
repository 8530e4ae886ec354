//! `std::sync::OnceLock`.

use ::std::fmt;
use ::std::panic::Location;

use sim::{Event, Gate, Guarded, Queue};

pub struct OnceLock<T> {
    /// Whoever initialises the value holds it, so that nobody ever waits in the real one.
    gate: Gate,
    waiters: Queue,
    value: ::std::sync::OnceLock<T>,
}

impl<T> OnceLock<T> {
    #[must_use]
    pub const fn new() -> Self {
        Self {
            gate: Gate::new(Guarded::Initialisation),
            waiters: Queue::new(),
            value: ::std::sync::OnceLock::new(),
        }
    }

    #[track_caller]
    pub fn get(&self) -> Option<&T> {
        sim::point(Location::caller());
        self.value.get()
    }

    pub fn get_mut(&mut self) -> Option<&mut T> {
        self.value.get_mut()
    }

    #[track_caller]
    pub fn wait(&self) -> &T {
        let at = Location::caller();
        sim::point(at);
        loop {
            if let Some(value) = self.value.get() {
                return value;
            }
            self.waiters.enter_and_wait(Event::Initialised, at, None);
        }
    }

    #[track_caller]
    pub fn set(&self, value: T) -> Result<(), T> {
        let _held = self.gate.hold(Location::caller());
        let result = self.value.set(value);
        self.waiters.wake_all();
        result
    }

    #[track_caller]
    pub fn get_or_init<F: FnOnce() -> T>(&self, f: F) -> &T {
        let at = Location::caller();
        if let Some(value) = self.value.get() {
            sim::point(at);
            return value;
        }
        let _held = self.gate.hold(at);
        if self.value.get().is_none() {
            let value = f();
            // Full only if `f` came here itself, which the gate does not let happen.
            let _ = self.value.set(value);
            self.waiters.wake_all();
        }
        self.value.get().expect("just set")
    }

    #[must_use]
    pub fn into_inner(self) -> Option<T> {
        self.value.into_inner()
    }

    pub fn take(&mut self) -> Option<T> {
        self.value.take()
    }
}

impl<T> Default for OnceLock<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: fmt::Debug> fmt::Debug for OnceLock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.value.fmt(f)
    }
}

impl<T: Clone> Clone for OnceLock<T> {
    fn clone(&self) -> Self {
        match self.get() {
            Some(value) => value.clone().into(),
            None => Self::new(),
        }
    }
}

impl<T> From<T> for OnceLock<T> {
    fn from(value: T) -> Self {
        Self { value: value.into(), ..Self::new() }
    }
}

impl<T: PartialEq> PartialEq for OnceLock<T> {
    fn eq(&self, other: &Self) -> bool {
        self.get() == other.get()
    }
}

impl<T: Eq> Eq for OnceLock<T> {}
