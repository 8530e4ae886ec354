//! Built on std's Mutex and Condvar; the connection that came back first goes out first.
#![allow(missing_docs)]

use std::collections::VecDeque;
use std::fmt;
use std::mem;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use fixtures::ManageConnection;

#[derive(Clone, Debug)]
pub struct PoolConfig {
    pub min_connections: u32,
    pub max_connections: u32,
    pub connection_timeout: Duration,
    pub max_lifetime: Option<Duration>,
    pub idle_timeout: Option<Duration>,
}

impl Default for PoolConfig {
    fn default() -> Self {
        Self {
            min_connections: 5,
            max_connections: 20,
            connection_timeout: Duration::from_secs(30),
            max_lifetime: Some(Duration::from_mins(30)),
            idle_timeout: Some(Duration::from_mins(10)),
        }
    }
}

impl PoolConfig {
    fn problem(&self) -> Option<String> {
        let Self { min_connections: min, max_connections: max, .. } = self;
        if *max == 0 {
            Some("max_connections is 0".to_owned())
        } else if min > max {
            Some(format!("min_connections {min} is above max_connections {max}"))
        } else {
            None
        }
    }
}

#[derive(Debug)]
pub enum PoolError<E> {
    InvalidConfig(String),
    Timeout,
    Connect(E),
    Closed,
}

impl<E: fmt::Display> fmt::Display for PoolError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InvalidConfig(reason) => write!(f, "the configuration cannot work: {reason}"),
            Self::Timeout => f.write_str("no connection became free in time"),
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

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    pub size: u32,
    pub idle: u32,
    pub in_use: u32,
    pub waiting: u32,
}

pub struct Pool<M: ManageConnection> {
    owner: Arc<Owner<M>>,
}

pub struct PooledConnection<M: ManageConnection> {
    conn: Option<Conn<M::Connection>>,
    inner: Arc<Inner<M>>,
}

/// Shared by the handles of the pool, but not by its guards: dropped with the last handle.
struct Owner<M: ManageConnection> {
    inner: Arc<Inner<M>>,
}

struct Inner<M: ManageConnection> {
    manager: M,
    config: PoolConfig,
    state: Mutex<State<M::Connection>>,
    available: Condvar,
}

struct State<C> {
    /// In the order in which they came back.
    idle: VecDeque<Conn<C>>,
    in_use: u32,
    /// Being opened or being closed.
    in_transit: u32,
    waiting: u32,
    closed: bool,
}

struct Conn<C> {
    raw: C,
    created: Instant,
    idle_since: Instant,
}

/// A place counted as `in_transit`; dropping it frees the place.
struct Transit<'a, M: ManageConnection>(&'a Inner<M>);

impl<M: ManageConnection> Drop for Transit<'_, M> {
    fn drop(&mut self) {
        self.0.lock().in_transit -= 1;
        self.0.available.notify_one();
    }
}

impl<C> State<C> {
    fn total(&self) -> usize {
        self.idle.len() + self.in_use as usize + self.in_transit as usize
    }
}

impl<M: ManageConnection> Inner<M> {
    fn lock(&self) -> MutexGuard<'_, State<M::Connection>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_fit(&self, conn: &mut Conn<M::Connection>) -> bool {
        !over(conn.created, self.config.max_lifetime) && !self.manager.has_broken(&mut conn.raw)
    }

    /// Opens a connection in a place that the caller has counted as `in_transit`.
    fn open(self: &Arc<Self>) -> Result<PooledConnection<M>, PoolError<M::Error>> {
        let transit = Transit(self);
        let raw = self.manager.connect().map_err(PoolError::Connect)?;
        mem::forget(transit);
        let mut state = self.lock();
        state.in_transit -= 1;
        state.in_use += 1;
        drop(state);
        let now = Instant::now();
        let conn = Conn { raw, created: now, idle_since: now };
        Ok(PooledConnection { conn: Some(conn), inner: Arc::clone(self) })
    }

    /// Closes connections whose places the caller has counted as `in_transit`.
    fn discard(&self, conns: impl IntoIterator<Item = Conn<M::Connection>>) -> usize {
        let close = |conn| {
            let transit = Transit(self);
            drop(conn);
            drop(transit);
        };
        conns.into_iter().map(close).count()
    }

    fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        let idle = mem::take(&mut state.idle);
        state.in_transit += count(idle.len());
        drop(state);
        self.available.notify_all();
        self.discard(idle);
    }
}

impl<M: ManageConnection> Drop for Owner<M> {
    fn drop(&mut self) {
        self.inner.close();
    }
}

fn over(since: Instant, limit: Option<Duration>) -> bool {
    limit.is_some_and(|limit| since.elapsed() > limit)
}

