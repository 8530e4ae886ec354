//! Verdicts for people.

use std::ptr;

use anstyle::{AnsiColor, Style};

use ledger::Level;
use ledger::plain::visible;

use super::timeline;
use crate::commands::Standing;
use crate::course::Task;
use crate::verdict::{CaseVerdict, Outcome, State, TaskVerdict};

const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default().bold();
const ODD: Style = AnsiColor::Yellow.on_default();
const QUIET: Style = Style::new().dimmed();
const STRONG: Style = Style::new().bold();

/// Lines of the code's own output that a failure shows, the last ones.
const PRINTED: usize = 12;
/// As many as `--case` shows.
const PRINTED_ALONE: usize = 400;
/// Failing cases that are told of in short, behind the first one.
const OTHERS: usize = 5;
/// How far a failure's texts are set in.
const INDENT: usize = 12;

/// What a run without a command begins with.
pub fn next(task: &Task, shown: &str) -> String {
    let title = paint(STRONG, &format!("{} · {}", task.name, task.facts.title));
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
        text += &failure(verdict, case, width);
        text += &others(verdict, case, width);
    }
    text + &closing(verdict) + &servers(verdict, width)
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
            text += &failing(verdict, case, width, PRINTED_ALONE);
        }
    }
    text + &servers(verdict, width)
}

/// One failing case in full: the promise, expected, got, where, the timeline, how to see it again.
pub fn failure(verdict: &TaskVerdict, case: &CaseVerdict, width: usize) -> String {
    failing(verdict, case, width, PRINTED)
}

