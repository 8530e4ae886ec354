//! Pings one connection after the other, the one that has been idle longest first, and begins
//! at once; the checker listens to `close` with `select!`.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::mem;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::time::Duration;

use fixtures::AsyncManageConnection;
use tokio::sync::{Notify, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until, timeout};

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

#[derive(Default)]
struct Checker {
    last: Mutex<Option<CheckReport>>,
    stop: Arc<Notify>,
    /// Its other end is the checker's, and is dropped when that ends.
    ended: Mutex<Option<watch::Receiver<()>>>,
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
        let pool = Self::unchecked(manager, config, health.clone()).await?;
        let stop = Arc::clone(&pool.shared.checker.stop);
        let (end, ended) = watch::channel(());
        let pool_of_task = Arc::downgrade(&pool.shared);
        tokio::spawn(async move {
            check(pool_of_task, health, stop).await;
            drop(end);
        });
        *pool.shared.checker.ended.lock().unwrap() = Some(ended);
        Ok(pool)
    }

    /// One round.
    pub async fn check_once(&self) -> CheckReport {
        let mut report = self.shared.ping_all().await;
        while let Some(true) = self.shared.open_missing().await {
            report.opened += 1;
        }
        *self.shared.checker.last.lock().unwrap() = Some(report);
        report
    }

    /// The last round.
    pub fn last_check(&self) -> Option<CheckReport> {
        *self.shared.checker.last.lock().unwrap()
    }

    /// Closes the pool.
    pub async fn close(&self) {
        self.shared.shut();
        self.shared.checker.stop.notify_one();
        let ended = self.shared.checker.ended.lock().unwrap().clone();
        if let Some(mut ended) = ended {
            let _ = ended.changed().await;
        }
    }
}

async fn check<M: AsyncManageConnection>(
    pool: Weak<Shared<M>>,
    health: HealthConfig,
    stop: Arc<Notify>,
) {
    let mut ticks = interval(health.interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut pause = Duration::ZERO;
    let mut retry_at = Instant::now();
    loop {
        let round = tokio::select! {
            () = stop.notified() => return,
            _ = ticks.tick() => true,
            () = sleep_until(retry_at), if !pause.is_zero() => false,
        };
        let Some(shared) = pool.upgrade() else { return };
        let work = async {
            let mut report = CheckReport::default();
            if round {
                report = shared.ping_all().await;
            }
            if retry_at <= Instant::now() {
                loop {
                    match shared.open_missing().await {
                        Some(true) => report.opened += 1,
                        Some(false) => {
                            pause = (pause * 2).clamp(health.backoff_min, health.backoff_max);
                            retry_at = after(pause);
                            break;
                        }
                        None => {
                            pause = Duration::ZERO;
                            break;
                        }
                    }
                }
            }
            if round {
                *shared.checker.last.lock().unwrap() = Some(report);
            }
        };
        tokio::select! {
            () = stop.notified() => return,
            () = work => {}
        }
    }
}

/// A task that ends when nobody waits for it any more.
struct Waited<T>(JoinHandle<T>);

impl<T> Drop for Waited<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl<M: AsyncManageConnection> Shared<M> {
    async fn ping_all(self: &Arc<Self>) -> CheckReport {
        let mut report = CheckReport::default();
        let idle = self.state().idle.len();
        for _ in 0..idle {
            let Some(conn) = self.state().idle.pop_front() else { break };
            let mut place = Place::holding(self, conn);
            report.pinged += 1;
            let Some(conn) = &mut place.conn else { continue };
            let ping = timeout(self.health.ping_timeout, self.manager.is_valid(conn)).await;
            if !matches!(ping, Ok(Ok(()))) {
                report.removed += 1;
                place.close();
            }
        }
        report
    }

    /// Opens one connection if one is missing; whether that went well.
    async fn open_missing(self: &Arc<Self>) -> Option<bool> {
        let mut place = self.place_below(self.config.min_connections)?;
        let limit = self.config.connection_timeout;
        let mut opening = Waited(tokio::spawn(async move {
            matches!(timeout(limit, place.open()).await, Ok(Ok(())))
        }));
        Some((&mut opening.0).await.unwrap_or(false))
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
    idle: VecDeque<M::Connection>,
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
            state.idle.push_back(conn);
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
            if let Some(conn) = state.idle.pop_back() {
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
            idle: VecDeque::new(),
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
