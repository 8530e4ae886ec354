//! From a built suite to the verdict on each of its cases, by way of a process for each.

mod cases;
mod options;
mod process;
mod proof;
mod queue;
mod small;
mod told;

pub use cases::{Runner, listing};
pub use options::Options;
pub use queue::Resources;
