//! `std::sync::LazyLock`.

use ::std::fmt;
use ::std::ops::{Deref, DerefMut};
use ::std::panic::{Location, RefUnwindSafe, UnwindSafe};
use ::std::sync::{Mutex, PoisonError};

use sim::{Gate, Guarded};

pub struct LazyLock<T, F = fn() -> T> {
    /// Whoever makes the value holds it, so that nobody ever waits in the real ones.
    gate: Gate,
    value: ::std::sync::OnceLock<T>,
    /// Gone once it is called: without a value after that, it has panicked.
    make: Mutex<Option<F>>,
}

impl<T: RefUnwindSafe + UnwindSafe, F: UnwindSafe> RefUnwindSafe for LazyLock<T, F> {}
impl<T: UnwindSafe, F: UnwindSafe> UnwindSafe for LazyLock<T, F> {}

impl<T, F: FnOnce() -> T> LazyLock<T, F> {
    #[must_use]
    pub const fn new(f: F) -> Self {
        Self {
            gate: Gate::new(Guarded::Initialisation),
            value: ::std::sync::OnceLock::new(),
            make: Mutex::new(Some(f)),
        }
    }

    #[track_caller]
    pub fn force(this: &Self) -> &T {
        let at = Location::caller();
        if let Some(value) = this.value.get() {
            sim::point(at);
            return value;
        }
        let _held = this.gate.hold(at);
        this.make();
        this.value.get().expect("just set")
    }

    #[track_caller]
    pub fn force_mut(this: &mut Self) -> &mut T {
        this.make();
        this.value.get_mut().expect("just set")
    }

    /// Makes the value, if there is none; the caller is the only one who can.
    fn make(&self) {
        if self.value.get().is_none() {
            let make = self.make.lock().unwrap_or_else(PoisonError::into_inner).take();
            let make = make.expect("LazyLock instance has previously been poisoned");
            // Full only if `make` came here itself, which the gate does not let happen.
            let _ = self.value.set(make());
        }
    }
}

impl<T, F> LazyLock<T, F> {
    #[track_caller]
    pub fn get(this: &Self) -> Option<&T> {
        sim::point(Location::caller());
        this.value.get()
    }

    pub fn get_mut(this: &mut Self) -> Option<&mut T> {
        this.value.get_mut()
    }
}

impl<T, F: FnOnce() -> T> Deref for LazyLock<T, F> {
    type Target = T;

    #[track_caller]
    fn deref(&self) -> &T {
        Self::force(self)
    }
}

impl<T, F: FnOnce() -> T> DerefMut for LazyLock<T, F> {
    #[track_caller]
    fn deref_mut(&mut self) -> &mut T {
        Self::force_mut(self)
    }
}

impl<T: Default> Default for LazyLock<T> {
    fn default() -> Self {
        Self::new(T::default)
    }
}

impl<T: fmt::Debug, F> fmt::Debug for LazyLock<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut d = f.debug_tuple("LazyLock");
        match self.value.get() {
            Some(value) => d.field(value),
            None => d.field(&format_args!("<uninit>")),
        };
        d.finish()
    }
}
