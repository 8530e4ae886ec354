//! `check`: the named tasks, or the next one, checked and told of.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::course::{Source, Task};
use crate::judge::check::{self, Options};
use crate::judge::progress::Bar;
use crate::judge::run;
use crate::judge::session::Session;
use crate::judge::verdict::{State, TaskVerdict};
use crate::report::terminal::{print_json, width};
use crate::report::{json, steps, text};
use crate::student::lint;
use crate::student::list::next_task;

/// `check`.
#[derive(Args, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub struct CheckArgs {
    /// Numbers, names or unique prefixes; none means all
    pub tasks: Vec<String>,
    /// Check the reference solutions instead of the exercises
    #[arg(long, conflicts_with = "source")]
    pub solutions: bool,
    /// Check the folder that holds `src/lib.rs` as the task's submission
    #[arg(long, value_name = "DIR")]
    pub source: Option<PathBuf>,
    /// Run this case only
    #[arg(long, value_name = "NAME OR NUMBER")]
    pub case: Option<String>,
    /// Run the schedule with this seed only
    #[arg(long, requires = "case")]
    pub seed: Option<u64>,
    /// Tell the failing case step by step: who did what in which line
    #[arg(long, requires = "case", conflicts_with = "json")]
    pub steps: bool,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
    /// Use no stored verdict
    #[arg(long)]
    pub fresh: bool,
}

/// Checks the next task that is not done.
pub fn next(session: &Session) -> Result<ExitCode> {
    let task = next_task(session)?;
    let source = Source::exercise(&session.course, task);
    anstream::println!("{}", text::next(&task.name, &task.facts.title, &source.shown));
    let verdict = check_one(session, task, &source, &Options::default())?;
    anstream::print!("{}", text::task(&verdict, width()));
    Ok(code(&[verdict]))
}

/// `check`.
pub fn run(session: &Session, args: &CheckArgs) -> Result<ExitCode> {
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
        run: run::Options {
            seed: args.seed,
            schedules: args.seed.map(|_| 1),
            steps: args.steps,
            ..run::Options::default()
        },
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
            let failing = verdict.first_failure().filter(|_| args.steps);
            let text = if let Some(case) = failing {
                steps::text(&verdict, case, width())
            } else if options.case.is_some() {
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

fn code(verdicts: &[TaskVerdict]) -> ExitCode {
    let all = verdicts.iter().all(|verdict| verdict.state == State::Passed);
    ExitCode::from(u8::from(!all))
}
