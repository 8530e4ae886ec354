//! Two `VecDeque`s of senders. Who leaves only marks his entry and is counted out; whoever comes to
//! a marked entry skips it, and when half of a queue are marked, they are swept away.

use std::collections::VecDeque;
use std::fmt;
use std::num::NonZeroU32;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fixtures::AsyncManageConnection;
use tokio::sync::oneshot;

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
pub struct PriorityPool<M: AsyncManageConnection>(Arc<Pool<M>>);

/// A connection on loan.
pub struct PriorityConnection<M: AsyncManageConnection> {
    lease: Lease<M>,
}

struct Pool<M: AsyncManageConnection> {
    manager: M,
    config: PriorityConfig,
    inside: Mutex<Inside<M>>,
}

struct Inside<M: AsyncManageConnection> {
    idle: VecDeque<M::Connection>,
    leases: u32,
    urgent: Line<M>,
    usual: Line<M>,
    since_usual: u32,
    closed: bool,
}

/// Those who wait, and those who have left and are not swept away yet.
struct Line<M: AsyncManageConnection> {
    entries: VecDeque<(Arc<AtomicBool>, oneshot::Sender<Lease<M>>)>,
    alive: usize,
}

impl<M: AsyncManageConnection> Line<M> {
    fn new() -> Self {
        Self { entries: VecDeque::new(), alive: 0 }
    }

    fn pop(&mut self) -> Option<oneshot::Sender<Lease<M>>> {
        loop {
            let (waits, sender) = self.entries.pop_front()?;
            // From now on it is no more in the line, so it is not to count itself out.
            if waits.swap(false, Ordering::Relaxed) {
                self.alive -= 1;
                return Some(sender);
            }
        }
    }

    /// One has marked its entry.
    fn one_left(&mut self) {
        self.alive -= 1;
        if self.entries.len() > 64 && self.alive < self.entries.len() / 2 {
            self.entries.retain(|(waits, _)| waits.load(Ordering::Relaxed));
        }
    }
}

impl<M: AsyncManageConnection> Inside<M> {
    fn line(&mut self, priority: Priority) -> &mut Line<M> {
        if priority == Priority::Critical { &mut self.urgent } else { &mut self.usual }
    }
}

/// One of the places.
struct Lease<M: AsyncManageConnection> {
    conn: Option<M::Connection>,
    pool: Arc<Pool<M>>,
}

impl<M: AsyncManageConnection> Lease<M> {
    fn is_good(&mut self) -> bool {
        self.conn.as_mut().is_some_and(|conn| !self.pool.manager.has_broken(conn))
    }

    /// Gives the lease to the next, or back; what is broken has been closed.
    fn pass_on(&mut self) {
        let mut inside = self.pool.inside.lock().unwrap();
        if inside.closed && self.conn.is_some() {
            drop(inside);
            self.conn = None;
            inside = self.pool.inside.lock().unwrap();
        }
        let usual_waits = inside.usual.alive > 0;
        let usual_is_due = usual_waits
            && self.pool.config.starvation_limit.is_some_and(|max| inside.since_usual >= max.get());
        let next = if inside.urgent.alive > 0 && !usual_is_due {
            if usual_waits {
                inside.since_usual = inside.since_usual.saturating_add(1);
            }
            inside.urgent.pop()
        } else {
            inside.since_usual = 0;
            inside.usual.pop()
        };
        let Some(next) = next else {
            match self.conn.take() {
                Some(conn) => inside.idle.push_back(conn),
                None => inside.leases -= 1,
            }
            return;
        };
        drop(inside);
        let lease = Lease { conn: self.conn.take(), pool: Arc::clone(&self.pool) };
        // An error holds the lease, and drops it.
        let _ = next.send(lease);
    }
}

impl<M: AsyncManageConnection> Drop for Lease<M> {
    fn drop(&mut self) {
        if !self.is_good() {
            self.conn = None;
        }
        self.pass_on();
    }
}

/// Marks the entry of one that leaves.
struct Mark<'a, M: AsyncManageConnection> {
    waits: Arc<AtomicBool>,
    priority: Priority,
    pool: &'a Pool<M>,
}

impl<M: AsyncManageConnection> Drop for Mark<'_, M> {
    fn drop(&mut self) {
        let mut inside = self.pool.inside.lock().unwrap();
        if self.waits.swap(false, Ordering::Relaxed) {
            inside.line(self.priority).one_left();
        }
    }
}

