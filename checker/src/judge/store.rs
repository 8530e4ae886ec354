//! Verdicts on disk, keyed by everything that they depend on; there is no other progress file.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::judge::verdict::TaskVerdict;

/// So many verdicts are kept for a task.
const KEPT: usize = 200;

/// A verdict, and the source that it is on.
#[derive(Debug, Serialize, Deserialize)]
pub struct Stored {
    /// The hash of the source's snapshot.
    pub snapshot: String,
    /// The verdict.
    pub verdict: TaskVerdict,
}

/// The verdict that is stored under this key.
pub fn load(base: &Path, task: &str, key: &str) -> Option<TaskVerdict> {
    read(&folder(base, task).join(format!("{key}.json"))).map(|stored| stored.verdict)
}

/// The latest verdict on the task's exercise, whatever its source was then.
pub fn latest(base: &Path, task: &str) -> Option<Stored> {
    let stored = by_age(&folder(base, task)).into_iter().rev();
    stored.filter_map(|(_, path)| read(&path)).find(|stored| stored.verdict.is_exercise())
}

/// Stores a verdict, atomically.
pub fn save(base: &Path, key: &str, stored: &Stored) -> Result<()> {
    let folder = folder(base, &stored.verdict.task);
    let path = folder.join(format!("{key}.json"));
    let write = || -> Result<()> {
        fs::create_dir_all(&folder)?;
        let scratch = tempfile::NamedTempFile::new_in(&folder)?;
        serde_json::to_writer(&scratch, stored)?;
        scratch.persist(&path)?;
        Ok(())
    };
    write().with_context(|| format!("cannot store the verdict {}", path.display()))?;
    let old = by_age(&folder);
    for (_, path) in &old[..old.len().saturating_sub(KEPT)] {
        let _ = fs::remove_file(path);
    }
    Ok(())
}

fn folder(base: &Path, task: &str) -> PathBuf {
    base.join("verdicts").join(task)
}

fn read(path: &Path) -> Option<Stored> {
    // One that cannot be read is as good as none: the task is checked again.
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

/// The stored verdicts, the oldest first.
fn by_age(folder: &Path) -> Vec<(SystemTime, PathBuf)> {
    let entries = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    let mut all: Vec<_> = entries
        .filter(|entry| entry.path().extension().is_some_and(|end| end == "json"))
        .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
        .collect();
    all.sort();
    all
}
