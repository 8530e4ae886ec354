//! From a snapshot to the binaries of its suite: cargo in the generated workspace, one at a time.

use std::path::PathBuf;

use anyhow::Result;

use crate::cancel::Cancel;
use crate::course::Task;
use crate::progress::Watcher;
use crate::session::Session;
use crate::snapshot::Snapshot;

/// A suite built against a snapshot, its binaries copied out so that the next build cannot
/// replace them while they run.
#[derive(Clone, Debug)]
pub struct Suite {
    /// The binary for cases of the real world.
    pub real: PathBuf,
    /// The one for simulated cases, if the task has any.
    pub simulated: Option<PathBuf>,
    /// The folder of the snapshot, to tell whose line a panic was in.
    pub source: PathBuf,
}

/// How a build ended.
#[derive(Debug)]
pub struct Built {
    /// How long it took.
    pub seconds: f64,
    /// The suite, or the compiler's words, with its colours and the student's own paths.
    pub suite: Result<Suite, String>,
}

/// Builds the suite of a task against a snapshot; a moment if that was done before. `shown` is how
/// diagnostics name the source's folder (`exercises/01-basic-pool`). Safe to call from several
/// threads and processes: they take turns.
pub fn build(
    session: &Session,
    task: &Task,
    snapshot: &Snapshot,
    shown: &str,
    watcher: Watcher<'_>,
    cancel: &Cancel,
) -> Result<Built> {
    todo!(
        "{session:?} {task:?} {snapshot:?} {shown} {cancel:?} {}",
        std::mem::size_of_val(&watcher)
    )
}
