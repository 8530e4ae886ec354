//! The trading desk that the cases are played at: an exchange, the student's pool over it, and
//! traders, each a thread with a name. All that a trader does with the pool is written into the
//! exchange's log, so that a failing case can be drawn.

use std::ops::{Deref, DerefMut};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use basic_pool::{Pool, PoolConfig, PoolError, PooledConnection};
use fixtures::exchange::{Exchange, ExchangeError, Line, Manager};
use harness::{clock, fail, open_connections};
use ledger::{Conn, What};

/// How late something may be that should happen at once: not a thread's real slowness (time is
/// simulated), but room for a pool that looks for a free connection every few milliseconds.
pub(crate) const SLACK: Duration = ms(5);

/// A time-out that no story comes near: who sleeps that long was forgotten.
pub(crate) const LONG: Duration = Duration::from_secs(30);

pub(crate) type Outcome<T> = Result<T, PoolError<ExchangeError>>;

pub(crate) const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Connections without limits of age: what most stories need.
pub(crate) fn between(min: u32, max: u32) -> PoolConfig {
    PoolConfig {
        min_connections: min,
        max_connections: max,
        connection_timeout: LONG,
        max_lifetime: None,
        idle_timeout: None,
    }
}

/// An exchange and the pool under test. Clones share both.
#[derive(Clone)]
pub(crate) struct Desk {
    pub(crate) exchange: Exchange,
    pub(crate) pool: Pool<Manager>,
}

impl Desk {
    /// A desk over an exchange that is always ready.
    pub(crate) fn open(config: PoolConfig) -> Self {
        Self::over(Exchange::new(), config)
    }

    /// A desk over an exchange that the story has prepared.
    pub(crate) fn over(exchange: Exchange, config: PoolConfig) -> Self {
        harness::watch(exchange.log());
        let (min, max) = (config.min_connections, config.max_connections);
        match Pool::new(exchange.manager(), config) {
            Ok(pool) => Self { exchange, pool },
            Err(error) => fail(
                format!("`Pool::new` to succeed with min_connections {min}, max_connections {max}"),
                told(&error),
            ),
        }
    }

    /// Calls the pool's `get_timeout`, in the log.
    pub(crate) fn get_timeout(&self, timeout: Duration) -> Outcome<Held> {
        self.logged(|pool| pool.get_timeout(timeout))
    }

    /// Calls the pool's `get`, in the log.
    pub(crate) fn get(&self) -> Outcome<Held> {
        self.logged(Pool::get)
    }

    fn logged(&self, get: impl FnOnce(&Pool<Manager>) -> Outcome<Taken>) -> Outcome<Held> {
        self.exchange.write(What::Asked);
        match get(&self.pool) {
            Ok(taken) => {
                let conn = Conn(taken.id());
                self.exchange.write(What::Got { conn });
                Ok(Held { taken: Some(taken), conn, exchange: self.exchange.clone() })
            }
            Err(error) => {
                self.exchange.write(What::GaveUp { error: told(&error) });
                Err(error)
            }
        }
    }

    /// A connection that the story needs to go on; `why` continues "a connection for thread A".
    pub(crate) fn need(&self, why: &str) -> Held {
        let asked = self.now();
        self.get_timeout(LONG).unwrap_or_else(|error| {
            let waited = clock(self.now().saturating_sub(asked));
            fail(
                format!("a connection for {} {why}", who()),
                format!("{} after {waited}", told(&error)),
            )
        })
    }

    /// As [`need`](Self::need), and it must come at `at` (or up to [`SLACK`] later).
    pub(crate) fn need_at(&self, at: Duration, why: &str) -> Held {
        let result = self.get_timeout(LONG);
        let now = self.now();
        match result {
            Ok(held) if now <= at + SLACK => held,
            result => {
                let late = match &result {
                    Ok(_) => format!(", {} too late", clock(now.saturating_sub(at))),
                    Err(_) => String::new(),
                };
                fail(
                    format!("a connection for {} at {}, {why}", who(), clock(at)),
                    format!("{} at {}{late}", outcome(&result), clock(now)),
                )
            }
        }
    }

    /// Closes the pool, in the log.
    pub(crate) fn close(&self) {
        self.note("close()");
        self.pool.close();
    }

