//! The database that the cases measure: an exchange on tokio's paused clock, whose queries can be
//! scripted one by one. It draws them into the picture of a failing case: `q3` is the third one sent.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::resume_unwind;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};
use std::time::Duration;

use fixtures::AsyncManageConnection;
use fixtures::exchange::{AsyncLine, AsyncManager, Exchange, ExchangeError};
use harness::fail;
use harness::tasks::{self, ends};
use ledger::{Conn, Event, What};
use pool_benchmark::{Queries, Report, Strategy, run};
use tokio::time::{advance, sleep, timeout};

use crate::desk::{SQL, ms, said};

/// Simulated time within which whatever comes to an end has done so, stalls of hours included.
const A_DAY: Duration = Duration::from_hours(24);

/// What becomes of a query.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fate {
    /// It takes so much longer.
    Stalls(Duration),
    /// It takes so much longer, to the microsecond: timers only know milliseconds.
    StallsExactly(Duration),
    /// It is answered with an error; the connection is as good as before.
    Fails,
    /// Its connection breaks.
    Breaks,
    /// It is answered, and then its connection breaks.
    BreaksAnswered,
    /// It panics.
    Panics,
}

impl Fate {
    /// What is said of it behind the query's number, in the picture.
    fn word(self) -> &'static str {
        match self {
            Self::Stalls(_) | Self::StallsExactly(_) => " stalls",
            Self::Fails => " fails",
            Self::Breaks | Self::BreaksAnswered => " breaks",
            Self::Panics => " panics",
        }
    }
}

#[derive(Debug, Default)]
struct State {
    /// By the query's number, from 1, in the order in which they were sent.
    fates: BTreeMap<usize, Fate>,
    sent: usize,
    pinged: bool,
    other_words: Option<String>,
    in_use: BTreeSet<u32>,
    shared: Option<u32>,
    threads: Vec<ThreadId>,
    most_tasks: usize,
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

    /// The most tasks that there were at once while the database was used.
    pub(crate) fn most_tasks(&self) -> usize {
        self.state().most_tasks
    }

    fn note_use(&self) {
        let (id, tasks, mut state) = (thread::current().id(), tasks::tasks(), self.state());
        state.most_tasks = state.most_tasks.max(tasks);
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

    /// The same where it takes hours.
    pub(crate) async fn measure_for_hours(&self, strategy: Strategy, parallel: usize) -> Report {
        let what = format!("`run` with {} and {parallel} requests", said(strategy));
        let work = Box::pin(run(self.clone(), strategy, parallel, self.sql));
        let Ok(report) = timeout(A_DAY, work).await else {
            fail(format!("{what} to come to an end"), "it was still waiting after a simulated day");
        };
        self.expect_sound(&what);
        report
    }

    pub(crate) fn expect_sound(&self, what: &str) {
        let state = self.state();
        let of = |conn: u32| format!("connection {conn}");
        if let Some(words) = &state.other_words {
            fail(format!("{what} to send {:?}", self.sql), format!("{words:?}"));
        }
        if state.pinged {
            fail(
                format!("{what} to ask nothing of the server but its statement"),
                "a call of `is_valid`, a round trip that takes its time",
            );
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
        self.expect_closed_already(when);
    }

    /// Nothing is open, and nobody has had a turn to close it.
    pub(crate) fn expect_closed_already(&self, when: &str) {
        let sessions = self.exchange.sessions();
        if sessions > 0 {
            let got = format!("{} or still being opened", harness::open_connections(sessions));
            fail(format!("no connection open {when}"), got);
        }
    }
}

impl AsyncManageConnection for Bank {
    type Connection = AsyncLine;
    type Error = ExchangeError;

    async fn connect(&self) -> Result<AsyncLine, ExchangeError> {
        self.note_use();
        self.manager.connect().await
    }

    async fn is_valid(&self, line: &mut AsyncLine) -> Result<(), ExchangeError> {
        self.state().pinged = true;
        self.manager.is_valid(line).await
    }

    fn has_broken(&self, line: &mut AsyncLine) -> bool {
        self.manager.has_broken(line)
    }
}

/// A query is under way.
struct Using<'a> {
    bank: &'a Bank,
    conn: u32,
    query: String,
}

impl<'a> Using<'a> {
    fn new(bank: &'a Bank, conn: u32, query: String) -> Self {
        let using = Self { bank, conn, query };
        using.write(What::Got { conn: Conn(conn) });
        using
    }

    /// Writes it down for the picture, as the query's doing.
    fn write(&self, what: What) {
        let at = self.bank.exchange.elapsed();
        self.bank.exchange.log().push(Event { at, thread: self.query.clone(), what });
    }
}

impl Drop for Using<'_> {
    fn drop(&mut self) {
        self.write(What::Returned { conn: Conn(self.conn) });
        self.bank.state().in_use.remove(&self.conn);
    }
}

impl Queries for Bank {
    async fn query(&self, line: &mut AsyncLine, sql: &str) -> Result<(), ExchangeError> {
        self.note_use();
        let id = line.id();
        let (number, fate) = {
            let mut state = self.state();
            state.sent += 1;
            if sql != self.sql {
                state.other_words.get_or_insert_with(|| sql.to_owned());
            }
            if !state.in_use.insert(id) {
                state.shared = Some(id);
            }
            let number = state.sent;
            (number, state.fates.get(&number).copied())
        };
        let _using = Using::new(self, id, format!("q{number}{}", fate.map_or("", Fate::word)));
        if let Some(Fate::Stalls(time)) = fate {
            sleep(time).await;
        }
        line.query(sql).await?;
        match fate {
            None | Some(Fate::Stalls(_)) => Ok(()),
            Some(Fate::StallsExactly(time)) => {
                // Last, for a timer that begins between two milliseconds is late.
                advance(time).await;
                Ok(())
            }
            Some(Fate::Fails) => Err(ExchangeError::Broken),
            Some(Fate::Breaks) => {
                self.exchange.kill(id);
                Err(ExchangeError::Broken)
            }
            Some(Fate::BreaksAnswered) => {
                self.exchange.kill(id);
                Ok(())
            }
            Some(Fate::Panics) => {
                // No panic hook sees it.
                resume_unwind(Box::new("a scripted panic"))
            }
        }
    }
}
