//! Verdicts for people.

use std::ptr;

use anstyle::Style;
use ledger::Level;

use super::failure::{self, PRINTED, PRINTED_ALONE, printed};
use super::style::{BAD, GOOD, INDENT, ODD, QUIET, STRONG, labelled, paint, shorten};
use crate::judge::verdict::{CaseVerdict, Outcome, Standing, State, TaskVerdict};

/// Failing cases that are told of in short, behind the first one.
const OTHERS: usize = 5;
/// What a run without a command begins with.
pub fn next(task: &str, title: &str, shown: &str) -> String {
    let title = paint(STRONG, &format!("{task} · {title}"));
    format!("Next: {title}\nWhat to do: {shown}/README.md. Your code: {shown}/src/lib.rs.\n")
}

/// A whole verdict: a line for each case, the first failing one in full.
pub fn task(verdict: &TaskVerdict, width: usize) -> String {
    let mut text = heading(verdict);
    if !verdict.build.ok {
        return text + &build_error(verdict);
    }
    for case in &verdict.cases {
        text += &case_line(case, width);
    }
    if let Some(case) = verdict.first_failure() {
        text.push('\n');
        text += &failure::text(verdict, case, width, PRINTED);
        text += &others(verdict, case, width);
    }
    text + &closing(verdict) + &servers(verdict, width)
}

/// The first failing case of a verdict, while the others still run.
pub fn first_failure(verdict: &TaskVerdict, width: usize) -> String {
    let case = verdict.first_failure().map(|case| failure::text(verdict, case, width, PRINTED));
    let running = paint(QUIET, "The other cases still run.");
    format!("{}{}\n{running}\n", heading(verdict), case.unwrap_or_default())
}

/// The failing cases behind the first one, a few words each: two symptoms tell more than one.
fn others(verdict: &TaskVerdict, first: &CaseVerdict, width: usize) -> String {
    if verdict.state == State::NotBegun {
        return String::new();
    }
    let failing = verdict.cases.iter().filter(|case| !case.is_fine() && !ptr::eq(*case, first));
    let (mut text, mut more) = (String::new(), 0);
    for (index, case) in failing.enumerate() {
        if index >= OTHERS {
            more += 1;
            continue;
        }
        let label = if index == 0 { "also" } else { "" };
        let words = format!("{} ({}): {}", case.info.name, case.info.promise, case.message);
        text += &labelled(label, &shorten(&words, 3 * width.saturating_sub(INDENT)), width);
    }
    if more > 0 {
        text += &labelled("", &format!("and {more} more"), width);
    }
    if text.is_empty() { text } else { format!("\n{text}") }
}

/// The verdict on a case that was asked for alone, with all that the code printed.
pub fn one_case(verdict: &TaskVerdict, width: usize) -> String {
    if !verdict.build.ok {
        return heading(verdict) + &build_error(verdict);
    }
    let mut text = String::new();
    for case in &verdict.cases {
        if case.is_fine() {
            text += &case_line(case, width);
            text += &printed(case, PRINTED_ALONE);
        } else {
            text += &failure::text(verdict, case, width, PRINTED_ALONE);
        }
    }
    text + &servers(verdict, width)
}

/// The tasks and how they stand.
pub fn list(standings: &[Standing]) -> String {
    let names = standings.iter().map(|standing| standing.task.len()).max().unwrap_or_default();
    let mut text = String::new();
    for standing in standings {
        let verdict = standing.verdict.as_ref();
        let (style, state) = match verdict.map(|verdict| verdict.state) {
            None => (QUIET, "not checked"),
            Some(State::Passed) => (GOOD, "passed"),
            Some(State::Partial) if verdict.is_some_and(TaskVerdict::is_done) => (GOOD, "done"),
            Some(State::Partial) => (ODD, "part"),
            Some(State::Failed) => (BAD, "failing"),
            Some(State::Error) => (BAD, "error"),
            Some(State::NotBegun) => (QUIET, "not begun"),
        };
        let points = verdict.map_or(0.0, TaskVerdict::points);
        let points = format!("{points} of {}", standing.points);
        let changed = if standing.has_changed && verdict.is_some() { "changed since" } else { "" };
        let state = paint(style, &format!("{state:12}"));
        let line = format!("{:names$}  {state}{points:>12}  {changed:14}", standing.task);
        text += &format!("{line}{}\n", paint(QUIET, &standing.title));
    }
    text
}

