//! The suite of task 05.

use harness::Suite;

/// The suite.
pub fn suite() -> Suite {
    Suite::new(&[])
}
