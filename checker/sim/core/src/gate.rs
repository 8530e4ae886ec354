//! Who holds a lock and who waits for it; the data lies elsewhere.

use std::time::Duration;

use crate::slot::Slot;
use crate::wait::{self, Guarded, On, Wake};
use crate::world::{self, Place, State, TaskId};

/// How a gate is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// By one alone.
    Exclusive,
    /// Together with other readers; a waiting writer goes first.
    Shared,
    /// Together with other readers, even if a writer waits.
    Recursive,
    /// Together with readers, by the only one who may become the writer.
    Upgradable,
    /// By the upgradable reader who becomes the writer.
    Upgrade,
}

/// What a lock is in the simulation. A gate that a task of an earlier schedule held is free.
#[derive(Debug)]
pub struct Gate {
    slot: Slot,
    what: Guarded,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Hold {
    pub(crate) task: TaskId,
    pub(crate) at: Place,
}

#[derive(Debug, Default)]
pub(crate) struct GateState {
    pub(crate) writer: Option<Hold>,
    pub(crate) upgradable: Option<Hold>,
    pub(crate) readers: Vec<Hold>,
    pub(crate) waiters: Vec<(TaskId, Mode)>,
}

impl GateState {
    /// Whether a writer waits, other than `me`.
    pub(crate) fn waiting_writer(&self, me: TaskId) -> Option<TaskId> {
        let writes = |mode| matches!(mode, Mode::Exclusive | Mode::Upgrade);
        self.waiters.iter().find(|(task, mode)| *task != me && writes(*mode)).map(|(task, _)| *task)
    }

    fn free_for(&self, mode: Mode, me: TaskId) -> bool {
        if self.writer.is_some() {
            return false;
        }
        match mode {
            Mode::Exclusive => self.readers.is_empty() && self.upgradable.is_none(),
            Mode::Shared => self.waiting_writer(me).is_none(),
            Mode::Recursive => true,
            Mode::Upgradable => self.upgradable.is_none() && self.waiting_writer(me).is_none(),
            Mode::Upgrade => self.readers.is_empty(),
        }
    }

    fn take(&mut self, mode: Mode, task: TaskId, at: Place) {
        let hold = Hold { task, at };
        match mode {
            Mode::Exclusive => self.writer = Some(hold),
            Mode::Shared | Mode::Recursive => self.readers.push(hold),
            Mode::Upgradable => self.upgradable = Some(hold),
            Mode::Upgrade => {
                self.upgradable = None;
                self.writer = Some(hold);
            }
        }
    }

    /// Gives back what is held in `mode`; nothing, if an earlier schedule took it.
    fn give_back(&mut self, mode: Mode, me: TaskId) {
        match mode {
            Mode::Exclusive | Mode::Upgrade => self.writer = None,
            Mode::Upgradable => self.upgradable = None,
            Mode::Shared | Mode::Recursive => {
                let mine = self.readers.iter().rposition(|hold| hold.task == me);
                if let Some(index) = mine.or_else(|| self.readers.len().checked_sub(1)) {
                    self.readers.remove(index);
                }
            }
        }
    }
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
        loop {
            let blocked = world::with(|state| {
                let gate = self.slot.index(state.epoch, &mut state.gates);
                if state.take_gate(gate, mode, at) {
                    return None;
                }
                let me = state.current;
                state.gates[gate].waiters.push((me, mode));
                Some(gate)
            });
            let Some(Some(gate)) = blocked else { return true };
            let wake = wait::block(On::Gate { gate, mode, what: self.what }, at, deadline);
            if world::with(|state| state.back_at_gate(gate)) == Some(true) {
                return true;
            }
            if wake == Wake::TimedOut {
                return false;
            }
        }
    }

    /// Takes it if that is possible at once.
    pub fn try_lock(&self, mode: Mode, at: Place) -> bool {
        wait::point(at);
        world::with(|state| {
            let gate = self.slot.index(state.epoch, &mut state.gates);
            state.take_gate(gate, mode, at)
        })
        .unwrap_or(true)
    }

    /// Gives it back and wakes all who wait, who compete for it again.
    pub fn unlock(&self, mode: Mode, at: Place) {
        point_while_held(at);
        self.release(mode, State::wake_all_at);
    }

    /// Gives it back to the one who waits longest, if somebody waits.
    pub fn unlock_fair(&self, mode: Mode, at: Place) {
        point_while_held(at);
        self.release(mode, State::hand_over);
    }

    /// Holds it in another mode from now on, which needs no waiting.
    pub fn downgrade(&self, from: Mode, to: Mode, at: Place) {
        point_while_held(at);
        self.release(from, |state, gate| {
            let me = state.current;
            state.gates[gate].take(to, me, at);
            state.wake_all_at(gate);
        });
    }

    /// Whether anybody holds it, or holds it for writing.
    pub fn is_held(&self, for_writing: bool, at: Place) -> bool {
        wait::point(at);
        world::with(|state| {
            let gate = self.slot.index(state.epoch, &mut state.gates);
            let gate = &state.gates[gate];
            let read = gate.upgradable.is_some() || !gate.readers.is_empty();
            gate.writer.is_some() || (read && !for_writing)
        })
        .unwrap_or(false)
    }

    /// Takes it alone; the result gives it back.
    pub fn hold(&self, at: Place) -> Held<'_> {
        self.lock(Mode::Exclusive, at, None);
        Held { gate: self, at }
    }

    fn release(&self, mode: Mode, then: impl FnOnce(&mut State, usize)) {
        world::with(|state| {
            let gate = self.slot.index(state.epoch, &mut state.gates);
            let me = state.current;
            state.gates[gate].give_back(mode, me);
            then(state, gate);
        });
    }
}

/// Others get to see that it is held. Not on the way to sleep in a condition variable: there,
/// giving the lock back and falling asleep are one step.
fn point_while_held(at: Place) {
    if world::with(|state| state.me().quiet) == Some(false) {
        wait::point(at);
    }
}

/// A gate that is held, until this is dropped.
#[derive(Debug)]
pub struct Held<'a> {
    gate: &'a Gate,
    at: Place,
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.gate.unlock(Mode::Exclusive, self.at);
    }
}

impl State {
    fn take_gate(&mut self, gate: usize, mode: Mode, at: Place) -> bool {
        let me = self.current;
        let free = self.gates[gate].free_for(mode, me);
        if free {
            self.gates[gate].take(mode, me, at);
        }
        free
    }

    /// The current task has waited at a gate; true if it was made its holder meanwhile.
    fn back_at_gate(&mut self, gate: usize) -> bool {
        let me = self.current;
        if std::mem::take(&mut self.me().handed) {
            return true;
        }
        let waiters = &mut self.gates[gate].waiters;
        if let Some(index) = waiters.iter().position(|(task, _)| *task == me) {
            let (_, mode) = waiters.remove(index);
            if matches!(mode, Mode::Exclusive | Mode::Upgrade) {
                // Readers may have waited for this writer alone.
                self.wake_all_at(gate);
            }
        }
        false
    }

    fn wake_all_at(&mut self, gate: usize) {
        for (task, _) in std::mem::take(&mut self.gates[gate].waiters) {
            self.wake(task);
        }
    }

    fn hand_over(&mut self, gate: usize) {
        while let Some(&(task, mode)) = self.gates[gate].waiters.first() {
            if !self.gates[gate].free_for(mode, task) {
                break;
            }
            self.gates[gate].waiters.remove(0);
            let at = self.task(task).at;
            if self.wake(task) {
                self.task(task).handed = true;
                self.gates[gate].take(mode, task, at);
            }
        }
    }
}
