//! What is checked as a task's submission.

use std::path::PathBuf;

use super::tasks::{Course, Task};

/// A submission: where it is, and what people call it.
#[derive(Clone, Debug)]
pub struct Source {
    /// The folder that holds `src/lib.rs`.
    pub folder: PathBuf,
    /// How people name it: `exercises/01-basic-pool`.
    pub shown: String,
}

impl Source {
    /// The student's own.
    pub fn exercise(course: &Course, task: &Task) -> Self {
        Self::of(course, course.exercise(task))
    }

    /// A folder, named as people in the course name it.
    pub fn of(course: &Course, folder: PathBuf) -> Self {
        let shown = course.shown(&folder);
        Self { folder, shown }
    }
}
