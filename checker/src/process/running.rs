//! A process under way: started, listened to, and ended with everything that it started.

use std::io::Read;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::cancel::Cancel;
use super::capture::Capture;
use super::order::{Ended, Event, Order, lost};
#[cfg(target_os = "linux")]
use super::supervised::Tree;
#[cfg(not(target_os = "linux"))]
use super::unsupervised::Tree;

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
