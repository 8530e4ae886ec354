//! A pool whose tasks look every two milliseconds, first come, not first served. Two tasks: one
//! pings, the other looks every ten milliseconds what is missing; pauses grow by backoff_min.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::time::Duration;

use fixtures::AsyncManageConnection;
use tokio::task::{AbortHandle, JoinError, JoinHandle};
use tokio::time::{Instant, sleep, timeout};

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
}

impl<M: AsyncManageConnection> Clone for Pool<M> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

struct Shared<M: AsyncManageConnection> {
    manager: M,
    config: PoolConfig,
    health: HealthConfig,
    state: Mutex<State<M::Connection>>,
}

struct State<C> {
    idle: Vec<C>,
    size: u32,
    waiting: u32,
    closed: bool,
    last: Option<CheckReport>,
    tasks: Vec<AbortHandle>,
}

const GLANCE: Duration = Duration::from_millis(2);

impl<M: AsyncManageConnection> Shared<M> {
    fn state(&self) -> MutexGuard<'_, State<M::Connection>> {
        self.state.lock().unwrap()
    }

    fn room(self: &Arc<Self>, limit: u32) -> Option<Hold<M>> {
        let mut state = self.state();
        if state.closed || state.size >= limit {
            return None;
        }
        state.size += 1;
        Some(Hold { conn: None, shared: Arc::clone(self) })
    }

    fn look(self: &Arc<Self>) -> Result<Option<Hold<M>>, PoolError<M::Error>> {
        let conn = {
            let mut state = self.state();
            if state.closed {
                return Err(PoolError::Closed);
            }
            state.idle.pop()
        };
        match conn {
            Some(mut conn) => {
                let broken = self.manager.has_broken(&mut conn);
                let mut hold = Hold { conn: Some(conn), shared: Arc::clone(self) };
                if broken {
                    hold.conn = None;
                    drop(hold);
                    return self.look();
                }
                Ok(Some(hold))
            }
            None => Ok(self.room(self.config.max_connections)),
        }
    }

    async fn open(hold: &mut Hold<M>) -> Result<(), M::Error> {
        hold.conn = Some(hold.shared.manager.connect().await?);
        Ok(())
    }

    async fn ping_idle(self: &Arc<Self>) -> CheckReport {
        let mut holds: Vec<_> = {
            let mut state = self.state();
            let idle = std::mem::take(&mut state.idle);
            idle.into_iter()
                .map(|conn| Hold { conn: Some(conn), shared: Arc::clone(self) })
                .collect()
        };
        let mut report = CheckReport::default();
        while let Some(mut hold) = holds.pop() {
            report.pinged += 1;
            let Some(conn) = hold.conn.as_mut() else { continue };
            let ping = timeout(self.health.ping_timeout, self.manager.is_valid(conn)).await;
            if !matches!(ping, Ok(Ok(()))) {
                hold.conn = None;
                report.removed += 1;
            }
        }
        report
    }

    /// Opens what is missing; the number of those that were opened, or an error with it.
    async fn restore(self: &Arc<Self>) -> Result<u32, u32> {
        let mut opened = 0;
        while let Some(mut hold) = self.room(self.config.min_connections) {
            let limit = self.config.connection_timeout;
            let opening = Ends(tokio::spawn(async move {
                matches!(timeout(limit, Self::open(&mut hold)).await, Ok(Ok(())))
            }));
            if !opening.ended().await.unwrap_or(false) {
                return Err(opened);
            }
            opened += 1;
        }
        Ok(opened)
    }

    async fn pings(pool: Weak<Self>, interval: Duration) {
        loop {
            sleep(interval).await;
            let Some(shared) = pool.upgrade() else { return };
            let report = shared.ping_idle().await;
            shared.state().last = Some(report);
        }
    }

    async fn restores(pool: Weak<Self>, health: HealthConfig) {
        let (mut pause, mut not_before) = (Duration::ZERO, Instant::now());
        loop {
            sleep(Duration::from_millis(10)).await;
            let Some(shared) = pool.upgrade() else { return };
            if Instant::now() < not_before {
                continue;
            }
            pause = match shared.restore().await {
                Ok(_) => Duration::ZERO,
                Err(_) => pause.saturating_add(health.backoff_min).min(health.backoff_max),
            };
            not_before = after(pause);
        }
    }
}

/// A task that is ended when it is forgotten.
struct Ends<T>(JoinHandle<T>);

impl<T> Ends<T> {
    async fn ended(mut self) -> Result<T, JoinError> {
        (&mut self.0).await
    }
}

