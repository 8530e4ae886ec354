//! A process and everything that it starts: watched, bounded, and ended without a trace.
//!
//! What it says comes as [`Event`]s; nobody ever waits for the end of a pipe, which a process that
//! was left behind could hold open.

pub mod cancel;
mod capture;
pub mod disk;
mod order;
mod running;
pub mod scratch;
#[cfg(target_os = "linux")]
mod supervised;
#[cfg(target_os = "linux")]
pub mod supervisor;
#[cfg(not(target_os = "linux"))]
mod unsupervised;

pub use order::{Ended, Event, Limits, Order};
pub use running::{Next, Running};
