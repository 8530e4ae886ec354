//! How the simulation names a thread, and a line of the source.

use std::panic::Location;

/// A line of the source.
pub(crate) type Place = &'static Location<'static>;

/// The number of a simulated thread within its schedule; the main body is 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaskId(pub(crate) usize);

pub(crate) const MAIN: TaskId = TaskId(0);
