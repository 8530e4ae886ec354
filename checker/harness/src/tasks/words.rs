//! What was seen of the tasks of a story, in words.

use std::sync::Arc;
use std::time::Duration;

use ledger::{Location, Step, Thing, What};

use super::steps::{self, Did, Seen};
use super::trace::{Read, Trace};
use crate::clock;

/// Whoever lets time pass.
const CLOCK: &str = "the clock";

/// More who wait for the same are counted, and not named.
const NAMED: usize = 8;

/// What a task waits for, by a function that it is in; the one that says most comes first.
const WAITS_FOR: [(&str, &str); 19] = [
    ("ManageConnection>::connect", "the exchange to connect"),
    ("Server>::connect", "the server to connect"),
    ("ManageConnection>::is_valid", "the answer to a ping"),
    ("Server>::ping", "the answer to a ping"),
    ("Server>::lag", "the answer how far the server is behind"),
    ("AsyncLine::", "the answer to a query"),
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
    ("tokio::time::interval", "the next tick"),
    ("tokio::time::timeout", TIME_LIMIT),
    ("tokio::time::sleep", "the end of its sleep"),
];

/// What everything with a time limit waits for beside something else.
const TIME_LIMIT: &str = "its time limit";

/// A part of a wait: what for, and in which line.
struct Part {
    place: Location,
    what: &'static str,
}

/// Somebody who waits, and is not woken yet.
struct Waiting {
    task: String,
    place: Location,
    what: &'static str,
    is_woken: bool,
}

/// How the failing story went.
pub(crate) fn tell() -> Vec<Step> {
    let mut seen = steps::take();
    drop_what_events_say(&mut seen);
    let mut telling = Telling::default();
    for (at, seen) in seen {
        telling.add(at, seen);
    }
    telling.told
}

/// A call is told by the desk's own event, where there is one: it asks, and it gets.
fn drop_what_events_say(seen: &mut Vec<(Duration, Seen)>) {
    let is = |index: usize, answer: fn(&Did) -> bool| {
        seen.get(index).is_some_and(|(_, seen): &(Duration, Seen)| answer(&seen.did))
    };
    let asked = |did: &Did| matches!(did, Did::Event(_, What::Asked, _));
    let answered =
        |did: &Did| matches!(did, Did::Event(_, What::Got { .. } | What::GaveUp { .. }, _));
    let stays: Vec<bool> = (0..seen.len())
        .map(|index| match seen[index].1.did {
            Did::Calls(_) => index == 0 || !is(index - 1, asked),
            Did::Returns(_) => !is(index + 1, answered),
            _ => true,
        })
        .collect();
    let mut stays = stays.into_iter();
    seen.retain(|_| stays.next().unwrap_or(true));
}

#[derive(Default)]
struct Telling {
    told: Vec<Step>,
    /// In the order in which they came.
    waiting: Vec<Waiting>,
    now: Duration,
}

impl Telling {
    fn add(&mut self, at: Duration, seen: Seen) {
        let Seen { events, who, did, .. } = seen;
        let who = who.as_deref();
        let before = who.and_then(|who| self.stop_waiting(who));
        let name = who.unwrap_or("the pool").to_owned();
        let (thread, place, what) = match did {
            Did::Waits(traces) => {
                let parts = parts(&traces);
                let Some(first) = parts.first() else { return };
                let place = first.place.clone();
                let on = before.is_some_and(|before| before.place == place);
                let what = format!(
                    "{} {}",
                    if on { "waits on for" } else { "waits for" },
                    in_words(&parts)
                );
                let (task, at) = (name.clone(), place.clone());
                self.waiting.push(Waiting { task, place: at, what: first.what, is_woken: false });
                (name, Some(place), what)
            }
            Did::Wakes { task, wait, by } => {
                let wait = parts(wait.as_slice()).pop();
                let by = by.read();
                let by_time = by.place.is_none() && by.calls("tokio::runtime::time");
                // The suite's own waits are not told of.
                let Some(wait) = wait else { return };
                let waiting = self.waiting.iter_mut().find(|one| one.task == *task);
                let again = waiting.is_none_or(|one| std::mem::replace(&mut one.is_woken, true));
                if by_time {
                    (CLOCK.to_owned(), Some(wait.place), format!("wakes {task}: {}", wait.what))
                } else {
                    let who = match (who, &by.place) {
                        (None, None) => "tokio".to_owned(),
                        _ => name,
                    };
                    let again = if again { ", who was woken already" } else { "" };
                    (who, by.place, format!("wakes {task}{again}"))
                }
            }
            Did::IsDropped(traces) => {
                let parts = parts(&traces);
                let Some(first) = parts.first() else { return };
                (name, Some(first.place.clone()), "is dropped while it waits here".to_owned())
            }
            Did::Drops(call, traces) => {
                let Some(call) = called(&call) else { return };
                let parts = parts(&traces);
                let place = parts.first().map(|part| part.place.clone());
                let here = if place.is_some() { ", which waits here" } else { "" };
                (name, place, format!("drops {call}{here}"))
            }
            Did::Calls(call) => {
                let Some(call) = called(&call) else { return };
                (name, None, format!("calls {call}"))
            }
            Did::Returns(call) => {
                let Some(call) = called(&call) else { return };
                (name, None, format!("{call} returns"))
            }
            Did::Starts(task, trace) => (name, trace.read().place, format!("starts {task}")),
            Did::Event(by, what, trace) => {
                // Who is polled knows better: the exchange calls all tasks of the pool by one name.
                let thread = who.map_or(by, str::to_owned);
                (thread, trace.read().place, happened(&what))
            }
            Did::Says(what) => (name, None, what),
        };
        self.tell(Step { at, thread, place, what, events, things: Vec::new() });
    }

