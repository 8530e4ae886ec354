//! What a task's crate looks like before anybody has worked on it.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::course::{Course, Task};
use crate::pack;

#[cfg(feature = "instructor")]
pub mod generate;
#[cfg(feature = "instructor")]
pub mod solution;

/// The starter's `lib.rs` as it is handed out: made from the solution or, in the students' edition,
/// out of its archive; `None` if neither is there.
#[cfg_attr(not(feature = "instructor"), allow(unused_variables))]
pub fn pristine(course: &Course, task: &Task) -> Result<Option<String>> {
    #[cfg(feature = "instructor")]
    if let Some(starter) = generate::starter(course, task)? {
        return Ok(Some(starter));
    }
    pack::sealed_starter(task)
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
