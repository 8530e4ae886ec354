//! The trading desk that the cases are played at: an exchange on tokio's paused clock, the student's
//! pool over it, and traders, each a task with a name. All that a trader does with the pool is
//! written into the exchange's log, so that a failing case can be drawn.

use std::future::Future;
use std::time::Duration;

use adaptive_pool::{AdaptiveConfig, AdaptivePool, Decision, PoolError, Sample, Status};
use fixtures::exchange::{self, AsyncManager, Exchange, ExchangeError};
use harness::tasks::{self, Cut, Telling, Work, ends};
use harness::{clock, connections, fail, open_connections};
use ledger::{Conn, Event, What};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::sleep;

use crate::held::Held;
use crate::words::{decisions_in_words, told};

/// How late something may be that should happen at once: not a task's real slowness (the clock is
/// paused), but room for a pool that looks every few milliseconds.
pub(crate) const SLACK: Duration = ms(5);

/// The time from one sample to the next in most stories.
pub(crate) const EVERY: Duration = ms(100);

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

/// A sample every 100 ms; two slow ones, and it grows; three idle ones, and it shrinks.
pub(crate) fn between(min: u32, max: u32) -> AdaptiveConfig {
    AdaptiveConfig {
        min,
        max,
        target_wait: ms(10),
        sample_every: EVERY,
        grow_after: 2,
        shrink_after: 3,
        connection_timeout: Duration::from_secs(30),
    }
}

/// The pool keeps its size for the time that a story takes.
pub(crate) fn steady(size: u32, max: u32) -> AdaptiveConfig {
    AdaptiveConfig { grow_after: u32::MAX, shrink_after: u32::MAX, ..between(size, max) }
}

/// An exchange and the pool under test. Clones share both.
#[derive(Clone)]
pub(crate) struct Desk {
    pub(crate) exchange: Exchange,
    pub(crate) pool: AdaptivePool<AsyncManager>,
}

impl Desk {
    /// A desk over an exchange that is always ready, at the moment at which its pool is there.
    pub(crate) async fn open(config: AdaptiveConfig) -> Self {
        let exchange = Exchange::for_tasks();
        harness::watch(exchange.log());
        Self::over(exchange, config).await
    }

