//! Verdicts on disk, keyed by everything that they depend on; there is no other progress file.

use std::path::Path;

use anyhow::Result;

use crate::verdict::TaskVerdict;

/// The verdict that is stored under this key.
pub fn load(base: &Path, task: &str, key: &str) -> Option<TaskVerdict> {
    todo!("{base:?} {task} {key}")
}

/// The latest verdict on the task, whatever it was for.
pub fn latest(base: &Path, task: &str) -> Option<TaskVerdict> {
    todo!("{base:?} {task}")
}

/// Stores a verdict, atomically.
pub fn save(base: &Path, key: &str, verdict: &TaskVerdict) -> Result<()> {
    todo!("{base:?} {key} {verdict:?}")
}
