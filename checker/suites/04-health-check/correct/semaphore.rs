//! A pool made of a semaphore and a list: whoever holds a permit may hold a connection. Restores
//! all that is missing at the same time, and only upon rounds.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::time::Duration;

use fixtures::AsyncManageConnection;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::{AbortHandle, JoinSet};
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
    permits: Arc<Semaphore>,
    stock: Mutex<Stock<M::Connection>>,
    waiting: AtomicU32,
    last: Mutex<Option<CheckReport>>,
    checker: Mutex<Option<AbortHandle>>,
    /// One permit, which the checker's task has as long as it lives.
    running: Arc<Semaphore>,
}

struct Stock<C> {
    idle: Vec<C>,
    /// Connections: idle, held, or being opened.
    size: u32,
}

/// A permit, and the connection that comes with it.
struct Lease<M: AsyncManageConnection> {
    conn: Option<M::Connection>,
    shared: Arc<Shared<M>>,
    _permit: OwnedSemaphorePermit,
}

impl<M: AsyncManageConnection> Drop for Lease<M> {
    fn drop(&mut self) {
        let shared = &self.shared;
        let broken = |conn: &mut M::Connection| shared.manager.has_broken(conn);
        let good = self.conn.take().and_then(|mut conn| (!broken(&mut conn)).then_some(conn));
        let mut stock = shared.stock();
        match good {
            Some(conn) if !shared.permits.is_closed() => stock.idle.push(conn),
            gone => {
                drop(stock);
                drop(gone);
                shared.stock().size -= 1;
            }
        }
        // The permit goes last.
    }
}

impl<M: AsyncManageConnection> Lease<M> {
    async fn open(&mut self) -> Result<(), M::Error> {
        self.conn = Some(self.shared.manager.connect().await?);
        Ok(())
    }

    async fn ping(mut self) -> bool {
        let Some(mut conn) = self.conn.take() else { return false };
        let shared = Arc::clone(&self.shared);
        let ping = timeout(shared.health.ping_timeout, shared.manager.is_valid(&mut conn));
        let alive = matches!(ping.await, Ok(Ok(())));
        if alive {
            self.conn = Some(conn);
        }
        alive
    }
}

