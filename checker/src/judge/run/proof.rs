//! A verdict is proven, not presumed: from what a case's process left behind to how the case ended.
//!
//! Only the harness knows the token, so only it can say `passed`; and it says so with its last
//! breath. A process that ends in any other way than right after its record, with status 0 and
//! nobody left behind, has proven nothing.

use std::time::Duration;

use ledger::{
    CaseInfo, Event, Failure, Message, Outcome as Said, Record, Step, Thing, What, plain,
};

use crate::judge::verdict::{CaseVerdict, Outcome};
use crate::process::{Ended, Limits};

/// What the process of a case may have: many times what an honest one takes. The figures stand in
/// checker/README.md.
pub const CASE: Limits = Limits { memory: Some(512 << 20), processor: None, file: Some(1 << 30) };

/// No verdict says more in its message, in characters.
const LONGEST: usize = 1_000;

/// What a case's process left behind.
#[derive(Debug, Default)]
pub struct Remains {
    /// The messages with the right token, in order.
    pub messages: Vec<Message>,
    /// How the process ended.
    pub ended: Ended,
    /// Why the checker ended it, if it did.
    pub cut: Option<Cut>,
    /// What it printed.
    pub printed: String,
    /// How long it took from its beginning.
    pub took: Duration,
}

/// Why the checker ended a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// It did not say in time that the case begins.
    NeverStarted,
    /// The case's deadline is over.
    Deadline,
}

/// The verdict that the remains prove.
pub fn verdict(case: &CaseInfo, remains: Remains) -> CaseVerdict {
    let record = the_record(case, &remains);
    let (outcome, message) = match (broken(&remains), &record) {
        (Some((outcome, why)), _) => (outcome, why),
        (None, Ok(record)) => (outcome_of(record.outcome), message_of(record)),
        (None, Err(why)) => (Outcome::Error, why.clone()),
    };
    let (outcome, message) = alone(outcome, message, &remains.ended);
    let message = plain::cut(&plain::visible(&message), LONGEST).into_owned();
    let record = record.ok();
    let schedules = record.map_or(0, |record| record.schedules);
    let seconds = record.map_or(remains.took, |record| record.took).as_secs_f64();
    let servers = record.map(|record| (record.ran_on.clone(), record.left_out.clone()));
    let (ran_on, left_out) = servers.unwrap_or_default();
    // What it said about a failure helps even if it does not count.
    let record = record.filter(|_| outcome != Outcome::Passed).cloned().map(shown);
    let (failure, ledger, notes, seed, steps, schedule) = record
        .map(|Record { failure, ledger, notes, seed, steps, schedule, .. }| {
            (failure, ledger, notes, seed, steps, schedule)
        })
        .unwrap_or_default();
    CaseVerdict {
        info: case.clone(),
        outcome,
        message,
        failure,
        ledger,
        steps,
        shrunk: None,
        schedule,
        notes,
        seed,
        schedules,
        seconds,
        printed: remains.printed,
        ran_on,
        left_out,
    }
}

/// The record with nothing in it that would steer a terminal: the code under test had a say in its
/// texts.
fn shown(mut record: Record) -> Record {
    let show = |text: &mut String| *text = plain::visible(text).into_owned();
    if let Some(Failure { expected, got, location, waiting }) = &mut record.failure {
        [expected, got].into_iter().chain(waiting).for_each(show);
        if let Some(place) = location {
            show(&mut place.file);
        }
    }
    record.notes.iter_mut().for_each(show);
    for Event { thread, what, .. } in &mut record.ledger {
        show(thread);
        match what {
            What::GaveUp { error } | What::Refused { error, .. } => show(error),
            What::Note { text } => show(text),
            _ => {}
        }
    }
    for Step { thread, place, what, things, .. } in &mut record.steps {
        [thread, what].into_iter().for_each(show);
        if let Some(place) = place {
            show(&mut place.file);
        }
        for Thing { name, holders, waiting } in things {
            std::iter::once(name).chain(holders).chain(waiting).for_each(show);
        }
    }
    record
}

