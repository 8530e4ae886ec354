//! What a task's crate looks like before anybody has worked on it.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::sealed;
use super::solution::Solution;
use super::tasks::{Course, Task};

/// The starter's `lib.rs` as it is handed out: made from the solution or, in the students' edition,
/// out of its archive; `None` if neither is there.
pub fn pristine(course: &Course, task: &Task) -> Result<Option<String>> {
    match made(course, task)? {
        Some(starter) => Ok(Some(starter)),
        None => sealed::starter(&task.suite),
    }
}

/// The starter that a task's solution makes; `None` if there is no solution.
pub fn made(course: &Course, task: &Task) -> Result<Option<String>> {
    let path = lib(&course.solution(task));
    if !path.is_file() {
        return Ok(None);
    }
    solution(course, task).map(|(_, solution)| Some(solution.starter()))
}

/// A task's reference as it stands, and with its answer regions.
pub fn solution(course: &Course, task: &Task) -> Result<(String, Solution)> {
    let path = lib(&course.solution(task));
    let text = fs::read_to_string(&path)
        .with_context(|| format!("cannot read {}", course.shown(&path)))?;
    let solution = Solution::parse(Path::new(&course.shown(&path)), &text)?;
    Ok((text, solution))
}

/// Puts a file in place at once or not at all, and its folder if that is gone.
pub fn write(path: &Path, text: &str) -> Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let new = path.with_extension(format!("new-{}", std::process::id()));
    fs::create_dir_all(folder)
        .and_then(|()| fs::write(&new, text))
        .and_then(|()| fs::rename(&new, path))
        .with_context(|| format!("cannot write {}", path.display()))
}

/// The crate's one file.
pub fn lib(folder: &Path) -> PathBuf {
    folder.join("src").join("lib.rs")
}
