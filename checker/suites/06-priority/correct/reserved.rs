//! Nothing is handed over. What comes back lies in the pool, and one that waits is told by a `Notify` of
//! its own that one of what lies there is reserved for it; others count what is reserved, and leave it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::num::NonZeroU32;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fixtures::AsyncManageConnection;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

/// How urgent a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Priority {
    /// Is served before all normal ones, up to the starvation limit, and may always wait.
    Critical,
    /// Waits while anything critical does, in a queue that has an end.
    Normal,
}

/// How a pool behaves.
#[derive(Clone, Debug)]
pub struct PriorityConfig {
    /// Never more connections than this at once: idle, lent out, being opened or closed. Default 20.
    pub max_connections: u32,
    /// So many normal requests may wait; another one is refused. 0: none ever waits. Critical ones
    /// wait beside them, as many as come. Default 1,000.
    pub normal_queue: usize,
    /// How long [`PriorityPool::get`] may take from its first poll, waiting and connecting together.
    /// Default 30 s.
    pub connection_timeout: Duration,
    /// After so many critical requests in a row that were served from the queue while a normal one
    /// waited, the next is normal. `None`: critical ones always go first. Default 10.
    pub starvation_limit: Option<NonZeroU32>,
}

impl Default for PriorityConfig {
    fn default() -> Self {
        Self {
            max_connections: 20,
            normal_queue: 1_000,
            connection_timeout: Duration::from_secs(30),
            starvation_limit: NonZeroU32::new(10),
        }
    }
}

/// Why there is no pool, or no connection.
#[derive(Debug)]
pub enum PriorityError<E> {
    /// The configuration cannot work, for this reason.
    InvalidConfig(String),
    /// As many normal requests wait as may.
    QueueFull,
    /// There was no connection in time.
    Timeout,
    /// A connection could not be opened.
    Connect(E),
    /// The pool has been closed.
    Closed,
}

impl<E: fmt::Display> fmt::Display for PriorityError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InvalidConfig(reason) => write!(f, "the configuration cannot work: {reason}"),
            Self::QueueFull => f.write_str("too many requests wait already"),
            Self::Timeout => f.write_str("there was no connection in time"),
            Self::Connect(error) => write!(f, "a connection could not be opened: {error}"),
            Self::Closed => f.write_str("the pool is closed"),
        }
    }
}

impl<E: std::error::Error + 'static> std::error::Error for PriorityError<E> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Connect(error) => Some(error),
            _ => None,
        }
    }
}

/// What a pool looks like at one moment: `size` is `idle` and `in_use` together, and at most
/// `max_connections`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    /// Places that are taken, of `max_connections`.
    pub size: u32,
    /// Connections that wait for somebody to take them.
    pub idle: u32,
    /// All others: lent out, and those that are just being opened, closed or handed over.
    pub in_use: u32,
    /// Critical requests that wait for a connection.
    pub waiting_critical: u32,
    /// Normal requests that wait for a connection.
    pub waiting_normal: u32,
}

/// A pool of connections with two queues before it.
pub struct PriorityPool<M: AsyncManageConnection> {
    inner: Arc<Inner<M>>,
}

/// A connection on loan.
pub struct PriorityConnection<M: AsyncManageConnection> {
    place: Place<M>,
}

struct Inner<M: AsyncManageConnection> {
    manager: M,
    config: PriorityConfig,
    desk: Mutex<Desk<M>>,
}

struct Desk<M: AsyncManageConnection> {
    idle: Vec<M::Connection>,
    /// Places that somebody has, with or without a connection.
    out: u32,
    /// All who wait, the most urgent and the oldest first.
    waiting: BTreeMap<(Class, u64), Arc<Notify>>,
    waiting_normal: usize,
    /// Those of whom one idle connection or free place is kept.
    reserved: BTreeSet<u64>,
    tickets: u64,
    row: u32,
    open: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Class {
    First,
    Second,
}

impl<M: AsyncManageConnection> Inner<M> {
    fn desk(&self) -> MutexGuard<'_, Desk<M>> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something has become free: reserves it for the next, and says whom to tell.
    fn reserve(&self, desk: &mut Desk<M>) -> Option<Arc<Notify>> {
        if desk.reserved.len() as u64 >= self.there(desk) {
            return None;
        }
        let normal = desk.waiting.range((Class::Second, 0)..).next().map(|(key, _)| *key);
        let first = desk.waiting.keys().next().copied()?;
        let full = self.config.starvation_limit.is_some_and(|limit| desk.row >= limit.get());
        let key = if full { normal.unwrap_or(first) } else { first };
        if key.0 == Class::Second {
            desk.row = 0;
            desk.waiting_normal -= 1;
        } else if normal.is_some() {
            desk.row = desk.row.saturating_add(1);
        }
        desk.reserved.insert(key.1);
        desk.waiting.remove(&key)
    }

    /// What lies there: idle connections and free places.
    fn there(&self, desk: &Desk<M>) -> u64 {
        u64::from(self.config.max_connections) - u64::from(desk.out)
    }

