//! `list`: how the tasks stand, from the stored verdicts.

use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Args;

use crate::course::{Source, Task};
use crate::judge::session::Session;
use crate::judge::snapshot::Snapshot;
use crate::judge::store;
use crate::judge::verdict::{Standing, State};
use crate::report::terminal::print_json;
use crate::report::{json, text};

/// `list`.
#[derive(Args, Debug)]
pub struct ListArgs {
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

/// How the tasks stand, from the stored verdicts.
pub fn standings(session: &Session) -> Vec<Standing> {
    let course = &session.course;
    let mut standings = Vec::new();
    for task in &course.tasks {
        let source = Source::exercise(course, task);
        let snapshot = Snapshot::take(&source.folder, &source.shown).ok();
        let stored = store::latest(&course.base, &task.name);
        let (then, verdict) = stored.map(|stored| (stored.snapshot, stored.verdict)).unzip();
        let has_changed = then != snapshot.map(|snapshot| snapshot.hash);
        standings.push(Standing {
            task: task.name.clone(),
            title: task.facts.title.clone(),
            points: task.facts.points,
            verdict,
            has_changed,
        });
    }
    standings
}

/// The next task that is not done; if all are, the next that does not pass whole, or the last.
pub fn next_task(session: &Session) -> Result<&Task> {
    let standings = standings(session);
    let next = standings.iter().position(|standing| !standing.is_done());
    let passes = |standing: &Standing| {
        standing.verdict.as_ref().is_some_and(|verdict| verdict.state == State::Passed)
    };
    let next = next.or_else(|| standings.iter().position(|standing| !passes(standing)));
    let next =
        next.map_or_else(|| session.course.tasks.last(), |index| session.course.tasks.get(index));
    next.context("the course has no task")
}

/// Shows them.
pub fn run(session: &Session, args: &ListArgs) -> Result<ExitCode> {
    let standings = standings(session);
    if args.json {
        print_json(&json::list(&standings))?;
    } else {
        anstream::print!("{}", text::list(&standings));
    }
    Ok(ExitCode::SUCCESS)
}