impl<M: AsyncManageConnection> PriorityPool<M> {
    /// A pool over `manager`.
    pub fn new(manager: M, config: PriorityConfig) -> Result<Self, PriorityError<M::Error>> {
        if config.max_connections == 0 {
            return Err(PriorityError::InvalidConfig(format!("{config:?}")));
        }
        let inside = Inside {
            idle: VecDeque::new(),
            leases: 0,
            urgent: Line::new(),
            usual: Line::new(),
            since_usual: 0,
            closed: false,
        };
        Ok(Self(Arc::new(Pool { manager, config, inside: Mutex::new(inside) })))
    }

    /// Takes a connection.
    pub async fn get(
        &self,
        priority: Priority,
    ) -> Result<PriorityConnection<M>, PriorityError<M::Error>> {
        let sleep = tokio::time::sleep(self.0.config.connection_timeout);
        tokio::select! {
            biased;
            result = self.lease(priority) => result,
            () = sleep => Err(PriorityError::Timeout),
        }
    }

    async fn lease(
        &self,
        priority: Priority,
    ) -> Result<PriorityConnection<M>, PriorityError<M::Error>> {
        let pool = &self.0;
        let lease = |conn| Lease { conn, pool: Arc::clone(pool) };
        let (now, wait) = {
            let mut inside = pool.inside.lock().unwrap();
            if inside.closed {
                return Err(PriorityError::Closed);
            }
            if let Some(conn) = inside.idle.pop_front() {
                (Some(lease(Some(conn))), None)
            } else if inside.leases < pool.config.max_connections {
                inside.leases += 1;
                (Some(lease(None)), None)
            } else if priority == Priority::Normal && inside.usual.alive >= pool.config.normal_queue
            {
                return Err(PriorityError::QueueFull);
            } else {
                let (sender, receiver) = oneshot::channel();
                let waits = Arc::new(AtomicBool::new(true));
                let line = inside.line(priority);
                line.entries.push_back((Arc::clone(&waits), sender));
                line.alive += 1;
                (None, Some((receiver, Mark { waits, priority, pool: &**pool })))
            }
        };
        let mut lease = match (now, wait) {
            (Some(lease), _) => lease,
            (None, Some((receiver, mark))) => {
                let turn = receiver.await;
                drop(mark);
                turn.map_err(|_| PriorityError::Closed)?
            }
            (None, None) => return Err(PriorityError::Closed),
        };
        while lease.conn.is_some() && !lease.is_good() {
            lease.conn = None;
            let mut inside = pool.inside.lock().unwrap();
            if let Some(conn) = inside.idle.pop_front() {
                inside.leases -= 1;
                lease.conn = Some(conn);
            }
        }
        if lease.conn.is_none() {
            if pool.inside.lock().unwrap().closed {
                return Err(PriorityError::Closed);
            }
            lease.conn = Some(pool.manager.connect().await.map_err(PriorityError::Connect)?);
        }
        Ok(PriorityConnection { lease })
    }

    /// What the pool looks like now.
    pub fn status(&self) -> Status {
        let inside = self.0.inside.lock().unwrap();
        let idle = inside.idle.len() as u32;
        Status {
            size: inside.leases,
            idle,
            in_use: inside.leases - idle,
            waiting_critical: inside.urgent.alive as u32,
            waiting_normal: inside.usual.alive as u32,
        }
    }

    /// Closes the pool.
    pub fn close(&self) {
        let mut inside = self.0.inside.lock().unwrap();
        inside.closed = true;
        let idle = std::mem::take(&mut inside.idle);
        inside.leases -= idle.len() as u32;
        let lines = [
            std::mem::replace(&mut inside.urgent, Line::new()),
            std::mem::replace(&mut inside.usual, Line::new()),
        ];
        for (waits, _) in lines.iter().flat_map(|line| &line.entries) {
            waits.store(false, Ordering::Relaxed);
        }
        drop(inside);
        drop(lines);
        drop(idle);
    }
}

impl<M: AsyncManageConnection> Clone for PriorityPool<M> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<M: AsyncManageConnection> Deref for PriorityConnection<M> {
    type Target = M::Connection;

    fn deref(&self) -> &M::Connection {
        self.lease.conn.as_ref().unwrap()
    }
}

impl<M: AsyncManageConnection> DerefMut for PriorityConnection<M> {
    fn deref_mut(&mut self) -> &mut M::Connection {
        self.lease.conn.as_mut().unwrap()
    }
}
