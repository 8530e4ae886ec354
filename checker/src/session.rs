//! One call of the checker: the course, the toolchain and the keys that verdicts are stored under.

use anyhow::Result;

use crate::cancel::Cancel;
use crate::course::{Course, Task};

/// What every step needs to know.
#[derive(Clone, Debug)]
pub struct Session {
    /// The course.
    pub course: Course,
    /// Set by Ctrl-C.
    pub cancel: Cancel,
}

impl Session {
    /// Finds the course and the toolchain.
    pub fn begin() -> Result<Self> {
        Ok(Self { course: Course::find()?, cancel: Cancel::on_interrupt()? })
    }

    /// The key of a verdict: everything that it depends on, hashed.
    pub fn key(&self, task: &Task, snapshot_hash: &str) -> Result<String> {
        todo!("{task:?} {snapshot_hash}")
    }
}