/// The tasks and how they stand.
pub fn list(standings: &[Standing<'_>]) -> String {
    let names = standings.iter().map(|standing| standing.task.name.len()).max().unwrap_or_default();
    let mut text = String::new();
    for standing in standings {
        let (task, verdict) = (standing.task, standing.verdict.as_ref());
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
        let points = format!("{points} of {}", task.facts.points);
        let changed = if standing.has_changed && verdict.is_some() { "changed since" } else { "" };
        let state = paint(style, &format!("{state:12}"));
        let line = format!("{:names$}  {state}{points:>12}  {changed:14}", task.name);
        text += &format!("{line}{}\n", paint(QUIET, &task.facts.title));
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

fn failing(verdict: &TaskVerdict, case: &CaseVerdict, width: usize, lines: usize) -> String {
    let info = &case.info;
    let mut text = paint(BAD, &format!("✗ {}", info.name));
    text += &format!("  {}\n\n", info.title);
    let mut row = |label: &str, words: &str| {
        text += &labelled(label, words, width);
    };
    let promise = verdict.promises.iter().find(|(number, _)| *number == info.promise);
    if let Some((number, sentence)) = promise {
        row("promised", &format!("{number}: {sentence}"));
    }
    match &case.failure {
        Some(failure)
            if matches!(case.outcome, Outcome::Failed | Outcome::Flaky | Outcome::TimedOut) =>
        {
            row("expected", &failure.expected);
            row("got", &failure.got);
            if let Some(place) = &failure.location {
                let file = in_source(verdict, &place.file);
                row("where", &format!("{file}:{}:{}", place.line, place.column));
            }
            for (index, line) in failure.waiting.iter().enumerate() {
                let label = if index == 0 { "waiting" } else { "" };
                row(label, &in_source(verdict, line));
            }
        }
        _ => row(outcome_word(case.outcome), &case.message),
    }
    if case.outcome == Outcome::Flaky {
        row(
            "flaky",
            "it passed when it was run again, which earns nothing: a promise holds every time",
        );
    }
    for note in case.notes.iter().filter(|note| !is_said(case, note)) {
        row("note", &in_source(verdict, note));
    }
    // One that fails at once needs no particular order.
    if case.schedules > 1 {
        let which = case.seed.map_or_else(
            || format!("in order {} of those that the case tries", case.schedules),
            |seed| format!("in schedule {} of {} (seed {seed})", case.schedules, info.schedules),
        );
        row("seen", &format!("{which}; the ones before it passed"));
    }
    text += &picture(case, width);
    text += &printed(case, lines);
    text.push('\n');
    text += &advice(verdict, case);
    text
}

/// Who held what when.
fn picture(case: &CaseVerdict, width: usize) -> String {
    let picture = timeline::draw(&case.ledger, width.saturating_sub(2));
    if picture.is_empty() {
        return String::new();
    }
    let mut text = String::from("\n");
    for line in picture.lines() {
        text += &format!("  {}\n", plain(line).replace('✗', &paint(BAD, "✗")));
    }
    text += &format!("  {}\n", paint(QUIET, &timeline::legend(&picture)));
    text
}

/// The last lines of what the code printed. It may hold anything: nothing of it steers the
/// terminal.
fn printed(case: &CaseVerdict, most: usize) -> String {
    let lines: Vec<&str> = case.printed.lines().filter(|line| !is_said(case, line)).collect();
    if lines.is_empty() {
        return String::new();
    }
    let skipped = lines.len().saturating_sub(most);
    let mut text = format!("\n  {}\n", paint(QUIET, "the code printed"));
    if skipped > 0 {
        text += &format!("  {}\n", paint(QUIET, &format!("│ … {skipped} lines before these")));
    }
    for line in &lines[skipped..] {
        let line = shorten(&plain(line), 400);
        text += &format!("  {} {line}\n", paint(QUIET, "│"));
    }
    text
}

/// Whether a line only tells of the panic that the failure tells of.
fn is_said(case: &CaseVerdict, line: &str) -> bool {
    let place = case.failure.as_ref().and_then(|failure| failure.location.as_ref());
    place.is_some_and(|place| {
        let place = format!("{}:{}:{}", place.file, place.line, place.column);
        line.contains(" panicked: ") && line.contains(&place)
    })
}

/// What to do next.
fn advice(verdict: &TaskVerdict, case: &CaseVerdict) -> String {
    let number = verdict.task.split('-').next().unwrap_or(&verdict.task);
    let which = if verdict.is_exercise() {
        String::new()
    } else if verdict.source.starts_with("solutions") {
        " --solutions".to_owned()
    } else {
        format!(" --source {}", verdict.source)
    };
    let seed = case.seed.filter(|_| case.schedules > 1);
    let seed = seed.map(|seed| format!(" --seed {seed}")).unwrap_or_default();
    let again = format!("cargo course check {number}{which} --case {}{seed}", case.info.name);
    let mut text = format!("  {:9} {again}\n", "again");
    if verdict.is_exercise() {
        text += &format!("  {:9} cargo course hint {number} --case {}\n", "a hint", case.info.name);
    }
    if !case.info.lesson.is_empty() {
        text += &format!("  {:9} COURSE.md#{}\n", "the why", case.info.lesson);
    }
    text
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

fn outcome_word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Error => "error",
        Outcome::TimedOut => "timed out",
        Outcome::Skipped => "skipped",
        Outcome::Passed | Outcome::Failed | Outcome::Flaky => "got",
    }
}

/// The harness names files as the crate does; people open them from the course's root.
fn in_source(verdict: &TaskVerdict, line: &str) -> String {
    let mut text = String::new();
    let mut rest = line;
    while let Some(at) = rest.find("src/") {
        let (before, after) = rest.split_at(at);
        text += before;
        // Not inside a longer path.
        if !before
            .ends_with(|letter: char| letter == '/' || letter == '-' || letter.is_alphanumeric())
        {
            text += &format!("{}/", verdict.source);
        }
        text += "src/";
        rest = &after["src/".len()..];
    }
    text + rest
}

/// A label and what belongs to it, wrapped at words.
pub fn labelled(label: &str, words: &str, width: usize) -> String {
    let room = width.saturating_sub(INDENT).max(30);
    let mut lines: Vec<String> = Vec::new();
    for paragraph in plain(words).lines() {
        let mut line = String::new();
        for word in paragraph.split(' ') {
            if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > room {
                lines.push(std::mem::take(&mut line));
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line += word;
        }
        lines.push(line);
    }
    let label = paint(QUIET, &format!("{label:9}"));
    format!("  {label} {}\n", lines.join(&format!("\n{:INDENT$}", "")))
}

/// Without anything that steers a terminal.
fn plain(text: &str) -> String {
    let text = anstream::adapter::strip_str(text).to_string();
    visible(&text.replace('\t', "    ")).into_owned()
}

fn shorten(text: &str, room: usize) -> String {
    let text = text.replace('\n', " ");
    if text.chars().count() <= room {
        return text;
    }
    text.chars().take(room.saturating_sub(1)).chain(['…']).collect()
}

fn paint(style: Style, text: &str) -> String {
    format!("{style}{text}{style:#}")
}
