//! A verdict for people.

use crate::verdict::{CaseVerdict, TaskVerdict};

/// A whole verdict: a line for each case, the first failing one in full.
pub fn task(verdict: &TaskVerdict, width: usize) -> String {
    todo!("{verdict:?} {width}")
}

/// One failing case in full: the promise, expected, got, where, the timeline, how to see it again.
pub fn failure(verdict: &TaskVerdict, case: &CaseVerdict, width: usize) -> String {
    todo!("{verdict:?} {case:?} {width}")
}
