//! Who held which connection when, drawn from a case's ledger.
//!
//! A row for each connection, a row for each thread that had to wait. What happened in one instant
//! is still drawn in its order: each event has a column of its own, and what is left of the width
//! is shared out by the time between them.

use std::collections::BTreeMap;

use ledger::{Event, What};

pub mod clock;
mod row;

use clock::clock;
use row::{Moment, Phase, Row, idle_since};

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
    let conn = |event: &Event| event.what.conn().map_or(0, |conn| conn.to_string().len());
    let names = drawn.iter().map(|event| event.thread.chars().count().max(conn(event))).max();
    let label = names.unwrap_or_default().clamp("conn 100".len(), 16) + 2;
    let area = width.saturating_sub(label + REMARKS).max(24);
    let skipped = skipped(&drawn, (area - TAIL) / STEPS.0);
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
        ('?', "?? being pinged"),
        ('•', "• answered"),
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
        What::Note { .. } | What::Queried { .. } => false,
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
        // Of a ping that takes no time, the end is enough.
        What::Pinging { conn } => {
            let mut later = events[index + 1..].iter().take_while(|later| later.at == event.at);
            !later.any(|later| matches!(later.what, What::Pinged { conn: of, .. } if of == *conn))
        }
        _ => true,
    };
    events.iter().enumerate().filter(is_drawn).map(|(_, event)| event).collect()
}

/// Whether two events that follow each other share a column: a round pings several at one moment.
fn share(before: &Event, event: &Event) -> bool {
    let is_ping = |event: &Event| matches!(event.what, What::Pinging { .. } | What::Pinged { .. });
    is_ping(before) && is_ping(event) && before.at == event.at
}

/// How many events must be left out, from the first one on, so that the others fit into so many
/// columns.
fn skipped(drawn: &[&Event], most: usize) -> usize {
    let mut columns = 1;
    for index in (1..drawn.len()).rev() {
        columns += usize::from(!share(drawn[index - 1], drawn[index]));
        if columns > most {
            return index;
        }
    }
    0
}

/// Which event stands in which column.
fn columns(drawn: &[&Event], skipped: usize, area: usize) -> Vec<usize> {
    let shown = &drawn[skipped..];
    let steps: Vec<usize> =
        shown.windows(2).map(|pair| usize::from(!share(pair[0], pair[1]))).collect();
    let (count, room) = (steps.iter().sum::<usize>(), area - TAIL);
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
    let (mut stepped, mut weighed) = (0, 0);
    for (pair, own) in shown.windows(2).zip(steps) {
        stepped += own;
        weighed += weight(pair);
        columns.push((stepped * step + weighed * left / total).min(area - 1));
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
