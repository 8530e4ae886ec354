//! The trading desk that the cases are played at: an exchange on tokio's paused clock, the student's
//! pool over it, and traders, each a task with a name. All that a trader does with the pool is
//! written into the exchange's log, so that a failing case can be drawn.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use fixtures::exchange::{self, Exchange, ExchangeError};
use harness::tasks::{self, Cut, Telling, Work, ends};
use harness::{clock, connections, fail, open_connections};
use ledger::{Conn, What};
use priority_pool::{Priority, PriorityConfig, PriorityError, PriorityPool, Status};
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::gate::{Gate, Gated};
use crate::held::Held;
use crate::words::{said, told};

/// How late something may be that should happen at once: not a task's real slowness (the clock is
/// paused), but room for a pool whose own tasks have to run first.
pub(crate) const SLACK: Duration = ms(5);

/// When stories begin.
pub(crate) const BEGIN: Duration = ms(100);

pub(crate) type Outcome<T> = Result<T, PriorityError<ExchangeError>>;

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

/// Polls a future once: its value, if it has one at once.
pub(crate) async fn poll_once<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
    poll_fn(|context| {
        Poll::Ready(match Pin::new(&mut *future).poll(context) {
            Poll::Ready(value) => Some(value),
            Poll::Pending => None,
        })
    })
    .await
}

/// So many connections, room for a hundred normal requests, 30 s; critical ones always go first.
pub(crate) fn up_to(max: u32) -> PriorityConfig {
    PriorityConfig {
        max_connections: max,
        normal_queue: 100,
        connection_timeout: Duration::from_secs(30),
        starvation_limit: None,
    }
}

/// An exchange and the pool under test. Clones share both.
#[derive(Clone)]
pub(crate) struct Desk {
    pub(crate) exchange: Exchange,
    pub(crate) gate: Gate,
    pub(crate) pool: PriorityPool<Gated>,
}

impl Desk {
    /// A desk over an exchange that is always ready.
    pub(crate) async fn open(config: PriorityConfig) -> Self {
        let exchange = Exchange::for_tasks();
        harness::watch(exchange.log());
        let expected = format!("`PriorityPool::new` to succeed with {}", said(&config));
        let (manager, gate) = (exchange.async_manager(), Gate::default());
        let desk = match PriorityPool::new(Gated { manager, gate: gate.clone() }, config) {
            Ok(pool) => Self { exchange, gate, pool },
            Err(error) => fail(expected, told(&error)),
        };
        desk.at(BEGIN).await;
        desk
    }

    /// Calls the pool's `get`, in the log.
    pub(crate) async fn get(&self, priority: Priority) -> Outcome<Held> {
        self.exchange.write(What::Asked);
        let what = "`get`, which has a connection_timeout,";
        match ends(what, self.pool.get(priority)).await {
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
    pub(crate) async fn need(&self, priority: Priority, why: &str) -> Held {
        match self.get(priority).await {
            Ok(held) => held,
            Err(error) => fail(format!("a connection {why}"), told(&error)),
        }
    }

    /// As [`need`](Self::need), and it must come at `at` (or up to [`SLACK`] later).
    pub(crate) async fn need_at(&self, at: Duration, priority: Priority, why: &str) -> Held {
        let result = self.get(priority).await;
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

    /// So many connections at the same time, for normal requests.
    pub(crate) async fn need_all(&self, count: u32, why: &str) -> Vec<Held> {
        let mut held = Vec::new();
        for number in 1..=count {
            let why = format!("as number {number} of {count}, {why}");
            held.push(self.need(Priority::Normal, &why).await);
        }
        held
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

    /// Fails unless the exchange was asked for so many connections so far.
    pub(crate) fn expect_attempts(&self, expected: usize, when: &str) {
        let attempts = self.exchange.attempts();
        if attempts != expected {
            fail(
                format!("{} to be asked of the exchange {when}", connections(expected)),
                format!("{attempts} asked for"),
            );
        }
    }

    /// Fails unless all places of the pool can still be used, by so many requests at once, and nobody
    /// waits or holds anything afterwards.
    pub(crate) async fn expect_whole(&self, max: u32, when: &str) {
        let all = async {
            let mut held: Vec<Held> = Vec::new();
            for number in 1..=max {
                match self.get(Priority::Normal).await {
                    Ok(one) => held.push(one),
                    Err(error) => fail(
                        format!("{} to be had at the same time {when}", connections(max as usize)),
                        format!("{} for number {number}: a place is lost", told(&error)),
                    ),
                }
            }
            held
        };
        drop(all.await);
        sleep(SLACK).await;
        let Status { in_use, waiting_critical, waiting_normal, .. } = self.pool.status();
        if (in_use, waiting_critical, waiting_normal) != (0, 0, 0) {
            fail(
                format!(
                    "status() to say in_use 0, waiting_critical 0, waiting_normal 0 {when}, when all \
                     have come back"
                ),
                format!(
                    "in_use {in_use}, waiting_critical {waiting_critical}, waiting_normal \
                     {waiting_normal}"
                ),
            );
        }
    }
}
