//! Snapshots made by hand: what a pool would say of such a day.

use std::time::Duration;

use pool_metrics::{BOUNDS, Snapshot};

use harness::clock;

/// A day at the pool, told attempt by attempt. All that the snapshot holds fits together.
#[derive(Clone, Debug)]
pub(crate) struct Day {
    pub(crate) snapshot: Snapshot,
    told: Vec<String>,
}

impl Day {
    /// Nothing has happened yet; the pool may have 20 connections.
    pub(crate) fn new() -> Self {
        Self { snapshot: Snapshot { max: 20, ..Snapshot::default() }, told: Vec::new() }
    }

    /// So many attempts that got a connection after `wait` each, and gave it back.
    pub(crate) fn acquired(mut self, count: u64, wait: Duration) -> Self {
        self.snapshot.acquired += count;
        self.snapshot.released += count;
        self.took(count, wait, "got a connection")
    }

    /// So many time-outs.
    pub(crate) fn timeouts(mut self, count: u64, wait: Duration) -> Self {
        self.snapshot.timeouts += count;
        self.took(count, wait, "timed out")
    }

    /// So many connect errors.
    pub(crate) fn connect_errors(mut self, count: u64, wait: Duration) -> Self {
        self.snapshot.connect_errors += count;
        self.took(count, wait, "ended with a connect error")
    }

    fn took(mut self, count: u64, wait: Duration, end: &str) -> Self {
        let bucket = BOUNDS.iter().position(|bound| wait <= *bound).unwrap_or(BOUNDS.len());
        self.snapshot.buckets[bucket] += count;
        self.snapshot.wait_total += Duration::from_nanos_u128(wait.as_nanos() * u128::from(count));
        self.told.push(format!("{} {end} after {}", thousands(count), clock(wait)));
        self
    }

    /// The day in words: "when 3 got a connection after 1 ms and 1 timed out after 50 ms".
    pub(crate) fn told(&self) -> String {
        if self.told.is_empty() {
            "when there was no attempt".to_owned()
        } else {
            format!("when {}", self.told.join(" and "))
        }
    }
}

/// A number that can be read.
pub(crate) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
