//! A schedule's story in words.

use std::time::Duration;

use crate::did::{Did, Moment, Used, Which};
use crate::graph::{Spot, Time, name};
use crate::place::{Place, TaskId};
use crate::reason::{Event, Guarded, Mode, On};
use crate::state::State;

/// What a simulated thread did before another one went on, or before it did something else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Virtual time since the schedule's start.
    pub at: Duration,
    /// Who did it: `main`, `thread A`.
    pub thread: String,
    /// Where in the source, if that is code to be told of.
    pub place: Option<Place>,
    /// What it did: `took the lock`.
    pub what: String,
    /// How many events there were when the step was over.
    pub events: usize,
    /// What was held or waited for then.
    pub things: Vec<Thing>,
}

/// Something that is held or waited for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Thing {
    /// What it is, and where it was met first: `the lock (src/lib.rs:40)`.
    pub name: String,
    /// Who holds it.
    pub holders: Vec<String>,
    /// Who waits for it, in the order in which they came.
    pub waiting: Vec<String>,
}

/// The steps of the schedule, as far as it has come. Of what is done outside the code to be told of,
/// only what keeps a thread from going on, and how threads begin.
pub(crate) fn steps(state: &State, is_told: &dyn Fn(Place) -> bool) -> Vec<Step> {
    let Some(story) = &state.story else { return Vec::new() };
    let words = Words::new(state, is_told);
    let mut told: Vec<Told<'_>> = Vec::new();
    for moment in &story.moments {
        let last = told.last_mut().filter(|told| told.last.task == moment.task);
        match (words.sentence(moment), last) {
            (None, Some(last)) => last.events = moment.events,
            (None, None) => {}
            (Some(sentence), Some(last)) if last.goes_on_with(moment, &sentence) => {
                last.add(moment, sentence);
            }
            (Some(sentence), _) => told.push(Told::new(moment, sentence)),
        }
    }
    if let Some(last) = told.last_mut() {
        last.events = (story.events)();
    }
    told.into_iter().map(|told| told.step(&words)).collect()
}

/// Moments that make one step.
struct Told<'a> {
    first: &'a Moment,
    last: &'a Moment,
    sentences: Vec<String>,
    /// How often the last sentence is true.
    times: usize,
    events: usize,
}

impl<'a> Told<'a> {
    fn new(moment: &'a Moment, sentence: String) -> Self {
        let (sentences, events) = (vec![sentence], moment.events);
        Self { first: moment, last: moment, sentences, times: 1, events }
    }

    /// Whether both are one step to whoever reads it.
    fn goes_on_with(&self, next: &Moment, sentence: &str) -> bool {
        let pair = (&self.last.did, &next.did);
        let one_after_another = match pair {
            (Did::Took { gate, .. }, Did::GaveBack { gate: back, to_wait: false }) => gate == back,
            (Did::Woke { .. } | Did::TimeUp, Did::Took { .. }) => self.last.place == next.place,
            (Did::GaveBack { to_wait, .. }, Did::Waits { .. }) => *to_wait,
            _ => false,
        };
        one_after_another || self.repeats(next, sentence)
    }

    fn repeats(&self, next: &Moment, sentence: &str) -> bool {
        let last = self.sentences.last();
        self.last.place == next.place && last.is_some_and(|last| last == sentence)
    }

    fn add(&mut self, next: &'a Moment, sentence: String) {
        if self.repeats(next, &sentence) {
            self.times += 1;
        } else {
            let is_end = matches!(next.did, Did::GaveBack { .. });
            self.sentences.push(if is_end { "gave it back".to_owned() } else { sentence });
            self.times = 1;
        }
        (self.last, self.events) = (next, next.events);
    }

    fn step(self, words: &Words<'_>) -> Step {
        let (last, before) = self.sentences.split_last().expect("it has a sentence");
        let last = match self.times {
            1 => last.clone(),
            times => format!("{last}, {times} times"),
        };
        let what = match before {
            [] => last,
            before => format!("{} and {last}", before.join(", ")),
        };
        Step {
            at: self.first.at,
            thread: name(words.state, self.first.task),
            place: Some(self.last.place).filter(|place| (words.is_told)(place)),
            what,
            events: self.events,
            things: self.last.used.iter().filter_map(|used| words.thing(used)).collect(),
        }
    }
}

/// How the things and tasks of a schedule are spoken of.
struct Words<'a> {
    state: &'a State,
    is_told: &'a dyn Fn(Place) -> bool,
    /// The locks in the code to be told of that the story is about.
    locks: Vec<(usize, Place)>,
}

impl<'a> Words<'a> {
    fn new(state: &'a State, is_told: &'a dyn Fn(Place) -> bool) -> Self {
        let moments = state.story.iter().flat_map(|story| &story.moments);
        let mut used: Vec<usize> = moments.filter_map(|moment| moment.did.gate()).collect();
        used.sort_unstable();
        used.dedup();
        let lock = |number: usize| match state.gates[number].home {
            Some((Guarded::Lock, at)) if is_told(at) => Some((number, at)),
            _ => None,
        };
        Self { state, is_told, locks: used.into_iter().filter_map(lock).collect() }
    }

