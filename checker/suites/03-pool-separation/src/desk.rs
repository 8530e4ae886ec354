//! The desk at which all cases are played: a database of its own on each server that there is, and
//! the words in which a failure is told.

use std::fmt::Write;
use std::pin::Pin;
use std::time::Duration;

use crate::graded::{Lane, Limits, TradingError, TradingPools};
use fixtures::db::{Contents, Database, Held, Kind, Mismatch, NewTrade, Rows, Side, servers};
use harness::tasks::{Patience, ends_in_real_time, nowhere_else};
use sqlx::Any;
use sqlx::pool::PoolConnection;
use tokio::runtime::Builder;

/// How long a lane of the story lets one wait, unless the story is about that: longer than it ever
/// takes, on a busy machine too.
const WAIT: Duration = Duration::from_secs(10);

/// How many connections the server takes, unless the story is about that.
pub(crate) const SERVER_LIMIT: u32 = 100;

/// How many statements a failure shows: the last ones.
const SHOWN: usize = 12;

/// How long to wait for them.
const TO_TELL: Duration = Duration::from_millis(500);

/// The suite's own statements wait so long for a lock, and are then tried again: who holds one may
/// never let go of it.
const FOR_A_LOCK: [&str; 2] = ["PRAGMA busy_timeout = 200", "SET lock_timeout = 200"];

/// A story's database, and what is said of it.
pub(crate) struct Desk {
    pub(crate) database: Database,
}

/// Tells a story on SQLite, and again on PostgreSQL if there is one, each time with empty tables.
pub(crate) fn on_each(story: &impl AsyncFn(&Desk)) {
    let servers = servers();
    if let Some(reason) = servers.skipped {
        harness::left_out(format!("PostgreSQL: {reason}"));
    }
    for server in servers.run {
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        let told: Pin<Box<dyn Future<Output = ()> + '_>> = Box::pin(async {
            let database = match server.database(Contents::Empty).await {
                Ok(database) => database,
                Err(error) if server.kind() == Kind::Sqlite => {
                    harness::skip(format!("no database can be made: {error}"));
                }
                Err(error) => {
                    return harness::left_out(format!("PostgreSQL is of no use: {error}"));
                }
            };
            harness::ran_on(database.server());
            let desk = Desk { database };
            desk.execute(FOR_A_LOCK[usize::from(desk.is_postgres())]).await;
            story(&desk).await;
            // One that stays is swept up by whoever makes the next.
            let _ = desk.database.remove().await;
        });
        runtime.block_on(told);
        // Tasks of the code under test may still be at work.
        runtime.shutdown_background();
    }
}

impl Desk {
    /// Whether it is a server, with sessions and locks that can be looked at.
    pub(crate) fn is_postgres(&self) -> bool {
        self.database.kind() == Kind::Postgres
    }

    /// Opens the lanes, which must succeed.
    pub(crate) async fn open(&self, limits: [Limits; 3]) -> TradingPools {
        self.open_at(self.database.url(), limits).await
    }

    /// Opens the lanes by another way to the same database, which must succeed.
    pub(crate) async fn open_at(&self, url: &str, limits: [Limits; 3]) -> TradingPools {
        let connect = Box::pin(TradingPools::connect(url, limits, SERVER_LIMIT));
        match self.ends("`connect`", connect).await {
            Ok(pools) => pools,
            Err(error) => self.fail("`connect` to open the lanes", told(&error)).await,
        }
    }

    /// Opens lanes whose `acquire_timeout` is short: tries as often as a busy machine needs.
    pub(crate) async fn open_in_time(&self, limits: [Limits; 3]) -> TradingPools {
        let url = self.database.url();
        let connect = Box::pin(async {
            loop {
                match TradingPools::connect(url, limits, SERVER_LIMIT).await {
                    Err(TradingError::Timeout(_)) => {}
                    done => return done,
                }
            }
        });
        match self.ends("`connect`", connect).await {
            Ok(pools) => pools,
            Err(error) => self.fail("`connect` to open the lanes", told(&error)).await,
        }
    }

    /// Takes so many connections of a lane, which must succeed.
    pub(crate) async fn take(
        &self,
        pools: &TradingPools,
        lane: Lane,
        count: u32,
    ) -> Vec<PoolConnection<Any>> {
        let mut taken = Vec::new();
        for number in 1..=count {
            // A lane of the story may have little patience itself.
            let acquire = async {
                loop {
                    match pools.pool(lane).acquire().await {
                        Err(sqlx::Error::PoolTimedOut) => {}
                        done => return done,
                    }
                }
            };
            let what = format!("taking connection {number} of {count} from the {lane} lane");
            match self.ends(&what, acquire).await {
                Ok(conn) => taken.push(conn),
                Err(error) => self.fail(format!("{what} to succeed"), error.to_string()).await,
            }
        }
        taken
    }

    /// What came of a request that must succeed.
    pub(crate) async fn need<T>(
        &self,
        what: &str,
        request: impl Future<Output = Result<T, TradingError>>,
    ) -> T {
        match self.ends(what, request).await {
            Ok(value) => value,
            Err(error) => self.fail(format!("{what} to succeed"), told(&error)).await,
        }
    }

