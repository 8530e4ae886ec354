//! A waiting thread never sleeps: it tries the lock and yields, over and over, until its time is
//! over.
#![allow(missing_docs)]

use std::collections::VecDeque;
use std::fmt;
use std::mem;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError, Weak};
use std::thread;
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
    inner: Arc<Inner<M>>,
}

pub struct PooledConnection<M: ManageConnection> {
    conn: Option<Conn<M::Connection>>,
    inner: Weak<Inner<M>>,
}

struct Inner<M: ManageConnection> {
    manager: M,
    config: PoolConfig,
    slots: Mutex<Slots<M::Connection>>,
    spinning: AtomicU32,
}

struct Slots<C> {
    /// The one used last stands in front.
    idle: VecDeque<Conn<C>>,
    in_use: u32,
    /// Places that nobody has: no connection is open there, or being opened or closed.
    vacant: u32,
    closed: bool,
}

struct Conn<C> {
    raw: C,
    born: Instant,
    last_used: Instant,
}

/// A place that is neither vacant nor of a connection that could be lent; dropping it vacates it.
struct Slot<'a, M: ManageConnection>(&'a Inner<M>);

impl<M: ManageConnection> Drop for Slot<'_, M> {
    fn drop(&mut self) {
        self.0.lock().vacant += 1;
    }
}

/// Counts a spinning thread while it lives.
struct Spinning<'a>(&'a AtomicU32);

impl<'a> Spinning<'a> {
    fn begin(count: &'a AtomicU32) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(count)
    }
}

impl Drop for Spinning<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl<M: ManageConnection> Inner<M> {
    fn lock(&self) -> MutexGuard<'_, Slots<M::Connection>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn try_lock(&self) -> Option<MutexGuard<'_, Slots<M::Connection>>> {
        match self.slots.try_lock() {
            Ok(slots) => Some(slots),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    fn is_expired(&self, conn: &Conn<M::Connection>) -> bool {
        self.config.max_lifetime.is_some_and(|limit| conn.born.elapsed() > limit)
    }

    fn is_stale(&self, conn: &Conn<M::Connection>) -> bool {
        self.config.idle_timeout.is_some_and(|limit| conn.last_used.elapsed() > limit)
    }

    fn open(&self, slot: Slot<'_, M>) -> Result<Conn<M::Connection>, PoolError<M::Error>> {
        let raw = self.manager.connect().map_err(PoolError::Connect)?;
        mem::forget(slot);
        self.lock().in_use += 1;
        let now = Instant::now();
        Ok(Conn { raw, born: now, last_used: now })
    }

    fn discard(&self, conn: Conn<M::Connection>) {
        let slot = Slot(self);
        drop(conn);
        drop(slot);
    }

    /// Takes back what is in use; closes it if it is of no more use.
    fn take_back(&self, mut conn: Conn<M::Connection>) {
        let good = !self.is_expired(&conn) && !self.manager.has_broken(&mut conn.raw);
        let mut slots = self.lock();
        slots.in_use -= 1;
        if good && !slots.closed {
            conn.last_used = Instant::now();
            slots.idle.push_front(conn);
        } else {
            drop(slots);
            self.discard(conn);
        }
    }
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
            idle.push_front(Conn { raw, born: now, last_used: now });
        }
        let vacant = config.max_connections - config.min_connections;
        let slots = Mutex::new(Slots { idle, in_use: 0, vacant, closed: false });
        Ok(Self { inner: Arc::new(Inner { manager, config, slots, spinning: AtomicU32::new(0) }) })
    }

    pub fn get(&self) -> Result<PooledConnection<M>, PoolError<M::Error>> {
        self.get_timeout(self.inner.config.connection_timeout)
    }

    pub fn get_timeout(
        &self,
        timeout: Duration,
    ) -> Result<PooledConnection<M>, PoolError<M::Error>> {
        let inner = &self.inner;
        let lend = |conn| PooledConnection { conn: Some(conn), inner: Arc::downgrade(inner) };
        let deadline = Instant::now().checked_add(timeout);
        let mut spinning = None;
        loop {
            let too_late = deadline.is_some_and(|deadline| Instant::now() >= deadline);
            // Without the lock there was no look, and without a look nobody gives up.
            if let Some(mut slots) = inner.try_lock() {
                if slots.closed {
                    return Err(PoolError::Closed);
                }
                if let Some(mut conn) = slots.idle.pop_front() {
                    slots.in_use += 1;
                    drop(slots);
                    if !inner.is_expired(&conn) && !inner.manager.has_broken(&mut conn.raw) {
                        return Ok(lend(conn));
                    }
                    inner.take_back(conn);
                    continue;
                }
                if slots.vacant > 0 {
                    slots.vacant -= 1;
                    drop(slots);
                    return inner.open(Slot(inner)).map(lend);
                }
                if too_late {
                    return Err(PoolError::Timeout);
                }
            }
            spinning.get_or_insert_with(|| Spinning::begin(&inner.spinning));
            thread::yield_now();
        }
    }

    pub fn status(&self) -> Status {
        let slots = self.inner.lock();
        let idle = u32::try_from(slots.idle.len()).expect("no more than max_connections");
        let waiting = self.inner.spinning.load(Ordering::SeqCst);
        Status { size: idle + slots.in_use, idle, in_use: slots.in_use, waiting }
    }

    pub fn reap(&self) -> usize {
        let inner = &self.inner;
        let mut slots = inner.lock();
        let idle = mem::take(&mut slots.idle);
        let (mut old, mut young): (Vec<_>, VecDeque<_>) = (Vec::new(), VecDeque::new());
        for conn in idle {
            if inner.is_expired(&conn) { old.push(conn) } else { young.push_back(conn) }
        }
        let min = inner.config.min_connections as usize;
        let mut spare = (young.len() + slots.in_use as usize).saturating_sub(min);
        // From the back: those that nobody has used for longest.
        for conn in young.into_iter().rev() {
            if spare > 0 && inner.is_stale(&conn) {
                spare -= 1;
                old.push(conn);
            } else {
                slots.idle.push_front(conn);
            }
        }
        drop(slots);
        old.into_iter().map(|conn| inner.discard(conn)).count()
    }

    pub fn close(&self) {
        let mut slots = self.inner.lock();
        slots.closed = true;
        let idle = mem::take(&mut slots.idle);
        drop(slots);
        for conn in idle {
            self.inner.discard(conn);
        }
    }
}

impl<M: ManageConnection> Clone for Pool<M> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner) }
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
        let (conn, inner) = (self.conn.take(), self.inner.upgrade());
        if let (Some(conn), Some(inner)) = (conn, inner) {
            inner.take_back(conn);
        }
    }
}
