//! Tasks wait on a `Notify` and look again when they are woken. No `Weak`: the last handle ends
//! the checker when it is dropped. The first round begins at once, and pauses have jitter.

use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::{BuildHasher, Hasher};
use std::ops::{Deref, DerefMut};
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use fixtures::AsyncManageConnection;
use tokio::sync::Notify;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, sleep_until, timeout};

/// How a pool behaves.
#[derive(Clone, Debug)]
pub struct PoolConfig {
    /// Opened by [`Pool::new`], and opened again by the checker when some have gone. Default 5.
    pub min_connections: u32,
    /// Never more than this at once: idle, lent out, being pinged, opened or closed. Default 20.
    pub max_connections: u32,
    /// How long [`Pool::get`] may take, and how long the checker lets an attempt to open a
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
    /// A connection that has not answered a ping after so long is dead. Default 2 s.
    pub ping_timeout: Duration,
    /// The pause after a first failed attempt to restore a connection. Default 100 ms.
    pub backoff_min: Duration,
    /// Pauses grow with every further failure, up to this. Default 30 s.
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

/// A pool of connections.
pub struct Pool<M: AsyncManageConnection> {
    shared: Arc<Shared<M>>,
    /// Ends the checker's task when the last handle goes.
    task: Arc<Task>,
}

impl<M: AsyncManageConnection> Clone for Pool<M> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared), task: Arc::clone(&self.task) }
    }
}

struct Task(AbortHandle);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

struct Shared<M: AsyncManageConnection> {
    manager: M,
    config: PoolConfig,
    health: HealthConfig,
    state: Mutex<State<M::Connection>>,
    freed: Notify,
}

struct State<C> {
    idle: Vec<C>,
    size: u32,
    waiting: u32,
    closed: bool,
    last: Option<CheckReport>,
}

/// A place and its connection: counted in `size`, given back when it is dropped.
struct Slot<M: AsyncManageConnection> {
    conn: Option<M::Connection>,
    shared: Arc<Shared<M>>,
}

impl<M: AsyncManageConnection> Drop for Slot<M> {
    fn drop(&mut self) {
        let shared = &self.shared;
        if self.conn.as_mut().is_some_and(|conn| shared.manager.has_broken(conn)) {
            self.conn = None;
        }
        let mut state = shared.state();
        if !state.closed
            && let Some(conn) = self.conn.take()
        {
            state.idle.push(conn);
        } else {
            drop(state);
            self.conn = None;
            shared.state().size -= 1;
        }
        shared.freed.notify_one();
    }
}

impl<M: AsyncManageConnection> Slot<M> {
    fn close(&mut self) {
        self.conn = None;
    }

    async fn open(&mut self) -> Result<(), M::Error> {
        self.conn = Some(self.shared.manager.connect().await?);
        Ok(())
    }
}