fn count(len: usize) -> u32 {
    u32::try_from(len).expect("no more than max_connections")
}

impl<M: ManageConnection> Pool<M> {
    pub fn new(manager: M, config: PoolConfig) -> Result<Self, PoolError<M::Error>> {
        if let Some(problem) = config.problem() {
            return Err(PoolError::InvalidConfig(problem));
        }
        let mut idle = VecDeque::new();
        for _ in 0..config.min_connections {
            let raw = manager.connect().map_err(PoolError::Connect)?;
            let now = Instant::now();
            idle.push_back(Conn { raw, created: now, idle_since: now });
        }
        let state = State { idle, in_use: 0, in_transit: 0, waiting: 0, closed: false };
        let (state, available) = (Mutex::new(state), Condvar::new());
        let inner = Arc::new(Inner { manager, config, state, available });
        Ok(Self { owner: Arc::new(Owner { inner }) })
    }

    pub fn get(&self) -> Result<PooledConnection<M>, PoolError<M::Error>> {
        self.get_timeout(self.owner.inner.config.connection_timeout)
    }

    pub fn get_timeout(
        &self,
        timeout: Duration,
    ) -> Result<PooledConnection<M>, PoolError<M::Error>> {
        let inner = &self.owner.inner;
        let deadline = Instant::now().checked_add(timeout);
        let mut state = inner.lock();
        loop {
            if state.closed {
                return Err(PoolError::Closed);
            }
            if let Some(conn) = state.idle.pop_front() {
                state.in_use += 1;
                drop(state);
                let mut guard = PooledConnection { conn: Some(conn), inner: Arc::clone(inner) };
                if guard.conn.as_mut().is_some_and(|conn| inner.is_fit(conn)) {
                    return Ok(guard);
                }
                // Dropping the guard closes what is not fit.
                drop(guard);
                state = inner.lock();
                continue;
            }
            if state.total() < inner.config.max_connections as usize {
                state.in_transit += 1;
                drop(state);
                return inner.open();
            }
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            if left.is_some_and(|left| left.is_zero()) {
                return Err(PoolError::Timeout);
            }
            state.waiting += 1;
            state = match left {
                Some(left) => {
                    let woken = inner.available.wait_timeout(state, left);
                    woken.unwrap_or_else(PoisonError::into_inner).0
                }
                None => inner.available.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
            state.waiting -= 1;
        }
    }

    pub fn status(&self) -> Status {
        let state = self.owner.inner.lock();
        let idle = count(state.idle.len());
        let size = idle + state.in_use;
        Status { size, idle, in_use: state.in_use, waiting: state.waiting }
    }

    pub fn reap(&self) -> usize {
        let inner = &self.owner.inner;
        let PoolConfig { min_connections, max_lifetime, idle_timeout, .. } = inner.config;
        let mut state = inner.lock();
        let (mut old, keep): (VecDeque<_>, VecDeque<_>) =
            mem::take(&mut state.idle).into_iter().partition(|c| over(c.created, max_lifetime));
        state.idle = keep;
        // Those idle for longest stand in front.
        while state.idle.len() + state.in_use as usize > min_connections as usize
            && state.idle.front().is_some_and(|conn| over(conn.idle_since, idle_timeout))
        {
            old.extend(state.idle.pop_front());
        }
        state.in_transit += count(old.len());
        drop(state);
        inner.discard(old)
    }

    pub fn close(&self) {
        self.owner.inner.close();
    }
}

impl<M: ManageConnection> Clone for Pool<M> {
    fn clone(&self) -> Self {
        Self { owner: Arc::clone(&self.owner) }
    }
}

impl<M: ManageConnection> Deref for PooledConnection<M> {
    type Target = M::Connection;

    fn deref(&self) -> &M::Connection {
        &self.conn.as_ref().expect("there until it is dropped").raw
    }
}

impl<M: ManageConnection> DerefMut for PooledConnection<M> {
    fn deref_mut(&mut self) -> &mut M::Connection {
        &mut self.conn.as_mut().expect("there until it is dropped").raw
    }
}

impl<M: ManageConnection> Drop for PooledConnection<M> {
    fn drop(&mut self) {
        let Some(mut conn) = self.conn.take() else { return };
        let fit = self.inner.is_fit(&mut conn);
        let mut state = self.inner.lock();
        state.in_use -= 1;
        if fit && !state.closed {
            conn.idle_since = Instant::now();
            state.idle.push_back(conn);
            drop(state);
            self.inner.available.notify_one();
        } else {
            state.in_transit += 1;
            drop(state);
            self.inner.discard([conn]);
        }
    }
}
