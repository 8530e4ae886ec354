//! Task 08: a benchmark that tells what a pool is worth.
//!
//! The README beside this crate tells what the benchmark promises (P1, P2, …); the docs below are the
//! same contract, function by function. Add whatever private types and functions you like; leave the
//! public names and signatures as they are.

use std::future::Future;
use std::time::Duration;

use fixtures::AsyncManageConnection;

// answer: import what your benchmark is made of
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::{Semaphore, SemaphorePermit, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;
// starter:
// end answer

/// The numbers of requests that [`compare`] sends at once.
pub const PARALLEL: [usize; 3] = [100, 1_000, 10_000];

/// The ways to get a connection that [`compare`] compares.
pub const STRATEGIES: [Strategy; 3] =
    [Strategy::PerRequest, Strategy::Pool { min: 1, max: 10 }, Strategy::Pool { min: 5, max: 50 }];

/// Opens connections on which something can be asked.
pub trait Queries: AsyncManageConnection {
    /// Asks `sql` on a connection and waits for the answer. It can take long, fail, or panic.
    fn query(
        &self,
        conn: &mut Self::Connection,
        sql: &str,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send;
}

/// How a request gets its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strategy {
    /// It opens one of its own and closes it when the answer has come.
    PerRequest,
    /// It borrows one from a pool, opens one if there is none and room for it, or waits.
    Pool {
        /// So many are open before the measurement begins; at most `max`.
        min: u32,
        /// Never more than this at once. 0 counts as 1.
        max: u32,
    },
}

/// How long the answered requests took, each from the common beginning of all to its answer. All zero
/// if none was answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Latency {
    /// All of them together, divided by their number.
    pub mean: Duration,
    /// Half of them took no longer.
    pub p50: Duration,
    /// Nine of ten took no longer.
    pub p90: Duration,
    /// All but one in a hundred took no longer.
    pub p99: Duration,
    /// The slowest.
    pub max: Duration,
}

/// What one measurement found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Report {
    /// Requests that were answered.
    pub ok: u64,
    /// All others: no connection, an error for an answer, or a panic.
    pub failed: u64,
    /// Connections that were opened, those before the beginning included.
    pub opened: u64,
    /// From the common beginning until the last request ended, well or not.
    pub makespan: Duration,
    /// Answered requests per second of the makespan. 0 if none was answered, or if no time passed.
    pub throughput: f64,
    /// How long the answered requests took.
    pub latency: Latency,
}

// answer: your own types, if you want any
/// Where the requests of one measurement get their connections.
struct Lines<M: Queries> {
    manager: M,
    /// Those that wait for somebody to take them.
    idle: Mutex<Vec<M::Connection>>,
    /// One for each connection that a pool may have; none at all for a connection per request.
    places: Option<Semaphore>,
    opened: AtomicU64,
}

impl<M: Queries> Lines<M> {
    fn new(manager: M, strategy: Strategy) -> Self {
        let places = match strategy {
            Strategy::PerRequest => None,
            Strategy::Pool { max, .. } => {
                let max = usize::try_from(max.max(1)).unwrap_or(usize::MAX);
                Some(Semaphore::new(max.min(Semaphore::MAX_PERMITS)))
            }
        };
        Self { manager, idle: Mutex::default(), places, opened: AtomicU64::new(0) }
    }

    fn idle(&self) -> MutexGuard<'_, Vec<M::Connection>> {
        self.idle.lock().expect("nobody panics with this lock")
    }

    async fn open(&self) -> Result<M::Connection, M::Error> {
        let conn = self.manager.connect().await?;
        self.opened.fetch_add(1, Ordering::Relaxed);
        Ok(conn)
    }

    /// A good idle connection, if there is one. Broken ones are closed on the way.
    fn take_idle(&self) -> Option<M::Connection> {
        loop {
            let mut conn = self.idle().pop()?;
            if !self.manager.has_broken(&mut conn) {
                return Some(conn);
            }
        }
    }

    async fn get(&self) -> Result<Line<'_, M>, M::Error> {
        let place = match &self.places {
            Some(places) => Some(places.acquire().await.expect("nobody closes it")),
            None => None,
        };
        let conn = match self.take_idle() {
            Some(conn) => conn,
            None => self.open().await?,
        };
        Ok(Line { conn: Some(conn), lines: self, place })
    }
}

/// A connection for one request. Its place becomes free when it is dropped, and not before the
/// connection is idle or closed.
struct Line<'a, M: Queries> {
    conn: Option<M::Connection>,
    lines: &'a Lines<M>,
    place: Option<SemaphorePermit<'a>>,
}

impl<M: Queries> Line<'_, M> {
    async fn query(&mut self, sql: &str) -> Result<(), M::Error> {
        let conn = self.conn.as_mut().expect("there until it is dropped");
        self.lines.manager.query(conn, sql).await
    }
}

