//! The trading desk that the cases are played at: an exchange on tokio's paused clock, the student's
//! pool over it, and traders, each a task with a name. All that a trader does with the pool is
//! written into the exchange's log, so that a failing case can be drawn.

use std::future::Future;
use std::time::Duration;

use crate::graded::{CheckReport, HealthConfig, Pool, PoolConfig, PoolError, Status};
use fixtures::exchange::{self, AsyncManager, Exchange, ExchangeError};
use harness::tasks::{self, Cut, Telling, Work, ends};
use harness::{clock, connections, fail, open_connections};
use ledger::{Conn, Event, What};
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::held::Held;
use crate::words::told;

/// How late something may be that should happen at once: not a task's real slowness (the clock is
/// paused), but room for a pool that looks every few milliseconds.
pub(crate) const SLACK: Duration = ms(5);

/// When stories begin.
pub(crate) const BEGIN: Duration = ms(100);

pub(crate) const SECOND: Duration = Duration::from_secs(1);

pub(crate) type Outcome<T> = Result<T, PoolError<ExchangeError>>;

pub(crate) const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Tells a story at the desk on a paused clock, several times over.
pub(crate) fn story(tell: impl AsyncFn()) {
    tasks::story(&|| at_the_desk(tell()));
}

/// Tells a story at the desk once: one order of its events.
pub(crate) fn order(tell: impl AsyncFn()) {
    tasks::one_order(&|| at_the_desk(tell()));
}

/// Tells a story at the desk once for each way to drop a future in it.
pub(crate) fn at_each_poll(tell: impl AsyncFn(Cut) -> bool) {
    tasks::at_each_poll(&|cut| at_the_desk(tell(cut)));
}

