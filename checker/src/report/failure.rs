//! A failing case in full: what was promised, what happened, who held what when, how to see it again.

use ledger::World;

use super::style::{BAD, QUIET, labelled, paint, plain, shorten};
use super::timeline;
use crate::judge::verdict::{CaseVerdict, Outcome, TaskVerdict};

/// Lines of the code's own output that a failure shows, the last ones.
pub const PRINTED: usize = 12;
/// As many as `--case` shows.
pub const PRINTED_ALONE: usize = 400;
/// It, with so many of the last lines that the code printed.
pub fn text(verdict: &TaskVerdict, case: &CaseVerdict, width: usize, lines: usize) -> String {
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
pub fn printed(case: &CaseVerdict, most: usize) -> String {
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
        let steps = match case.info.world {
            World::Simulated | World::Paused => "; the same with --steps, line by line",
            World::Real => "",
        };
        text += &format!("  {:9} COURSE.md#{}{steps}\n", "the why", case.info.lesson);
    }
    text
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
