//! From a snapshot to the programs that run its cases.

pub mod cargo;
pub mod compile;
pub mod crates;
mod diagnostics;
pub mod package;
pub mod slot;
pub mod toolchain;