impl<M: Queries> Drop for Line<'_, M> {
    fn drop(&mut self) {
        let Some(mut conn) = self.conn.take() else { return };
        if self.place.is_some() && !self.lines.manager.has_broken(&mut conn) {
            self.lines.idle().push(conn);
        }
    }
}

/// Opens `min` connections, all at once. One that cannot be opened is not there: the request that
/// would have had it opens its own.
async fn open_beforehand<M: Queries>(lines: &Arc<Lines<M>>, min: u32) {
    let mut opening = JoinSet::new();
    for _ in 0..min {
        let lines = Arc::clone(lines);
        opening.spawn(async move { lines.open().await });
    }
    while let Some(opened) = opening.join_next().await {
        if let Ok(Ok(conn)) = opened {
            lines.idle().push(conn);
        }
    }
}

/// One request: how long it took from the beginning to its answer, or nothing if it got none.
async fn request<M: Queries>(
    lines: Arc<Lines<M>>,
    sql: Arc<str>,
    mut beginning: watch::Receiver<Option<Instant>>,
) -> Option<Duration> {
    let began = (*beginning.wait_for(Option::is_some).await.ok()?)?;
    let mut line = lines.get().await.ok()?;
    line.query(&sql).await.ok()?;
    Some(began.elapsed())
}

fn latency(mut all: Vec<Duration>) -> Latency {
    all.sort_unstable();
    let rank = |q| quantile(&all, q).unwrap_or_default();
    let number = u32::try_from(all.len()).unwrap_or(u32::MAX).max(1);
    Latency {
        mean: all.iter().sum::<Duration>() / number,
        p50: rank(0.5),
        p90: rank(0.9),
        p99: rank(0.99),
        max: rank(1.0),
    }
}
// starter:
// end answer

/// Sends `parallel` requests, all at the same moment, each of which asks `sql` once, and measures what
/// becomes of them. Ends when the last one has ended; nothing is open any more then.
///
/// A pool's `min` connections are opened beforehand, which is no part of the measurement; if one cannot
/// be opened, as `connect` fails or panics, it begins without that one. A request that gets no connection,
/// an error for an answer, or panics has failed. It is not sent again, spares the others, and its place in
/// the pool is free again. A connection that has broken, answered or not, is closed and not used again.
///
/// Dropping the future ends all requests and closes all connections.
///
/// Memory and tasks grow with `parallel` and with the open connections, and not with `max`.
pub async fn run<M: Queries>(manager: M, strategy: Strategy, parallel: usize, sql: &str) -> Report {
    // answer: open what is to be open, begin at once, and add up (P2 to P16, P18 to P20)
    let lines = Arc::new(Lines::new(manager, strategy));
    if let Strategy::Pool { min, max } = strategy {
        open_beforehand(&lines, min.min(max.max(1))).await;
    }
    let sql: Arc<str> = sql.into();
    let (gate, beginning) = watch::channel(None);
    let mut requests = JoinSet::new();
    for _ in 0..parallel {
        requests.spawn(request(Arc::clone(&lines), Arc::clone(&sql), beginning.clone()));
    }
    // The clock is read before anybody may begin: else some are done before it starts.
    let began = Instant::now();
    gate.send_replace(Some(began));
    let (mut answered, mut failed) = (Vec::new(), 0);
    while let Some(ended) = requests.join_next().await {
        match ended {
            Ok(Some(took)) => answered.push(took),
            Ok(None) | Err(_) => failed += 1,
        }
    }
    let makespan = began.elapsed();
    let ok = answered.len() as u64;
    #[expect(clippy::cast_precision_loss, reason = "exact below 2^53 requests")]
    let throughput = if makespan.is_zero() { 0.0 } else { ok as f64 / makespan.as_secs_f64() };
    let opened = lines.opened.load(Ordering::Relaxed);
    Report { ok, failed, opened, makespan, throughput, latency: latency(answered) }
    // end answer
}

/// The time within which the part `q` of the requests ended, 0.0 to 1.0: of *n* times, sorted, the one
/// of rank ⌈*q n*⌉, for 0.0 the first. `None` if there is none.
pub fn quantile(sorted: &[Duration], q: f64) -> Option<Duration> {
    // answer: find the one of this rank (P1)
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "exact below 2^53 times, and what is out of range is brought back"
    )]
    let rank = (q * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.clamp(1, sorted.len().max(1)) - 1).copied()
    // end answer
}

/// Measures all nine combinations, one after the other: the first of [`STRATEGIES`] with each of
/// [`PARALLEL`], then the second, then the third. The reports are in the same order: nine, whatever they
/// say. Dropping the future ends the measurement that is under way, as dropping [`run`] does.
pub async fn compare<M: Queries + Clone>(manager: M, sql: &str) -> Vec<Report> {
    // answer: run each strategy with each number of requests (P17)
    let mut reports = Vec::new();
    for strategy in STRATEGIES {
        for parallel in PARALLEL {
            reports.push(run(manager.clone(), strategy, parallel, sql).await);
        }
    }
    reports
    // end answer
}
