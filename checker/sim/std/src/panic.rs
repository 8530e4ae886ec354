//! `std::panic`, with an eye on which simulated thread unwinds.

pub use ::std::panic::*;
pub use sim::{catch_unwind, resume_unwind};
