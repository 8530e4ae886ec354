//! Verdicts for people.

use crate::commands::Standing;
use crate::course::Task;
use crate::verdict::{CaseVerdict, TaskVerdict};

pub fn next(task: &Task, shown: &str) -> String { format!("{} {shown}", task.name) }
pub fn task(verdict: &TaskVerdict, width: usize) -> String {
    let mut t = format!("{} {:?} {}/{} build {:?}\n", verdict.task, verdict.state, verdict.points(), verdict.max_points, verdict.build);
    for c in &verdict.cases { t += &format!("{:?} {} {} {:.3}s {}\n", c.outcome, c.info.name, c.schedules, c.seconds, c.message); }
    let _ = width;
    t
}
pub fn one_case(verdict: &TaskVerdict, width: usize) -> String { task(verdict, width) }
pub fn sum(_: &[TaskVerdict]) -> String { String::new() }
pub fn list(s: &[Standing<'_>]) -> String { format!("{s:?}") }
pub fn failure(verdict: &TaskVerdict, case: &CaseVerdict, width: usize) -> String {
    format!("{verdict:?} {case:?} {width}")
}
