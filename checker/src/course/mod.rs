//! The course on disk: its tasks, what is checked of them, and how they looked before anybody worked on
//! them.

mod sealed;
pub mod solution;
mod source;
pub mod starter;
mod tasks;

#[cfg(feature = "instructor")]
pub use sealed::{ARCHIVE, STARTER};
pub use source::Source;
pub use tasks::{Course, Task, closest};