/// What is wrong with the way in which the process ended.
fn broken(remains: &Remains) -> Option<(Outcome, String)> {
    let ended = &remains.ended;
    let error = |why: String| Some((Outcome::Error, why));
    match remains.cut {
        Some(Cut::Deadline) => {
            let seconds = remains.took.as_secs_f64();
            let why =
                format!("still running {seconds:.0} s after it began, and ended from outside");
            return Some((Outcome::TimedOut, why));
        }
        Some(Cut::NeverStarted) => return error("the process did not get to its case".to_owned()),
        None => {}
    }
    if let Some(lost) = &ended.lost {
        return error(format!("nobody saw how the process ended: {lost}"));
    }
    if let Some(signal) = ended.signal {
        if signal == ABORT && ran_out_of_memory(&remains.printed) {
            let most = CASE.memory.unwrap_or_default() >> 20;
            return error(format!(
                "the code needed more than {most} MiB of memory: does it put more and more into \
                 something, and never takes it out?"
            ));
        }
        return error(format!(
            "the process was ended by signal {}{}",
            signal_name(signal),
            last_words(&remains.printed)
        ));
    }
    if let Some(code) = ended.code.filter(|code| *code != 0) {
        return error(format!(
            "the process ended with exit status {code} before its verdict was complete: does the \
             code call `exit`?{}",
            last_words(&remains.printed)
        ));
    }
    None
}

/// Who leaves a process running has not ended, whatever was said.
fn alone(outcome: Outcome, message: String, ended: &Ended) -> (Outcome, String) {
    if ended.survivors.is_empty() {
        return (outcome, message);
    }
    let (first, more) = ended.survivors.split_at(ended.survivors.len().min(3));
    let more = if more.is_empty() { String::new() } else { format!(" and {} more", more.len()) };
    let left = format!("it left running what it had started: {}{more}", first.join(", "));
    match outcome {
        Outcome::TimedOut => (outcome, format!("{message}; {left}")),
        _ => (Outcome::Error, left),
    }
}

/// The record, if there is exactly one and it is this case's.
fn the_record<'a>(case: &CaseInfo, remains: &'a Remains) -> Result<&'a Record, String> {
    let mut records = remains.messages.iter().filter_map(|message| match message {
        Message::Record(record) => Some(&**record),
        Message::Started | Message::Listing(_) => None,
    });
    match (records.next(), records.next()) {
        (Some(record), None) if record.case == case.number => Ok(record),
        (Some(record), None) => Err(format!("the verdict is on another case ({})", record.case)),
        (Some(_), Some(_)) => Err("there is more than one verdict".to_owned()),
        (None, _) if looks_forged(&remains.printed) => {
            Err("the process ended before the case did; something was printed that looks like a \
             verdict, but only the harness can give one"
                .to_owned())
        }
        (None, _) => Err(format!(
            "the process ended before the case did: does the code call `exit`?{}",
            last_words(&remains.printed)
        )),
    }
}

fn outcome_of(said: Said) -> Outcome {
    match said {
        Said::Passed => Outcome::Passed,
        Said::Failed => Outcome::Failed,
        Said::TimedOut => Outcome::TimedOut,
        Said::Skipped => Outcome::Skipped,
    }
}

fn message_of(record: &Record) -> String {
    let Some(failure) = &record.failure else { return String::new() };
    let mut message = match (failure.expected.as_str(), failure.got.as_str()) {
        ("", got) => got.to_owned(),
        (expected, "") => format!("expected {expected}"),
        (expected, got) => format!("expected {expected}; got {got}"),
    };
    if let Some(place) = &failure.location {
        message += &format!(" ({}:{})", place.file, place.line);
    }
    for line in &failure.waiting {
        message += &format!("; {line}");
    }
    message
}

fn looks_forged(printed: &str) -> bool {
    printed.contains("\"outcome\"") && printed.contains("passed")
}

/// The signal of an abort.
const ABORT: i32 = 6;

/// Whether the process ended with what the standard library says when it gets no more memory.
fn ran_out_of_memory(printed: &str) -> bool {
    /// It may add a word on backtraces.
    const LAST: usize = 3;
    let says_so =
        |line: &str| line.starts_with("memory allocation of ") && line.contains(" failed");
    printed.lines().rev().filter(|line| !line.trim().is_empty()).take(LAST).any(says_so)
}

/// The end of what was printed, for a sentence.
fn last_words(printed: &str) -> String {
    // What the standard library adds about backtraces helps nobody here.
    let is_told = |line: &&str| !line.trim().is_empty() && !line.starts_with("note: ");
    let line = printed.lines().rev().find(is_told);
    line.map_or_else(String::new, |line| {
        let words: String = line.trim().chars().take(200).collect();
        format!("; its last words: {words}")
    })
}

fn signal_name(number: i32) -> String {
    let name = match number {
        4 => "SIGILL",
        6 => "SIGABRT (an abort: a panic while panicking, or `abort`)",
        7 | 10 => "SIGBUS",
        8 => "SIGFPE",
        9 => "SIGKILL (killed, perhaps for want of memory)",
        11 => "SIGSEGV (a crash, perhaps an overflow of the stack)",
        15 => "SIGTERM",
        25 => "SIGXFSZ (it wrote more into a file than a case may, 1 GiB)",
        _ => return number.to_string(),
    };
    name.to_owned()
}
