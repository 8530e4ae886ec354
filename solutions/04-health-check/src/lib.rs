//! Task 04: a pool that looks after its connections.
//!
//! The README beside this crate tells what the pool promises (P1, P2, …); the docs below are the
//! same contract, function by function. The pool itself is given and works; the checker is yours.
//! Add whatever private fields, types and functions you like; leave the public names and
//! signatures as they are.

use std::collections::BTreeMap;
use std::fmt;
use std::mem;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use fixtures::AsyncManageConnection;
use tokio::sync::oneshot;
use tokio::time::timeout;

// answer: import what your checker is made of
use std::sync::Weak;

use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, sleep_until};
// starter:
// end answer

/// How a pool behaves.
#[derive(Clone, Debug)]
pub struct PoolConfig {
    /// Opened by [`Pool::new`], and opened again by the checker when some have gone. Default 5.
    pub min_connections: u32,
    /// Never more than this at once: idle, lent out, being pinged, opened or closed. Default 20.
    pub max_connections: u32,
    /// How long [`Pool::get`] may take, and how long the checker lets each attempt to open a
    /// connection take. Default 30 s.
    pub connection_timeout: Duration,
}

impl Default for PoolConfig {
    fn default() -> Self {
        Self {
            min_connections: 5,
            max_connections: 20,
            connection_timeout: Duration::from_secs(30),
        }
    }
}

/// How a pool looks after its connections.
#[derive(Clone, Debug)]
pub struct HealthConfig {
    /// The time from one round of pings to the next. Default 30 s.
    pub interval: Duration,
    /// A connection that has not answered a ping after so long is dead. It may be longer than
    /// `interval`. Default 2 s.
    pub ping_timeout: Duration,
    /// The pause after a first failed attempt to restore a connection, from the attempt's end; and
    /// again the first one, once the minimum was there. Default 100 ms.
    pub backoff_min: Duration,
    /// Pauses grow with every further failure, up to this and never above. Default 30 s.
    pub backoff_max: Duration,
}

impl Default for HealthConfig {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(30),
            ping_timeout: Duration::from_secs(2),
            backoff_min: Duration::from_millis(100),
            backoff_max: Duration::from_secs(30),
        }
    }
}

/// Why there is no pool, or no connection.
#[derive(Debug)]
pub enum PoolError<E> {
    /// The configuration cannot work, for this reason.
    InvalidConfig(String),
    /// There was no connection in time.
    Timeout,
    /// A connection could not be opened.
    Connect(E),
    /// The pool has been closed.
    Closed,
}

impl<E: fmt::Display> fmt::Display for PoolError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InvalidConfig(reason) => write!(f, "the configuration cannot work: {reason}"),
            Self::Timeout => f.write_str("there was no connection in time"),
            Self::Connect(error) => write!(f, "a connection could not be opened: {error}"),
            Self::Closed => f.write_str("the pool is closed"),
        }
    }
}

impl<E: std::error::Error + 'static> std::error::Error for PoolError<E> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Connect(error) => Some(error),
            _ => None,
        }
    }
}

/// What a pool looks like at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    /// Places that are taken, of `max_connections`.
    pub size: u32,
    /// Connections that wait for somebody to take them.
    pub idle: u32,
    /// All others: lent out, and those that are just being pinged or opened.
    pub in_use: u32,
    /// Tasks that wait for a connection.
    pub waiting: u32,
}

/// What a round of the checker came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CheckReport {
    /// Connections that it pinged, whatever they answered.
    pub pinged: u32,
    /// Connections that it closed, because they were dead.
    pub removed: u32,
    /// Connections that it opened, to have `min_connections` again.
    pub opened: u32,
}

/// A pool of connections. Cloning it is cheap and gives another handle to the same pool.
pub struct Pool<M: AsyncManageConnection> {
    shared: Arc<Shared<M>>,
}

impl<M: AsyncManageConnection> Clone for Pool<M> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

// ---- The checker: yours. ------------------------------------------------------------------------