impl<M: AsyncManageConnection> Shared<M> {
    fn state(&self) -> MutexGuard<'_, State<M::Connection>> {
        self.state.lock().unwrap()
    }

    fn slot(self: &Arc<Self>, conn: Option<M::Connection>) -> Slot<M> {
        Slot { conn, shared: Arc::clone(self) }
    }

    fn look(self: &Arc<Self>) -> Result<Option<Slot<M>>, PoolError<M::Error>> {
        let mut broken = Vec::new();
        let mut state = self.state();
        if state.closed {
            return Err(PoolError::Closed);
        }
        while let Some(mut conn) = state.idle.pop() {
            if !self.manager.has_broken(&mut conn) {
                drop(state);
                drop(broken);
                return Ok(Some(self.slot(Some(conn))));
            }
            // Looked at again, and closed, when it is dropped below.
            broken.push(self.slot(Some(conn)));
        }
        if !broken.is_empty() {
            drop(state);
            drop(broken);
            return self.look();
        }
        if state.size >= self.config.max_connections {
            return Ok(None);
        }
        state.size += 1;
        drop(state);
        Ok(Some(self.slot(None)))
    }

    async fn round(self: &Arc<Self>) -> CheckReport {
        let mut report = CheckReport::default();
        let mut pings = JoinSet::new();
        let idle = std::mem::take(&mut self.state().idle);
        for conn in idle {
            let mut slot = self.slot(Some(conn));
            pings.spawn(async move {
                let shared = Arc::clone(&slot.shared);
                let Some(conn) = slot.conn.as_mut() else { return false };
                let ping = timeout(shared.health.ping_timeout, shared.manager.is_valid(conn)).await;
                let alive = matches!(ping, Ok(Ok(())));
                if !alive {
                    slot.close();
                }
                alive
            });
        }
        while let Some(alive) = pings.join_next().await {
            report.pinged += 1;
            report.removed += u32::from(!alive.unwrap_or(false));
        }
        report
    }

    /// How many were opened, and whether all went well.
    async fn restore(self: &Arc<Self>) -> (u32, bool) {
        let limit = self.config.connection_timeout;
        let mut opening = JoinSet::new();
        loop {
            let mut slot = {
                let mut state = self.state();
                if state.closed || state.size >= self.config.min_connections {
                    break;
                }
                state.size += 1;
                self.slot(None)
            };
            opening.spawn(async move { matches!(timeout(limit, slot.open()).await, Ok(Ok(()))) });
        }
        let (mut opened, mut well) = (0, true);
        while let Some(one) = opening.join_next().await {
            let one = one.unwrap_or(false);
            opened += u32::from(one);
            well &= one;
        }
        (opened, well)
    }

    async fn check(self: Arc<Self>) {
        let mut round_at = Instant::now();
        let (mut retry_at, mut pause) = (None, Duration::ZERO);
        loop {
            sleep_until(retry_at.map_or(round_at, |at: Instant| at.min(round_at))).await;
            let report = if round_at <= Instant::now() {
                round_at = after(self.health.interval);
                Some(self.round().await)
            } else {
                None
            };
            let mut opened = 0;
            if retry_at.is_none_or(|at| at <= Instant::now()) {
                let well;
                (opened, well) = self.restore().await;
                if well {
                    (retry_at, pause) = (None, Duration::ZERO);
                } else {
                    let HealthConfig { backoff_min, backoff_max, .. } = self.health;
                    pause = (pause * 2).clamp(backoff_min, backoff_max);
                    // Up to a fifth more, but not above the longest.
                    let luck = u32::try_from(RandomState::new().build_hasher().finish() % 100);
                    let more = pause / 500 * luck.unwrap_or(0);
                    retry_at = Some(after(pause.saturating_add(more).min(backoff_max)));
                }
            }
            if let Some(report) = report {
                self.state().last = Some(CheckReport { opened, ..report });
            }
        }
    }
}

impl<M: AsyncManageConnection> Pool<M> {
    /// A pool and its checker.
    pub async fn new(
        manager: M,
        config: PoolConfig,
        health: HealthConfig,
    ) -> Result<Self, PoolError<M::Error>> {
        if let Some(error) = refused(&config, &health) {
            return Err(error);
        }
        let state = State { idle: Vec::new(), size: 0, waiting: 0, closed: false, last: None };
        let state = Mutex::new(state);
        let shared = Arc::new(Shared { manager, config, health, state, freed: Notify::new() });
        for _ in 0..shared.config.min_connections {
            shared.state().size += 1;
            let mut slot = shared.slot(None);
            let opening = timeout(shared.config.connection_timeout, slot.open());
            opening.await.map_err(|_| PoolError::Timeout)?.map_err(PoolError::Connect)?;
        }
        let task = tokio::spawn(Arc::clone(&shared).check()).abort_handle();
        Ok(Self { shared, task: Arc::new(Task(task)) })
    }

