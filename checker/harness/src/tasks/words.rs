//! What was seen of the tasks of a story, in words.

use std::collections::HashMap;
use std::time::Duration;

use ledger::{Location, Step, Thing, What};

use super::steps::{self, Did, Seen};
use super::wait::{in_words, parts};
use crate::{clock, source};

/// Whoever lets time pass.
const CLOCK: &str = "the clock";

/// More who wait for the same are counted, and not named.
const NAMED: usize = 8;

/// How the failing story went; so many of its first events are not told of elsewhere.
pub(crate) fn tell(untold: usize) -> Vec<Step> {
    let mut seen = steps::take();
    leave_out_what_is_said_twice(&mut seen);
    let mut telling = Telling::default();
    for (at, seen) in seen {
        let events = seen.events.saturating_sub(untold);
        if let Some(told) = telling.told(seen) {
            telling.add(at, events, told);
        }
    }
    telling.steps
}

/// A call is told by the desk's own event, where there is one: it asks, and it gets. And what drops a
/// call drops what the call awaits.
fn leave_out_what_is_said_twice(seen: &mut Vec<(Duration, Seen)>) {
    let is = |index: usize, answer: fn(&Did) -> bool| {
        seen.get(index).is_some_and(|(_, seen): &(Duration, Seen)| answer(&seen.did))
    };
    let asked = |did: &Did| matches!(did, Did::Event(_, What::Asked, _));
    let drops = |did: &Did| matches!(did, Did::Drops(..) | Did::IsDropped(_));
    let answered =
        |did: &Did| matches!(did, Did::Event(_, What::Got { .. } | What::GaveUp { .. }, _));
    let stays: Vec<bool> = (0..seen.len())
        .map(|index| match seen[index].1.did {
            Did::Calls(_) => index == 0 || !is(index - 1, asked),
            Did::Returns(_) => !is(index + 1, answered),
            Did::Drops(..) => index == 0 || !is(index - 1, drops),
            _ => true,
        })
        .collect();
    let mut stays = stays.into_iter();
    seen.retain(|_| stays.next().unwrap_or(true));
}

/// A step, but for the time: who, in which line, what.
type Told = (String, Option<Location>, String);

/// Somebody who waits.
struct Waiting {
    task: String,
    place: Location,
    what: String,
    is_woken: bool,
}

#[derive(Default)]
struct Telling {
    steps: Vec<Step>,
    /// In the order in which they came.
    waiting: Vec<Waiting>,
    /// What each task had to do with the exchange last.
    last: HashMap<String, What>,
    now: Duration,
}

impl Telling {
    /// What is told of something that was seen; nothing, if it is the suite's own affair.
    fn told(&mut self, seen: Seen) -> Option<Told> {
        let who = seen.who.as_deref();
        // Who does something waits no longer.
        let waited = who.and_then(|who| self.stop_waiting(who));
        let name = who.unwrap_or("the pool").to_owned();
        Some(match seen.did {
            Did::Waits(traces) => {
                let parts = parts(&traces);
                let asked = self.asked(&name);
                let first = parts.first()?;
                let (place, what) = (first.place.clone(), first.what(&asked).to_owned());
                let on = waited.is_some_and(|waited| waited.place == place);
                let on = if on { " on" } else { "" };
                let task = name.clone();
                self.waiting.push(Waiting { task, place: place.clone(), what, is_woken: false });
                (name, Some(place), format!("waits{on} for {}", in_words(&parts, &asked)))
            }
            Did::Wakes { task, wait, by } => {
                let wait = parts(&wait).pop()?;
                let by = by.read();
                if who.is_none() && by.place.is_none() && by.calls("tokio::runtime::time") {
                    let asked = self.asked(&task);
                    let what = format!("wakes {task}: {}", wait.what(&asked));
                    return Some((CLOCK.to_owned(), Some(wait.place), what));
                }
                let waiting = self.waiting.iter_mut().find(|waiting| *waiting.task == *task);
                let again = waiting.is_some_and(|one| std::mem::replace(&mut one.is_woken, true));
                let again = if again { ", who was woken already" } else { "" };
                let whom = if who == Some(&*task) { "itself" } else { &*task };
                let who =
                    if who.is_none() && by.place.is_none() { "tokio".to_owned() } else { name };
                (who, by.place, format!("wakes {whom}{again}"))
            }
            Did::IsDropped(traces) => {
                let place = parts(&traces).first()?.place.clone();
                (name, Some(place), "is dropped while it waits here".to_owned())
            }
            Did::Drops(what, traces) => {
                let place = parts(&traces).first().map(|part| part.place.clone());
                let here = if place.is_some() { ", which waits here" } else { "" };
                (name, place, format!("drops {what}{here}"))
            }
            Did::Calls(call) => (name, None, format!("calls {call}")),
            Did::Returns(call) => (name, None, format!("{call} returns")),
            Did::Starts(task, trace) => (name, trace.read().place, format!("starts {task}")),
            Did::Event(by, what, trace) => {
                // Who is polled knows better: the exchange calls all tasks of the pool by one name.
                let name = who.map_or(by, str::to_owned);
                let told = happened(&what);
                self.last.insert(name.clone(), what);
                (name, trace.read().place, told)
            }
            Did::Ends => (name, None, "ends".to_owned()),
            Did::Panics => (name, None, "panics".to_owned()),
        })
    }

    /// Tells it, behind the time that has passed.
    fn add(&mut self, at: Duration, events: usize, (thread, place, mut what): Told) {
        if at > self.now {
            self.now = at;
            let goes = format!("goes to {}", clock(at));
            if thread == CLOCK {
                what = format!("{goes} and {what}");
            } else {
                let last = self.steps.last();
                let (events, things) =
                    last.map_or((0, Vec::new()), |last| (last.events, last.things.clone()));
                let thread = CLOCK.to_owned();
                self.steps.push(Step { at, thread, place: None, what: goes, events, things });
            }
        }
        source::shorten(&mut what);
        let things = self.things();
        self.steps.push(Step { at, thread, place, what, events, things });
    }

    fn stop_waiting(&mut self, task: &str) -> Option<Waiting> {
        let place = self.waiting.iter().position(|one| one.task == task)?;
        Some(self.waiting.remove(place))
    }

    /// What this task has asked of the exchange, continuing "waits for".
    fn asked(&self, task: &str) -> String {
        match self.last.get(task) {
            Some(What::Connecting { conn }) => format!("{conn} to open"),
            Some(What::Pinging { conn }) => format!("{conn} to answer the ping"),
            _ => "the answer to a query".to_owned(),
        }
    }

    /// Who waits for what in which line.
    fn things(&self) -> Vec<Thing> {
        let mut things: Vec<Thing> = Vec::new();
        for Waiting { task, place, what, .. } in &self.waiting {
            let name = format!("{what} ({}:{})", place.file, place.line);
            if let Some(thing) = things.iter_mut().find(|thing| thing.name == name) {
                thing.waiting.push(task.clone());
            } else {
                things.push(Thing { name, holders: Vec::new(), waiting: vec![task.clone()] });
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
