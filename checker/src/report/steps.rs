//! A failing case told step by step: who did what in which line, a rule where another one goes on.

use ledger::Step;

use super::style::{BAD, QUIET, STRONG, labelled, paint, plain, shorten, wrapped};
use super::timeline::clock::clock;
use crate::judge::verdict::{CaseVerdict, TaskVerdict};

/// No column of names is wider than this.
const WIDEST: usize = 24;

/// The steps of the case; a sentence if it has none.
pub fn text(verdict: &TaskVerdict, case: &CaseVerdict, width: usize) -> String {
    let mut text = paint(BAD, &format!("✗ {}", case.info.name));
    text += &format!("  {}\n\n", case.info.title);
    if let Some(failure) = &case.failure {
        text += &labelled("expected", &failure.expected, width);
        text += &labelled("got", &failure.got, width);
    }
    if case.steps.is_empty() {
        return text
            + &labelled("steps", "none were told: they are of simulated or paused time", width);
    }
    text += &labelled("lines", &format!("of {}", verdict.source), width);
    text.push('\n');
    text + &table(&case.steps, width)
}

fn table(steps: &[Step], width: usize) -> String {
    let places: Vec<String> = steps.iter().map(place).collect();
    let column = |texts: &mut dyn Iterator<Item = &str>| {
        texts.map(|text| text.chars().count()).max().unwrap_or_default().min(WIDEST)
    };
    let names = column(&mut steps.iter().map(|step| step.thread.as_str()));
    let lines = column(&mut places.iter().map(String::as_str));
    let times: Vec<String> = steps.iter().map(|step| clock(step.at)).collect();
    let moments = column(&mut times.iter().map(String::as_str));
    let behind = 2 + moments + 2 + names + 2 + lines + 2;
    let room = width.saturating_sub(behind).max(20);

    let mut text = String::new();
    let mut before: Option<(&str, &str)> = None;
    for ((step, place), time) in steps.iter().zip(&places).zip(&times) {
        let goes_on = before.is_some_and(|(thread, _)| thread == step.thread);
        if !goes_on && before.is_some() {
            text += &format!("  {}\n", paint(QUIET, &"─".repeat(width.saturating_sub(4))));
        }
        let is_now = goes_on && before.is_some_and(|(_, moment)| moment == time);
        let shown = if is_now { "" } else { time };
        let thread = if goes_on { String::new() } else { shorten(&plain(&step.thread), names) };
        let thread = paint(STRONG, &format!("{thread:names$}"));
        let place = shorten(place, lines);
        for (index, row) in wrapped(&plain(&step.what), room).iter().enumerate() {
            if index == 0 {
                text += &format!("  {shown:>moments$}  {thread}  {place:lines$}  {row}\n");
            } else {
                text += &format!("{:behind$}{row}\n", "");
            }
        }
        before = Some((&step.thread, time));
    }
    text
}

/// The line of the student's file, if the step was in it.
fn place(step: &Step) -> String {
    step.place
        .as_ref()
        .map_or_else(String::new, |place| plain(&format!("{}:{}", place.file, place.line)))
}