/// The line below several verdicts.
pub fn sum(verdicts: &[TaskVerdict]) -> String {
    let points: f64 = verdicts.iter().map(TaskVerdict::points).sum();
    let most: f64 = verdicts.iter().map(|verdict| verdict.max_points).sum();
    let passed = verdicts.iter().filter(|verdict| verdict.state == State::Passed).count();
    format!("\n{passed} of {} tasks pass, {points} of {most} points\n", verdicts.len())
}

fn heading(verdict: &TaskVerdict) -> String {
    let title = paint(STRONG, &format!("{} · {}", verdict.task, verdict.title));
    format!("{title}  {}\n\n", paint(QUIET, &verdict.source))
}

fn build_error(verdict: &TaskVerdict) -> String {
    let message = verdict.build.message.as_deref().unwrap_or_default();
    format!("{message}\n\n{}\n", paint(BAD, "✗ Nothing could be checked: 0 points."))
}

fn case_line(case: &CaseVerdict, width: usize) -> String {
    let (style, sign) = sign(case.outcome);
    let outcome = match case.outcome {
        Outcome::Passed | Outcome::Failed => "",
        Outcome::Error => "error: ",
        Outcome::TimedOut => "timed out: ",
        Outcome::Flaky => "flaky: ",
        Outcome::Skipped => "skipped: ",
    };
    let points = if case.is_fine() { String::new() } else { format!("{}/", case.points()) };
    let points = format!("{points}{}", case.max_points());
    let level = if case.info.level == Level::Hard { "hard" } else { "" };
    let about = match case.outcome {
        Outcome::Passed | Outcome::Failed => &case.info.title,
        _ => &case.message,
    };
    let facts = format!(" {:30} {:3} {level:4} {points:>5}  ", case.info.name, case.info.promise);
    let room = width.saturating_sub("  ✓".chars().count() + facts.chars().count());
    let about = shorten(&format!("{outcome}{about}"), room);
    format!("  {}{facts}{}\n", paint(style, sign), paint(QUIET, &about))
}

fn sign(outcome: Outcome) -> (Style, &'static str) {
    match outcome {
        Outcome::Passed => (GOOD, "✓"),
        Outcome::Failed | Outcome::Error | Outcome::TimedOut => (BAD, "✗"),
        Outcome::Flaky => (ODD, "≈"),
        Outcome::Skipped => (QUIET, "–"),
    }
}

fn closing(verdict: &TaskVerdict) -> String {
    let count = |fine: bool| verdict.cases.iter().filter(|case| case.is_fine() == fine).count();
    let points = format!("{} of {} points", verdict.points(), verdict.max_points);
    let (style, words) = match (count(false), verdict.is_done()) {
        (0, _) => (GOOD, format!("✓ all {} cases pass", verdict.cases.len())),
        (1, true) => (GOOD, "done: all core cases pass, 1 hard case is left".to_owned()),
        (left, true) => (GOOD, format!("done: all core cases pass, {left} hard cases are left")),
        (left, false) if verdict.state == State::NotBegun => {
            (ODD, format!("not begun: {left} cases are waiting for your code"))
        }
        (_, false) => (BAD, format!("✗ {} of {} cases pass", count(true), verdict.cases.len())),
    };
    format!("\n{}, {points}\n", paint(style, &words))
}

/// What the cases ran on, and what they could not, each said once.
fn servers(verdict: &TaskVerdict, width: usize) -> String {
    let mut text = String::new();
    if let Some((last, others)) = verdict.ran_on().split_last() {
        let names = if others.is_empty() {
            (*last).to_owned()
        } else {
            format!("{} and {last}", others.join(", "))
        };
        text += &labelled("ran on", &names, width);
    }
    for why in verdict.left_out() {
        text += &labelled("left out", why, width);
    }
    if text.is_empty() { text } else { format!("\n{text}") }
}
