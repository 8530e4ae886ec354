//! What a simulated thread waits for, and how that ends: plain data.

use std::time::Duration;

use crate::place::{Place, TaskId};

/// How a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wake {
    /// Somebody ended it.
    Woken,
    /// Its deadline came.
    TimedOut,
}

/// What a task waits for, as the wait graph tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum On {
    Sleep,
    /// Giving way: `yield_now`, or the pause of one that spins.
    Turn,
    Unpark,
    End(TaskId),
    Gate {
        gate: usize,
        mode: Mode,
        what: Guarded,
    },
    Event(Event),
}

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

/// What is held: a lock, or the right to initialise something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guarded {
    /// A lock.
    Lock,
    /// An initialisation that happens once.
    Initialisation,
}

/// Something that happens, for which several tasks can wait in a [`Queue`](crate::Queue).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A notification of a condition variable.
    Notification,
    /// A message in a channel.
    Message,
    /// Room in a channel, or a receiver that takes the message.
    Room,
    /// The last one to arrive at a barrier.
    Barrier {
        /// How many are there, the one that waits included.
        here: usize,
        /// How many it takes.
        of: usize,
    },
    /// An initialisation that somebody else does.
    Initialised,
}

pub(crate) struct Wait {
    pub(crate) on: On,
    pub(crate) at: Place,
    pub(crate) since: Duration,
    pub(crate) deadline: Option<Duration>,
    /// When it ends without a reason, if it does.
    pub(crate) early: Option<Duration>,
}

impl Wait {
    /// When it ends by itself.
    pub(crate) fn end(&self) -> Option<Duration> {
        self.early.into_iter().chain(self.deadline).min()
    }
}
