//! A counting semaphore of its own for the places, a list for the idle connections, and a word that
//! says who waits and whether the pool is closed. Nobody counts connections to stay below the limit.
#![allow(missing_docs)]

use std::fmt;
use std::mem;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use fixtures::ManageConnection;
use parking_lot::{Condvar, Mutex};

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

/// Set in the word when the pool is closed; the rest of it is the number of waiting threads.
const CLOSED: u32 = 1 << 31;

pub struct Pool<M: ManageConnection> {
    handle: Arc<Handle<M>>,
}

/// The connection is dropped before the permit is.
pub struct PooledConnection<M: ManageConnection> {
    conn: Option<Conn<M::Connection>>,
    permit: Permit<M>,
}

struct Handle<M: ManageConnection>(Arc<Inner<M>>);

impl<M: ManageConnection> Drop for Handle<M> {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// Lock order: the stack, then the semaphore.
struct Inner<M: ManageConnection> {
    manager: M,
    config: PoolConfig,
    places: Semaphore,
    stack: Mutex<Stack<M::Connection>>,
    word: AtomicU32,
}

/// Whoever holds a permit may have a connection: one from the stack, or, if the stack is empty, a
/// new one. For then all connections there are belong to the other permits.
struct Stack<C> {
    idle: Vec<Conn<C>>,
    lent: u32,
}

struct Conn<C> {
    raw: C,
    opened: Instant,
    put_back: Instant,
}

struct Semaphore {
    free: Mutex<u32>,
    released: Condvar,
}

enum Refusal {
    Closed,
    TooLate,
}

impl Semaphore {
    fn acquire(&self, timeout: Duration, word: &AtomicU32) -> Result<(), Refusal> {
        let deadline = Instant::now().checked_add(timeout);
        let mut free = self.free.lock();
        word.fetch_add(1, Ordering::SeqCst);
        let result = loop {
            if word.load(Ordering::SeqCst) & CLOSED != 0 {
                break Err(Refusal::Closed);
            }
            if *free > 0 {
                *free -= 1;
                break Ok(());
            }
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            match left {
                Some(Duration::ZERO) => break Err(Refusal::TooLate),
                Some(left) => {
                    self.released.wait_for(&mut free, left);
                }
                None => self.released.wait(&mut free),
            }
        };
        word.fetch_sub(1, Ordering::SeqCst);
        result
    }

    fn try_acquire(&self) -> bool {
        let mut free = self.free.lock();
        let some = *free > 0;
        *free -= u32::from(some);
        some
    }

    fn release(&self) {
        *self.free.lock() += 1;
        self.released.notify_one();
    }
}

struct Permit<M: ManageConnection>(Arc<Inner<M>>);

impl<M: ManageConnection> Drop for Permit<M> {
    fn drop(&mut self) {
        self.0.places.release();
    }
}

impl<M: ManageConnection> Inner<M> {
    fn is_closed(&self) -> bool {
        self.word.load(Ordering::SeqCst) & CLOSED != 0
    }

    fn is_usable(&self, conn: &mut Conn<M::Connection>) -> bool {
        !past(conn.opened, self.config.max_lifetime) && !self.manager.has_broken(&mut conn.raw)
    }

    fn close(&self) {
        self.word.fetch_or(CLOSED, Ordering::SeqCst);
        // Whoever is about to wait has seen the word, or is waiting when this lock is free.
        drop(self.places.free.lock());
        self.places.released.notify_all();
        let idle = mem::take(&mut self.stack.lock().idle);
        drop(idle);
    }

