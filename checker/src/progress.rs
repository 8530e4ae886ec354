//! What goes on while one waits, for whoever shows it.

use crate::verdict::CaseVerdict;

/// A step on the way to a verdict.
pub enum Step<'a> {
    /// Another checker builds; this one waits for it.
    WaitingForLock,
    /// The first build fetches what the course depends on.
    Fetching,
    /// Cargo has built so many of so many crates.
    Building {
        /// Crates built.
        done: u64,
        /// Crates in all.
        total: u64,
    },
    /// The build is over, one way or the other.
    Built,
    /// A case has ended.
    Case {
        /// Its verdict.
        verdict: &'a CaseVerdict,
        /// How many have ended.
        done: usize,
        /// How many there are.
        total: usize,
    },
}

/// Whoever shows the steps; called from several threads.
pub type Watcher<'a> = &'a (dyn Fn(Step<'_>) + Sync);
