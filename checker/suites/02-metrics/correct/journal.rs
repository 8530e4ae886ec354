//! Whoever does something writes it into a channel; a snapshot reads the journal up to its end and adds up. The maximum is asked once.

use std::fmt::Write as _;
use std::ops::{Deref, DerefMut};
use std::time::Duration;

use fixtures::BlockingPool;

use std::sync::Mutex;
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::Instant;

use fixtures::Refusal;

/// The bounds of the [`buckets`](Snapshot::buckets), ascending. A wait belongs to the first bound
/// that is not below it.
pub const BOUNDS: [Duration; 12] = [
    Duration::from_millis(1),
    Duration::from_millis(2),
    Duration::from_millis(5),
    Duration::from_millis(10),
    Duration::from_millis(20),
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(200),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(5),
];

/// What a pool has done so far and does at this moment; or, made by [`since`](Self::since), what it
/// did between two moments.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Attempts that got a connection.
    pub acquired: u64,
    /// Attempts that ended because no connection became free in time.
    pub timeouts: u64,
    /// Attempts that ended because no connection could be had for another reason.
    pub connect_errors: u64,
    /// Connections that have been given back.
    pub released: u64,
    /// Queries that have been recorded.
    pub queries: u64,
    /// Connections that somebody holds at this moment.
    pub in_use: u32,
    /// Threads that wait for an answer of the pool beneath at this moment.
    pub pending: u32,
    /// How many connections the pool beneath has at most.
    pub max: u32,
    /// How many attempts took how long, each attempt in one bucket, whatever came of it: one bucket
    /// for each of the [`BOUNDS`], and a last one for what took longer than all of them.
    pub buckets: [u64; BOUNDS.len() + 1],
    /// How long all attempts took together, whatever came of them.
    pub wait_total: Duration,
}

/// How a pool is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// Less than 1 % of the attempts failed, and they took less than 100 ms on average.
    Healthy,
    /// One of the two does not hold.
    Degraded,
    /// No attempt has ended: nobody knows.
    NoTraffic,
}

impl Snapshot {
    /// What happened after `earlier`, up to this snapshot: the counters, the buckets and the total
    /// of the waits hold the difference; `in_use`, `pending` and `max` are those of this snapshot.
    /// If `earlier` was taken after this one, nothing happened.
    pub fn since(&self, earlier: &Self) -> Self {
        let mut buckets = self.buckets;
        for (bucket, before) in buckets.iter_mut().zip(earlier.buckets) {
            *bucket = bucket.saturating_sub(before);
        }
        Self {
            acquired: self.acquired.saturating_sub(earlier.acquired),
            timeouts: self.timeouts.saturating_sub(earlier.timeouts),
            connect_errors: self.connect_errors.saturating_sub(earlier.connect_errors),
            released: self.released.saturating_sub(earlier.released),
            queries: self.queries.saturating_sub(earlier.queries),
            buckets,
            wait_total: self.wait_total.saturating_sub(earlier.wait_total),
            ..*self
        }
    }

    /// How long an attempt took on average, whatever came of it; zero if there was none.
    pub fn mean_wait(&self) -> Duration {
        match u128::from(self.attempts()) {
            0 => Duration::ZERO,
            attempts => Duration::from_nanos_u128(self.wait_total.as_nanos() / attempts),
        }
    }

    /// Which part of the connections is in use: 0.0 to 1.0; 0.0 if there may be none.
    pub fn utilisation(&self) -> f64 {
        if self.max == 0 {
            return 0.0;
        }
        f64::from(self.in_use) / f64::from(self.max)
    }

    /// The time within which the part `q` of the attempts ended, 0.0 to 1.0, as exactly as the
    /// buckets know it: of *n* attempts, sorted by how long they took, the one of rank ⌈*q n*⌉
    /// counts (for 0.0 the first), and the answer is the bound of its bucket. [`Duration::MAX`] if
    /// it took longer than all bounds; `None` if there was no attempt.
    pub fn quantile(&self, q: f64) -> Option<Duration> {
        let attempts = self.attempts();
        if attempts == 0 {
            return None;
        }
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "exact below 2^53 attempts, and what is out of range is brought back"
        )]
        let rank = ((q * attempts as f64).ceil() as u64).clamp(1, attempts);
        let mut seen = 0;
        let bucket = self.buckets.iter().position(|attempts| {
            seen += attempts;
            seen >= rank
        })?;
        Some(BOUNDS.get(bucket).copied().unwrap_or(Duration::MAX))
    }

    /// How the pool was doing.
    pub fn health(&self) -> Health {
        let attempts = self.attempts();
        let failed = self.timeouts + self.connect_errors;
        if attempts == 0 {
            Health::NoTraffic
        } else if failed * 100 < attempts && self.mean_wait() < Duration::from_millis(100) {
            Health::Healthy
        } else {
            Health::Degraded
        }
    }

    /// All that have ended, whatever came of them. What is divided by less than this looks better
    /// or worse than it is.
    fn attempts(&self) -> u64 {
        self.acquired + self.timeouts + self.connect_errors
    }

    /// The snapshot as Prometheus reads it, in its text format. Nothing is missing here.
    pub fn prometheus(&self) -> String {
        let mut text = String::new();
        let mut metric = |name: &str, kind: &str, help: &str, value: u64| {
            let _ = writeln!(text, "# HELP pool_{name} {help}");
            let _ = writeln!(text, "# TYPE pool_{name} {kind}\npool_{name} {value}");
        };
        let mut counter = |name, help, value| metric(name, "counter", help, value);
        counter("acquired_total", "Attempts that got a connection.", self.acquired);
        counter("timeouts_total", "Attempts that timed out.", self.timeouts);
        counter("connect_errors_total", "Attempts that failed otherwise.", self.connect_errors);
        counter("released_total", "Connections given back.", self.released);
        counter("queries_total", "Queries recorded.", self.queries);
        let mut gauge = |name, help, value| metric(name, "gauge", help, u64::from(value));
        gauge("in_use", "Connections that somebody holds.", self.in_use);
        gauge("pending", "Threads that wait for the pool.", self.pending);
        gauge("max", "Connections that the pool has at most.", self.max);

        let name = "pool_wait_seconds";
        let _ = writeln!(text, "# HELP {name} How long attempts took.\n# TYPE {name} histogram");
        let mut up_to = 0; // a bucket of Prometheus holds all the smaller ones as well
        for (index, attempts) in self.buckets.iter().enumerate() {
            up_to += attempts;
            let bound = BOUNDS.get(index).map(|bound| bound.as_secs_f64().to_string());
            let bound = bound.as_deref().unwrap_or("+Inf");
            let _ = writeln!(text, "{name}_bucket{{le=\"{bound}\"}} {up_to}");
        }
        let attempts = self.acquired + self.timeouts + self.connect_errors;
        let sum = self.wait_total.as_secs_f64();
        let _ = writeln!(text, "{name}_sum {sum}\n{name}_count {attempts}");
        text
    }
}

