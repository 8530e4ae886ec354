//! What a process is asked for, and what is heard of it: plain data.

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What to start.
#[derive(Debug, Default)]
pub struct Order {
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<OsString>,
    /// Where it runs; `None`: here.
    pub folder: Option<PathBuf>,
    /// Its whole environment, but for the place of its temporary files: it gets one of its own.
    pub env: Vec<(OsString, OsString)>,
    /// What it may have.
    pub limits: Limits,
    /// A line for its stdin, which is then closed.
    pub input: String,
    /// Lines of its stdout that begin so are events; all else that it prints is captured.
    pub prefix: String,
    /// Whether what it writes to stderr is an event as well, as it comes.
    pub relay_stderr: bool,
}

/// What a process, and each one that it starts, may have at most; `None`: what the system gives.
/// Where the system has no such limits, they are not kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Bytes of memory of its own.
    pub memory: Option<u64>,
    /// Time that it computes.
    pub processor: Option<Duration>,
    /// Bytes of a file that it writes.
    pub file: Option<u64>,
}

/// What a process does that its watcher wants to know.
#[derive(Debug)]
pub enum Event {
    /// It wrote this line to stdout, without its end.
    Line(Vec<u8>),
    /// It wrote this to stderr.
    Stderr(Vec<u8>),
    /// It ended, and everything that it left behind was ended.
    Ended(Ended),
    /// One of its two pipes ran dry; whoever reads them keeps that to itself.
    Dry,
}

/// How a process ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// Its exit code, if it exited.
    pub code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// The processes that it left running, by name; they were ended.
    pub survivors: Vec<String>,
    /// Why nothing is known about its end.
    pub lost: Option<String>,
    /// Why it never began, for which nothing that it holds is to blame.
    pub not_started: Option<String>,
}

/// The end of a process of which nothing is known, for this reason.
pub fn lost(why: &str) -> Event {
    Event::Ended(Ended { lost: Some(why.to_owned()), ..Ended::default() })
}

/// Why a process got no folder for its temporary files.
pub fn no_folder(error: &io::Error) -> String {
    format!("cannot make a folder for temporary files: {error}")
}
