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
    let mut called: Vec<String> = Vec::new();
    for line in printed.lines() {
        let line = line.trim();
        if let Some(place) = line.strip_prefix("at ") {
            if let Some(place) = panics::student_place(place) {
                // The frame that the place belongs to is the student's own.
                called.pop();
                return Read { place: Some(place), called };
            }
            if let (Some(function), Some(module)) = (called.last_mut(), module(place)) {
                function.extend([" ", &module]);
            }
        } else if let Some((_, function)) = line.split_once(": ") {
            called.push(without_types(function).to_owned());
        }
    }
    Read { place: None, called }
}

/// The module that a file is, roughly: `tokio::time::timeout` for `…/tokio-1.47.1/src/time/timeout.rs`.
/// Where there is debug information, it names functions without their modules.
fn module(place: &str) -> Option<String> {
    let place = place.replace('\\', "/");
    let (folder, file) = place.rsplit_once("/src/")?;
    let package = folder.rsplit('/').next()?;
    let package = package.split_once('-').map_or(package, |(name, _)| name);
    Some(format!("{package}::{}", file.split_once(".rs")?.0.replace('/', "::")))
}

/// A function's name without the types that it is made for: theirs are not called.
fn without_types(function: &str) -> &str {
    let name = function.rsplit_once(" - ").map_or(function, |(_, name)| name).trim();
    match name.find('<') {
        Some(types) if types > 0 => &name[..types],
        _ => name,
    }
}

impl Read {
    /// Whether a function of this path was called there.
    pub(super) fn calls(&self, path: &str) -> bool {
        self.called.iter().any(|function| function.contains(path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_is_known_by_its_name_or_by_its_file() {
        let printed = "   3:     0x55aea38007 - <tokio::time::sleep::Sleep as core::future::Future>::poll\n   4:     0x55ae636229 - poll<a::{async_fn_env#0}<tokio::sync::notify::Notified>>\n                             at /home/a/.cargo/registry/src/x/tokio-1.47.1/src/time/timeout.rs:202:18\n   5: main\n             at /repo/suite.rs:1:1\n";
        let read = read(printed);
        assert_eq!(read.place, None);
        assert!(read.calls("tokio::time::sleep"));
        assert!(read.calls("tokio::time::timeout"));
        assert!(!read.calls("tokio::sync::notify"));
    }
}
