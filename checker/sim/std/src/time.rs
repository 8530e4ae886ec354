//! Virtual time. `SystemTime` is not modelled.

pub use ::std::time::{Duration, TryFromFloatSecsError};
pub use sim::Instant;