/// A pool with numbers: lends what the pool beneath lends, and counts.
pub struct Metered<P: BlockingPool> {
    pool: P,
    journal: Sender<Entry>,
    book: Mutex<Book>,
}

/// A connection on loan. It derefs to the connection; dropping it gives the connection back.
pub struct MeteredConnection<P: BlockingPool> {
    guard: P::Guard,
    journal: Sender<Entry>,
}

enum Entry {
    Asked,
    Panicked,
    Answered(Result<(), Refusal>, Duration),
    Queried,
    Released,
}

/// Whoever reads the journal holds the book.
struct Book {
    journal: Receiver<Entry>,
    sums: Snapshot,
}

impl Book {
    fn enter(&mut self, entry: Entry) {
        let sums = &mut self.sums;
        match entry {
            Entry::Asked => sums.pending += 1,
            Entry::Panicked => sums.pending -= 1,
            Entry::Queried => sums.queries += 1,
            Entry::Released => {
                sums.released += 1;
                sums.in_use -= 1;
            }
            Entry::Answered(answer, wait) => {
                sums.pending -= 1;
                match answer {
                    Ok(()) => {
                        sums.acquired += 1;
                        sums.in_use += 1;
                    }
                    Err(Refusal::Timeout) => sums.timeouts += 1,
                    Err(Refusal::Connect) => sums.connect_errors += 1,
                }
                sums.wait_total += wait;
                sums.buckets[BOUNDS.partition_point(|bound| *bound < wait)] += 1;
            }
        }
    }
}

/// Writes down that the pool beneath panicked, unless it is forgotten first.
struct IfItPanics<'a>(&'a Sender<Entry>);

impl Drop for IfItPanics<'_> {
    fn drop(&mut self) {
        let _ = self.0.send(Entry::Panicked);
    }
}

impl<P: BlockingPool> Metered<P> {
    /// Measures `pool`, from now on.
    pub fn new(pool: P) -> Self {
        let (journal, entries) = mpsc::channel();
        let sums = Snapshot { max: pool.max(), ..Snapshot::default() };
        Self { pool, journal, book: Mutex::new(Book { journal: entries, sums }) }
    }

    /// Asks the pool beneath for a connection, once and with this `timeout`, and hands on its
    /// answer. Counts the attempt and what came of it, and how long it took.
    ///
    /// # Errors
    /// Those of the pool beneath, as they are.
    ///
    /// # Panics
    /// If the pool beneath panics.
    pub fn get_timeout(&self, timeout: Duration) -> Result<MeteredConnection<P>, P::Error> {
        let _ = self.journal.send(Entry::Asked);
        let panics = IfItPanics(&self.journal);
        let asked = Instant::now();
        let answer = self.pool.get_timeout(timeout);
        std::mem::forget(panics);
        let came_to = answer.as_ref().map(|_| ()).map_err(P::refusal);
        let _ = self.journal.send(Entry::Answered(came_to, asked.elapsed()));
        answer.map(|guard| MeteredConnection { guard, journal: self.journal.clone() })
    }

    /// All the numbers, as they are at one moment. Waits for nobody who waits for the pool beneath.
    pub fn snapshot(&self) -> Snapshot {
        let mut book = self.book.lock().unwrap();
        while let Ok(entry) = book.journal.try_recv() {
            book.enter(entry);
        }
        book.sums.clone()
    }
}

impl<P: BlockingPool> MeteredConnection<P> {
    /// Counts a query that was sent on this connection.
    pub fn record_query(&self) {
        let _ = self.journal.send(Entry::Queried);
    }
}

impl<P: BlockingPool> Deref for MeteredConnection<P> {
    type Target = P::Connection;

    fn deref(&self) -> &P::Connection {
        &self.guard
    }
}

impl<P: BlockingPool> DerefMut for MeteredConnection<P> {
    fn deref_mut(&mut self) -> &mut P::Connection {
        &mut self.guard
    }
}

impl<P: BlockingPool> Drop for MeteredConnection<P> {
    /// Counts the connection as released, then gives it back to the pool beneath: in this order, for
    /// whoever takes it next is counted as well.
    fn drop(&mut self) {
        let _ = self.journal.send(Entry::Released);
    }
}
