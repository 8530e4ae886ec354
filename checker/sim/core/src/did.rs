//! What a simulated thread can be told to have done: plain data.

use std::collections::VecDeque;
use std::time::Duration;

use crate::place::{Place, TaskId};
use crate::reason::{Mode, On};

/// One thing that a task did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Did {
    /// It took the gate, at once or after a wait.
    Took {
        gate: usize,
        mode: Mode,
    },
    /// It did not get the gate, and did not wait for it.
    SawHeld {
        gate: usize,
        by: Option<TaskId>,
    },
    /// `to_wait`: a condition variable did so, on the way to its wait.
    GaveBack {
        gate: usize,
        to_wait: bool,
    },
    /// It became a reader, and had been more.
    Downgraded {
        gate: usize,
    },
    /// It waits; for a gate, this is who has it.
    Waits {
        on: On,
        by: Option<TaskId>,
        deadline: Option<Duration>,
    },
    GaveWay,
    /// Its wait ended through somebody, or for no reason.
    Woke {
        by: Option<TaskId>,
    },
    /// Its wait ended because its deadline came.
    TimeUp,
    /// It notified, and woke these.
    Notified {
        woken: Vec<TaskId>,
    },
    /// It unparked this one, which waited in `park` or not.
    Unparked {
        task: TaskId,
        waited: bool,
    },
    Spawned(TaskId),
    Joined(TaskId),
    /// What a stand-in says of its own operations: `read 1`.
    Said(String),
}

impl Did {
    /// The gate that it is about.
    pub(crate) fn gate(&self) -> Option<usize> {
        match self {
            Self::Took { gate, .. }
            | Self::SawHeld { gate, .. }
            | Self::GaveBack { gate, .. }
            | Self::Downgraded { gate }
            | Self::Waits { on: On::Gate { gate, .. }, .. } => Some(*gate),
            _ => None,
        }
    }
}

/// A thing that a task did, and how it was then.
#[derive(Clone, Debug)]
pub(crate) struct Moment {
    pub(crate) at: Duration,
    pub(crate) task: TaskId,
    pub(crate) place: Place,
    pub(crate) did: Did,
    pub(crate) events: usize,
    pub(crate) used: Vec<Used>,
}

/// Who holds a thing and who waits for it, at a moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Used {
    pub(crate) thing: Which,
    pub(crate) holders: Vec<TaskId>,
    pub(crate) waiting: Vec<TaskId>,
}

/// A gate or a queue, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Which {
    Gate(usize),
    Queue(usize),
}

/// What was done in a schedule.
pub(crate) struct Story {
    /// The last ones.
    pub(crate) moments: VecDeque<Moment>,
    /// Tells how many events of its own the caller has seen so far.
    pub(crate) events: fn() -> usize,
}

impl Story {
    pub(crate) fn new(events: fn() -> usize) -> Self {
        Self { moments: VecDeque::new(), events }
    }
}
