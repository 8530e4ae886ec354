//! The database that the cases measure: an exchange on tokio's paused clock, whose queries can be
//! scripted one by one, and what is said of a report.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::panic::resume_unwind;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};
use std::time::Duration;

use fixtures::AsyncManageConnection;
use fixtures::exchange::{AsyncLine, AsyncManager, Exchange, ExchangeError};
use harness::tasks::{self, ends};
use harness::{clock, fail};
use pool_benchmark::{Queries, Report, Strategy, run};
use tokio::time::sleep;

/// The statement that requests send unless a case is about it.
pub(crate) const SQL: &str = "SELECT price FROM market_data WHERE symbol = 'AAPL'";

pub(crate) const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

pub(crate) const fn pool(min: u32, max: u32) -> Strategy {
    Strategy::Pool { min, max }
}

/// Tells a story on a paused clock.
pub(crate) fn order(tell: impl AsyncFn()) {
    tasks::one_order(&|| Box::pin(tell()));
}

/// What becomes of a query.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fate {
    /// It takes so much longer.
    Stalls(Duration),
    /// It is answered with an error; the connection is as good as before.
    Fails,
    /// Its connection breaks.
    Breaks,
    /// It panics.
    Panics,
}

#[derive(Debug, Default)]
struct State {
    /// By the query's number, from 1, in the order in which they were sent.
    fates: BTreeMap<usize, Fate>,
    sent: usize,
    other_words: Option<String>,
    in_use: BTreeSet<u32>,
    shared: Option<u32>,
    threads: Vec<ThreadId>,
}

/// A database; clones are the same one.
#[derive(Clone, Debug)]
pub(crate) struct Bank {
    pub(crate) exchange: Exchange,
    manager: AsyncManager,
    sql: &'static str,
    state: Arc<Mutex<State>>,
}

impl Bank {
    /// Opening a connection takes `connect`, a query `query`.
    pub(crate) fn new(connect: Duration, query: Duration) -> Self {
        let exchange = Exchange::for_tasks();
        exchange.connect_takes(connect).query_takes(query);
        harness::watch(exchange.log());
        let manager = exchange.async_manager();
        Self { exchange, manager, sql: SQL, state: Arc::default() }
    }

    /// Requests are to send this.
    pub(crate) fn expecting(mut self, sql: &'static str) -> Self {
        self.sql = sql;
        self
    }

    /// The query with this number, from 1, has this fate.
    pub(crate) fn fate(&self, numbers: impl IntoIterator<Item = usize>, fate: Fate) -> &Self {
        self.state().fates.extend(numbers.into_iter().map(|number| (number, fate)));
        self
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many queries were sent.
    pub(crate) fn sent(&self) -> usize {
        self.state().sent
    }

    /// On how many threads the database was used.
    pub(crate) fn threads(&self) -> usize {
        self.state().threads.len()
    }

    fn note_thread(&self) {
        let (id, mut state) = (thread::current().id(), self.state());
        if !state.threads.contains(&id) {
            state.threads.push(id);
        }
    }

    /// Measures this database, and expects what holds of each measurement.
    pub(crate) async fn measure(&self, strategy: Strategy, parallel: usize) -> Report {
        let what = format!("`run` with {} and {parallel} requests", said(strategy));
        let report = ends(&what, run(self.clone(), strategy, parallel, self.sql)).await;
        self.expect_sound(&what);
        report
    }

    pub(crate) fn expect_sound(&self, what: &str) {
        let state = self.state();
        let of = |conn: u32| format!("connection {conn}");
        if let Some(words) = &state.other_words {
            fail(format!("{what} to send {:?}", self.sql), format!("{words:?}"));
        }
        if let Some(conn) = state.shared {
            fail(
                format!("{what} to lend each connection to one request at a time"),
                format!("{} was sent a query while another one was under way on it", of(conn)),
            );
        }
    }

    /// Nothing is left open.
    pub(crate) async fn expect_closed(&self, when: &str) {
        // What was cancelled is dropped when its task has its turn.
        sleep(ms(1)).await;
        let open = self.exchange.sessions();
        if open > 0 {
            fail(format!("no connection open {when}"), harness::open_connections(open));
        }
    }
}

impl AsyncManageConnection for Bank {
    type Connection = AsyncLine;
    type Error = ExchangeError;

    async fn connect(&self) -> Result<AsyncLine, ExchangeError> {
        self.note_thread();
        self.manager.connect().await
    }

    async fn is_valid(&self, line: &mut AsyncLine) -> Result<(), ExchangeError> {
        self.manager.is_valid(line).await
    }

    fn has_broken(&self, line: &mut AsyncLine) -> bool {
        self.manager.has_broken(line)
    }
}

/// A query is under way on this connection.
struct Using<'a>(&'a Bank, u32);

impl Drop for Using<'_> {
    fn drop(&mut self) {
        self.0.state().in_use.remove(&self.1);
    }
}

impl Queries for Bank {
    async fn query(&self, line: &mut AsyncLine, sql: &str) -> Result<(), ExchangeError> {
        self.note_thread();
        let id = line.id();
        let fate = {
            let mut state = self.state();
            state.sent += 1;
            if sql != self.sql {
                state.other_words.get_or_insert_with(|| sql.to_owned());
            }
            if !state.in_use.insert(id) {
                state.shared = Some(id);
            }
            let number = state.sent;
            state.fates.get(&number).copied()
        };
        let _using = Using(self, id);
        if let Some(Fate::Stalls(time)) = fate {
            sleep(time).await;
        }
        line.query(sql).await?;
        match fate {
            None | Some(Fate::Stalls(_)) => Ok(()),
            Some(Fate::Fails) => Err(ExchangeError::Broken),
            Some(Fate::Breaks) => {
                self.exchange.kill(id);
                Err(ExchangeError::Broken)
            }
            Some(Fate::Panics) => {
                // No panic hook sees it.
                resume_unwind(Box::new("a scripted panic"))
            }
        }
    }
}

/// A strategy, as the code says it.
pub(crate) fn said(strategy: Strategy) -> String {
    match strategy {
        Strategy::PerRequest => "`PerRequest`".to_owned(),
        Strategy::Pool { min, max } => format!("`Pool {{ min: {min}, max: {max} }}`"),
    }
}

/// A figure must be this one; `why` follows a comma.
pub(crate) fn expect_count(name: &str, got: u64, expected: u64, why: &str) {
    if got != expected {
        fail(format!("`{name}` {expected}, {why}"), format!("{got}"));
    }
}

/// A time must be this one, to the microsecond; `why` follows a comma.
pub(crate) fn expect_time(name: &str, got: Duration, expected: Duration, why: &str) {
    if got.abs_diff(expected) > Duration::from_micros(1) {
        fail(format!("`{name}` {}, {why}", clock(expected)), clock(got));
    }
}

/// A number a second must be this one.
pub(crate) fn expect_rate(got: f64, expected: f64, why: &str) {
    if (got - expected).abs() > expected * 1e-6 || !got.is_finite() {
        fail(format!("`throughput` {expected} a second, {why}"), format!("{got}"));
    }
}

/// Runs a future for so long, and drops it.
pub(crate) async fn dropped_after(time: Duration, work: impl Future<Output = Report> + Send) {
    if tokio::time::timeout(time, work).await.is_ok() {
        fail(format!("`run` to be under way after {}", clock(time)), "it had ended".to_owned());
    }
}