    fn tell(&mut self, mut step: Step) {
        step.things = self.things();
        if step.at > self.now {
            self.now = step.at;
            let goes = format!("goes to {}", clock(step.at));
            if step.thread == CLOCK {
                step.what = format!("{goes} and {}", step.what);
            } else {
                let (events, things) = self
                    .told
                    .last()
                    .map_or((0, Vec::new()), |last| (last.events, last.things.clone()));
                let (at, thread) = (step.at, CLOCK.to_owned());
                self.told.push(Step { at, thread, place: None, what: goes, events, things });
            }
        }
        self.told.push(step);
    }

    fn stop_waiting(&mut self, task: &str) -> Option<Waiting> {
        let place = self.waiting.iter().position(|one| one.task == task)?;
        Some(self.waiting.remove(place))
    }

    /// Who waits at which line.
    fn things(&self) -> Vec<Thing> {
        let mut things: Vec<Thing> = Vec::new();
        for Waiting { task, place, what, .. } in &self.waiting {
            let name = format!("{what} ({}:{})", place.file, place.line);
            match things.iter_mut().find(|thing| thing.name == name) {
                Some(thing) => thing.waiting.push(task.clone()),
                None => {
                    things.push(Thing { name, holders: Vec::new(), waiting: vec![task.clone()] });
                }
            }
        }
        for Thing { waiting, .. } in &mut things {
            let more = waiting.len().saturating_sub(NAMED);
            if more > 0 {
                waiting.truncate(NAMED);
                waiting.push(format!("{more} more"));
            }
        }
        things
    }
}

/// The parts of a wait that lie in the student's code; what has a time limit comes first, the limit
/// last.
fn parts(traces: &[Arc<Trace>]) -> Vec<Part> {
    let mut parts: Vec<Part> = Vec::new();
    for trace in traces {
        let read = trace.read();
        let what = waits_for(&read);
        let Some(place) = read.place else { continue };
        if !parts.iter().any(|part| part.place == place && part.what == what) {
            parts.push(Part { place, what });
        }
    }
    parts.sort_by_key(|part| part.what == TIME_LIMIT);
    parts
}

fn waits_for(read: &Read) -> &'static str {
    let known = WAITS_FOR.iter().find(|(function, _)| read.calls(function));
    known.map_or("a wake-up", |(_, what)| what)
}

fn in_words(parts: &[Part]) -> String {
    let first = parts.first().map(|part| &part.place);
    let words = parts.iter().map(|part| {
        if Some(&part.place) == first {
            part.what.to_owned()
        } else {
            format!("{} ({}:{})", part.what, part.place.file, part.place.line)
        }
    });
    words.collect::<Vec<_>>().join(", or ")
}

/// The name in what a sentence says of a call: "`close` to come to an end".
fn called(what: &str) -> Option<String> {
    let name = what.split('`').nth(1)?;
    Some(format!("`{name}`"))
}

/// What happened, continuing the name of who did it.
fn happened(what: &What) -> String {
    match what {
        What::Asked => "asks for a connection".to_owned(),
        What::Got { conn } => format!("got {conn}"),
        What::GaveUp { error } => format!("gets none: {error}"),
        What::Returned { conn } => format!("gives {conn} back"),
        What::Connecting { conn } => format!("begins to open {conn}"),
        What::Opened { conn } => format!("{conn} is open"),
        What::Refused { conn, error } => format!("{conn} is not opened: {error}"),
        What::Queried { conn } => format!("{conn} has answered a query"),
        What::Pinging { conn } => format!("begins to ping {conn}"),
        What::Pinged { conn, alive: true } => format!("{conn} answers the ping"),
        What::Pinged { conn, alive: false } => format!("{conn} does not answer the ping"),
        What::Broke { conn } => format!("{conn} breaks"),
        What::Closed { conn } => format!("{conn} is closed"),
        What::Note { text } => text.clone(),
    }
}