impl<T> Drop for Ends<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A place, and the connection in it.
struct Hold<M: AsyncManageConnection> {
    conn: Option<M::Connection>,
    shared: Arc<Shared<M>>,
}

impl<M: AsyncManageConnection> Drop for Hold<M> {
    fn drop(&mut self) {
        let manager = &self.shared.manager;
        let good = self.conn.take().filter_map_mut(|conn| !manager.has_broken(conn));
        let mut state = self.shared.state();
        match good {
            Some(conn) if !state.closed => state.idle.push(conn),
            gone => {
                drop(state);
                drop(gone);
                self.shared.state().size -= 1;
            }
        }
    }
}

/// `Option::filter` that may look at the value through `&mut`.
trait FilterMut<T> {
    fn filter_map_mut(self, keep: impl FnOnce(&mut T) -> bool) -> Option<T>;
}

impl<T> FilterMut<T> for Option<T> {
    fn filter_map_mut(mut self, keep: impl FnOnce(&mut T) -> bool) -> Option<T> {
        if self.as_mut().is_some_and(keep) { self } else { None }
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
        let state = State {
            idle: Vec::new(),
            size: 0,
            waiting: 0,
            closed: false,
            last: None,
            tasks: Vec::new(),
        };
        let shared = Arc::new(Shared { manager, config, health, state: Mutex::new(state) });
        while let Some(mut hold) = shared.room(shared.config.min_connections) {
            let opening = timeout(shared.config.connection_timeout, Shared::open(&mut hold));
            opening.await.map_err(|_| PoolError::Timeout)?.map_err(PoolError::Connect)?;
        }
        let health = shared.health.clone();
        let tasks = vec![
            tokio::spawn(Shared::pings(Arc::downgrade(&shared), health.interval)),
            tokio::spawn(Shared::restores(Arc::downgrade(&shared), health)),
        ];
        shared.state().tasks = tasks.iter().map(JoinHandle::abort_handle).collect();
        Ok(Self { shared })
    }

    /// Takes a connection.
    pub async fn get(&self) -> Result<PooledConnection<M>, PoolError<M::Error>> {
        let shared = &self.shared;
        let take = async {
            let mut hold = match shared.look()? {
                Some(hold) => hold,
                None => {
                    shared.state().waiting += 1;
                    let _waits = Waits(shared);
                    loop {
                        sleep(GLANCE).await;
                        if let Some(hold) = shared.look()? {
                            break hold;
                        }
                    }
                }
            };
            if hold.conn.is_none() {
                Shared::open(&mut hold).await.map_err(PoolError::Connect)?;
            }
            Ok(PooledConnection { hold })
        };
        timeout(shared.config.connection_timeout, take).await.unwrap_or(Err(PoolError::Timeout))
    }

    /// What the pool looks like.
    pub fn status(&self) -> Status {
        let state = self.shared.state();
        let idle = u32::try_from(state.idle.len()).unwrap();
        Status { size: state.size, idle, in_use: state.size - idle, waiting: state.waiting }
    }

    /// One round.
    pub async fn check_once(&self) -> CheckReport {
        let mut report = self.shared.ping_idle().await;
        report.opened = self.shared.restore().await.unwrap_or_else(|opened| opened);
        self.shared.state().last = Some(report);
        report
    }

    /// The last round.
    pub fn last_check(&self) -> Option<CheckReport> {
        self.shared.state().last
    }

    /// Closes the pool.
    pub async fn close(&self) {
        let (idle, tasks) = {
            let mut state = self.shared.state();
            state.closed = true;
            (std::mem::take(&mut state.idle), state.tasks.clone())
        };
        self.shared.state().size -= u32::try_from(idle.len()).unwrap();
        drop(idle);
        for task in tasks {
            task.abort();
            while !task.is_finished() {
                sleep(GLANCE).await;
            }
        }
    }
}

/// Counts a waiting task.
struct Waits<'a, M: AsyncManageConnection>(&'a Shared<M>);

impl<M: AsyncManageConnection> Drop for Waits<'_, M> {
    fn drop(&mut self) {
        self.0.state().waiting -= 1;
    }
}

/// A connection on loan.
pub struct PooledConnection<M: AsyncManageConnection> {
    hold: Hold<M>,
}

impl<M: AsyncManageConnection> Deref for PooledConnection<M> {
    type Target = M::Connection;

    fn deref(&self) -> &M::Connection {
        self.hold.conn.as_ref().expect("there until it is dropped")
    }
}

impl<M: AsyncManageConnection> DerefMut for PooledConnection<M> {
    fn deref_mut(&mut self) -> &mut M::Connection {
        self.hold.conn.as_mut().expect("there until it is dropped")
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
