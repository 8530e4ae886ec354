//! A stack as it stood at a moment of the story, read only if the story is told.

use std::backtrace::Backtrace;

use ledger::Location;

use crate::panics;

/// A stack. Taking one costs some microseconds, reading it some milliseconds.
#[derive(Debug)]
pub(super) struct Trace(Backtrace);

/// What a stack says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Read {
    /// The innermost line of the student's code.
    pub(super) place: Option<Location>,
    /// The functions that were called there, the innermost first; all of them, if no line of the
    /// student's is among them.
    pub(super) called: Vec<String>,
}

impl Trace {
    pub(super) fn take() -> Self {
        Self(Backtrace::force_capture())
    }

    pub(super) fn read(&self) -> Read {
        // In full: else files below the current folder lose their beginning.
        read(&format!("{:#}", self.0))
    }
}

fn read(printed: &str) -> Read {
    let mut called = Vec::new();
    for line in printed.lines() {
        let line = line.trim();
        if let Some(place) = line.strip_prefix("at ") {
            if let Some(place) = panics::student_place(place) {
                // The frame that the place belongs to is the student's own.
                called.pop();
                return Read { place: Some(place), called };
            }
        } else if let Some((_, function)) = line.split_once(": ") {
            called.push(function.to_owned());
        }
    }
    Read { place: None, called }
}

impl Read {
    /// Whether a function of this path was called there.
    pub(super) fn calls(&self, path: &str) -> bool {
        self.called.iter().any(|function| function.contains(path))
    }
}
