//! tokio's `Semaphore` counts the places; a permit goes from hand to hand, and is let go of only when
//! nobody waits. Both queues are one map, ordered by priority and then by number.

use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroU32;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fixtures::AsyncManageConnection;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::timeout;

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
    core: Arc<Core<M>>,
}

/// A connection on loan.
pub struct PriorityConnection<M: AsyncManageConnection> {
    /// `None` only while it is being dropped.
    seat: Option<Seat<M>>,
    core: Arc<Core<M>>,
}

struct Core<M: AsyncManageConnection> {
    manager: M,
    config: PriorityConfig,
    permits: Arc<Semaphore>,
    max: u32,
    floor: Mutex<Floor<M>>,
}

struct Floor<M: AsyncManageConnection> {
    idle: Vec<M::Connection>,
    queue: BTreeMap<(bool, u64), oneshot::Sender<PriorityConnection<M>>>,
    normal: usize,
    ticket: u64,
    row: u32,
}

struct Seat<M: AsyncManageConnection> {
    conn: Option<M::Connection>,
    /// The place: free again when it is dropped.
    _permit: OwnedSemaphorePermit,
}

/// Where one waits, until it is dropped.
struct Entry<'a, M: AsyncManageConnection> {
    core: &'a Core<M>,
    key: (bool, u64),
}

impl<M: AsyncManageConnection> Drop for Entry<'_, M> {
    fn drop(&mut self) {
        let mut floor = self.core.floor.lock().expect("a lock");
        let sender = floor.queue.remove(&self.key);
        if sender.is_some() && self.key.0 {
            floor.normal -= 1;
        }
        drop(floor);
    }
}

impl<M: AsyncManageConnection> PriorityPool<M> {
    /// A pool over `manager`.
    pub fn new(manager: M, config: PriorityConfig) -> Result<Self, PriorityError<M::Error>> {
        let max = config.max_connections;
        if max == 0 {
            return Err(PriorityError::InvalidConfig("nobody could ever be served".into()));
        }
        let floor = Mutex::new(Floor {
            idle: Vec::new(),
            queue: BTreeMap::new(),
            normal: 0,
            ticket: 0,
            row: 0,
        });
        let permits = Arc::new(Semaphore::new(max as usize));
        Ok(Self { core: Arc::new(Core { manager, config, permits, max, floor }) })
    }

    /// Takes a connection.
    pub async fn get(
        &self,
        priority: Priority,
    ) -> Result<PriorityConnection<M>, PriorityError<M::Error>> {
        let limit = self.core.config.connection_timeout;
        match timeout(limit, self.sit(priority)).await {
            Ok(result) => result,
            Err(_) => Err(PriorityError::Timeout),
        }
    }

    async fn sit(
        &self,
        priority: Priority,
    ) -> Result<PriorityConnection<M>, PriorityError<M::Error>> {
        let core = &self.core;
        let (place, entry) = {
            let mut floor = core.floor.lock().expect("a lock");
            if core.permits.is_closed() {
                return Err(PriorityError::Closed);
            }
            let (sender, receiver) = oneshot::channel();
            match Arc::clone(&core.permits).try_acquire_owned() {
                Ok(permit) => {
                    let seat = Some(Seat { conn: floor.idle.pop(), _permit: permit });
                    drop(sender.send(PriorityConnection { seat, core: Arc::clone(core) }));
                    (receiver, None)
                }
                Err(_) => {
                    let normal = priority == Priority::Normal;
                    if normal {
                        if floor.normal == core.config.normal_queue {
                            return Err(PriorityError::QueueFull);
                        }
                        floor.normal += 1;
                    }
                    let key = (normal, floor.ticket);
                    floor.ticket += 1;
                    floor.queue.insert(key, sender);
                    (receiver, Some(Entry { core: &**core, key }))
                }
            }
        };
        let guard = place.await;
        drop(entry);
        let mut guard = guard.map_err(|_| PriorityError::Closed)?;
        let Some(seat) = &mut guard.seat else { return Err(PriorityError::Closed) };
        while seat.conn.as_mut().is_some_and(|conn| core.manager.has_broken(conn)) {
            seat.conn = None;
            seat.conn = core.floor.lock().expect("a lock").idle.pop();
        }
        if seat.conn.is_none() {
            if core.permits.is_closed() {
                return Err(PriorityError::Closed);
            }
            seat.conn = Some(core.manager.connect().await.map_err(PriorityError::Connect)?);
        }
        Ok(guard)
    }

    /// What the pool looks like now.
    pub fn status(&self) -> Status {
        let floor = self.core.floor.lock().expect("a lock");
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let (idle, normal) = (count(floor.idle.len()), count(floor.normal));
        let in_use = self.core.max - count(self.core.permits.available_permits());
        Status {
            size: in_use + idle,
            idle,
            in_use,
            waiting_critical: count(floor.queue.len()) - normal,
            waiting_normal: normal,
        }
    }

    /// Closes the pool.
    pub fn close(&self) {
        let mut floor = self.core.floor.lock().expect("a lock");
        self.core.permits.close();
        floor.normal = 0;
        let (idle, queue) = (std::mem::take(&mut floor.idle), std::mem::take(&mut floor.queue));
        drop(floor);
        drop(queue);
        drop(idle);
    }
}

impl<M: AsyncManageConnection> Clone for PriorityPool<M> {
    fn clone(&self) -> Self {
        Self { core: Arc::clone(&self.core) }
    }
}

impl<M: AsyncManageConnection> Deref for PriorityConnection<M> {
    type Target = M::Connection;

    fn deref(&self) -> &M::Connection {
        self.seat.as_ref().and_then(|seat| seat.conn.as_ref()).expect("a connection")
    }
}

impl<M: AsyncManageConnection> DerefMut for PriorityConnection<M> {
    fn deref_mut(&mut self) -> &mut M::Connection {
        self.seat.as_mut().and_then(|seat| seat.conn.as_mut()).expect("a connection")
    }
}

impl<M: AsyncManageConnection> Drop for PriorityConnection<M> {
    fn drop(&mut self) {
        let Some(mut seat) = self.seat.take() else { return };
        let broken = seat.conn.as_mut().is_some_and(|conn| self.core.manager.has_broken(conn));
        if broken || self.core.permits.is_closed() {
            seat.conn = None;
        }
        let mut floor = self.core.floor.lock().expect("a lock");
        let first = floor.queue.keys().next().copied();
        let normal = floor.queue.range((true, 0)..).next().map(|(key, _)| *key);
        let over = self.core.config.starvation_limit.is_some_and(|max| floor.row >= max.get());
        let next = if over { normal.or(first) } else { first };
        match next {
            None => {
                // Closed since the look above: it must not become idle.
                let late = self.core.permits.is_closed().then(|| seat.conn.take());
                floor.idle.extend(seat.conn.take());
                drop(seat);
                drop(floor);
                drop(late);
            }
            Some(key) => {
                if key.0 {
                    floor.row = 0;
                    floor.normal -= 1;
                } else if normal.is_some() {
                    floor.row = floor.row.saturating_add(1);
                } else {
                    floor.row = 0;
                }
                let sender = floor.queue.remove(&key);
                drop(floor);
                let guard = PriorityConnection { seat: Some(seat), core: Arc::clone(&self.core) };
                if let Some(sender) = sender {
                    drop(sender.send(guard));
                }
            }
        }
    }
}
