//! Who held which connection when, drawn from a case's ledger.
//!
//! A row for each connection, a row for each thread that had to wait. What happened in one instant
//! is still drawn in its order: each event has a column of its own, and what is left of the width
//! is shared out by the time between them.

use std::collections::BTreeMap;
use std::time::Duration;

use ledger::{Conn, Event, What};

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
    let most = (area - TAIL) / STEPS.0;
    let skipped = drawn.len().saturating_sub(most);
    let scale = Scale::new(&drawn, skipped, area);

    let (mut conns, mut threads) = (BTreeMap::new(), BTreeMap::new());
    for (index, event) in drawn.iter().enumerate() {
        let moment = Moment { index, column: scale.columns[index], at: event.at };
        let idle_since = idle_since(&conns);
        if let Some(conn) = event.what.conn() {
            let row = conns.entry(conn).or_insert_with(|| ConnRow::new(area, moment));
            row.take_in(event, moment);
        }
        if matches!(event.what, What::Asked | What::Got { .. } | What::GaveUp { .. }) {
            let row = threads.entry(event.thread.as_str()).or_insert_with(|| ThreadRow::new(area));
            row.take_in(event, moment, idle_since.as_deref());
        }
    }
    let idle_since = idle_since(&conns);
    let mut conns: Vec<Row> = conns.into_iter().map(|(conn, row)| row.finish(conn, area)).collect();
    let mut threads: Vec<Row> = threads
        .into_iter()
        .filter_map(|(name, row)| row.finish(name, area, idle_since.as_deref()))
        .collect();

    let mut text = format!("{:label$}{}\n", "", scale.header(&drawn, skipped));
    let conns_left_out = keep_latest(&mut conns, skipped);
    let threads_left_out = keep_latest(&mut threads, skipped);
    for row in conns.iter().chain(&threads) {
        text += &row.print(label, width);
    }
    let mut left_out = Vec::new();
    let begin = if skipped > 0 { drawn[skipped].at } else { Duration::ZERO };
    for (count, what) in [
        (skipped, "earlier events"),
        (conns_left_out, "connections"),
        (threads_left_out, "waiting threads"),
    ] {
        if count > 0 {
            left_out.push(format!("{count} {what}"));
        }
    }
    if !left_out.is_empty() {
        let line = format!(
            "(left out: {}; drawn from {} to {})",
            left_out.join(", "),
            clock(begin),
            clock(last.at)
        );
        text += &format!("{:label$}{line}\n", "");
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
    let used: Vec<&str> =
        signs.iter().filter(|(sign, _)| picture.contains(*sign)).map(|(_, words)| *words).collect();
    used.join("   ")
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

/// Keeps the rows that something happened in last; says how many are gone.
fn keep_latest(rows: &mut Vec<Row>, skipped: usize) -> usize {
    let count = rows.len();
    let mut latest: Vec<usize> = rows.iter().map(|row| row.last).collect();
    latest.sort_unstable_by(|a, b| b.cmp(a));
    let oldest = latest.get(MOST_ROWS - 1).copied().unwrap_or_default().max(skipped);
    rows.retain(|row| row.last >= oldest);
    count - rows.len()
}

/// A row, drawn.
struct Row {
    /// The last event that it shows.
    last: usize,
    name: String,
    cells: String,
    /// What is said behind it.
    remark: String,
}

impl Row {
    fn print(&self, label: usize, width: usize) -> String {
        let name: String = self.name.chars().take(label - 2).collect();
        let (line, remark) = (format!("{name:label$}{}", self.cells), &self.remark);
        let (length, needed) = (line.chars().count(), remark.chars().count() + 1);
        if remark.is_empty() {
            format!("{}\n", line.trim_end())
        } else if length + needed <= width {
            format!("{line} {remark}\n")
        } else {
            // Below the end of the row, which it is about.
            let indent = length.min(width.saturating_sub(needed)).max(label);
            format!("{line}\n{:indent$}{}\n", "", cut(remark, width - indent))
        }
    }
}

/// The connection that has been idle for longest, and since when.
fn idle_since(conns: &BTreeMap<Conn, ConnRow>) -> Option<String> {
    let idle = conns.iter().filter_map(|(conn, row)| match &row.state {
        State::Idle if row.remark.is_none() => Some((row.since.at, conn)),
        _ => None,
    });
    idle.min().map(|(since, conn)| format!("{conn} was idle from {} on", clock(since)))
}

/// When an event was, and where that is drawn.
#[derive(Clone, Copy)]
struct Moment {
    index: usize,
    column: usize,
    at: Duration,
}

/// Which event stands in which column.
struct Scale {
    columns: Vec<usize>,
}

impl Scale {
    fn new(drawn: &[&Event], skipped: usize, area: usize) -> Self {
        let shown = &drawn[skipped..];
        let (steps, room) = (shown.len().saturating_sub(1), area - TAIL);
        // Two thirds of the width for the events, one for the time between them: its root, so that
        // one long sleep leaves room for the rest.
        let least = (room * 2 / 3 / steps.max(1)).clamp(STEPS.0, STEPS.1);
        let spare = room.saturating_sub(steps * least) as f64;
        let weight = |pair: &[&Event]| pair[1].at.saturating_sub(pair[0].at).as_secs_f64().sqrt();
        let total: f64 = shown.windows(2).map(weight).sum();
        let mut columns = vec![0; skipped + 1];
        let mut place = 0.0;
        for pair in shown.windows(2) {
            let share = if total > 0.0 { weight(pair) / total * spare } else { 0.0 };
            place += least as f64 + share;
            columns.push((place as usize).min(area - 1));
        }
        Self { columns }
    }

    /// The moments, each over its column, as far as they fit.
    fn header(&self, drawn: &[&Event], skipped: usize) -> String {
        let mut line = String::new();
        let mut before = None;
        for (index, event) in drawn.iter().enumerate().skip(skipped) {
            let (column, used) = (self.columns[index], line.chars().count());
            if before != Some(event.at) && (used == 0 || column > used) {
                line += &" ".repeat(column - used);
                line += &clock(event.at);
                before = Some(event.at);
            }
        }
        line
    }
}

/// What a connection is.
enum State {
    Opening,
    Idle,
    Held { by: String },
    Gone,
}

struct ConnRow {
    cells: Vec<char>,
    state: State,
    since: Moment,
    /// What is worth saying: the worst that happened.
    remark: Option<String>,
    last: usize,
}

impl ConnRow {
    fn new(area: usize, since: Moment) -> Self {
        let cells = vec![' '; area];
        Self { cells, state: State::Gone, since, remark: None, last: 0 }
    }

    fn take_in(&mut self, event: &Event, now: Moment) {
        self.last = now.index;
        let who = || event.thread.clone();
        match &event.what {
            What::Connecting { .. } => self.become_(State::Opening, now),
            What::Opened { .. } => {
                self.remark = None;
                self.become_(State::Idle, now);
            }
            What::Refused { error, .. } => {
                self.ends_badly(now, format!("not opened: {error}"));
            }
            What::Got { .. } => {
                if let State::Held { by } = &self.state {
                    self.say(now, format!("handed to {} while {by} held it", who()));
                } else if let Some(remark) =
                    self.remark.as_mut().filter(|remark| !remark.contains("handed"))
                {
                    *remark += &format!(", then handed to {}", who());
                }
                self.become_(State::Held { by: who() }, now);
            }
            What::Returned { .. } => self.become_(State::Idle, now),
            What::Broke { .. } => self.say(now, "broken".to_owned()),
            What::Pinged { .. } => self.say(now, "dead".to_owned()),
            What::Closed { .. } => {
                let words = match &mut self.remark {
                    Some(remark) => format!("{remark}, closed"),
                    None => "closed".to_owned(),
                };
                self.become_(State::Gone, now);
                self.remark = Some(words);
                if self.cells[now.column] != '✗' && self.cells[now.column] != '┤' {
                    self.cells[now.column] = '┘';
                }
            }
            What::Asked | What::GaveUp { .. } | What::Queried { .. } | What::Note { .. } => {}
        }
    }

    fn ends_badly(&mut self, now: Moment, words: String) {
        self.become_(State::Gone, now);
        self.say(now, words);
    }

    /// Draws what it was until now, and goes on as something else. A mark stays where it is.
    fn become_(&mut self, state: State, now: Moment) {
        let (from, to) = (self.since.column, now.column);
        let marks: Vec<usize> = (from..=to).filter(|column| self.cells[*column] == '✗').collect();
        match &self.state {
            State::Opening => fill(&mut self.cells, from, to, '~'),
            State::Idle => fill(&mut self.cells, from, to, '┄'),
            State::Held { by } => {
                bar(&mut self.cells, from, to, by, !matches!(state, State::Held { .. }))
            }
            State::Gone => {}
        }
        for column in marks {
            self.cells[column] = '✗';
        }
        (self.state, self.since) = (state, now);
    }

    fn say(&mut self, now: Moment, words: String) {
        self.cells[now.column] = '✗';
        self.remark = Some(match self.remark.take() {
            Some(remark) => format!("{remark}, {words}"),
            None => words,
        });
    }

    fn finish(mut self, conn: Conn, area: usize) -> Row {
        let end = Moment { index: 0, column: area - 1, at: Duration::ZERO };
        let mut remark = self.remark.take();
        match &self.state {
            State::Held { by } => {
                remark.get_or_insert_with(|| format!("still held by {by}"));
                // Without its end: it goes on.
                bar(&mut self.cells, self.since.column, end.column, by, false);
            }
            State::Opening => {
                remark.get_or_insert_with(|| "still being opened".to_owned());
                self.become_(State::Gone, end);
            }
            State::Idle => self.become_(State::Gone, end),
            State::Gone => {}
        }
        let cells: String = self.cells.iter().collect();
        Row {
            last: self.last,
            name: conn.to_string(),
            cells: cells.trim_end().to_owned(),
            remark: remark.unwrap_or_default(),
        }
    }
}

struct ThreadRow {
    cells: Vec<char>,
    asked: Option<Moment>,
    has_waited: bool,
    remark: String,
    last: usize,
}

impl ThreadRow {
    fn new(area: usize) -> Self {
        let cells = vec![' '; area];
        Self { cells, asked: None, has_waited: false, remark: String::new(), last: 0 }
    }

    fn take_in(&mut self, event: &Event, now: Moment, idle_since: Option<&str>) {
        if event.what == What::Asked {
            self.asked = Some(now);
            return;
        }
        let Some(asked) = self.asked.take() else { return };
        match &event.what {
            What::GaveUp { error } => {
                self.wait(asked, now);
                self.cells[now.column] = '✗';
                self.remark = with_reason(error, idle_since);
            }
            What::Got { conn } => {
                self.wait(asked, now);
                self.cells[now.column] = '▸';
                self.remark = format!("got {conn}");
            }
            _ => {}
        }
    }

    fn wait(&mut self, asked: Moment, now: Moment) {
        fill(&mut self.cells, asked.column, now.column, '·');
        let word = if now.column - asked.column > 12 { " waiting " } else { "" };
        put(&mut self.cells, asked.column + 2, word);
        (self.has_waited, self.last) = (true, now.index);
    }

    /// The row, if there was a wait to draw.
    fn finish(mut self, name: &str, area: usize, idle_since: Option<&str>) -> Option<Row> {
        if let Some(asked) = self.asked.take() {
            self.wait(asked, Moment { index: usize::MAX, column: area - 1, at: asked.at });
            self.remark = with_reason("still waiting", idle_since);
        }
        let cells: String = self.cells.iter().collect();
        self.has_waited.then(|| Row {
            last: self.last,
            name: name.to_owned(),
            cells: cells.trim_end().to_owned(),
            remark: self.remark,
        })
    }
}

fn with_reason(words: &str, idle_since: Option<&str>) -> String {
    idle_since.map_or_else(|| words.to_owned(), |idle| format!("{words}: {idle}"))
}

/// A bar with a name in it: `├ thread A ──┤`.
fn bar(cells: &mut [char], from: usize, to: usize, name: &str, has_end: bool) {
    fill(cells, from, to, '─');
    cells[from] = '├';
    if has_end {
        cells[to] = '┤';
    }
    let room = (to - from).saturating_sub(1);
    let short = name.strip_prefix("thread ").unwrap_or(name);
    let fits = |text: &String| text.chars().count() <= room;
    let words = [format!(" {name} "), format!(" {short} "), short.to_owned()];
    let words = words.into_iter().find(fits);
    put(cells, from + 1, &words.unwrap_or_else(|| short.chars().take(room).collect()));
}

fn fill(cells: &mut [char], from: usize, to: usize, sign: char) {
    for cell in &mut cells[from..=to] {
        if !matches!(cell, '✗' | '┤') {
            *cell = sign;
        }
    }
}

fn put(cells: &mut [char], from: usize, words: &str) {
    for (cell, letter) in cells.iter_mut().skip(from).zip(words.chars()) {
        *cell = letter;
    }
}

fn cut(line: &str, width: usize) -> String {
    if line.chars().count() <= width {
        return line.to_owned();
    }
    line.chars().take(width - 1).chain(['…']).collect()
}

/// A moment, as people say it.
pub fn clock(time: Duration) -> String {
    let micros = time.as_micros();
    if micros.is_multiple_of(1_000_000) && micros > 0 {
        format!("{} s", micros / 1_000_000)
    } else if micros.is_multiple_of(1_000) {
        format!("{} ms", micros / 1_000)
    } else {
        format!("{:.1} ms", time.as_secs_f64() * 1_000.0)
    }
}