/// What the checker has to remember. The pool has it beside its own state, as `shared.checker`.
#[derive(Default)]
struct Checker {
    // answer: what the checker has to remember
    last: Mutex<Option<CheckReport>>,
    /// Under a lock of tokio's, for `close` holds it while it waits for the task.
    task: tokio::sync::Mutex<Option<JoinHandle<()>>>,
    // starter:
    // // Your fields; they begin with their `Default`.
    // end answer
}

impl<M: AsyncManageConnection> Pool<M> {
    /// A pool over `manager`, with `min_connections` open and idle, and a task that checks them.
    ///
    /// # Errors
    /// [`PoolError::InvalidConfig`], before anything is opened, if `max_connections` is 0 or less
    /// than `min_connections`, if `interval`, `ping_timeout` or `backoff_min` is zero, or if
    /// `backoff_min` is above `backoff_max`. [`PoolError::Connect`] or [`PoolError::Timeout`] if one
    /// of the first connections could not be opened; those that were are closed again.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub async fn new(
        manager: M,
        config: PoolConfig,
        health: HealthConfig,
    ) -> Result<Self, PoolError<M::Error>> {
        // answer: look at the configuration (P1), then `Pool::unchecked`, then the checker (P2)
        if health.interval.is_zero() || health.ping_timeout.is_zero() {
            return Err(PoolError::InvalidConfig("interval or ping_timeout is zero".into()));
        }
        if health.backoff_min.is_zero() || health.backoff_min > health.backoff_max {
            let reason = "backoff_min is zero or above backoff_max";
            return Err(PoolError::InvalidConfig(reason.into()));
        }
        let pool = Self::unchecked(manager, config, health).await?;
        let health = pool.shared.health.clone();
        let task = tokio::spawn(Shared::watch(Arc::downgrade(&pool.shared), health));
        *pool.shared.checker.task.lock().await = Some(task);
        Ok(pool)
        // end answer
    }

    /// Does one round now, beside those of the checker's own: pings every connection that is idle,
    /// closes those that are dead, and opens what is missing to `min_connections`. It is a round of
    /// its own, whichever others are under way.
    pub async fn check_once(&self) -> CheckReport {
        // answer: ping, close what is dead, restore the minimum, report (P3 to P8, P11 to P13)
        let mut report = self.shared.ping_idle().await;
        (report.opened, _) = self.shared.restore().await;
        self.shared.report(report);
        report
        // end answer
    }

    /// The report of the round that has ended last, the checker's own or one of
    /// [`check_once`](Self::check_once), also if there was nothing to do; `None` before the first.
    pub fn last_check(&self) -> Option<CheckReport> {
        // answer: the last round's report (P11)
        *self.shared.checker.last.lock().expect("nobody panics with it")
        // end answer
    }

    /// Closes the pool: what is idle, what was being pinged, and what is lent out when it comes
    /// back. Whoever waits for a connection, or asks later, gets [`PoolError::Closed`]. The checker
    /// has ended when this returns, also for one who closes it again meanwhile, or after a `close` that
    /// was dropped half-way. Closing it once more does nothing.
    pub async fn close(&self) {
        // answer: close the pool with `Shared::shut`, and end the checker (P10)
        self.shared.shut();
        // The handle stays in its place until the task has ended: a second `close` waits here, and
        // one that is dropped half-way leaves the waiting to the next.
        let mut task = self.shared.checker.task.lock().await;
        if let Some(running) = task.as_mut() {
            running.abort();
            let _ = running.await;
        }
        *task = None;
        // end answer
    }
}

