//! A row of the picture: how a connection, or a thread, fares from left to right.

use std::mem;
use std::time::Duration;

use ledger::{Event, What};

use super::clock::clock;

/// Where a ping was answered.
const PINGED: char = '•';
/// Signs that stay where they are, whatever is drawn over them.
const MARKS: [char; 3] = ['✗', '┤', PINGED];

/// A connection that has been idle, and fit for use, for longer than the others.
pub struct Idle {
    name: String,
    since: Duration,
}

pub fn idle_since<'a>(rows: impl Iterator<Item = &'a Row>) -> Option<Idle> {
    let idle = rows.filter(|row| matches!(row.phase, Phase::Idle) && row.remark.is_empty());
    let longest = idle.min_by_key(|row| row.since.at)?;
    Some(Idle { name: longest.name.clone(), since: longest.since.at })
}

/// When an event was, and where that is drawn.
#[derive(Clone, Copy)]
pub struct Moment {
    pub index: usize,
    pub column: usize,
    pub at: Duration,
}

/// What a connection is, or what a thread does.
#[derive(Default)]
pub enum Phase {
    #[default]
    Nothing,
    Opening,
    Idle,
    Pinged,
    Held(String),
    Waiting,
}

/// What happened to a connection, or what a thread did, from left to right.
pub struct Row {
    name: String,
    pub is_thread: bool,
    cells: Vec<char>,
    pub phase: Phase,
    since: Moment,
    pub has_waited: bool,
    /// What is said behind it.
    remark: String,
    /// The last event that it shows.
    pub last: usize,
}

impl Row {
    pub fn new(name: String, area: usize, since: Moment) -> Self {
        let (cells, remark, phase) = (vec![' '; area], String::new(), Phase::Nothing);
        Self { name, is_thread: false, cells, phase, since, has_waited: false, remark, last: 0 }
    }

    pub fn connection(&mut self, event: &Event, now: Moment) {
        self.last = now.index;
        let who = &event.thread;
        match &event.what {
            What::Connecting { .. } => {
                self.remark.clear();
                self.turn(Phase::Opening, now);
            }
            What::Opened { .. } => {
                self.remark.clear();
                self.turn(Phase::Idle, now);
            }
            What::Refused { error, .. } => {
                self.turn(Phase::Nothing, now);
                self.trouble(now, &format!("not opened: {error}"));
            }
            What::Got { .. } => {
                if let Phase::Held(by) = &self.phase {
                    let words = format!("handed to {who} while {by} held it");
                    self.trouble(now, &words);
                } else if !self.remark.is_empty() && !self.remark.contains("handed") {
                    self.add(&format!("then handed to {who}"));
                }
                self.turn(Phase::Held(who.clone()), now);
            }
            What::Returned { .. } => self.turn(Phase::Idle, now),
            What::Broke { .. } => self.trouble(now, "broken"),
            What::Pinging { .. } => match &self.phase {
                Phase::Held(by) => {
                    let words = format!("pinged while {by} held it");
                    self.trouble(now, &words);
                }
                _ => self.turn(Phase::Pinged, now),
            },
            What::Pinged { alive, .. } => {
                if matches!(self.phase, Phase::Pinged) {
                    self.turn(Phase::Idle, now);
                }
                if *alive {
                    self.mark(now, PINGED);
                } else {
                    self.trouble(now, "dead");
                }
            }
            What::Closed { .. } if !self.remark.ends_with("closed") => {
                self.turn(Phase::Nothing, now);
                self.add("closed");
                self.mark(now, '┘');
            }
            _ => {}
        }
    }

    pub fn thread(&mut self, event: &Event, now: Moment, idle: Option<&Idle>) {
        self.is_thread = true;
        let asked = self.since.at;
        let has_asked = matches!(self.phase, Phase::Waiting);
        match &event.what {
            What::Asked => return self.turn(Phase::Waiting, now),
            What::GaveUp { error } if has_asked => {
                self.turn(Phase::Nothing, now);
                self.cells[now.column] = '✗';
                self.remark = with_reason(error, idle, asked, now.at);
            }
            What::Got { conn } if has_asked => {
                self.turn(Phase::Nothing, now);
                self.cells[now.column] = '▸';
                self.remark = format!("got {conn}");
            }
            _ => return,
        }
        (self.has_waited, self.last) = (true, now.index);
    }

