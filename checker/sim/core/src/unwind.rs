//! Which simulated thread unwinds a panic.
//!
//! All of them run on one OS thread, whose `std::thread::panicking()` speaks for all. A task that
//! has to wait while it unwinds is marked; while there is such a task, another one counts as
//! unwinding when the panic hook saw its panic.

use std::any::Any;
use std::panic::{self, AssertUnwindSafe, UnwindSafe};

use crate::state::State;
use crate::world;

/// Whether the current simulated thread unwinds.
pub fn panicking() -> bool {
    let anybody = std::thread::panicking();
    world::with(|state| state.panicking(anybody)).unwrap_or(anybody)
}

impl State {
    fn panicking(&mut self, anybody: bool) -> bool {
        if !anybody {
            if std::mem::take(&mut self.any_unwinding) {
                self.tasks.iter_mut().for_each(|task| task.unwinding = false);
            }
            return false;
        }
        let me = self.current.0;
        let mut others = self.tasks.iter().enumerate().filter(|(id, _)| *id != me);
        if !others.any(|(_, task)| task.unwinding) {
            self.mark_unwinding();
        }
        self.tasks[me].unwinding
    }

    fn mark_unwinding(&mut self) {
        self.me().unwinding = true;
        self.any_unwinding = true;
    }
}

/// The current simulated thread begins to unwind: called by the panic hook.
pub(crate) fn note() {
    world::try_with(State::mark_unwinding);
}

/// `std::panic::catch_unwind` for simulated threads.
pub fn catch_unwind<F: FnOnce() -> R + UnwindSafe, R>(f: F) -> std::thread::Result<R> {
    let before = panicking();
    let result = panic::catch_unwind(f);
    if result.is_err() {
        world::with(|state| state.me().unwinding = before);
    }
    result
}

/// `std::panic::resume_unwind` for simulated threads: the panic hook does not see it.
pub fn resume_unwind(payload: Box<dyn Any + Send>) -> ! {
    note();
    panic::resume_unwind(payload)
}

pub(crate) fn catch<R>(f: impl FnOnce() -> R) -> std::thread::Result<R> {
    catch_unwind(AssertUnwindSafe(f))
}
