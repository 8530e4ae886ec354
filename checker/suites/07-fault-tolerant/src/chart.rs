//! Servers and their breakers over time, as rows of characters.

use std::time::Duration;

use fault_tolerant_pool::Breaker;
use harness::clock;
use ledger::{Event, What};

/// So wide that a terminal of 80 columns has room for it.
const COLUMNS: usize = 56;

/// How a server is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Health {
    Well,
    Dead,
    Silent,
}

impl Health {
    /// Continues "server 0".
    pub(crate) fn in_words(self) -> &'static str {
        match self {
            Self::Well => "is back",
            Self::Dead => "dies",
            Self::Silent => "answers nothing any more",
        }
    }

    fn mark(self) -> char {
        match self {
            Self::Well => '=',
            Self::Dead => 'x',
            Self::Silent => '?',
        }
    }
}

/// What was seen, and when.
#[derive(Clone, Debug)]
pub(crate) enum Look {
    Server(Duration, usize, Health),
    Breakers(Duration, Vec<Breaker>),
}

/// A row for each server, for its breaker, and for the dials, up to now.
pub(crate) fn draw(seen: &[Look], events: &[Event], now: Duration) -> String {
    let servers = seen.iter().map(|look| match look {
        Look::Breakers(_, states) => states.len(),
        Look::Server(_, server, _) => server + 1,
    });
    let servers = servers.max().unwrap_or_default().min(4);
    let now = now.max(Duration::from_millis(1));
    let mut rows = vec![format!(
        "from 0 to {}: server = well x dead ? silent; breaker _ closed O open H half open; \
         dials | each",
        clock(now)
    )];
    for server in 0..servers {
        rows.push(format!("│server {server}  {}", health(seen, server, now)));
        rows.push(format!("│breaker {server} {}", breaker(seen, server, now)));
        rows.push(format!("│dials {server}   {}", dials(events, server, now)));
    }
    rows.join("\n")
}

fn column(at: Duration, now: Duration) -> usize {
    let last = COLUMNS - 1;
    let column = at.as_millis() * last as u128 / now.as_millis().max(1);
    usize::try_from(column).map_or(last, |column| column.min(last))
}

fn steps(changes: impl Iterator<Item = (Duration, char)>, first: char, now: Duration) -> String {
    let mut row = vec![first; COLUMNS];
    for (at, mark) in changes {
        row[column(at, now)..].fill(mark);
    }
    row.into_iter().collect()
}

/// A death is to be seen, also if the server is back before the column ends.
fn health(seen: &[Look], server: usize, now: Duration) -> String {
    let mut row = vec![Health::Well.mark(); COLUMNS];
    let mut ill = Vec::new();
    for look in seen {
        if let Look::Server(at, which, health) = look
            && *which == server
        {
            let from = column(*at, now);
            row[from..].fill(health.mark());
            if *health != Health::Well {
                ill.push((from, health.mark()));
            }
        }
    }
    for (from, mark) in ill {
        row[from] = mark;
    }
    row.into_iter().collect()
}

fn breaker(seen: &[Look], server: usize, now: Duration) -> String {
    let changes = seen.iter().filter_map(|look| match look {
        Look::Breakers(at, states) => states.get(server).map(|state| {
            let mark = match state {
                Breaker::Closed => '_',
                Breaker::Open => 'O',
                Breaker::HalfOpen => 'H',
            };
            (*at, mark)
        }),
        Look::Server(..) => None,
    });
    steps(changes, '_', now)
}

fn dials(events: &[Event], server: usize, now: Duration) -> String {
    let mut row = vec!['.'; COLUMNS];
    for event in events {
        if let What::Connecting { conn } = event.what
            && (conn.0 / 1_000) as usize == server
        {
            row[column(event.at, now)] = '|';
        }
    }
    row.into_iter().collect()
}