    /// Draws what it was until now, and goes on as something else.
    fn turn(&mut self, phase: Phase, now: Moment) {
        let has_end = !matches!(phase, Phase::Held(_));
        let before = mem::replace(&mut self.phase, phase);
        self.paint(&before, now.column, has_end);
        self.since = now;
    }

    fn paint(&mut self, phase: &Phase, to: usize, has_end: bool) {
        let from = self.since.column;
        let length = to - from;
        let (sign, name) = match phase {
            Phase::Nothing => return,
            Phase::Opening => ('~', String::new()),
            Phase::Idle => ('┄', String::new()),
            Phase::Pinged => ('?', String::new()),
            Phase::Waiting if length > 12 => ('·', "· waiting ".to_owned()),
            Phase::Waiting => ('·', String::new()),
            Phase::Held(by) => ('─', name_that_fits(by, length.saturating_sub(1))),
        };
        let is_held = matches!(phase, Phase::Held(_));
        let mut name = name.chars();
        for (place, cell) in self.cells[from..=to].iter_mut().enumerate() {
            let drawn = match place {
                0 if is_held => '├',
                0 => sign,
                _ if place == length && is_held && has_end => '┤',
                _ => name.next().unwrap_or(sign),
            };
            if !MARKS.contains(cell) {
                *cell = drawn;
            }
        }
    }

    /// A sign for one moment, unless a graver one stands there.
    fn mark(&mut self, now: Moment, sign: char) {
        let cell = &mut self.cells[now.column];
        if !MARKS.contains(cell) {
            *cell = sign;
        }
    }

    fn trouble(&mut self, now: Moment, words: &str) {
        self.cells[now.column] = '✗';
        self.add(words);
    }

    fn add(&mut self, words: &str) {
        let comma = if self.remark.is_empty() { "" } else { ", " };
        self.remark = format!("{}{comma}{words}", self.remark);
    }

    /// Draws what still goes on at the end.
    pub fn finish(mut self, area: usize, idle: Option<&Idle>, end: Duration) -> Self {
        let phase = mem::take(&mut self.phase);
        self.paint(&phase, area - 1, false);
        match phase {
            Phase::Held(by) if self.remark.is_empty() => {
                self.remark = format!("still held by {by}");
            }
            Phase::Opening => self.add("still being opened"),
            Phase::Pinged => self.add("still being pinged"),
            Phase::Waiting => {
                self.remark = with_reason("still waiting", idle, self.since.at, end);
            }
            _ => {}
        }
        self
    }

    pub fn print(&self, label: usize, width: usize) -> String {
        let name: String = self.name.chars().take(label - 2).collect();
        let cells: String = self.cells.iter().collect();
        let line = format!("{name:label$}{}", cells.trim_end());
        let (length, needed) = (line.chars().count(), self.remark.chars().count() + 1);
        if length + needed <= width {
            return format!("{}\n", format!("{line} {}", self.remark).trim_end());
        }
        // Below the end of the row, which it is about.
        let indent = length.min(width.saturating_sub(needed)).max(label);
        let remark: String = self.remark.chars().take(width - indent).collect();
        format!("{line}\n{:indent$}{remark}\n", "")
    }
}

/// How a wait from `asked` to `end` came out, and which connection was idle during a part of it.
fn with_reason(words: &str, idle: Option<&Idle>, asked: Duration, end: Duration) -> String {
    match idle.filter(|idle| idle.since.max(asked) < end) {
        Some(Idle { name, since }) => format!("{words}: {name} was idle from {} on", clock(*since)),
        None => words.to_owned(),
    }
}

/// As much of a thread's name as fits into a bar.
fn name_that_fits(name: &str, room: usize) -> String {
    let short = name.strip_prefix("thread ").unwrap_or(name);
    let forms = [format!(" {name} "), format!(" {short} "), short.to_owned()];
    let fitting = forms.into_iter().find(|form| form.chars().count() <= room);
    fitting.unwrap_or_else(|| short.chars().take(room).collect())
}
