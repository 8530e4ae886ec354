//! What can be held or waited for, and by whom it is: plain data.

use crate::place::{Place, TaskId};
use crate::reason::{Event, Guarded, Mode};

#[derive(Clone, Copy, Debug)]
pub(crate) struct Hold {
    pub(crate) task: TaskId,
    pub(crate) at: Place,
}

/// A lock.
#[derive(Debug, Default)]
pub(crate) struct GateState {
    pub(crate) writer: Option<Hold>,
    pub(crate) upgradable: Option<Hold>,
    pub(crate) readers: Vec<Hold>,
    pub(crate) waiters: Vec<(TaskId, Mode)>,
    /// What it guards, and where it was met first: so it is told from others.
    pub(crate) home: Option<(Guarded, Place)>,
}

/// Those who wait for one kind of event.
#[derive(Debug, Default)]
pub(crate) struct QueueState {
    pub(crate) waiters: Vec<TaskId>,
    /// What the waiters have in common: the mutex of a condition variable.
    pub(crate) with: usize,
    /// What is waited for there, and where somebody waited first.
    pub(crate) home: Option<(Event, Place)>,
}

impl GateState {
    /// A writer that waits.
    pub(crate) fn waiting_writer(&self) -> Option<TaskId> {
        let writes = |mode| matches!(mode, Mode::Exclusive | Mode::Upgrade);
        self.waiters.iter().find(|(_, mode)| writes(*mode)).map(|(task, _)| *task)
    }

    /// Whether it can be taken, by one who waits already.
    pub(crate) fn free_for(&self, mode: Mode) -> bool {
        self.writer.is_none()
            && match mode {
                Mode::Exclusive => self.readers.is_empty() && self.upgradable.is_none(),
                Mode::Shared | Mode::Recursive => true,
                Mode::Upgradable => self.upgradable.is_none(),
                Mode::Upgrade => self.readers.is_empty(),
            }
    }

    /// Whether it can be taken by one who comes now: readers let a writer that waits go first.
    pub(crate) fn free_for_newcomer(&self, mode: Mode) -> bool {
        let polite = matches!(mode, Mode::Shared | Mode::Upgradable);
        self.free_for(mode) && !(polite && self.waiting_writer().is_some())
    }

    pub(crate) fn take(&mut self, mode: Mode, task: TaskId, at: Place) {
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

    /// All who hold it.
    pub(crate) fn holds(&self) -> impl Iterator<Item = &Hold> {
        self.writer.iter().chain(&self.upgradable).chain(&self.readers)
    }

    /// Gives back what is held in `mode`, and tells what that was; nothing, if an earlier schedule
    /// took it.
    pub(crate) fn give_back(&mut self, mode: Mode, me: TaskId) -> Option<Hold> {
        match mode {
            Mode::Exclusive | Mode::Upgrade => self.writer.take(),
            Mode::Upgradable => self.upgradable.take(),
            Mode::Shared | Mode::Recursive => {
                let mine = self.readers.iter().rposition(|hold| hold.task == me);
                let index = mine.or_else(|| self.readers.len().checked_sub(1));
                index.map(|index| self.readers.remove(index))
            }
        }
    }
}