    /// Takes a connection.
    pub async fn get(&self) -> Result<PooledConnection<M>, PoolError<M::Error>> {
        let limit = self.shared.config.connection_timeout;
        timeout(limit, self.take()).await.unwrap_or(Err(PoolError::Timeout))
    }

    async fn take(&self) -> Result<PooledConnection<M>, PoolError<M::Error>> {
        let shared = &self.shared;
        let mut waits = None;
        let mut slot = loop {
            // A wake-up that reaches a future which is dropped then goes on to the next one.
            let mut freed = pin!(shared.freed.notified());
            freed.as_mut().enable();
            if let Some(slot) = shared.look()? {
                break slot;
            }
            waits.get_or_insert_with(|| Waits::new(shared));
            freed.await;
        };
        drop(waits);
        if slot.conn.is_none() {
            slot.open().await.map_err(PoolError::Connect)?;
        }
        Ok(PooledConnection { slot })
    }

    /// What the pool looks like.
    pub fn status(&self) -> Status {
        let state = self.shared.state();
        let idle = u32::try_from(state.idle.len()).unwrap();
        Status { size: state.size, idle, in_use: state.size - idle, waiting: state.waiting }
    }

    /// One round.
    pub async fn check_once(&self) -> CheckReport {
        let mut report = self.shared.round().await;
        (report.opened, _) = self.shared.restore().await;
        self.shared.state().last = Some(report);
        report
    }

    /// The last round.
    pub fn last_check(&self) -> Option<CheckReport> {
        self.shared.state().last
    }

    /// Closes the pool.
    pub async fn close(&self) {
        let idle = {
            let mut state = self.shared.state();
            state.closed = true;
            let idle = std::mem::take(&mut state.idle);
            state.size -= u32::try_from(idle.len()).unwrap();
            idle
        };
        drop(idle);
        self.task.0.abort();
        self.shared.freed.notify_waiters();
        while !self.task.0.is_finished() {
            tokio::task::yield_now().await;
        }
    }
}

/// Counts a waiting task.
struct Waits<'a, M: AsyncManageConnection>(&'a Shared<M>);

impl<'a, M: AsyncManageConnection> Waits<'a, M> {
    fn new(shared: &'a Shared<M>) -> Self {
        shared.state().waiting += 1;
        Self(shared)
    }
}

impl<M: AsyncManageConnection> Drop for Waits<'_, M> {
    fn drop(&mut self) {
        self.0.state().waiting -= 1;
    }
}

/// A connection on loan.
pub struct PooledConnection<M: AsyncManageConnection> {
    slot: Slot<M>,
}

impl<M: AsyncManageConnection> Deref for PooledConnection<M> {
    type Target = M::Connection;

    fn deref(&self) -> &M::Connection {
        self.slot.conn.as_ref().expect("there until it is dropped")
    }
}

impl<M: AsyncManageConnection> DerefMut for PooledConnection<M> {
    fn deref_mut(&mut self) -> &mut M::Connection {
        self.slot.conn.as_mut().expect("there until it is dropped")
    }
}

/// Some thirty years, where a clock cannot count so far as `Duration::MAX`.
const FAR: Duration = Duration::from_hours(270_000);

fn after(time: Duration) -> Instant {
    Instant::now() + time.min(FAR)
}

fn refused<E>(config: &PoolConfig, health: &HealthConfig) -> Option<PoolError<E>> {
    let reason = if config.max_connections == 0 {
        "max_connections is 0"
    } else if config.min_connections > config.max_connections {
        "min_connections is above max_connections"
    } else if health.interval.is_zero() {
        "interval is 0"
    } else if health.ping_timeout.is_zero() {
        "ping_timeout is 0"
    } else if health.backoff_min.is_zero() {
        "backoff_min is 0"
    } else if health.backoff_min > health.backoff_max {
        "backoff_min is above backoff_max"
    } else {
        return None;
    };
    Some(PoolError::InvalidConfig(reason.to_owned()))
}