    /// Fails unless a request came to this; `why` says what led to it.
    pub(crate) async fn expect<T: PartialEq + std::fmt::Debug>(
        &self,
        what: &str,
        request: impl Future<Output = Result<T, TradingError>>,
        expected: T,
        why: &str,
    ) {
        let got = self.need(what, request).await;
        if got != expected {
            self.fail(format!("{expected:?} from {what}: {why}"), format!("{got:?}")).await;
        }
    }

    /// Runs a statement of the suite's own.
    pub(crate) async fn execute(&self, sql: &str) {
        self.execute_when(sql, "").await;
    }

    /// Runs a statement of the suite's own after what may have left a transaction open: " after …".
    pub(crate) async fn execute_when(&self, sql: &str, when: &str) {
        let done = self.in_time(Box::pin(async {
            loop {
                let error = match self.database.execute(sql).await {
                    Ok(_) => return Ok(()),
                    Err(error) => error.to_string(),
                };
                if !error.contains("lock") {
                    return Err(error);
                }
                // What ran before it may have begun a transaction.
                let _ = self.database.execute("ROLLBACK").await;
            }
        }));
        match done.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => self.fail(format!("the suite to be able to run: {sql}"), error).await,
            Err(_) => {
                let expected =
                    format!("no transaction to be left open{when}, nor a lock of its tables");
                let got = format!("one that keeps the suite from its own: {sql}");
                self.fail(expected, got).await;
            }
        }
    }

    /// Locks a table against everybody; on SQLite, the database against writers.
    pub(crate) async fn lock(&self, table: &str) -> Held {
        match self.ends("the suite's own lock of a table", self.database.lock(table)).await {
            Ok(locked) => locked,
            Err(error) => self.fail("the suite to lock a table", error.to_string()).await,
        }
    }

    /// Lets go of it.
    pub(crate) async fn unlock(&self, locked: Held) {
        if let Err(error) = self.ends("the suite's own lock to end", locked.release()).await {
            self.fail("the suite to release its lock", error.to_string()).await;
        }
    }

    /// Fails unless a query of the suite's own returns these rows; `why` says why it should.
    pub(crate) async fn expect_rows(&self, sql: &str, expected: &Rows, why: &str) {
        match self.ends("the suite's own query", self.database.compare(sql, expected)).await {
            Ok(None) => {}
            Ok(Some(Mismatch { expected, got })) => {
                harness::fail(format!("{expected}: {why}"), got);
            }
            Err(error) => {
                let expected = format!("the suite to be able to run: {sql}");
                self.fail(expected, error.to_string()).await;
            }
        }
    }

    /// Fails unless there are so many trades, and as many positions.
    pub(crate) async fn expect_recorded(&self, count: usize, why: &str) {
        let sql = "SELECT (SELECT COUNT(*) FROM trades) AS trades, \
                   (SELECT COUNT(*) FROM positions) AS positions";
        let expected = Rows::new(["trades", "positions"], [[count, count]]);
        self.expect_rows(sql, &expected, why).await;
    }

    /// Fails the case, and shows on which server, and the statements that ran there.
    pub(crate) async fn fail(&self, expected: impl Into<String>, got: impl Into<String>) -> ! {
        let mut got = format!("{}\non {}", got.into(), self.database.server());
        let statements = Box::pin(self.database.statements());
        let ran = ends_in_real_time(Patience::new(TO_TELL), statements, &nowhere_else).await;
        let mut ran = ran.ok().and_then(Result::ok).unwrap_or_default();
        // What sqlx says to each new connection to SQLite is nobody's idea.
        ran.retain(|statement| !statement.starts_with("PRAGMA foreign_keys"));
        let left_out = ran.len().saturating_sub(SHOWN);
        got.push_str(match (ran.len(), left_out) {
            (0, _) => ", where no statement ran",
            (_, 0) => "; statements that ran",
            _ => "; the last statements that ran",
        });
        if !ran.is_empty() {
            got.push_str(if self.is_postgres() {
                ":"
            } else {
                " (sqlx's own BEGIN and COMMIT do not show):"
            });
        }
        for statement in &ran[left_out..] {
            let _ = write!(got, "\n  {statement}");
        }
        harness::fail(expected, got)
    }
}

/// Between `min` and `max` connections, and time enough to wait for them.
pub(crate) fn between(min: u32, max: u32) -> Limits {
    Limits { min, max, acquire_timeout: WAIT }
}

/// As many as `max`, and so long to wait for them.
pub(crate) fn waiting(max: u32, acquire_timeout: Duration) -> Limits {
    Limits { min: max, max, acquire_timeout }
}

/// A purchase at some price.
pub(crate) fn buy(symbol: &str, quantity: f64, price: f64, timestamp: i64) -> NewTrade {
    NewTrade { symbol: symbol.to_owned(), price, quantity, side: Side::Buy, timestamp }
}

/// Milliseconds.
pub(crate) fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// An error as a student would say it.
pub(crate) fn told(error: &TradingError) -> String {
    match error {
        TradingError::InvalidLimits(reason) => format!("InvalidLimits({reason:?})"),
        TradingError::Timeout(lane) => format!("Timeout({lane:?})"),
        TradingError::Closed => "Closed".to_owned(),
        TradingError::Database(error) => format!("Database({error})"),
    }
}

/// What came of a request, as a student would say it.
pub(crate) fn outcome<T: std::fmt::Debug>(result: &Result<T, TradingError>) -> String {
    match result {
        Ok(value) => format!("Ok({value:?})"),
        Err(error) => told(error),
    }
}
