//! `check` and `list`: what was asked for, done and printed.

use std::io::{self, IsTerminal};
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};

use crate::check::{self, Options, Source};
use crate::cli::{CheckArgs, ListArgs};
use crate::course::Task;
use crate::lint;
use crate::progress::Bar;
use crate::report::{json, text};
use crate::run;
use crate::session::Session;
use crate::snapshot::Snapshot;
use crate::store;
use crate::verdict::{State, TaskVerdict};

/// How a task stands without being checked.
#[derive(Debug)]
pub struct Standing<'a> {
    /// The task.
    pub task: &'a Task,
    /// The latest verdict on the exercise, if there ever was one.
    pub verdict: Option<TaskVerdict>,
    /// Whether the exercise has changed since that verdict.
    pub has_changed: bool,
}

impl Standing<'_> {
    /// Whether all core cases are known to pass.
    pub fn is_done(&self) -> bool {
        !self.has_changed && self.verdict.as_ref().is_some_and(TaskVerdict::is_done)
    }
}

/// How the tasks stand, from the stored verdicts.
pub fn standings(session: &Session) -> Vec<Standing<'_>> {
    let course = &session.course;
    let mut standings = Vec::new();
    for task in &course.tasks {
        let source = Source::exercise(course, task);
        let snapshot = Snapshot::take(&source.folder, &source.shown).ok();
        let stored = store::latest(&course.base, &task.name);
        let (then, verdict) = stored.map(|stored| (stored.snapshot, stored.verdict)).unzip();
        let has_changed = then != snapshot.map(|snapshot| snapshot.hash);
        standings.push(Standing { task, verdict, has_changed });
    }
    standings
}

/// The next task that is not done; if all are, the next that does not pass whole, or the last.
pub fn next_task(session: &Session) -> Result<&Task> {
    let standings = standings(session);
    let next = standings.iter().find(|standing| !standing.is_done());
    let passes = |standing: &Standing<'_>| {
        standing.verdict.as_ref().is_some_and(|verdict| verdict.state == State::Passed)
    };
    let next = next.or_else(|| standings.iter().find(|standing| !passes(standing)));
    let Some(next) = next.or_else(|| standings.last()) else { bail!("the course has no task") };
    Ok(next.task)
}

/// Checks the next task that is not done.
pub fn next(session: &Session) -> Result<ExitCode> {
    let task = next_task(session)?;
    let source = Source::exercise(&session.course, task);
    anstream::println!("{}", text::next(task, &source.shown));
    let verdict = check_one(session, task, &source, &Options::default())?;
    anstream::print!("{}", text::task(&verdict, width()));
    Ok(code(&[verdict]))
}

/// `check`.
pub fn check(session: &Session, args: &CheckArgs) -> Result<ExitCode> {
    let course = &session.course;
    let tasks: Vec<&Task> = if args.tasks.is_empty() {
        course.tasks.iter().collect()
    } else {
        let mut tasks =
            args.tasks.iter().map(|name| course.task(name)).collect::<Result<Vec<_>>>()?;
        tasks.sort_by(|a, b| a.name.cmp(&b.name));
        tasks.dedup_by(|a, b| a.name == b.name);
        tasks
    };
    if (args.source.is_some() || args.case.is_some()) && tasks.len() != 1 {
        bail!("`--source` and `--case` need one task: `check 01 …`");
    }
    let options = Options {
        case: args.case.clone(),
        run: run::Options { seed: args.seed, schedules: args.seed.map(|_| 1), jobs: None },
        fresh: args.fresh,
    };
    let mut verdicts = Vec::new();
    for task in tasks {
        let source = match &args.source {
            Some(folder) => submission(session, folder)?,
            None if args.solutions => Source::of(course, course.solution(task)),
            None => Source::exercise(course, task),
        };
        let verdict = check_one(session, task, &source, &options)?;
        if !args.json {
            let text = if options.case.is_some() {
                text::one_case(&verdict, width())
            } else {
                text::task(&verdict, width())
            };
            anstream::print!("{text}");
        }
        verdicts.push(verdict);
    }
    if args.json {
        print_json(&json::check(&verdicts))?;
    } else if verdicts.len() > 1 {
        anstream::print!("{}", text::sum(&verdicts));
    } else if args.case.is_none() {
        lint::after(session, &verdicts);
    }
    Ok(code(&verdicts))
}

/// `list`.
pub fn list(session: &Session, args: &ListArgs) -> Result<ExitCode> {
    let standings = standings(session);
    if args.json {
        print_json(&json::list(&standings))?;
    } else {
        anstream::print!("{}", text::list(&standings));
    }
    Ok(ExitCode::SUCCESS)
}

fn check_one(
    session: &Session,
    task: &Task,
    source: &Source,
    options: &Options,
) -> Result<TaskVerdict> {
    let bar = Bar::default();
    check::check(session, task, source, options, &|step| bar.show(&step), &session.cancel)
}

/// The folder that `--source` names. That it is there is the caller's business, what is in it the
/// submission's.
fn submission(session: &Session, folder: &Path) -> Result<Source> {
    if !folder.is_dir() {
        bail!("there is no folder {}", folder.display());
    }
    let folder = folder
        .canonicalize()
        .with_context(|| format!("cannot tell where {} is", folder.display()))?;
    Ok(Source::of(&session.course, folder))
}

fn print_json(value: &serde_json::Value) -> Result<()> {
    let text = serde_json::to_string_pretty(value)?;
    anstream::println!("{text}");
    Ok(())
}

/// How wide the terminal is; a good width where there is none.
pub fn width() -> usize {
    let is_terminal = io::stdout().is_terminal();
    let columns = is_terminal.then(crossterm::terminal::size).and_then(Result::ok);
    columns.map_or(100, |(columns, _)| usize::from(columns)).clamp(60, 140)
}

fn code(verdicts: &[TaskVerdict]) -> ExitCode {
    let all = verdicts.iter().all(|verdict| verdict.state == State::Passed);
    ExitCode::from(u8::from(!all))
}
