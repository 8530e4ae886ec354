//! The way from a source to its verdict: snapshot → package → build → run → proof → verdict.
//!
//! [`check`] strings the steps together; [`store`] remembers what came out, [`databases`] is what some
//! cases run on, and [`session`] holds what is found out or started only once.

pub mod build;
pub mod check;
pub mod databases;
pub mod key;
pub mod progress;
pub mod run;
pub mod session;
pub mod shrink;
pub mod snapshot;
pub mod store;
pub mod verdict;
