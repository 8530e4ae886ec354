//! The cases of a built suite: one process each, several at once.

use anyhow::Result;
use ledger::{CaseInfo, Listing};

use crate::cancel::Cancel;
use crate::compile::Suite;
use crate::progress::Watcher;
use crate::verdict::CaseVerdict;

/// How cases are run.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// The first seed; `None`: the fixed one.
    pub seed: Option<u64>,
    /// How many schedules at most; `None`: as many as each case says.
    pub schedules: Option<u64>,
    /// How many processes at once; `None`: as many as there are cores.
    pub jobs: Option<usize>,
}

/// Asks a suite what it holds.
pub fn listing(suite: &Suite, cancel: &Cancel) -> Result<Listing> {
    todo!("{suite:?} {cancel:?}")
}

/// Runs these cases and says how each ended, in their order. A real-world case that failed is run
/// once more.
pub fn cases(
    suite: &Suite,
    cases: &[CaseInfo],
    options: Options,
    watcher: Watcher<'_>,
    cancel: &Cancel,
) -> Result<Vec<CaseVerdict>> {
    todo!("{suite:?} {cases:?} {options:?} {cancel:?} {}", std::mem::size_of_val(&watcher))
}
