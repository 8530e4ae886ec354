//! `checker hint`: a word on a failing case, and one more only when asked for it.

use std::fmt::Write as _;
use std::process::ExitCode;

use anyhow::{Result, bail};
use ledger::CaseInfo;

use crate::course::{Task, closest};
use crate::verdict::TaskVerdict;

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
pub fn text(case: &CaseInfo, level: usize, next: impl Fn(usize) -> String) -> String {
    let mut out = format!("{} ({}): {}\n", case.name, case.promise, case.title);
    let level = level.clamp(1, case.hints.len().max(1));
    for (index, hint) in case.hints.iter().take(level).enumerate() {
        let _ = writeln!(out, "  hint {} of {}: {hint}", index + 1, case.hints.len());
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

/// Shows hints on a task, from its verdict.
pub fn show(
    task: &Task,
    verdict: &TaskVerdict,
    asked: Option<&str>,
    level: usize,
) -> Result<ExitCode> {
    if verdict.cases.is_empty() {
        bail!(
            "{} does not compile yet: `checker check {}` shows what rustc says",
            task.name,
            task.name
        );
    }
    let Some(case) = case(verdict, asked)? else {
        anstream::println!("All cases of {} pass: there is nothing to hint at.", task.name);
        return Ok(ExitCode::SUCCESS);
    };
    let named = asked.map(|name| format!(" --case {name}")).unwrap_or_default();
    let next = |level| format!("More: cargo run -- hint {}{named} --level {level}", task.name);
    anstream::print!("{}", text(case, level, next));
    Ok(ExitCode::SUCCESS)
}
