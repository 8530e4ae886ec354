//! What happens only once, and those who wait until it has.

use std::sync::atomic::{AtomicU8, Ordering};

use crate::gate::Gate;
use crate::place::Place;
use crate::queue::Queue;
use crate::reason::{Event, Guarded};
use crate::wait;

/// How far a [`Once`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Nobody has begun it.
    New,
    /// Whoever began it has panicked.
    Poisoned,
    /// Somebody does it.
    Running,
    /// It is done.
    Done,
}

/// What `Once` is in the simulation.
#[derive(Debug)]
pub struct Once {
    gate: Gate,
    waiters: Queue,
    outcome: AtomicU8,
}

const NEW: u8 = 0;
const POISONED: u8 = 1;
const DONE: u8 = 2;

impl Once {
    /// One that nobody has begun.
    pub const fn new() -> Self {
        Self {
            gate: Gate::new(Guarded::Initialisation),
            waiters: Queue::new(),
            outcome: AtomicU8::new(NEW),
        }
    }

    /// How far it is.
    pub fn progress(&self, at: Place) -> Progress {
        if self.outcome.load(Ordering::Relaxed) != DONE && self.gate.is_held(true, at) {
            return Progress::Running;
        }
        match self.outcome.load(Ordering::Relaxed) {
            NEW => Progress::New,
            POISONED => Progress::Poisoned,
            _ => Progress::Done,
        }
    }

    /// Runs `f` unless it is done, and tells it whether an earlier attempt panicked; waits for
    /// whoever runs it now. False if an earlier attempt panicked and `force` is not set: then
    /// nothing was run.
    pub fn call(&self, force: bool, at: Place, f: impl FnOnce(bool)) -> bool {
        if self.outcome.load(Ordering::Relaxed) == DONE {
            wait::point(at);
            return true;
        }
        let held = self.gate.hold(at);
        match self.outcome.load(Ordering::Relaxed) {
            DONE => return true,
            POISONED if !force => return false,
            before => {
                let poison = Poison(self);
                f(before == POISONED);
                std::mem::forget(poison);
            }
        }
        self.outcome.store(DONE, Ordering::Relaxed);
        self.waiters.wake_all();
        drop(held);
        true
    }

    /// Waits until it is done; false if an attempt panicked and `force` is not set.
    pub fn wait(&self, force: bool, at: Place) -> bool {
        wait::point(at);
        loop {
            match self.outcome.load(Ordering::Relaxed) {
                DONE => return true,
                POISONED if !force => return false,
                _ => self.waiters.enter_and_wait(Event::Initialised, at, None),
            };
        }
    }
}

impl Default for Once {
    fn default() -> Self {
        Self::new()
    }
}

struct Poison<'a>(&'a Once);

impl Drop for Poison<'_> {
    fn drop(&mut self) {
        self.0.outcome.store(POISONED, Ordering::Relaxed);
        self.0.waiters.wake_all();
    }
}
