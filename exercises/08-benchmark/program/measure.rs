//! One measurement.

use std::collections::BTreeMap;
use std::fs;
use std::future::Future;
use std::io;
use std::time::{Duration, Instant};

use benchmark_page::{Latency, Row};
use fixtures::AsyncManageConnection;
use fixtures::db::{Contents, Database, Kind, Lines, Server};
use indicatif::ProgressBar;
use pool_benchmark::{Queries, Report, Strategy, run};
use tokio::task::JoinSet;

use super::Failure;
use super::meter::Meter;
use super::unwritten;

/// What each request asks: the latest price of a symbol, found by an index.
pub(crate) const SQL: &str =
    "SELECT price FROM market_data WHERE symbol = 'AAPL' ORDER BY timestamp DESC LIMIT 1";

/// What goes before, uncounted, with each strategy: a first connection costs more than others.
pub(crate) const WARM_UP: usize = 50;

/// How much longer a request takes that opens a connection: for the estimate of what is left.
const OPENING: u64 = 12;

/// How long the connections of a measurement may take to close.
const CLOSING: Duration = Duration::from_secs(5);

/// Runs the benchmark once over nothing, so that an unfinished one is found at once.
pub(crate) async fn rehearse(strategy: Strategy) -> Result<(), Failure> {
    measured(Nothing, strategy, 3).await?;
    unwritten::words().map_or(Ok(()), |words| Err(words.into()))
}

/// One combination on a database that nobody has used.
pub(crate) async fn combination(
    server: &Server,
    strategy: Strategy,
    parallel: usize,
    bar: &ProgressBar,
) -> Result<Measured, Failure> {
    let database = fresh(server).await?;
    let lines = Lines::to(database.url());
    measured(Meter::new(&lines, bar, 0), strategy, WARM_UP).await?;
    let before = bar.position();
    let meter = Meter::new(&lines, bar, weight(strategy));
    let report = measured(meter.clone(), strategy, parallel).await?;
    bar.set_position(before + steps(strategy, parallel));
    let row = row(database.server(), strategy, parallel, &report, meter.refused());
    let limit = limit(&database).await?;
    database.remove().await?;
    Ok(Measured { row, limit, errors: meter.errors() })
}

/// What a measurement found.
pub(crate) struct Measured {
    pub(crate) row: Row,
    /// How many connections can be open, in words.
    pub(crate) limit: String,
    /// What went wrong, in the database's words, and how often.
    pub(crate) errors: BTreeMap<String, u64>,
}

/// A database of its own. SQLite keeps the files of closed connections open as long as another one
/// has a lock on the same file: with one database for all, those of one measurement would count
/// against the next.
async fn fresh(server: &Server) -> Result<Database, Failure> {
    let begun = Instant::now();
    loop {
        match server.database(Contents::Day).await {
            // The last of ten thousand connections may not have been closed yet.
            Err(_) if begun.elapsed() < CLOSING => {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            answer => return Ok(answer?),
        }
    }
}

/// One measurement, in a task of its own: what is not written yet panics.
async fn measured<M: Queries>(
    manager: M,
    strategy: Strategy,
    parallel: usize,
) -> Result<Report, Failure> {
    // It ends with this future, when that is dropped.
    let mut task = JoinSet::new();
    task.spawn(async move { run(manager, strategy, parallel, SQL).await });
    match task.join_next().await {
        Some(Ok(report)) => Ok(report),
        Some(Err(_)) => Err(unwritten::why().into()),
        None => Err("the measurement has not ended".into()),
    }
}

fn row(database: &str, strategy: Strategy, parallel: usize, report: &Report, refused: u64) -> Row {
    let Report { ok, failed, opened, makespan, throughput, ref latency } = *report;
    let latency = (ok > 0).then_some(Latency {
        mean: latency.mean,
        p50: latency.p50,
        p90: latency.p90,
        p99: latency.p99,
        max: latency.max,
    });
    let refused = refused.min(failed);
    Row {
        database: database.to_owned(),
        strategy: name(strategy),
        parallel: parallel as u64,
        ok,
        failed: failed - refused,
        refused,
        opened,
        makespan,
        throughput,
        curve: latency.as_ref().map_or_else(Vec::new, |latency| curve(ok, latency)),
        latency,
    }
}

/// The percentiles that a report has; its slowest request stands for all but one.
#[allow(clippy::cast_precision_loss)] // numbers of requests are far below 2^52
fn curve(ok: u64, latency: &Latency) -> Vec<(f64, Duration)> {
    let mut curve = vec![(0.5, latency.p50), (0.9, latency.p90), (0.99, latency.p99)];
    let last = 1.0 - 1.0 / ok as f64;
    if last > 0.99 {
        curve.push((last, latency.max));
    }
    curve
}

pub(crate) fn name(strategy: Strategy) -> String {
    match strategy {
        Strategy::PerRequest => "connection per request".to_owned(),
        Strategy::Pool { min, max } => format!("pool {min}–{max}"),
    }
}

/// How far the bar moves for a combination.
pub(crate) fn steps(strategy: Strategy, parallel: usize) -> u64 {
    weight(strategy) * parallel as u64
}

fn weight(strategy: Strategy) -> u64 {
    if strategy == Strategy::PerRequest { OPENING } else { 1 }
}

/// How many connections can be open, in words.
async fn limit(database: &Database) -> Result<String, Failure> {
    if database.kind() == Kind::Sqlite {
        // Where the system has such a file.
        let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
        let files = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
        let files = files.and_then(|rest| rest.split_whitespace().next()).unwrap_or("its");
        return Ok(format!("those that {files} open files of this process allow"));
    }
    let rows = database.rows("SHOW max_connections").await?.rows;
    let limit = rows.first().and_then(|row| row.first());
    Ok(limit.map_or_else(|| "unknown".to_owned(), |limit| format!("{limit} connections")))
}

/// A database that answers at once.
struct Nothing;

impl AsyncManageConnection for Nothing {
    type Connection = ();
    type Error = io::Error;

    fn connect(&self) -> impl Future<Output = io::Result<()>> + Send {
        std::future::ready(Ok(()))
    }

    fn is_valid(&self, (): &mut ()) -> impl Future<Output = io::Result<()>> + Send {
        std::future::ready(Ok(()))
    }

    fn has_broken(&self, (): &mut ()) -> bool {
        false
    }
}

impl Queries for Nothing {
    async fn query(&self, (): &mut (), _: &str) -> io::Result<()> {
        Ok(())
    }
}