// answer: your own functions, if you want any
impl<M: AsyncManageConnection> Shared<M> {
    /// The checker: a round every `interval`, and between rounds, after a connection could not be
    /// opened, another attempt whenever the back-off permits one.
    ///
    /// While it sleeps it holds the pool by a `Weak` only: else no pool would ever end that nobody
    /// closes.
    async fn watch(pool: Weak<Self>, health: HealthConfig) {
        let mut round_at = after(health.interval);
        // The next attempt to open a connection, and the pause before it.
        let mut retry: Option<(Instant, Duration)> = None;
        loop {
            sleep_until(retry.map_or(round_at, |(at, _)| at.min(round_at))).await;
            let Some(shared) = pool.upgrade() else { return };
            let mut report = None;
            if round_at <= Instant::now() {
                round_at = after(health.interval);
                report = Some(shared.ping_idle().await);
            }
            if retry.is_none_or(|(at, _)| at <= Instant::now()) {
                let (opened, failed) = shared.restore().await;
                if let Some(report) = &mut report {
                    report.opened = opened;
                }
                let longer = |pause: Duration| pause.saturating_mul(2).min(health.backoff_max);
                let pause = retry.map_or(health.backoff_min, |(_, pause)| longer(pause));
                retry = failed.then(|| (after(pause), pause));
            }
            if let Some(report) = report {
                shared.report(report);
            }
        }
    }

    /// Pings everything that is idle, all at the same time, and closes what does not answer.
    async fn ping_idle(self: &Arc<Self>) -> CheckReport {
        // Out of the idle list, so that nobody else gets them; each stays in its place.
        let idle = mem::take(&mut self.state().idle);
        let mut report = CheckReport::default();
        // A task for each: they wait together, and one that panics takes no other with it. They end
        // with the set, so a round that is cancelled leaves none behind.
        let mut pings = JoinSet::new();
        for conn in idle {
            report.pinged += 1;
            pings.spawn(Place::holding(self, conn).ping());
        }
        while let Some(alive) = pings.join_next().await {
            report.removed += u32::from(!matches!(alive, Ok(true)));
        }
        report
    }

    /// Opens what is missing to the minimum, one after the other: so an outage costs one attempt,
    /// not one for each that is missing. Says how many it opened, and whether an attempt failed.
    async fn restore(self: &Arc<Self>) -> (u32, bool) {
        let limit = self.config.connection_timeout;
        let mut opened = 0;
        while let Some(mut place) = self.place_below(self.config.min_connections) {
            let mut attempt = JoinSet::new();
            attempt.spawn(async move { matches!(timeout(limit, place.open()).await, Ok(Ok(()))) });
            if !matches!(attempt.join_next().await, Some(Ok(true))) {
                return (opened, true);
            }
            opened += 1;
        }
        (opened, false)
    }

    fn report(&self, report: CheckReport) {
        *self.checker.last.lock().expect("nobody panics with it") = Some(report);
    }
}

impl<M: AsyncManageConnection> Place<M> {
    /// Whether the connection answers in time; one that does not is closed.
    async fn ping(mut self) -> bool {
        let Self { conn: Some(conn), shared } = &mut self else { return false };
        let answer = timeout(shared.health.ping_timeout, shared.manager.is_valid(conn)).await;
        let alive = matches!(answer, Ok(Ok(())));
        if !alive {
            self.close();
        }
        alive
    }
}

/// Some thirty years: no clock can count up to `Duration::MAX`.
const FAR: Duration = Duration::from_hours(270_000);

fn after(time: Duration) -> Instant {
    Instant::now() + time.min(FAR)
}
// starter:
// end answer

// ---- The pool: given. It is right as it is, also when a `get` is cancelled. ---------------------

/// A connection on loan. It derefs to the connection; dropping it gives the connection back.
pub struct PooledConnection<M: AsyncManageConnection> {
    place: Place<M>,
}

struct Shared<M: AsyncManageConnection> {
    manager: M,
    config: PoolConfig,
    health: HealthConfig,
    state: Mutex<State<M>>,
    checker: Checker,
}

