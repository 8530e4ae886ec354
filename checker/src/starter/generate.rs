//! `checker starters`: writes every exercise's starter from its solution, so that they never drift.

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};

use crate::course::{Course, Task};
use crate::session::Session;
use crate::starter::solution::Solution;
use crate::starter::{lib, write};

/// Writes the starters of all tasks; with `check`, only says which differ.
pub fn run(session: &Session, check: bool) -> Result<ExitCode> {
    let course = &session.course;
    let mut differ = false;
    for task in &course.tasks {
        let path = course.shown(&lib(&course.exercise(task)));
        if is_current(course, task)? {
            continue;
        }
        differ = true;
        if check {
            anstream::println!("{path} is not what `checker starters` makes of its solution");
        } else if let Some(starter) = starter(course, task)? {
            write(&lib(&course.exercise(task)), &starter)?;
            anstream::println!("{path} written");
        }
    }
    Ok(if check && differ { ExitCode::from(1) } else { ExitCode::SUCCESS })
}

/// Whether a task's starter is what its solution makes, whatever ends its lines.
pub fn is_current(course: &Course, task: &Task) -> Result<bool> {
    let Some(wanted) = starter(course, task)? else {
        let solution = course.shown(&course.solution(task));
        bail!("{solution} is not there: a starter is made from its solution");
    };
    let text = fs::read_to_string(lib(&course.exercise(task))).unwrap_or_default();
    Ok(text.replace("\r\n", "\n") == wanted)
}

/// The starter that a task's solution makes; `None` if there is no solution.
pub fn starter(course: &Course, task: &Task) -> Result<Option<String>> {
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