    /// Writes into the log what the story does now.
    pub(crate) fn note(&self, text: &str) {
        self.exchange.write(What::Note { text: text.to_owned() });
    }

    /// Time since the desk opened.
    pub(crate) fn now(&self) -> Duration {
        self.exchange.elapsed()
    }

    /// Waits for a moment of the story.
    pub(crate) fn at(&self, moment: Duration) {
        self.exchange.sleep_until(moment);
    }

    /// Starts a trader: a thread of this name, at work at the desk. A panic in it fails the case.
    pub(crate) fn trader(
        &self,
        name: &str,
        work: impl FnOnce(&Desk) + Send + 'static,
    ) -> JoinHandle<()> {
        let desk = self.clone();
        thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || harness::guarded(|| work(&desk)))
            .expect("a thread can be started")
    }

    /// Fails unless the pool's status says so; `when` tells the moment.
    pub(crate) fn expect_status(&self, idle: u32, in_use: u32, when: &str) {
        let status = self.pool.status();
        let size = idle + in_use;
        if (status.size, status.idle, status.in_use) != (size, idle, in_use) {
            fail(
                format!("status() to say size {size}, idle {idle}, in_use {in_use} {when}"),
                format!("size {}, idle {}, in_use {}", status.size, status.idle, status.in_use),
            );
        }
    }

    /// Fails unless the pool's status says that so many threads wait; `when` tells the moment.
    pub(crate) fn expect_waiting(&self, expected: u32, when: &str) {
        let waiting = self.pool.status().waiting;
        if waiting != expected {
            fail(
                format!("status() to say waiting {expected} {when}"),
                format!("waiting {waiting}"),
            );
        }
    }

    /// Fails unless the exchange counts so many sessions; `when` tells the moment.
    pub(crate) fn expect_sessions(&self, expected: usize, when: &str) {
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
}

/// What the pool handed out.
type Taken = PooledConnection<Manager>;

/// A connection that a trader holds; letting go of it is written into the log.
pub(crate) struct Held {
    taken: Option<Taken>,
    conn: Conn,
    exchange: Exchange,
}

impl Held {
    /// The number of the connection.
    pub(crate) fn id(&self) -> u32 {
        self.conn.0
    }

    /// Sends an order down the line; it must work.
    pub(crate) fn order(&mut self) {
        if let Err(error) = self.query("BUY 100 AAPL") {
            fail(format!("conn {} to carry an order", self.id()), error.to_string());
        }
    }
}

impl Deref for Held {
    type Target = Line;

    fn deref(&self) -> &Line {
        self.taken.as_ref().expect("held until it is dropped")
    }
}

impl DerefMut for Held {
    fn deref_mut(&mut self) -> &mut Line {
        self.taken.as_mut().expect("held until it is dropped")
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.exchange.write(What::Returned { conn: self.conn });
        drop(self.taken.take());
    }
}

/// Waits for the traders to go home.
pub(crate) fn all_home(traders: impl IntoIterator<Item = JoinHandle<()>>) {
    for trader in traders {
        trader.join().expect("a trader's panic has failed the case already");
    }
}

/// Fails unless it is still the moment `began`: `what` was done without waiting, while `others` were
/// at work.
pub(crate) fn at_once(desk: &Desk, began: Duration, what: &str, others: &str) {
    let took = desk.now().saturating_sub(began);
    if took > ms(0) {
        fail(
            format!("{what} at {} to take no time while {others}", clock(began)),
            format!("{} of waiting", clock(took)),
        );
    }
}

/// The calling thread's name.
fn who() -> String {
    thread::current().name().unwrap_or("a thread").to_owned()
}

/// An error of the pool as a student would say it.
pub(crate) fn told(error: &PoolError<ExchangeError>) -> String {
    match error {
        PoolError::InvalidConfig(reason) => format!("InvalidConfig({reason:?})"),
        PoolError::Timeout => "Timeout".to_owned(),
        PoolError::Connect(error) => format!("Connect({error})"),
        PoolError::Closed => "Closed".to_owned(),
    }
}

/// What came of a `get`, as a student would say it.
pub(crate) fn outcome(result: &Outcome<Held>) -> String {
    match result {
        Ok(held) => format!("a connection (conn {})", held.id()),
        Err(error) => told(error),
    }
}
