//! Who held which connection when, drawn from a case's ledger.
//!
//! A row for each connection, a row for each thread that had to wait. What happened in one instant
//! is still drawn in its order: each event has a column of its own, and what is left of the width
//! is shared out by the time between them.

use std::collections::BTreeMap;
use std::mem;
use std::time::Duration;

use ledger::{Event, What};

/// More rows of one kind than this tell less.
const MOST_ROWS: usize = 8;
/// Columns that an event takes at least, and those that it takes where there is room: names have to
/// fit between them.
const STEPS: (usize, usize) = (3, 11);
/// Columns behind the last event, to see what goes on.
const TAIL: usize = 5;
/// Columns kept free for what is said behind the rows.
const REMARKS: usize = 20;

/// The picture, at most `width` columns wide; empty if nothing happened.
pub fn draw(events: &[Event], width: usize) -> String {
    let drawn = worth_drawing(events);
    let Some(last) = drawn.last() else { return String::new() };
    let names = drawn.iter().map(|event| event.thread.chars().count()).max().unwrap_or_default();
    let label = names.clamp("conn 100".len(), 16) + 2;
    let area = width.saturating_sub(label + REMARKS).max(24);
    let skipped = drawn.len().saturating_sub((area - TAIL) / STEPS.0);
    let columns = columns(&drawn, skipped, area);

    // Connections by number, then threads by name.
    let mut rows: BTreeMap<(u32, &str), Row> = BTreeMap::new();
    for (index, event) in drawn.iter().enumerate() {
        let now = Moment { index, column: columns[index], at: event.at };
        let idle = idle_since(rows.values());
        if let Some(conn) = event.what.conn() {
            let row = rows.entry((conn.0, ""));
            row.or_insert_with(|| Row::new(conn.to_string(), area, now)).connection(event, now);
        }
        if matches!(event.what, What::Asked | What::Got { .. } | What::GaveUp { .. }) {
            let row = rows.entry((u32::MAX, &event.thread));
            let row = row.or_insert_with(|| Row::new(event.thread.clone(), area, now));
            row.thread(event, now, idle.as_ref());
        }
    }
    let idle = idle_since(rows.values());
    let (mut threads, mut conns): (Vec<Row>, Vec<Row>) =
        rows.into_values().partition(|row| row.is_thread);
    threads.retain(|row| row.has_waited || matches!(row.phase, Phase::Waiting));
    let gone = [keep_latest(&mut conns, skipped), keep_latest(&mut threads, skipped)];

    let mut text = format!("{:label$}{}\n", "", header(&drawn, &columns, skipped));
    for row in conns.into_iter().chain(threads) {
        text += &row.finish(area, idle.as_ref(), last.at).print(label, width);
    }
    let left_out = [(skipped, "earlier events"), (gone[0], "connections"), (gone[1], "threads")];
    let left_out: Vec<String> = left_out
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
    if !left_out.is_empty() {
        let span = format!("{} to {}", clock(drawn[skipped].at), clock(last.at));
        text += &format!("{:label$}({span}; left out: {})\n", "", left_out.join(", "));
    }
    for event in events {
        if let What::Note { text: note } = &event.what {
            text += &format!("{:label$}{}: {note}\n", "", clock(event.at));
        }
    }
    text
}

/// What the signs mean.
pub fn legend(picture: &str) -> String {
    let signs = [
        ('├', "├─┤ held"),
        ('┄', "┄┄ idle"),
        ('~', "~~ being opened"),
        ('·', "·· waiting"),
        ('┘', "┘ closed"),
    ];
    let used = signs.iter().filter(|(sign, _)| picture.contains(*sign));
    used.map(|(_, words)| *words).collect::<Vec<_>>().join("   ")
}

/// The events without those that take a column and tell nothing: questions that were answered at
/// once, openings that nothing came between.
fn worth_drawing(events: &[Event]) -> Vec<&Event> {
    let span = |from: &Event, to: &Event| to.at.saturating_sub(from.at);
    let (Some(first), Some(last)) = (events.first(), events.last()) else { return Vec::new() };
    let moment = span(first, last) / 100;
    let is_drawn = |(index, event): &(usize, &Event)| match &event.what {
        What::Note { .. } | What::Queried { .. } | What::Pinged { alive: true, .. } => false,
        What::Asked => {
            let mut later = events[index + 1..].iter().filter(|later| later.thread == event.thread);
            let is_answer = |what: &What| matches!(what, What::Got { .. } | What::GaveUp { .. });
            later.find(|later| is_answer(&later.what)).is_none_or(|answer| {
                matches!(answer.what, What::GaveUp { .. }) || span(event, answer) > moment
            })
        }
        What::Connecting { conn } => {
            let next = events.get(index + 1);
            next.is_none_or(|next| next.what != What::Opened { conn: *conn } || next.at != event.at)
        }
        _ => true,
    };
    events.iter().enumerate().filter(is_drawn).map(|(_, event)| event).collect()
}

