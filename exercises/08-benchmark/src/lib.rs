//! Task 08: a benchmark that tells what a pool is worth.
//!
//! The README beside this crate tells what the benchmark promises (P1, P2, …); the docs below are the
//! same contract, function by function. Add whatever private types and functions you like; leave the
//! public names and signatures as they are.

#![allow(dead_code, unused_variables, unused_imports, unused_mut)] // remove when you are done

use std::future::Future;
use std::time::Duration;

use fixtures::AsyncManageConnection;

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
    todo!("open what is to be open, begin at once, and add up (P2 to P16, P18 to P20)")
}

/// The time within which the part `q` of the requests ended, 0.0 to 1.0: of *n* times, sorted, the one
/// of rank ⌈*q n*⌉, for 0.0 the first. `None` if there is none.
pub fn quantile(sorted: &[Duration], q: f64) -> Option<Duration> {
    todo!("find the one of this rank (P1)")
}

/// Measures all nine combinations, one after the other: the first of [`STRATEGIES`] with each of
/// [`PARALLEL`], then the second, then the third. The reports are in the same order: nine, whatever they
/// say. Dropping the future ends the measurement that is under way, as dropping [`run`] does.
pub async fn compare<M: Queries + Clone>(manager: M, sql: &str) -> Vec<Report> {
    todo!("run each strategy with each number of requests (P17)")
}
