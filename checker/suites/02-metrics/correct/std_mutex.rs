//! `std::sync::Mutex` over counters of one's own, an `Option` as the guard, floating point where the reference has integers, no clamping of what is out of range.

use std::fmt::Write as _;
use std::ops::{Deref, DerefMut};
use std::time::Duration;

use fixtures::BlockingPool;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
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
        let mut window = self.clone();
        let fields: [fn(&mut Self) -> &mut u64; 5] = [
            |of| &mut of.acquired,
            |of| &mut of.timeouts,
            |of| &mut of.connect_errors,
            |of| &mut of.released,
            |of| &mut of.queries,
        ];
        let mut earlier = earlier.clone();
        for field in fields {
            let before = *field(&mut earlier);
            let now = field(&mut window);
            *now = now.checked_sub(before).unwrap_or(0);
        }
        for (now, before) in window.buckets.iter_mut().zip(&earlier.buckets) {
            *now -= (*before).min(*now);
        }
        window.wait_total = window.wait_total.checked_sub(earlier.wait_total).unwrap_or_default();
        window
    }

    /// How long an attempt took on average, whatever came of it; zero if there was none.
    pub fn mean_wait(&self) -> Duration {
        let attempts = self.buckets.iter().sum::<u64>();
        if attempts == 0 { Duration::ZERO } else { self.wait_total.div_f64(attempts as f64) }
    }

    /// Which part of the connections is in use: 0.0 to 1.0; 0.0 if there may be none.
    pub fn utilisation(&self) -> f64 {
        f64::from(self.in_use) / f64::from(self.max.max(1))
    }

    /// The time within which the part `q` of the attempts ended, 0.0 to 1.0, as exactly as the
    /// buckets know it: of *n* attempts, sorted by how long they took, the one of rank ⌈*q n*⌉
    /// counts (for 0.0 the first), and the answer is the bound of its bucket. [`Duration::MAX`] if
    /// it took longer than all bounds; `None` if there was no attempt.
    pub fn quantile(&self, q: f64) -> Option<Duration> {
        let attempts: u64 = self.buckets.iter().sum();
        let wanted = q * attempts as f64;
        let mut up_to = 0;
        for (index, count) in self.buckets.iter().enumerate() {
            up_to += count;
            if up_to > 0 && up_to as f64 >= wanted {
                return Some(if index < BOUNDS.len() { BOUNDS[index] } else { Duration::MAX });
            }
        }
        None
    }

    /// How the pool was doing.
    pub fn health(&self) -> Health {
        let attempts: u64 = self.buckets.iter().sum();
        let rate = (attempts - self.acquired) as f64 / attempts as f64;
        match attempts {
            0 => Health::NoTraffic,
            _ if rate >= 0.01 || self.mean_wait() >= Duration::from_millis(100) => Health::Degraded,
            _ => Health::Healthy,
        }
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
    counters: Arc<Mutex<Counters>>,
}

/// A connection on loan. It derefs to the connection; dropping it gives the connection back.
pub struct MeteredConnection<P: BlockingPool> {
    guard: Option<P::Guard>,
    counters: Arc<Mutex<Counters>>,
}

#[derive(Default)]
struct Counters {
    pending: u32,
    in_use: u32,
    released: u64,
    queries: u64,
    acquired: u64,
    timeouts: u64,
    connect_errors: u64,
    wait: Duration,
    buckets: [u64; BOUNDS.len() + 1],
}

fn lock(counters: &Mutex<Counters>) -> MutexGuard<'_, Counters> {
    counters.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Pending<'a>(&'a Mutex<Counters>);

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        lock(self.0).pending -= 1;
    }
}

impl<P: BlockingPool> Metered<P> {
    /// Measures `pool`, from now on.
    pub fn new(pool: P) -> Self {
        Self { pool, counters: Arc::default() }
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
        lock(&self.counters).pending += 1;
        let pending = Pending(&self.counters);
        let asked = Instant::now();
        let answer = self.pool.get_timeout(timeout);
        let wait = asked.elapsed();
        drop(pending);
        let mut counters = lock(&self.counters);
        match &answer {
            Ok(_) => {
                counters.acquired += 1;
                counters.in_use += 1;
            }
            Err(error) if P::refusal(error) == Refusal::Timeout => counters.timeouts += 1,
            Err(_) => counters.connect_errors += 1,
        }
        counters.wait += wait;
        let bucket = BOUNDS.iter().position(|bound| wait <= *bound).unwrap_or(BOUNDS.len());
        counters.buckets[bucket] += 1;
        drop(counters);
        let counters = Arc::clone(&self.counters);
        answer.map(|guard| MeteredConnection { guard: Some(guard), counters })
    }

    /// All the numbers, as they are at one moment. Waits for nobody who waits for the pool beneath.
    pub fn snapshot(&self) -> Snapshot {
        let max = self.pool.max();
        let counters = lock(&self.counters);
        Snapshot {
            acquired: counters.acquired,
            timeouts: counters.timeouts,
            connect_errors: counters.connect_errors,
            released: counters.released,
            queries: counters.queries,
            in_use: counters.in_use,
            pending: counters.pending,
            max,
            buckets: counters.buckets,
            wait_total: counters.wait,
        }
    }
}

impl<P: BlockingPool> MeteredConnection<P> {
    /// Counts a query that was sent on this connection.
    pub fn record_query(&self) {
        lock(&self.counters).queries += 1;
    }
}

impl<P: BlockingPool> Deref for MeteredConnection<P> {
    type Target = P::Connection;

    fn deref(&self) -> &P::Connection {
        self.guard.as_ref().expect("there until it is dropped")
    }
}

impl<P: BlockingPool> DerefMut for MeteredConnection<P> {
    fn deref_mut(&mut self) -> &mut P::Connection {
        self.guard.as_mut().expect("there until it is dropped")
    }
}

impl<P: BlockingPool> Drop for MeteredConnection<P> {
    /// Counts the connection as released, then gives it back to the pool beneath: in this order, for
    /// whoever takes it next is counted as well.
    fn drop(&mut self) {
        {
            let mut counters = lock(&self.counters);
            counters.released += 1;
            counters.in_use -= 1;
        }
        drop(self.guard.take());
    }
}
