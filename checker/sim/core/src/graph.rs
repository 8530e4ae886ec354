//! Who waits for what, in plain words.

use std::fmt::{self, Write};
use std::time::Duration;

use crate::place::{Place, TaskId};
use crate::reason::{Event, Guarded, Mode, On, Wait};
use crate::state::{State, Task, TaskState};
use crate::thing::Hold;

/// One line for each simulated thread that waits.
pub(crate) fn blocked(state: &State) -> Vec<String> {
    lines(state, |task| task.state == TaskState::Blocked)
}

/// One line for each simulated thread that has not ended.
pub(crate) fn alive(state: &State) -> Vec<String> {
    lines(state, |task| task.state != TaskState::Ended)
}

fn lines(state: &State, which: impl Fn(&Task) -> bool) -> Vec<String> {
    let tasks = state.tasks.iter().enumerate().filter(|(_, task)| which(task));
    tasks.map(|(id, task)| line(state, TaskId(id), task)).collect()
}

fn line(state: &State, id: TaskId, task: &Task) -> String {
    let mut line = name(state, id);
    if task.name.is_none() {
        let _ = write!(line, " (begun at {})", Spot(task.spawned_at));
    }
    let _ = match &task.wait {
        Some(wait) if task.state == TaskState::Blocked => {
            write!(line, " {}", Waiting { state, me: id, wait })
        }
        _ if state.current == id => write!(line, " is running ({})", Spot(task.at)),
        _ => write!(line, " could go on ({})", Spot(task.at)),
    };
    line
}

/// The last wait of the schedule that ended without a reason.
pub(crate) fn early(state: &State) -> Option<String> {
    let (id, at, when) = state.last_early?;
    let (name, when, spot) = (name(state, id), Time(when), Spot(at));
    Some(format!("{name} was woken without a reason at {when} ({spot})"))
}

/// The name of a simulated thread as text speaks of it.
pub(crate) fn name(state: &State, id: TaskId) -> String {
    match state.tasks[id.0].name.as_deref() {
        Some(name) if name == "main" || name.starts_with("thread") => name.to_owned(),
        Some(name) => format!("thread {name}"),
        None => format!("thread {}", id.0),
    }
}

struct Waiting<'a> {
    state: &'a State,
    me: TaskId,
    wait: &'a Wait,
}

impl fmt::Display for Waiting<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Wait { on, at, since, deadline, early: _ } = self.wait;
        let since = Time(*since);
        let until = Until(*deadline);
        let spot = Spot(at);
        match *on {
            On::Sleep => write!(f, "sleeps until {} ({spot})", Time(deadline.unwrap_or_default())),
            On::Turn => write!(f, "gives way to others again and again ({spot})"),
            On::Unpark => {
                write!(f, "waits since {since} in park for someone to unpark it{until} ({spot})")
            }
            On::End(task) => write!(f, "waits for {} to end ({spot})", name(self.state, task)),
            On::Event(Event::Notification) => {
                write!(f, "waits since {since} on a condition variable{until} ({spot})")
            }
            On::Event(Event::Message) => {
                write!(f, "waits since {since} for a message in a channel{until} ({spot})")
            }
            On::Event(Event::Room) => {
                write!(f, "waits since {since} to send into a full channel ({spot})")
            }
            On::Event(Event::Barrier { here, of }) => {
                write!(f, "waits since {since} at a barrier, where {here} of {of} are ({spot})")
            }
            On::Event(Event::Initialised) => {
                write!(f, "waits since {since} for somebody to initialise a value ({spot})")
            }
            On::Gate { gate, mode, what: Guarded::Lock } => {
                write!(f, "waits since {since} for a lock")?;
                self.holders(f, gate, mode)
            }
            On::Gate { gate, mode, what: Guarded::Initialisation } => {
                write!(f, "waits since {since} for an initialisation")?;
                self.holders(f, gate, mode)
            }
        }
    }
}

impl Waiting<'_> {
    /// ` that thread B holds (src/lib.rs:41; thread B took it at src/lib.rs:88)`
    fn holders(&self, f: &mut fmt::Formatter<'_>, gate: usize, mode: Mode) -> fmt::Result {
        let gate = &self.state.gates[gate];
        let writer: Vec<&Hold> = gate.writer.iter().collect();
        let readers: Vec<&Hold> = gate.upgradable.iter().chain(&gate.readers).collect();
        let how = if writer.is_empty() { " for reading" } else { "" };
        let holds = if writer.is_empty() { readers } else { writer };
        let spot = Spot(self.wait.at);
        if holds.is_empty() {
            return write!(f, " that nobody holds ({spot})");
        }
        write!(f, " that ")?;
        for (number, hold) in holds.iter().enumerate() {
            if number > 0 {
                write!(f, " and ")?;
            }
            if hold.task == self.me {
                write!(f, "it holds itself{how}")?;
            } else if self.state.tasks[hold.task.0].state == TaskState::Ended {
                write!(f, "{} held{how} when it ended", name(self.state, hold.task))?;
            } else {
                write!(f, "{} holds{how}", name(self.state, hold.task))?;
            }
        }
        if let (Mode::Shared | Mode::Upgradable, Some(writer)) =
            (mode, gate.waiting_writer().filter(|_| gate.writer.is_none()))
        {
            write!(f, ", behind {}, which waits to write", name(self.state, writer))?;
        }
        write!(f, " ({spot}")?;
        for hold in holds {
            write!(f, "; {} took it at {}", self.short_name(hold.task), Spot(hold.at))?;
        }
        write!(f, ")")
    }

    fn short_name(&self, task: TaskId) -> String {
        if task == self.me { "it".into() } else { name(self.state, task) }
    }
}

/// A place as `src/lib.rs:41`.
pub(crate) struct Spot(pub(crate) Place);

impl fmt::Display for Spot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.0.file(), self.0.line())
    }
}

/// `, until 80 ms` or `, without a time-out`
struct Until(Option<Duration>);

impl fmt::Display for Until {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(deadline) => write!(f, ", until {}", Time(deadline)),
            None => f.write_str(", without a time-out"),
        }
    }
}

/// A moment as `20 ms`, `1.25 ms` or `30 s`.
pub(crate) struct Time(pub(crate) Duration);

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(time) = self;
        if *time >= Duration::from_secs(1) && time.subsec_nanos() == 0 {
            return write!(f, "{} s", time.as_secs());
        }
        let micros = time.as_micros();
        write!(f, "{}", micros / 1_000)?;
        let part = format!("{:03}", micros % 1_000);
        match part.trim_end_matches('0') {
            "" => f.write_str(" ms"),
            part => write!(f, ".{part} ms"),
        }
    }
}