/// Everything that changes, as plain data under one lock. Nobody holds the lock across an `await`,
/// or while a connection is closed.
struct State<M: AsyncManageConnection> {
    /// The last one to come back is the first one to go.
    idle: Vec<M::Connection>,
    /// How many places are taken: one for each idle connection, one for each [`Place`].
    size: u32,
    /// The tasks that wait, by their tickets: the first has waited longest. Only while all places
    /// are taken and none is idle.
    waiting: BTreeMap<u64, oneshot::Sender<Place<M>>>,
    next_ticket: u64,
    closed: bool,
}

/// One of the `max_connections` places, and the connection in it if there is one. Whoever has it may
/// open a connection there.
///
/// Dropping it gives it back: into the hands of the task that has waited longest, with its
/// connection or empty; else the connection becomes idle, or the place is free. A connection that
/// `has_broken`, or whose pool is closed, is closed first.
struct Place<M: AsyncManageConnection> {
    conn: Option<M::Connection>,
    shared: Arc<Shared<M>>,
}

impl<M: AsyncManageConnection> Place<M> {
    /// The place of a connection that was taken out of the idle ones.
    fn holding(shared: &Arc<Shared<M>>, conn: M::Connection) -> Self {
        Self { conn: Some(conn), shared: Arc::clone(shared) }
    }

    /// Opens a connection here.
    async fn open(&mut self) -> Result<(), M::Error> {
        self.conn = Some(self.shared.manager.connect().await?);
        Ok(())
    }

    /// Closes the connection; the place is empty then, and still taken.
    fn close(&mut self) {
        self.conn = None;
    }

    fn is_broken(&mut self) -> bool {
        self.conn.as_mut().is_some_and(|conn| self.shared.manager.has_broken(conn))
    }
}

impl<M: AsyncManageConnection> Drop for Place<M> {
    fn drop(&mut self) {
        if self.is_broken() {
            self.close();
        }
        let shared = Arc::clone(&self.shared);
        let mut state = shared.state();
        if state.closed {
            drop(state);
            self.close();
            state = shared.state();
        }
        if let Some((_, waiting)) = state.waiting.pop_first() {
            drop(state);
            let conn = self.conn.take();
            // A task that gives up at this moment sends it back: then it is dropped here, and goes
            // to the next one. One that gives up later drops it there, to the same end.
            drop(waiting.send(Place { conn, shared }));
        } else if let Some(conn) = self.conn.take() {
            state.idle.push(conn);
        } else {
            state.size -= 1;
        }
    }
}

/// A task's turn to get a place. Dropping it leaves the queue.
struct Turn<M: AsyncManageConnection> {
    ticket: u64,
    place: oneshot::Receiver<Place<M>>,
    shared: Arc<Shared<M>>,
}

impl<M: AsyncManageConnection> Turn<M> {
    async fn come(mut self) -> Result<Place<M>, PoolError<M::Error>> {
        (&mut self.place).await.map_err(|_| PoolError::Closed)
    }
}

impl<M: AsyncManageConnection> Drop for Turn<M> {
    fn drop(&mut self) {
        self.shared.state().waiting.remove(&self.ticket);
    }
}

/// What there is for a task that wants a connection.
enum Found<M: AsyncManageConnection> {
    Idle(Place<M>),
    Empty(Place<M>),
    Queue(Turn<M>),
}

