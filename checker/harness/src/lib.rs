//! What a suite is written with. It runs inside the graded process, beside the code it judges.
//!
//! A suite is a list of [`Case`]s, each of which tests one numbered promise of its task:
//!
//! ```
//! use harness::{Case, Suite};
//!
//! fn suite() -> Suite {
//!     Suite::new(&[("P1", "Two and two are four.")]).case(
//!         Case::new("adds", "P1", adds)
//!             .title("adds two numbers")
//!             .points(1.0)
//!             .hints(&["Start with `+`."])
//!             .lesson("arithmetic"),
//!     )
//! }
//!
//! fn adds() {
//!     let sum = 2 + 2; // what the student wrote
//!     if sum != 4 {
//!         harness::fail("2 + 2 to be 4", format!("{sum}"));
//!     }
//! }
//! # assert_eq!(suite().cases().len(), 1);
//! ```
//!
//! Its rooms: `case` is what a suite says of its cases, `verdict` how a running case ends,
//! `simulated` runs one on simulated threads, `schedule` tells how that went, `likeness` is what a
//! replay looks for, `source` the student's code,
//! `servers` what it ran on, `words` times and counts as people say them, `tasks` (with the
//! feature of this name) stories on a paused clock and patience in real time, and `process` how a
//! process is asked for a case and proves what came of it.

mod case;
mod deadline;
mod likeness;
mod panics;
#[cfg(feature = "tasks")]
mod patience;
mod process;
#[cfg(feature = "sim")]
mod schedule;
#[cfg(not(feature = "sim"))]
#[path = "no_schedule.rs"]
mod schedule;
mod servers;
#[cfg(feature = "sim")]
mod simulated;
mod source;
#[cfg(feature = "tasks")]
pub mod tasks;
mod verdict;
mod words;

pub use case::{Case, Plan, Suite};
pub use deadline::computed;
pub use process::{Engine, engine, serve};
pub use servers::{left_out, ran_on};
pub use verdict::{fail, guarded, order, skip, watch};
pub use words::{clock, connections, open_connections, times};