    /// A desk over this exchange.
    pub(crate) async fn over(exchange: Exchange, config: AdaptiveConfig) -> Self {
        let told_config = format!("`AdaptivePool::new` to succeed with {config:?}");
        let new = AdaptivePool::new(exchange.async_manager(), config);
        match ends("`AdaptivePool::new`", new).await {
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

    /// So many connections at the same time, all of them idle now.
    pub(crate) async fn need_all(&self, count: u32, why: &str) -> Vec<Held> {
        let mut held = Vec::new();
        let now = self.now();
        for number in 1..=count {
            let why = format!("as number {number} of {count}, {why}");
            held.push(self.need_at(now, &why).await);
        }
        held
    }

    /// Makes the pool as large as `max` permits, all of it idle: three times as many tasks want a
    /// connection, over and over, and go home together when it is as large. That is in the middle between two
    /// samples, and nothing of it is in the log but the connections.
    pub(crate) async fn fill(&self, max: u32) {
        self.fill_at(max, EVERY).await;
    }

    /// As [`fill`](Self::fill), with this time from one sample to the next.
    pub(crate) async fn fill_at(&self, max: u32, every: Duration) {
        let mut rush = JoinSet::new();
        for _ in 0..3 * max {
            let pool = self.pool.clone();
            rush.spawn(async move {
                loop {
                    // Short enough that somebody is served between any two samples.
                    let held = pool.get().await;
                    sleep(every.mul_f64(0.37)).await;
                    drop(held);
                }
            });
        }
        sleep(every / 2).await;
        // More samples than the slowest answer to a shortage takes.
        for _ in 0..100 {
            if self.pool.status().size == max {
                break;
            }
            sleep(every).await;
        }
        let size = self.pool.status().size;
        if size != max {
            fail(
                format!("a pool that grows to max, {max}, while {} want a connection", 3 * max),
                format!("size {size} at {}; {}", clock(self.now()), self.decided()),
            );
        }
        rush.shutdown().await;
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

    /// Starts traders that ask now, wait as long as it takes, and hold what they get for so long.
    pub(crate) fn traders(&self, count: u32, hold: Duration) -> Vec<JoinHandle<Duration>> {
        let trade = async move |desk: Desk| {
            let asked = desk.now();
            let conn = desk.need("however long it takes").await;
            let waited = desk.now().saturating_sub(asked);
            sleep(hold).await;
            drop(conn);
            waited
        };
        (1..=count).map(|number| self.trader(&format!("task {number}"), trade)).collect()
    }

    /// What the pool says of the sample that it took last.
    pub(crate) fn sample(&self) -> Sample {
        self.pool.sample()
    }

    /// What the pool says it has decided.
    pub(crate) fn decisions(&self) -> Vec<Decision> {
        self.pool.decisions()
    }

    /// What the pool says it has decided, in words.
    pub(crate) fn decided(&self) -> String {
        decisions_in_words(&self.decisions())
    }

    /// Fails unless the exchange counts so many sessions a moment later; `when` tells the moment.
    pub(crate) async fn expect_sessions(&self, expected: u32, when: &str) {
        sleep(SLACK).await;
        let (sessions, expected) = (self.exchange.sessions(), expected as usize);
        if sessions != expected {
            fail(format!("{} {when}", open_connections(expected)), self.with_decisions(sessions));
        }
    }

    fn with_decisions(&self, sessions: usize) -> String {
        format!("{}; `decisions` tells of {}", open_connections(sessions), self.decided())
    }

    /// Fails if there ever were more sessions than `max`.
    pub(crate) fn expect_peak(&self, max: u32, why: &str) {
        let peak = self.exchange.peak_sessions();
        if peak > max as usize {
            fail(
                format!("at most {} at any moment{why}", open_connections(max as usize)),
                format!("{peak} at once; `decisions` tells of {}", self.decided()),
            );
        }
    }

    /// Fails unless `status` says this a moment later; `when` tells the moment.
    pub(crate) async fn expect_status(&self, expected: Status, when: &str) {
        sleep(SLACK).await;
        let status = self.pool.status();
        if status != expected {
            fail(
                format!("`status` to say {} {when}", status_in_words(expected)),
                format!("{}; `decisions` tells of {}", status_in_words(status), self.decided()),
            );
        }
    }

    /// Fails unless all places of the pool can still be used, by so many tasks at once, none of whom
    /// has to wait.
    pub(crate) async fn expect_whole(&self, size: u32, when: &str) {
        let now = self.now();
        let mut held: Vec<Held> = Vec::new();
        for number in 1..=size {
            let result = self.get().await;
            let late = self.now() > now + SLACK;
            match result {
                Ok(one) if !late => held.push(one),
                other => fail(
                    format!("{} to be had at the same time {when}", connections(size as usize)),
                    match other {
                        Ok(_) => format!("number {number} at {} only", clock(self.now())),
                        Err(error) => format!("{} for number {number}", told(&error)),
                    } + ": a place is lost",
                ),
            }
        }
        drop(held);
        let status = Status { size, idle: size, in_use: 0, waiting: 0 };
        self.expect_status(status, &format!("{when}, when all have come back")).await;
    }

    /// What happened so far.
    pub(crate) fn events(&self) -> Vec<Event> {
        self.exchange.log().events()
    }

    /// The moments at which somebody began to connect.
    pub(crate) fn attempts(&self) -> Vec<Duration> {
        let begun = |event: &Event| matches!(event.what, What::Connecting { .. });
        self.events().iter().filter(|event| begun(event)).map(|event| event.at).collect()
    }
}

fn status_in_words(status: Status) -> String {
    let Status { size, idle, in_use, waiting } = status;
    format!("size {size}, idle {idle}, in_use {in_use}, waiting {waiting}")
}