/// Counts a waiting task.
struct Waits<'a>(&'a AtomicU32);

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl<M: AsyncManageConnection> Shared<M> {
    fn stock(&self) -> MutexGuard<'_, Stock<M::Connection>> {
        self.stock.lock().unwrap()
    }

    fn lease(
        self: &Arc<Self>,
        permit: OwnedSemaphorePermit,
        conn: Option<M::Connection>,
    ) -> Lease<M> {
        Lease { conn, shared: Arc::clone(self), _permit: permit }
    }

    async fn ping_idle(self: &Arc<Self>) -> CheckReport {
        let mut report = CheckReport::default();
        let mut pings = JoinSet::new();
        {
            let mut stock = self.stock();
            let mut kept = Vec::new();
            while let Some(conn) = stock.idle.pop() {
                match Arc::clone(&self.permits).try_acquire_owned() {
                    Ok(permit) => {
                        pings.spawn(self.lease(permit, Some(conn)).ping());
                    }
                    Err(_) => kept.push(conn),
                }
            }
            stock.idle = kept;
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
            let Ok(permit) = Arc::clone(&self.permits).try_acquire_owned() else { break };
            {
                let mut stock = self.stock();
                if stock.size >= self.config.min_connections {
                    break;
                }
                stock.size += 1;
            }
            let mut lease = self.lease(permit, None);
            opening.spawn(async move { matches!(timeout(limit, lease.open()).await, Ok(Ok(()))) });
        }
        let (mut opened, mut well) = (0, true);
        while let Some(one) = opening.join_next().await {
            let one = one.unwrap_or(false);
            opened += u32::from(one);
            well &= one;
        }
        (opened, well)
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
        let permits = Arc::new(Semaphore::new(config.max_connections as usize));
        let shared = Arc::new(Shared {
            manager,
            config,
            health,
            permits,
            stock: Mutex::new(Stock { idle: Vec::new(), size: 0 }),
            waiting: AtomicU32::new(0),
            last: Mutex::default(),
            checker: Mutex::default(),
            running: Arc::new(Semaphore::new(1)),
        });
        for _ in 0..shared.config.min_connections {
            let opening = timeout(shared.config.connection_timeout, shared.manager.connect());
            let conn =
                opening.await.map_err(|_| PoolError::Timeout)?.map_err(PoolError::Connect)?;
            let mut stock = shared.stock();
            stock.idle.push(conn);
            stock.size += 1;
        }
        let running = Arc::clone(&shared.running).try_acquire_owned();
        let (of_task, health) = (Arc::downgrade(&shared), shared.health.clone());
        let task = tokio::spawn(async move {
            check(of_task, health).await;
            drop(running);
        });
        *shared.checker.lock().unwrap() = Some(task.abort_handle());
        Ok(Self { shared })
    }

    /// Takes a connection.
    pub async fn get(&self) -> Result<PooledConnection<M>, PoolError<M::Error>> {
        let shared = &self.shared;
        let take = async {
            shared.waiting.fetch_add(1, Ordering::Relaxed);
            let waits = Waits(&shared.waiting);
            let permit = Arc::clone(&shared.permits).acquire_owned().await;
            drop(waits);
            let mut lease = shared.lease(permit.map_err(|_| PoolError::Closed)?, None);
            let broken = {
                let mut stock = shared.stock();
                let mut broken = Vec::new();
                while lease.conn.is_none()
                    && let Some(mut conn) = stock.idle.pop()
                {
                    if shared.manager.has_broken(&mut conn) {
                        broken.push(conn);
                        stock.size -= 1;
                    } else {
                        lease.conn = Some(conn);
                    }
                }
                stock.size += u32::from(lease.conn.is_none());
                broken
            };
            drop(broken);
            if lease.conn.is_none() {
                lease.open().await.map_err(PoolError::Connect)?;
            }
            Ok(PooledConnection { lease })
        };
        let limit = shared.config.connection_timeout;
        timeout(limit, take).await.unwrap_or(Err(PoolError::Timeout))
    }

    /// What the pool looks like.
    pub fn status(&self) -> Status {
        let stock = self.shared.stock();
        let idle = u32::try_from(stock.idle.len()).unwrap();
        let waiting = self.shared.waiting.load(Ordering::Relaxed);
        Status { size: stock.size, idle, in_use: stock.size - idle, waiting }
    }

    /// One round.
    pub async fn check_once(&self) -> CheckReport {
        let mut report = self.shared.ping_idle().await;
        (report.opened, _) = self.shared.restore().await;
        *self.shared.last.lock().unwrap() = Some(report);
        report
    }

    /// The last round.
    pub fn last_check(&self) -> Option<CheckReport> {
        *self.shared.last.lock().unwrap()
    }

    /// Closes the pool.
    pub async fn close(&self) {
        self.shared.permits.close();
        if let Some(task) = self.shared.checker.lock().unwrap().take() {
            task.abort();
        }
        let idle = {
            let mut stock = self.shared.stock();
            let idle = std::mem::take(&mut stock.idle);
            stock.size -= u32::try_from(idle.len()).unwrap();
            idle
        };
        drop(idle);
        drop(self.shared.running.acquire().await);
    }
}

async fn check<M: AsyncManageConnection>(pool: Weak<Shared<M>>, health: HealthConfig) {
    let (mut failures, mut not_before) = (0_u32, Instant::now());
    loop {
        sleep(health.interval).await;
        let Some(shared) = pool.upgrade() else { break };
        let mut report = shared.ping_idle().await;
        if not_before <= Instant::now() {
            let well;
            (report.opened, well) = shared.restore().await;
            failures = if well { 0 } else { failures + 1 };
            let growth = health.backoff_min.saturating_mul(failures.pow(2));
            not_before = after(growth.min(health.backoff_max));
        }
        *shared.last.lock().unwrap() = Some(report);
    }
}

/// A connection on loan.
pub struct PooledConnection<M: AsyncManageConnection> {
    lease: Lease<M>,
}

impl<M: AsyncManageConnection> Deref for PooledConnection<M> {
    type Target = M::Connection;

    fn deref(&self) -> &M::Connection {
        self.lease.conn.as_ref().expect("there until it is dropped")
    }
}

impl<M: AsyncManageConnection> DerefMut for PooledConnection<M> {
    fn deref_mut(&mut self) -> &mut M::Connection {
        self.lease.conn.as_mut().expect("there until it is dropped")
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
