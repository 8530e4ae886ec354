//! Who holds a lock and who waits for it; the data lies elsewhere.

use std::time::Duration;

use crate::did::Did;
use crate::place::Place;
use crate::reason::{Guarded, Mode, On, Wake};
use crate::slot::Slot;
use crate::state::State;
use crate::wait;
use crate::world;

/// What a lock is in the simulation. A gate that a task of an earlier schedule held is free.
#[derive(Debug)]
pub struct Gate {
    slot: Slot,
    what: Guarded,
}

impl Gate {
    /// A gate that nobody holds.
    pub const fn new(what: Guarded) -> Self {
        Self { slot: Slot::new(), what }
    }

    /// Takes it, waiting for whoever holds it, until the deadline; false when that came first.
    pub fn lock(&self, mode: Mode, at: Place, deadline: Option<Duration>) -> bool {
        // One that comes back from a condition variable has just been scheduled.
        let relock = world::with(|state| state.me().relock.take()).flatten();
        let at = relock.unwrap_or(at);
        if relock.is_none() {
            wait::point(at);
        }
        let blocked = world::with(|state| {
            let gate = self.index(state, at);
            if state.take_gate(gate, mode, at) {
                state.tell(at, |_| Did::Took { gate, mode });
                return None;
            }
            let me = state.current;
            state.gates[gate].waiters.push((me, mode));
            Some(gate)
        });
        let Some(Some(gate)) = blocked else { return true };
        loop {
            let wake = wait::block(On::Gate { gate, mode, what: self.what }, at, deadline);
            let taken = world::with(|state| {
                let taken = state.back_at_gate(gate, mode, at, wake)?;
                state.tell(at, |_| if taken { Did::Took { gate, mode } } else { Did::TimeUp });
                Some(taken)
            });
            if let Some(taken) = taken.flatten() {
                return taken;
            }
        }
    }

    /// Takes it if that is possible at once.
    pub fn try_lock(&self, mode: Mode, at: Place) -> bool {
        wait::point(at);
        world::with(|state| {
            let gate = self.index(state, at);
            let taken = state.take_gate(gate, mode, at);
            state.tell(at, |state| {
                let held = || Did::SawHeld { gate, by: state.holder(gate) };
                if taken { Did::Took { gate, mode } } else { held() }
            });
            taken
        })
        .unwrap_or(true)
    }

    /// Gives it back and wakes all who wait, who compete for it again.
    pub fn unlock(&self, mode: Mode) {
        point_while_held();
        self.release(mode, |state, gate, at| {
            state.refresh(gate);
            state.tell(at, |state| state.gave_back(gate));
        });
    }

    /// Gives it back to the one who waits longest, if somebody waits.
    pub fn unlock_fair(&self, mode: Mode) {
        point_while_held();
        self.release(mode, |state, gate, at| {
            state.hand_over(gate);
            state.tell(at, |state| state.gave_back(gate));
        });
    }

    /// Holds it in another mode from now on, which needs no waiting.
    pub fn downgrade(&self, from: Mode, to: Mode, at: Place) {
        point_while_held();
        self.release(from, |state, gate, _| {
            let me = state.current;
            state.gates[gate].take(to, me, at);
            state.refresh(gate);
            state.tell(at, |_| Did::Downgraded { gate });
        });
    }

    /// Whether anybody holds it, or holds it for writing.
    pub fn is_held(&self, for_writing: bool, at: Place) -> bool {
        wait::point(at);
        world::with(|state| {
            let gate = self.index(state, at);
            let gate = &state.gates[gate];
            let read = gate.upgradable.is_some() || !gate.readers.is_empty();
            gate.writer.is_some() || (read && !for_writing)
        })
        .unwrap_or(false)
    }

    /// Takes it alone; the result gives it back.
    pub fn hold(&self, at: Place) -> Held<'_> {
        self.lock(Mode::Exclusive, at, None);
        Held(self)
    }

    /// Gives it back and goes on as `then` says, which hears the gate's number and where it was taken.
    fn release(&self, mode: Mode, then: impl FnOnce(&mut State, usize, Place)) {
        world::with(|state| {
            let gate = self.slot.index(state.epoch, &mut state.gates);
            let me = state.current;
            let hold = state.gates[gate].give_back(mode, me);
            let at = hold.map_or(state.me().at, |hold| hold.at);
            then(state, gate, at);
        });
    }

    /// Its number in this schedule, whoever meets it first at `at`.
    fn index(&self, state: &mut State, at: Place) -> usize {
        let gate = self.slot.index(state.epoch, &mut state.gates);
        state.gates[gate].home.get_or_insert((self.what, at));
        gate
    }
}

/// Others get to see that it is held. Not on the way to sleep in a condition variable: there,
/// giving the lock back and falling asleep are one step.
fn point_while_held() {
    if world::with(|state| state.me().quiet) == Some(false) {
        wait::point_in_drop();
    }
}

/// A gate that is held, until this is dropped.
#[derive(Debug)]
pub struct Held<'a>(&'a Gate);

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.unlock(Mode::Exclusive);
    }
}

impl State {
    fn gave_back(&self, gate: usize) -> Did {
        Did::GaveBack { gate, to_wait: self.tasks[self.current.0].quiet }
    }

    fn take_gate(&mut self, gate: usize, mode: Mode, at: Place) -> bool {
        let me = self.current;
        let free = self.gates[gate].free_for_newcomer(mode);
        if free {
            self.gates[gate].take(mode, me, at);
            self.refresh(gate);
        }
        free
    }

    /// The current task has waited at a gate: whether it holds it now; `None` if it goes on waiting.
    fn back_at_gate(&mut self, gate: usize, mode: Mode, at: Place, wake: Wake) -> Option<bool> {
        let me = self.current;
        if std::mem::take(&mut self.me().handed) {
            return Some(true);
        }
        let taken = wake == Wake::Woken;
        if taken && !self.gates[gate].free_for(mode) {
            return None;
        }
        self.gates[gate].waiters.retain(|(task, _)| *task != me);
        if taken {
            self.gates[gate].take(mode, me, at);
        }
        self.refresh(gate);
        Some(taken)
    }

    /// The gate has changed: those who wait at it can run if they could take it now, and only
    /// then. Whoever is first gets it, and the others wait on without having run.
    fn refresh(&mut self, gate: usize) {
        for index in 0..self.gates[gate].waiters.len() {
            let (task, mode) = self.gates[gate].waiters[index];
            if self.gates[gate].free_for(mode) {
                self.wake(task);
            } else {
                self.wait_on(task);
            }
        }
    }

    /// Gives the gate to those who wait longest.
    fn hand_over(&mut self, gate: usize) {
        while let Some(&(task, mode)) = self.gates[gate].waiters.first() {
            if !self.gates[gate].free_for(mode) {
                break;
            }
            self.gates[gate].waiters.remove(0);
            let at = self.task(task).at;
            // One whose time has run out in this very instant is past waking.
            if self.wake(task) {
                self.task(task).handed = true;
                self.gates[gate].take(mode, task, at);
            }
        }
        self.refresh(gate);
    }
}
