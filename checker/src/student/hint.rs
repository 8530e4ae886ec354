//! `checker hint`: a word on a failing case, and one more only when asked for it.

use std::fmt::Write as _;
use std::process::ExitCode;

use anyhow::{Result, bail};
use ledger::CaseInfo;

use crate::course::{Source, closest};
use crate::judge::check::{self, Options};
use crate::judge::progress::{Bar, Step};
use crate::judge::session::Session;
use crate::judge::verdict::TaskVerdict;
use crate::report::style::labelled;
use crate::report::terminal::width;
use crate::student::list::next_task;
use clap::Args;

/// `hint`.
#[derive(Args, Debug)]
pub struct HintArgs {
    /// Number, name or unique prefix; none means the next unfinished task
    pub task: Option<String>,
    /// The case to give hints on, by name or number; else the first failing one
    #[arg(long)]
    pub case: Option<String>,
    /// How much to tell: each level is plainer than the one before
    #[arg(long, default_value_t = 1)]
    pub level: usize,
}

/// The case to give hints on: the named one, or the first that something is left to do about;
/// `None` if all pass.
pub fn case<'a>(verdict: &'a TaskVerdict, asked: Option<&str>) -> Result<Option<&'a CaseInfo>> {
    let Some(asked) = asked else { return Ok(verdict.first_failure().map(|case| &case.info)) };
    let mut infos = verdict.cases.iter().map(|case| &case.info);
    let found = infos.clone().find(|info| info.name == asked || info.number.to_string() == asked);
    match (found, closest(asked, infos.by_ref().map(|info| info.name.as_str()))) {
        (Some(info), _) => Ok(Some(info)),
        (None, Some(likely)) => bail!("no case is called `{asked}`: did you mean `{likely}`?"),
        (None, None) => bail!("no case of {} is called `{asked}`", verdict.task),
    }
}

/// The hints on a case up to this level (from 1), and how to ask for the next: `next` says it for
/// the level that it is given.
pub fn text(case: &CaseInfo, level: usize, next: impl Fn(usize) -> String, width: usize) -> String {
    let mut out = format!("{} ({}): {}\n", case.name, case.promise, case.title);
    let level = level.clamp(1, case.hints.len().max(1));
    for (index, hint) in case.hints.iter().take(level).enumerate() {
        let label = format!("hint {}/{}", index + 1, case.hints.len());
        out += &labelled(&label, hint, width);
    }
    if level < case.hints.len() {
        let _ = writeln!(out, "  {}", next(level + 1));
    } else if case.lesson.is_empty() {
        out.push_str("  That was the last hint.\n");
    } else {
        let _ = writeln!(out, "  That was the last hint; the lesson: COURSE.md#{}", case.lesson);
    }
    out
}

/// Shows hints on a task, by default the next unfinished one, from its verdict.
pub fn run(session: &Session, args: &HintArgs) -> Result<ExitCode> {
    let course = &session.course;
    let task = match &args.task {
        Some(asked) => course.task(asked)?,
        None => next_task(session)?,
    };
    let source = Source::exercise(course, task);
    let bar = Bar::default();
    let show = |step: Step<'_>| bar.show(&step);
    let options = Options::default();
    let verdict = check::check(session, task, &source, &options, &show, &session.cancel)?;
    drop(bar);
    if !verdict.build.ok {
        bail!("it does not compile yet: `cargo course check {}` says why", task.name);
    }
    let Some(case) = case(&verdict, args.case.as_deref())? else {
        anstream::println!("All cases of {} pass: there is nothing to hint at.", task.name);
        return Ok(ExitCode::SUCCESS);
    };
    let named = args.case.as_ref().map(|name| format!(" --case {name}")).unwrap_or_default();
    let number = task.name.split('-').next().unwrap_or(&task.name);
    let next = |level| format!("more: cargo course hint {number}{named} --level {level}");
    anstream::print!("{}", text(case, args.level, next, width()));
    Ok(ExitCode::SUCCESS)
}
