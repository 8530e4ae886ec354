//! The way from a source to its verdict, step by step.

use std::path::PathBuf;

use anyhow::Result;

use crate::cancel::Cancel;
use crate::course::Task;
use crate::progress::Watcher;
use crate::run;
use crate::session::Session;
use crate::verdict::TaskVerdict;

/// What is checked as a task's submission.
#[derive(Clone, Debug)]
pub struct Source {
    /// The folder that holds `src/lib.rs`.
    pub folder: PathBuf,
    /// How people name it: `exercises/01-basic-pool`.
    pub shown: String,
}

/// How to check.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Run this case only, by name or number; nothing is stored then.
    pub case: Option<String>,
    /// How the cases are run; anything but the default is not stored either.
    pub run: run::Options,
    /// Use no stored verdict.
    pub fresh: bool,
}

/// Checks a source as a task's submission: snapshot, build, cases, verdict; or finds the stored
/// verdict. What is wrong with the submission is in the verdict; an error is the checker's own, the
/// call's or the course's (exit 2), or [`crate::cancel::Interrupted`].
pub fn check(
    session: &Session,
    task: &Task,
    source: &Source,
    options: &Options,
    watcher: Watcher<'_>,
    cancel: &Cancel,
) -> Result<TaskVerdict> {
    todo!(
        "{session:?} {task:?} {source:?} {options:?} {cancel:?} {}",
        std::mem::size_of_val(&watcher)
    )
}