impl<M: AsyncManageConnection> Shared<M> {
    fn state(&self) -> MutexGuard<'_, State<M>> {
        self.state.lock().expect("nobody panics with this lock")
    }

    /// An empty place, if fewer than `limit` places are taken and the pool is not closed.
    fn place_below(self: &Arc<Self>, limit: u32) -> Option<Place<M>> {
        let mut state = self.state();
        if state.closed || state.size >= limit {
            return None;
        }
        state.size += 1;
        Some(Place { conn: None, shared: Arc::clone(self) })
    }

    /// An idle connection; else an empty place; else a place in the queue.
    fn find(self: &Arc<Self>) -> Result<Found<M>, PoolError<M::Error>> {
        loop {
            let mut state = self.state();
            if state.closed {
                return Err(PoolError::Closed);
            }
            if let Some(conn) = state.idle.pop() {
                drop(state);
                let mut place = Place::holding(self, conn);
                if !place.is_broken() {
                    return Ok(Found::Idle(place));
                }
                // It is closed, its place is free, and there is another look.
            } else if state.size < self.config.max_connections {
                state.size += 1;
                return Ok(Found::Empty(Place { conn: None, shared: Arc::clone(self) }));
            } else {
                let (sender, place) = oneshot::channel();
                let ticket = state.next_ticket;
                state.next_ticket += 1;
                state.waiting.insert(ticket, sender);
                return Ok(Found::Queue(Turn { ticket, place, shared: Arc::clone(self) }));
            }
        }
    }

    /// Closes what is idle, tells those who wait, and lets nobody in any more.
    fn shut(&self) {
        let mut state = self.state();
        state.closed = true;
        let (idle, waiting) = (mem::take(&mut state.idle), mem::take(&mut state.waiting));
        state.size -= count(idle.len());
        drop(state);
        drop((idle, waiting));
    }
}

impl<M: AsyncManageConnection> Pool<M> {
    /// A pool with `min_connections` open and idle, and without a checker.
    async fn unchecked(
        manager: M,
        config: PoolConfig,
        health: HealthConfig,
    ) -> Result<Self, PoolError<M::Error>> {
        let PoolConfig { min_connections: min, max_connections: max, connection_timeout } = config;
        if max == 0 || min > max {
            let reason = format!("min_connections {min}, max_connections {max}");
            return Err(PoolError::InvalidConfig(reason));
        }
        let state = Mutex::new(State {
            idle: Vec::new(),
            size: 0,
            waiting: BTreeMap::new(),
            next_ticket: 0,
            closed: false,
        });
        let checker = Checker::default();
        let shared = Arc::new(Shared { manager, config, health, state, checker });
        while let Some(mut place) = shared.place_below(min) {
            let opened = timeout(connection_timeout, place.open()).await;
            opened.map_err(|_| PoolError::Timeout)?.map_err(PoolError::Connect)?;
        }
        Ok(Self { shared })
    }

    /// Takes a connection: an idle one; else a new one, if there is room for it; else the first
    /// that becomes free, in the order of asking. Cancelling it loses nothing.
    ///
    /// # Errors
    /// [`PoolError::Timeout`] after `connection_timeout`, [`PoolError::Connect`] when a new
    /// connection could not be opened, [`PoolError::Closed`] when the pool is or becomes closed.
    pub async fn get(&self) -> Result<PooledConnection<M>, PoolError<M::Error>> {
        let found = match self.shared.find()? {
            // The usual way reads no clock: that would cost more than all the rest.
            Found::Idle(place) => return Ok(PooledConnection { place }),
            found => found,
        };
        let open = async {
            let mut place = match found {
                Found::Idle(place) | Found::Empty(place) => place,
                Found::Queue(turn) => turn.come().await?,
            };
            if place.conn.is_none() {
                place.open().await.map_err(PoolError::Connect)?;
            }
            Ok(PooledConnection { place })
        };
        let limit = self.shared.config.connection_timeout;
        timeout(limit, open).await.unwrap_or(Err(PoolError::Timeout))
    }

    /// What the pool looks like now. Never waits.
    pub fn status(&self) -> Status {
        let state = self.shared.state();
        let (idle, waiting) = (count(state.idle.len()), count(state.waiting.len()));
        Status { size: state.size, idle, in_use: state.size - idle, waiting }
    }
}

impl<M: AsyncManageConnection> Deref for PooledConnection<M> {
    type Target = M::Connection;

    fn deref(&self) -> &M::Connection {
        self.place.conn.as_ref().expect("there until it is dropped")
    }
}

impl<M: AsyncManageConnection> DerefMut for PooledConnection<M> {
    fn deref_mut(&mut self) -> &mut M::Connection {
        self.place.conn.as_mut().expect("there until it is dropped")
    }
}

fn count(number: usize) -> u32 {
    u32::try_from(number).expect("fewer than 2^32")
}
