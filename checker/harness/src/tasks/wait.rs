//! What a task waits for, as the stacks say that keep its waker.

use std::sync::Arc;

use ledger::Location;

use super::trace::{Read, Trace};

/// The exchange; what is asked of it, the events say.
const EXCHANGE: &str = "the exchange";

/// What a task waits for, by a function or a module that its stack is in; what says most comes first.
const FOR: [(&str, &str); 15] = [
    ("fixtures::exchange", EXCHANGE),
    ("fixtures::cluster::pool", "a place at the server"),
    ("tokio::sync::mutex", "the Mutex"),
    ("tokio::sync::rwlock", "the RwLock"),
    ("tokio::sync::oneshot", "a message"),
    ("tokio::sync::mpsc", "a message"),
    ("tokio::sync::broadcast", "a message"),
    ("tokio::sync::watch", "a change"),
    ("tokio::sync::notify", "a notification"),
    ("tokio::sync::batch_semaphore", "a permit"),
    ("tokio::runtime::task::join", "the end of a task"),
    ("tokio::util::idle_notified_set", "the end of a task"),
    ("tokio::time::interval", "the next tick"),
    ("tokio::time::timeout", "its time limit"),
    ("tokio::time::sleep", "the end of its sleep"),
];

/// One of the things that a task waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Part {
    /// The line of the student's code that waits.
    pub(super) place: Location,
    what: &'static str,
}

/// Those that the student's code waits for, what says most first.
pub(super) fn parts<'a>(traces: impl IntoIterator<Item = &'a Arc<Trace>>) -> Vec<Part> {
    let mut parts: Vec<Part> = Vec::new();
    for trace in traces {
        let read = trace.read();
        let what = waits_for(&read);
        let Some(place) = read.place else { continue };
        let part = Part { place, what };
        if !parts.contains(&part) {
            parts.push(part);
        }
    }
    parts.sort_by_key(|part| FOR.iter().position(|(_, what)| *what == part.what));
    parts
}

fn waits_for(read: &Read) -> &'static str {
    let known = FOR.iter().find(|(function, _)| read.calls(function));
    known.map_or("a wake-up", |(_, what)| what)
}

impl Part {
    /// In words, which continue "waits for"; `asked` is what the task asked of the exchange.
    pub(super) fn what<'a>(&self, asked: &'a str) -> &'a str {
        if self.what == EXCHANGE { asked } else { self.what }
    }
}

/// All parts in words; the first one's place goes without saying.
pub(super) fn in_words(parts: &[Part], asked: &str) -> String {
    let first = parts.first().map(|part| &part.place);
    let words = parts.iter().map(|part| {
        let (what, Location { file, line, .. }) = (part.what(asked), &part.place);
        if Some(&part.place) == first { what.to_owned() } else { format!("{what} ({file}:{line})") }
    });
    words.collect::<Vec<_>>().join(", or ")
}
