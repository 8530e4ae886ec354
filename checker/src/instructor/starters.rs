//! `checker starters`: writes every exercise's starter from its solution, so that they never drift.

use std::fs;
use std::process::ExitCode;

use anyhow::{Result, bail};

use crate::course::starter::{self, lib, write};
use crate::course::{Course, Task};
use crate::judge::session::Session;

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
        } else if let Some(starter) = starter::made(course, task)? {
            write(&lib(&course.exercise(task)), &starter)?;
            anstream::println!("{path} written");
        }
    }
    Ok(if check && differ { ExitCode::from(1) } else { ExitCode::SUCCESS })
}

/// Whether a task's starter is what its solution makes, whatever ends its lines.
pub fn is_current(course: &Course, task: &Task) -> Result<bool> {
    let Some(wanted) = starter::made(course, task)? else {
        let solution = course.shown(&course.solution(task));
        bail!("{solution} is not there: a starter is made from its solution");
    };
    let text = fs::read_to_string(lib(&course.exercise(task))).unwrap_or_default();
    Ok(text.replace("\r\n", "\n") == wanted)
}