    fn tell(notify: Option<Arc<Notify>>) {
        if let Some(notify) = notify {
            notify.notify_one();
        }
    }
}

/// A place that somebody has, and its connection. Dropping it leaves both to the next.
struct Place<M: AsyncManageConnection> {
    conn: Option<M::Connection>,
    inner: Arc<Inner<M>>,
}

impl<M: AsyncManageConnection> Place<M> {
    fn close_broken(&mut self) -> bool {
        let broken = self.conn.as_mut().is_some_and(|conn| self.inner.manager.has_broken(conn));
        if broken {
            self.conn = None;
        }
        broken
    }
}

impl<M: AsyncManageConnection> Drop for Place<M> {
    fn drop(&mut self) {
        self.close_broken();
        let mut desk = self.inner.desk();
        if !desk.open {
            drop(desk);
            self.conn = None;
            desk = self.inner.desk();
        }
        desk.idle.extend(self.conn.take());
        desk.out -= 1;
        let next = self.inner.reserve(&mut desk);
        drop(desk);
        Inner::<M>::tell(next);
    }
}

/// One that waits. Dropping it leaves the queue, and what was reserved to the next.
struct Waiter<'a, M: AsyncManageConnection> {
    inner: &'a Arc<Inner<M>>,
    key: (Class, u64),
    notify: Arc<Notify>,
}

impl<M: AsyncManageConnection> Drop for Waiter<'_, M> {
    fn drop(&mut self) {
        let mut desk = self.inner.desk();
        let gone = desk.waiting.remove(&self.key);
        if gone.is_some() && self.key.0 == Class::Second {
            desk.waiting_normal -= 1;
        }
        let next = desk.reserved.remove(&self.key.1).then(|| self.inner.reserve(&mut desk));
        drop(desk);
        Inner::<M>::tell(next.flatten());
    }
}

impl<M: AsyncManageConnection> PriorityPool<M> {
    /// A pool over `manager`.
    pub fn new(manager: M, config: PriorityConfig) -> Result<Self, PriorityError<M::Error>> {
        if config.max_connections == 0 {
            return Err(PriorityError::InvalidConfig("max_connections must not be 0".into()));
        }
        let desk = Mutex::new(Desk {
            idle: Vec::new(),
            out: 0,
            waiting: BTreeMap::new(),
            waiting_normal: 0,
            reserved: BTreeSet::new(),
            tickets: 0,
            row: 0,
            open: true,
        });
        Ok(Self { inner: Arc::new(Inner { manager, config, desk }) })
    }

    /// Takes a connection.
    pub async fn get(
        &self,
        priority: Priority,
    ) -> Result<PriorityConnection<M>, PriorityError<M::Error>> {
        let far = Duration::from_secs(1_000_000_000);
        let deadline = Instant::now() + self.inner.config.connection_timeout.min(far);
        match timeout_at(deadline, self.take(priority)).await {
            Ok(result) => result,
            Err(_) => Err(PriorityError::Timeout),
        }
    }

    async fn take(
        &self,
        priority: Priority,
    ) -> Result<PriorityConnection<M>, PriorityError<M::Error>> {
        let inner = &self.inner;
        let waiter = {
            let mut desk = inner.desk();
            if !desk.open {
                return Err(PriorityError::Closed);
            }
            if (desk.reserved.len() as u64) < inner.there(&desk) {
                None
            } else {
                let class =
                    if priority == Priority::Critical { Class::First } else { Class::Second };
                if class == Class::Second {
                    if desk.waiting_normal >= inner.config.normal_queue {
                        return Err(PriorityError::QueueFull);
                    }
                    desk.waiting_normal += 1;
                }
                let key = (class, desk.tickets);
                desk.tickets += 1;
                let notify = Arc::new(Notify::new());
                desk.waiting.insert(key, Arc::clone(&notify));
                drop(desk);
                Some(Waiter { inner, key, notify })
            }
        };
        if let Some(waiter) = &waiter {
            waiter.notify.notified().await;
        }
        let mut place = {
            let mut desk = inner.desk();
            if !desk.open {
                return Err(PriorityError::Closed);
            }
            if let Some(waiter) = &waiter {
                desk.reserved.remove(&waiter.key.1);
            }
            desk.out += 1;
            Place { conn: desk.idle.pop(), inner: Arc::clone(inner) }
        };
        drop(waiter);
        while place.close_broken() {
            place.conn = inner.desk().idle.pop();
        }
        if place.conn.is_none() {
            place.conn = Some(inner.manager.connect().await.map_err(PriorityError::Connect)?);
        }
        Ok(PriorityConnection { place })
    }

    /// What the pool looks like now.
    pub fn status(&self) -> Status {
        let desk = self.inner.desk();
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let idle = count(desk.idle.len());
        Status {
            size: desk.out + idle,
            idle,
            in_use: desk.out,
            waiting_critical: count(desk.waiting.len() - desk.waiting_normal),
            waiting_normal: count(desk.waiting_normal),
        }
    }

    /// Closes the pool.
    pub fn close(&self) {
        let mut desk = self.inner.desk();
        desk.open = false;
        desk.waiting_normal = 0;
        let waiting = std::mem::take(&mut desk.waiting);
        let idle = std::mem::take(&mut desk.idle);
        drop(desk);
        for notify in waiting.into_values() {
            notify.notify_one();
        }
        drop(idle);
    }
}

impl<M: AsyncManageConnection> Clone for PriorityPool<M> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner) }
    }
}

impl<M: AsyncManageConnection> Deref for PriorityConnection<M> {
    type Target = M::Connection;

    fn deref(&self) -> &M::Connection {
        self.place.conn.as_ref().expect("a guard in use has one")
    }
}

impl<M: AsyncManageConnection> DerefMut for PriorityConnection<M> {
    fn deref_mut(&mut self) -> &mut M::Connection {
        self.place.conn.as_mut().expect("a guard in use has one")
    }
}