    /// What was done; `None` if it is not to be told.
    fn sentence(&self, moment: &Moment) -> Option<String> {
        let me = moment.task;
        let is_told = (self.is_told)(moment.place);
        Some(match &moment.did {
            Did::Spawned(task) => format!("spawned {}", self.name(*task)),
            Did::Joined(task) => format!("joined {}", self.name(*task)),
            Did::Unparked { task, waited: true } => format!("unparked {}", self.name(*task)),
            Did::Unparked { task, waited: false } => {
                format!("unparked {}, which was not parked", self.name(*task))
            }
            Did::Waits { on, by, deadline } if is_told || !matches!(on, On::Gate { .. }) => {
                self.wait(*on, by.map(|by| (by, by == me)), *deadline)
            }
            _ if !is_told => return None,
            Did::Waits { .. } => return None,
            Did::Took { gate, mode } => self.took(*gate, *mode),
            Did::SawHeld { gate, by: Some(by) } if *by == me => {
                format!("saw that it holds {} itself", self.gate(*gate))
            }
            Did::SawHeld { gate, by: Some(by) } => {
                format!("saw {} held by {}, and did not wait", self.gate(*gate), self.name(*by))
            }
            Did::SawHeld { gate, by: None } => {
                format!("did not get {}, and did not wait", self.gate(*gate))
            }
            Did::GaveBack { gate, .. } => format!("gave {} back", self.gate(*gate)),
            Did::Downgraded { gate } => format!("now holds {} for reading", self.gate(*gate)),
            Did::GaveWay => "gave way to others".to_owned(),
            Did::Woke { by: Some(by) } => format!("was woken by {}", self.name(*by)),
            Did::Woke { by: None } => "was woken without a reason".to_owned(),
            Did::TimeUp => "found its time to be up".to_owned(),
            Did::Notified { woken } if woken.is_empty() => "notified, and nobody waited".to_owned(),
            Did::Notified { woken } => {
                let names: Vec<String> = woken.iter().map(|task| self.name(*task)).collect();
                format!("notified, and woke {}", names.join(" and "))
            }
            Did::Said(text) => text.clone(),
        })
    }

    fn took(&self, gate: usize, mode: Mode) -> String {
        let gate = self.gate(gate);
        match mode {
            Mode::Exclusive => format!("took {gate}"),
            Mode::Shared | Mode::Recursive => format!("took {gate} for reading"),
            Mode::Upgradable => format!("took {gate} for reading, and may write later"),
            Mode::Upgrade => format!("has {gate} for writing"),
        }
    }

    /// What a task waits for; `by` is who has it, and whether that is itself.
    fn wait(&self, on: On, by: Option<(TaskId, bool)>, deadline: Option<Duration>) -> String {
        let until = deadline.map_or_else(String::new, |at| format!(", until {}", Time(at)));
        match on {
            On::Sleep => format!("sleeps until {}", Time(deadline.unwrap_or_default())),
            On::Turn => "gave way to others".to_owned(),
            On::Unpark => format!("waits in park{until}"),
            On::End(task) => format!("waits for {} to end", self.name(task)),
            On::Event(Event::Notification) => format!("waits for a notification{until}"),
            On::Event(Event::Message) => format!("waits for a message{until}"),
            On::Event(Event::Room) => format!("waits for room in the channel{until}"),
            On::Event(Event::Barrier { here, of }) => {
                format!("waits at the barrier, where {here} of {of} are")
            }
            On::Event(Event::Initialised) => "waits until the value is initialised".to_owned(),
            On::Gate { gate, .. } => {
                let gate = self.gate(gate);
                match by {
                    Some((_, true)) => format!("waits for {gate}, which it holds itself{until}"),
                    Some((by, false)) => format!("waits: {} holds {gate}{until}", self.name(by)),
                    None => format!("waits for {gate}{until}"),
                }
            }
        }
    }

    fn thing(&self, used: &Used) -> Option<Thing> {
        let name = match used.thing {
            Which::Gate(gate) => {
                self.state.gates[gate].home.filter(|(_, at)| (self.is_told)(at))?;
                self.full_name(gate)
            }
            Which::Queue(queue) => {
                let (event, at) = self.state.queues[queue].home?;
                Some(at).filter(|at| (self.is_told)(at))?;
                let what = match event {
                    Event::Notification => "a notification",
                    Event::Message => "a message",
                    Event::Room => "room in a channel",
                    Event::Barrier { .. } => "the barrier",
                    Event::Initialised => "an initialised value",
                };
                format!("{what} ({})", Spot(at))
            }
        };
        let names = |tasks: &[TaskId]| tasks.iter().map(|task| self.name(*task)).collect();
        Some(Thing { name, holders: names(&used.holders), waiting: names(&used.waiting) })
    }

    /// A lock in a sentence: the only one is told from no other.
    fn gate(&self, gate: usize) -> String {
        match self.locks[..] {
            [(only, _)] if only == gate => "the lock".to_owned(),
            _ => self.full_name(gate),
        }
    }

    /// A lock with its place; those that were met first at one place are numbered.
    fn full_name(&self, gate: usize) -> String {
        let Some((what, at)) = self.state.gates[gate].home else { return "a lock".to_owned() };
        if what == Guarded::Initialisation {
            return format!("the right to initialise ({})", Spot(at));
        }
        let mut here = self.locks.iter().filter(|(_, home)| *home == at);
        match (here.clone().count(), here.position(|(number, _)| *number == gate)) {
            (2.., Some(place)) => format!("lock {} ({})", place + 1, Spot(at)),
            _ => format!("the lock ({})", Spot(at)),
        }
    }

    fn name(&self, task: TaskId) -> String {
        name(self.state, task)
    }
}