    /// Takes those that `which` picks off the stack, at most `limit(remaining)`. Each needs a
    /// permit, like everything that is not idle; without one it is about to be taken anyway.
    fn pick(
        self: &Arc<Self>,
        limit: impl FnOnce(usize) -> usize,
        which: impl Fn(&Conn<M::Connection>) -> bool,
    ) -> Vec<(Conn<M::Connection>, Permit<M>)> {
        let mut stack = self.stack.lock();
        let limit = limit(stack.idle.len() + stack.lent as usize);
        let mut picked = Vec::new();
        let mut at = 0;
        while at < stack.idle.len() && picked.len() < limit {
            if which(&stack.idle[at]) && self.places.try_acquire() {
                picked.push((stack.idle.remove(at), Permit(Arc::clone(self))));
            } else {
                at += 1;
            }
        }
        picked
    }
}

fn past(since: Instant, limit: Option<Duration>) -> bool {
    limit.is_some_and(|limit| since.elapsed() > limit)
}

impl<M: ManageConnection> Pool<M> {
    pub fn new(manager: M, config: PoolConfig) -> Result<Self, PoolError<M::Error>> {
        if let Some(problem) = config.problem() {
            return Err(PoolError::InvalidConfig(problem));
        }
        let mut idle = Vec::new();
        for _ in 0..config.min_connections {
            let raw = manager.connect().map_err(PoolError::Connect)?;
            let now = Instant::now();
            idle.push(Conn { raw, opened: now, put_back: now });
        }
        let free = Mutex::new(config.max_connections);
        let inner = Inner {
            manager,
            config,
            places: Semaphore { free, released: Condvar::new() },
            stack: Mutex::new(Stack { idle, lent: 0 }),
            word: AtomicU32::new(0),
        };
        Ok(Self { handle: Arc::new(Handle(Arc::new(inner))) })
    }

    pub fn get(&self) -> Result<PooledConnection<M>, PoolError<M::Error>> {
        self.get_timeout(self.handle.0.config.connection_timeout)
    }

    pub fn get_timeout(
        &self,
        timeout: Duration,
    ) -> Result<PooledConnection<M>, PoolError<M::Error>> {
        let inner = &self.handle.0;
        inner.places.acquire(timeout, &inner.word).map_err(|refusal| match refusal {
            Refusal::Closed => PoolError::Closed,
            Refusal::TooLate => PoolError::Timeout,
        })?;
        let permit = Permit(Arc::clone(inner));
        loop {
            let mut stack = inner.stack.lock();
            if inner.is_closed() {
                return Err(PoolError::Closed);
            }
            let Some(mut conn) = stack.idle.pop() else { break };
            stack.lent += 1;
            drop(stack);
            if inner.is_usable(&mut conn) {
                return Ok(PooledConnection { conn: Some(conn), permit });
            }
            inner.stack.lock().lent -= 1;
            drop(conn);
        }
        let raw = inner.manager.connect().map_err(PoolError::Connect)?;
        inner.stack.lock().lent += 1;
        let now = Instant::now();
        Ok(PooledConnection { conn: Some(Conn { raw, opened: now, put_back: now }), permit })
    }

    pub fn status(&self) -> Status {
        let inner = &self.handle.0;
        let stack = inner.stack.lock();
        let size = u32::try_from(stack.idle.len()).expect("no more than the places") + stack.lent;
        // What lies on the stack and is promised to somebody is not idle.
        let free = inner.places.free.lock();
        let idle = (size - stack.lent).min(*free);
        // Under the semaphore's lock only those are counted that really wait.
        let waiting = inner.word.load(Ordering::SeqCst) & !CLOSED;
        Status { size, idle, in_use: size - idle, waiting }
    }

    pub fn reap(&self) -> usize {
        let inner = &self.handle.0;
        let PoolConfig { min_connections, max_lifetime, idle_timeout, .. } = inner.config;
        let old = inner.pick(|_| usize::MAX, |conn| past(conn.opened, max_lifetime));
        let unused = inner.pick(
            |remaining| remaining.saturating_sub(min_connections as usize),
            |conn| past(conn.put_back, idle_timeout),
        );
        old.len() + unused.len()
    }

    pub fn close(&self) {
        self.handle.0.close();
    }
}

impl<M: ManageConnection> Clone for Pool<M> {
    fn clone(&self) -> Self {
        Self { handle: Arc::clone(&self.handle) }
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
    /// Puts the connection on the stack or closes it; the permit follows by itself.
    fn drop(&mut self) {
        let inner = &self.permit.0;
        let Some(mut conn) = self.conn.take() else { return };
        let usable = inner.is_usable(&mut conn);
        let mut stack = inner.stack.lock();
        stack.lent -= 1;
        if usable && !inner.is_closed() {
            conn.put_back = Instant::now();
            stack.idle.push(conn);
        } else {
            drop(stack);
            drop(conn);
        }
    }
}
