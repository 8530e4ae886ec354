//! Where a panic came from, told as a line of the student's code.

use std::backtrace::Backtrace;
use std::panic::{self, PanicHookInfo};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use ledger::{Failure, Location, plain};

use crate::schedule;
use crate::source::{self, LONGEST, of_student};

/// The panics so far, the last one last; a few are enough to tell the story.
static SEEN: Mutex<Vec<Seen>> = Mutex::new(Vec::new());

/// More than this many panics are not remembered.
const REMEMBERED: usize = 8;

/// What the standard library says when a destructor has panicked while a panic unwound, before it
/// aborts the process.
const IN_CLEANUP: &str = "panic in a destructor during cleanup";

#[derive(Clone, Debug)]
struct Seen {
    message: String,
    location: Option<Location>,
    thread: String,
}

/// From now on, every panic is remembered, and printed in one line as the student's output. `doomed`
/// is told of the first of two panics when the second is about to end the process without a word.
pub(crate) fn install(source: PathBuf, doomed: fn(Failure)) {
    source::set(source);
    panic::set_hook(Box::new(move |info| {
        let seen = look_at(info);
        if seen.message == IN_CLEANUP
            && let Some(first) = first_of(&seen.thread)
        {
            doomed(failure(Some(&first)));
        }
        eprintln!("thread '{}' panicked: {}{}", seen.thread, seen.message, at(&seen));
        let mut all = SEEN.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() == REMEMBERED {
            all.remove(0);
        }
        all.push(seen);
    }));
}

/// What the last panic but one of this thread said: the one that the last one came on top of.
fn first_of(thread: &str) -> Option<String> {
    let seen = SEEN.lock().unwrap_or_else(PoisonError::into_inner);
    let of_thread = seen.iter().rev().filter(|seen| seen.thread == thread);
    of_thread.take(2).last().map(|seen| seen.message.clone())
}

/// The panics of the schedule before have nothing to say about this one.
pub(crate) fn begin_schedule() {
    SEEN.lock().unwrap_or_else(PoisonError::into_inner).clear();
}

/// The failure that a panic with this text is, with the place where it was raised.
pub(crate) fn failure(text: Option<&str>) -> Failure {
    let seen = SEEN.lock().unwrap_or_else(PoisonError::into_inner);
    let last = seen.iter().rev().find(|seen| text.is_none_or(|text| text == seen.message));
    let location = last.and_then(|seen| seen.location.clone());
    let (expected, got) = match text {
        Some(text) if text.starts_with("not yet implemented") => {
            let what = text.trim_start_matches("not yet implemented").trim_start_matches(": ");
            ("this part to be written".to_owned(), format!("a todo!() that says: {what}"))
        }
        Some(text) => ("no panic".to_owned(), format!("a panic: {text}")),
        None => (
            "no panic".to_owned(),
            "the panic of a connect that panicked came through to a thread that does not call \
             connect"
                .to_owned(),
        ),
    };
    Failure { expected, got, location, waiting: Vec::new() }
}

/// One line a panic that is not the failure itself, such as on a thread that the student started.
pub(crate) fn notes(failure: Option<&Failure>) -> Vec<String> {
    let seen = SEEN.lock().unwrap_or_else(PoisonError::into_inner);
    let told = |seen: &&Seen| {
        failure.is_none_or(|f| f.location != seen.location || !f.got.contains(&seen.message))
    };
    seen.iter()
        .filter(told)
        .map(|seen| format!("{} panicked: {}{}", seen.thread, seen.message, at(seen)))
        .collect()
}

fn at(seen: &Seen) -> String {
    let place = seen.location.as_ref();
    place.map_or_else(String::new, |l| format!(" ({}:{}:{})", l.file, l.line, l.column))
}

fn look_at(info: &PanicHookInfo<'_>) -> Seen {
    let location = info.location().and_then(|l| of_student(l.file(), l.line(), l.column()));
    Seen {
        message: plain::cut(info.payload_as_str().unwrap_or("a panic without a message"), LONGEST)
            .into_owned(),
        // In full: else files below the current folder lose their beginning.
        location: location
            .or_else(|| first_student_frame(&format!("{:#}", Backtrace::force_capture()))),
        thread: thread_name(),
    }
}

pub(crate) fn thread_name() -> String {
    schedule::current_thread().unwrap_or_else(real_thread_name)
}

fn real_thread_name() -> String {
    std::thread::current().name().unwrap_or("a thread without a name").to_owned()
}

/// The innermost frame of a printed backtrace that lies in the student's code: a panic inside the
/// standard library (or in a crate beneath) is looked for where the student called it.
fn first_student_frame(backtrace: &str) -> Option<Location> {
    backtrace.lines().find_map(|line| student_place(line.trim().strip_prefix("at ")?))
}

/// A place as a printed backtrace names it, `FILE:LINE:COLUMN`, if it lies in the student's code.
pub(crate) fn student_place(place: &str) -> Option<Location> {
    let (rest, column) = place.rsplit_once(':')?;
    let (file, line) = rest.rsplit_once(':')?;
    of_student(file, line.parse().ok()?, column.parse().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_students_line_under_the_standard_librarys() {
        source::set(PathBuf::from("/snap/abc"));
        let printed = "   0: std::backtrace::Backtrace::create\n             at /rustc/x/library/std/src/backtrace.rs:331:13\n   9: basic_pool::take\n             at /snap/abc/pool/idle.rs:42:7\n  10: suite::case\n             at /repo/suite.rs:1:1\n";
        let found = first_student_frame(printed).unwrap();
        assert_eq!(found, Location { file: "src/pool/idle.rs".into(), line: 42, column: 7 });
        assert_eq!(first_student_frame("   0: main\n             at /repo/suite.rs:1:1\n"), None);
    }
}
