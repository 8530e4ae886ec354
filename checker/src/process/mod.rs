//! A process and everything that it starts: watched, bounded, and ended without a trace.
//!
//! What it says comes as [`Event`]s; nobody ever waits for the end of a pipe, which a process that
//! was left behind could hold open.

mod capture;
#[cfg(target_os = "linux")]
mod supervised;
#[cfg(target_os = "linux")]
pub mod supervisor;
#[cfg(not(target_os = "linux"))]
mod unsupervised;

use std::ffi::OsString;
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::cancel::Cancel;

use capture::Capture;
#[cfg(target_os = "linux")]
use supervised::Tree;
#[cfg(not(target_os = "linux"))]
use unsupervised::Tree;

/// How often a wait looks whether it should stop.
const GLANCE: Duration = Duration::from_millis(25);
/// How long the end of a process that was told to end may take.
const DYING: Duration = Duration::from_secs(5);
/// How long the pipes may take to run dry once every process is gone.
const DRAIN: Duration = Duration::from_secs(1);
/// How long the reader of a flood rests each time.
const BREATH: Duration = Duration::from_millis(1);
/// A line longer than this is not kept.
const LONGEST_LINE: usize = 16 << 20;

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
    /// One of its two pipes ran dry; [`Running`] keeps that to itself.
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

/// What a watcher sees next.
#[derive(Debug)]
pub enum Next {
    /// Something happened.
    Event(Event),
    /// The time is up.
    Late,
    /// Somebody asked to stop.
    Cancelled,
}

/// A process under way. Dropping it ends it.
pub struct Running {
    events: Receiver<Event>,
    captured: Arc<Mutex<Capture>>,
    tree: Tree,
    /// How many of its two pipes ran dry.
    dry: u8,
}

impl Running {
    /// Starts a process.
    pub fn start(order: &Order) -> Result<Self> {
        let (sender, events) = mpsc::channel();
        let (tree, stdout, stderr) = Tree::start(order, &sender)
            .with_context(|| format!("cannot start {}", order.program.display()))?;
        let captured = Arc::new(Mutex::new(Capture::default()));
        {
            let (sender, captured) = (sender.clone(), Arc::clone(&captured));
            let prefix = order.prefix.clone().into_bytes();
            thread::spawn(move || read_lines(stdout, &prefix, &sender, &captured));
        }
        let (relay, captured_too) = (order.relay_stderr, Arc::clone(&captured));
        thread::spawn(move || read_output(stderr, relay, &sender, &captured_too));
        Ok(Self { events, captured, tree, dry: 0 })
    }

    /// Waits for what happens next.
    pub fn next(&mut self, until: Instant, cancel: &Cancel) -> Next {
        loop {
            if cancel.is_set() {
                return Next::Cancelled;
            }
            let left = until.saturating_duration_since(Instant::now());
            match self.events.recv_timeout(left.min(GLANCE)) {
                Ok(Event::Dry) => self.dry += 1,
                Ok(event) => return Next::Event(event),
                Err(RecvTimeoutError::Timeout) if left <= GLANCE => return Next::Late,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    return Next::Event(lost("nobody watched it"));
                }
            }
        }
    }

    /// Asks for the end of the process and of everything that it started. [`Event::Ended`] follows.
    pub fn end(&mut self) {
        self.tree.end();
    }

    /// Waits for the end that was asked for, and lets go of whatever else happens.
    pub fn wait(&mut self) -> Ended {
        let until = Instant::now() + DYING;
        loop {
            match self.next(until, &Cancel::default()) {
                Next::Event(Event::Ended(ended)) => return ended,
                Next::Event(_) => {}
                Next::Late | Next::Cancelled => {
                    let lost = Some("it could not be ended".to_owned());
                    return Ended { lost, ..Ended::default() };
                }
            }
        }
    }

    /// Once it has ended: the lines that were still on their way, and what was captured.
    pub fn drain(self) -> (Vec<Vec<u8>>, String) {
        let until = Instant::now() + DRAIN;
        let (mut lines, mut dry) = (Vec::new(), self.dry);
        while dry < 2 {
            match self.events.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(Event::Line(line)) => lines.push(line),
                Ok(Event::Dry) => dry += 1,
                Ok(_) => {}
                Err(_) => break,
            }
        }
        let captured = self.captured.lock().unwrap_or_else(PoisonError::into_inner).text();
        (lines, captured)
    }
}

fn lost(why: &str) -> Event {
    Event::Ended(Ended { lost: Some(why.to_owned()), ..Ended::default() })
}

fn no_folder(error: &io::Error) -> String {
    format!("cannot make a folder for temporary files: {error}")
}

fn keep(captured: &Mutex<Capture>, bytes: &[u8]) {
    let is_flooded = {
        let mut captured = captured.lock().unwrap_or_else(PoisonError::into_inner);
        captured.push(bytes);
        captured.is_flooded()
    };
    // Who prints without end waits for its reader, and does not keep a core busy with that.
    if is_flooded {
        thread::sleep(BREATH);
    }
}

/// Passes on the lines that begin with `prefix`; the others are noise, and captured.
fn read_lines(
    mut pipe: impl Read,
    prefix: &[u8],
    sender: &Sender<Event>,
    captured: &Mutex<Capture>,
) {
    let mut chunk = vec![0; 64 << 10];
    let mut line: Vec<u8> = Vec::new();
    while let Ok(count) = pipe.read(&mut chunk) {
        if count == 0 {
            break;
        }
        let mut rest = &chunk[..count];
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            line.extend_from_slice(&rest[..end]);
            rest = &rest[end + 1..];
            if line.starts_with(prefix) {
                let _ = sender.send(Event::Line(std::mem::take(&mut line)));
            } else {
                line.push(b'\n');
                keep(captured, &line);
                line.clear();
            }
        }
        line.extend_from_slice(rest);
        let hopeless = !line.starts_with(&prefix[..prefix.len().min(line.len())]);
        if hopeless || line.len() > LONGEST_LINE {
            keep(captured, &line);
            line.clear();
        }
    }
    keep(captured, &line);
    let _ = sender.send(Event::Dry);
}

fn read_output(
    mut pipe: impl Read,
    relay: bool,
    sender: &Sender<Event>,
    captured: &Mutex<Capture>,
) {
    let mut chunk = vec![0; 64 << 10];
    while let Ok(count) = pipe.read(&mut chunk) {
        if count == 0 {
            break;
        }
        keep(captured, &chunk[..count]);
        if relay {
            let _ = sender.send(Event::Stderr(chunk[..count].to_vec()));
        }
    }
    let _ = sender.send(Event::Dry);
}