/// A story, told under the desk's own name.
fn at_the_desk<'a, T: 'a>(story: impl Future<Output = T> + 'a) -> Telling<'a, T> {
    let story: Telling<'a, T> = Box::pin(story);
    Box::pin(tasks::known_as("desk", exchange::named("desk", story)))
}

pub(crate) fn between(min: u32, max: u32) -> PoolConfig {
    PoolConfig {
        min_connections: min,
        max_connections: max,
        connection_timeout: Duration::from_secs(30),
    }
}

/// A round every second.
pub(crate) fn each_second() -> HealthConfig {
    HealthConfig {
        interval: SECOND,
        ping_timeout: ms(200),
        backoff_min: ms(100),
        backoff_max: SECOND,
    }
}

/// No round comes by itself in the time that a story takes.
pub(crate) fn by_hand() -> HealthConfig {
    HealthConfig { interval: Duration::from_hours(1), ..each_second() }
}

/// An exchange and the pool under test. Clones share both.
#[derive(Clone)]
pub(crate) struct Desk {
    pub(crate) exchange: Exchange,
    pub(crate) pool: Pool<AsyncManager>,
}

impl Desk {
    /// A desk over an exchange that is always ready.
    pub(crate) async fn open(config: PoolConfig, health: HealthConfig) -> Self {
        let desk = Self::new(config, health).await;
        // A checker may begin with a round at once: it is over when the story begins.
        desk.at(BEGIN).await;
        desk
    }

    /// A desk at the very moment at which its pool is there: none of the pool's tasks has run yet.
    pub(crate) async fn new(config: PoolConfig, health: HealthConfig) -> Self {
        let exchange = Exchange::for_tasks();
        harness::watch(exchange.log());
        let told_config = format!("`Pool::new` to succeed with {config:?} and {health:?}");
        let new = Pool::new(exchange.async_manager(), config, health);
        match ends("`Pool::new`", new).await {
            Ok(pool) => Self { exchange, pool },
            Err(error) => fail(told_config, told(&error)),
        }
    }

    /// Calls the pool's `get`, in the log.
    pub(crate) async fn get(&self) -> Outcome<Held> {
        self.exchange.write(What::Asked);
        match ends("`get`, with a connection_timeout of 30 s,", self.pool.get()).await {
            Ok(taken) => {
                let conn = Conn(taken.id());
                self.exchange.write(What::Got { conn });
                Ok(Held::new(taken, conn, self.exchange.clone()))
            }
            Err(error) => {
                self.exchange.write(What::GaveUp { error: told(&error) });
                Err(error)
            }
        }
    }

    /// A connection that the story needs to go on; `why` continues "a connection".
    pub(crate) async fn need(&self, why: &str) -> Held {
        match self.get().await {
            Ok(held) => held,
            Err(error) => fail(format!("a connection {why}"), told(&error)),
        }
    }

    /// As [`need`](Self::need), and it must come at `at` (or up to [`SLACK`] later).
    pub(crate) async fn need_at(&self, at: Duration, why: &str) -> Held {
        let result = self.get().await;
        let now = self.now();
        match result {
            Ok(held) if now <= at + SLACK => held,
            Ok(_) => fail(
                format!("a connection at {}, {why}", clock(at)),
                format!("one at {}, {} too late", clock(now), clock(now.saturating_sub(at))),
            ),
            Err(error) => fail(
                format!("a connection at {}, {why}", clock(at)),
                format!("{} at {}", told(&error), clock(now)),
            ),
        }
    }

    /// So many connections at the same time.
    pub(crate) async fn need_all(&self, count: u32, why: &str) -> Vec<Held> {
        let mut held = Vec::new();
        for number in 1..=count {
            held.push(self.need(&format!("as number {number} of {count}, {why}")).await);
        }
        held
    }

    /// A round by hand.
    pub(crate) async fn check(&self) -> CheckReport {
        ends("`check_once`", self.pool.check_once()).await
    }

    /// A round by hand that must end at `at` (or up to [`SLACK`] later).
    pub(crate) async fn check_by(&self, at: Duration, why: &str) -> CheckReport {
        let report = self.check().await;
        let now = self.now();
        if now > at + SLACK {
            fail(
                format!("`check_once` to return by {}: {why}", clock(at)),
                format!("it returned at {}", clock(now)),
            );
        }
        report
    }

    /// Closes the pool.
    pub(crate) async fn close(&self) {
        ends("`close`", self.pool.close()).await;
    }

    /// Time since the desk opened.
    pub(crate) fn now(&self) -> Duration {
        self.exchange.elapsed()
    }

    /// Waits for a moment of the story.
    pub(crate) async fn at(&self, moment: Duration) {
        sleep(moment.saturating_sub(self.now())).await;
    }

    /// Starts a trader: a task of this name, at work at the desk.
    pub(crate) fn trader<T: Send + 'static, F>(
        &self,
        name: &str,
        work: impl FnOnce(Desk) -> F,
    ) -> JoinHandle<T>
    where
        F: Future<Output = T> + Send + 'static,
    {
        let work: Work<'static, T> = Box::pin(work(self.clone()));
        tasks::spawn(tasks::known_as(name, exchange::named(name.to_owned(), work)))
    }

    /// Fails unless the exchange counts so many sessions a moment later; `when` tells the moment.
    pub(crate) async fn expect_sessions(&self, expected: usize, when: &str) {
        sleep(SLACK).await;
        let sessions = self.exchange.sessions();
        if sessions != expected {
            fail(format!("{} {when}", open_connections(expected)), open_connections(sessions));
        }
    }

    /// Fails unless this line is closed a moment later; `why` tells what happened.
    pub(crate) async fn expect_closed(&self, line: u32, why: &str) {
        sleep(SLACK).await;
        let closed = What::Closed { conn: Conn(line) };
        if !self.events().iter().any(|event| event.what == closed) {
            fail(format!("conn {line} to be closed: {why}"), "it is still open");
        }
    }

    /// Fails unless so many connections are open and all of them idle a moment later; `when` tells
    /// the moment.
    pub(crate) async fn expect_idle(&self, expected: u32, when: &str) {
        self.expect_sessions(expected as usize, when).await;
        let Status { size, idle, in_use, waiting } = self.pool.status();
        if (size, idle, in_use, waiting) != (expected, expected, 0, 0) {
            fail(
                format!(
                    "status() to say size {expected}, idle {expected}, in_use 0, waiting 0 {when}"
                ),
                format!("size {size}, idle {idle}, in_use {in_use}, waiting {waiting}"),
            );
        }
    }

    /// Fails if there ever were more sessions than `max`.
    pub(crate) fn expect_peak(&self, max: usize, why: &str) {
        let peak = self.exchange.peak_sessions();
        if peak > max {
            fail(
                format!("at most {} at any moment", open_connections(max)),
                format!("{peak} at once{why}"),
            );
        }
    }

    /// Fails unless all places of the pool can still be used, by so many tasks at once.
    pub(crate) async fn expect_whole(&self, max: u32, when: &str) {
        let all = async {
            let mut held: Vec<Held> = Vec::new();
            for _ in 0..max {
                match self.get().await {
                    Ok(one) => held.push(one),
                    Err(error) => fail(
                        format!("{} to be had at the same time {when}", connections(max as usize)),
                        format!("{} for number {}: a place is lost", told(&error), held.len() + 1),
                    ),
                }
            }
            held
        };
        drop(all.await);
        sleep(SLACK).await;
        let Status { in_use, waiting, .. } = self.pool.status();
        if (in_use, waiting) != (0, 0) {
            fail(
                format!("status() to say in_use 0, waiting 0 {when}, when all have come back"),
                format!("in_use {in_use}, waiting {waiting}"),
            );
        }
    }

    /// What happened so far.
    pub(crate) fn events(&self) -> Vec<Event> {
        self.exchange.log().events()
    }

    /// The pings of this line that have ended, by the moment of their ends.
    pub(crate) fn pings_of(&self, line: u32) -> Vec<Duration> {
        let of_line =
            |event: &Event| matches!(event.what, What::Pinged { conn, .. } if conn == Conn(line));
        self.events().iter().filter(|event| of_line(event)).map(|event| event.at).collect()
    }

    /// The moments at which somebody began to connect.
    pub(crate) fn attempts(&self) -> Vec<Duration> {
        let begun = |event: &Event| matches!(event.what, What::Connecting { .. });
        self.events().iter().filter(|event| begun(event)).map(|event| event.at).collect()
    }

    /// Fails unless this line was pinged after this moment; `when` tells it.
    pub(crate) fn expect_pinged_after(&self, line: u32, since: Duration, when: &str) {
        if !self.pings_of(line).iter().any(|&ping| ping > since) {
            fail(
                format!("the rounds to go on {when}"),
                format!(
                    "no ping of conn {line} between {} and {}, with a round each second",
                    clock(since),
                    clock(self.now())
                ),
            );
        }
    }

    /// Fails if a line was pinged while a trader held it.
    pub(crate) fn expect_none_pinged_while_held(&self) {
        let mut held: Vec<Conn> = Vec::new();
        for event in self.events() {
            match event.what {
                What::Got { conn } => held.push(conn),
                What::Returned { conn } => held.retain(|other| *other != conn),
                What::Pinged { conn, .. } if held.contains(&conn) => fail(
                    "a connection to be lent out or to be pinged, never both at the same time",
                    format!("{conn} pinged at {}, while it was lent out", clock(event.at)),
                ),
                _ => {}
            }
        }
    }
}