/// Which event stands in which column.
fn columns(drawn: &[&Event], skipped: usize, area: usize) -> Vec<usize> {
    let shown = &drawn[skipped..];
    let (count, room) = (shown.len().saturating_sub(1), area - TAIL);
    // Two thirds of the width for the events, one for the time between them: its root, so that one
    // long sleep leaves room for the rest.
    let step = (room * 2 / 3 / count.max(1)).clamp(STEPS.0, STEPS.1);
    let left = room.saturating_sub(count * step);
    let weight = |pair: &[&Event]| {
        let micros = pair[1].at.saturating_sub(pair[0].at).as_micros();
        usize::try_from(micros.isqrt()).unwrap_or(usize::MAX >> 32)
    };
    let total = shown.windows(2).map(weight).sum::<usize>().max(1);
    let mut columns = vec![0; skipped + 1];
    let mut weighed = 0;
    for (index, pair) in shown.windows(2).enumerate() {
        weighed += weight(pair);
        columns.push(((index + 1) * step + weighed * left / total).min(area - 1));
    }
    columns
}

/// The moments, each over its column, as far as they fit.
fn header(drawn: &[&Event], columns: &[usize], skipped: usize) -> String {
    let mut line = String::new();
    let mut before = None;
    for (event, column) in drawn.iter().zip(columns).skip(skipped) {
        let used = line.chars().count();
        if before != Some(event.at) && (used == 0 || *column > used) {
            line += &format!("{:1$}{2}", "", column - used, clock(event.at));
            before = Some(event.at);
        }
    }
    line
}

/// Keeps the rows that something happened in last; says how many are gone.
fn keep_latest(rows: &mut Vec<Row>, skipped: usize) -> usize {
    let count = rows.len();
    let mut latest: Vec<usize> = rows.iter().map(|row| row.last).collect();
    latest.sort_unstable_by(|a, b| b.cmp(a));
    let oldest = latest.get(MOST_ROWS - 1).copied().unwrap_or_default().max(skipped);
    rows.retain(|row| row.last >= oldest);
    count - rows.len()
}

/// A connection that has been idle, and fit for use, for longer than the others.
struct Idle {
    name: String,
    since: Duration,
}

fn idle_since<'a>(rows: impl Iterator<Item = &'a Row>) -> Option<Idle> {
    let idle = rows.filter(|row| matches!(row.phase, Phase::Idle) && row.remark.is_empty());
    let longest = idle.min_by_key(|row| row.since.at)?;
    Some(Idle { name: longest.name.clone(), since: longest.since.at })
}

/// When an event was, and where that is drawn.
#[derive(Clone, Copy)]
struct Moment {
    index: usize,
    column: usize,
    at: Duration,
}

/// What a connection is, or what a thread does.
#[derive(Default)]
enum Phase {
    #[default]
    Nothing,
    Opening,
    Idle,
    Held(String),
    Waiting,
}

struct Row {
    name: String,
    is_thread: bool,
    cells: Vec<char>,
    phase: Phase,
    since: Moment,
    has_waited: bool,
    /// What is said behind it.
    remark: String,
    /// The last event that it shows.
    last: usize,
}

impl Row {
    fn new(name: String, area: usize, since: Moment) -> Self {
        let (cells, remark, phase) = (vec![' '; area], String::new(), Phase::Nothing);
        Self { name, is_thread: false, cells, phase, since, has_waited: false, remark, last: 0 }
    }

    fn connection(&mut self, event: &Event, now: Moment) {
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
            What::Pinged { .. } => self.trouble(now, "dead"),
            What::Closed { .. } if !self.remark.ends_with("closed") => {
                self.turn(Phase::Nothing, now);
                self.add("closed");
                if !matches!(self.cells[now.column], '✗' | '┤') {
                    self.cells[now.column] = '┘';
                }
            }
            _ => {}
        }
    }

    fn thread(&mut self, event: &Event, now: Moment, idle: Option<&Idle>) {
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
            // Marks stay where they are.
            if !matches!(cell, '✗' | '┤') {
                *cell = drawn;
            }
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
    fn finish(mut self, area: usize, idle: Option<&Idle>, end: Duration) -> Self {
        let phase = mem::take(&mut self.phase);
        self.paint(&phase, area - 1, false);
        match phase {
            Phase::Held(by) if self.remark.is_empty() => {
                self.remark = format!("still held by {by}");
            }
            Phase::Opening => self.add("still being opened"),
            Phase::Waiting => {
                self.remark = with_reason("still waiting", idle, self.since.at, end);
            }
            _ => {}
        }
        self
    }

    fn print(&self, label: usize, width: usize) -> String {
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

/// A moment, as people say it.
fn clock(time: Duration) -> String {
    let micros = time.as_micros();
    if micros.is_multiple_of(1_000_000) && micros > 0 {
        format!("{} s", micros / 1_000_000)
    } else if micros.is_multiple_of(1_000) {
        format!("{} ms", micros / 1_000)
    } else {
        format!("{:.1} ms", time.as_secs_f64() * 1_000.0)
    }
}
