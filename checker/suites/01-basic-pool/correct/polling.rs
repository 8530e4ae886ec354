//! Nobody is ever woken: who finds nothing looks again a millisecond later. The state stands behind
//! a read-write lock, so that those who only look do not hold each other up.
#![allow(missing_docs)]

use std::fmt;
use std::mem;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, Weak};
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

/// How often a waiting thread looks.
const EVERY: Duration = Duration::from_millis(1);

pub struct Pool<M: ManageConnection> {
    core: Arc<Core<M>>,
}

pub struct PooledConnection<M: ManageConnection> {
    entry: Option<Entry<M::Connection>>,
    /// Gone with the last handle of the pool: then the connection is just closed.
    core: Weak<Core<M>>,
}

struct Core<M: ManageConnection> {
    manager: M,
    config: PoolConfig,
    state: RwLock<State<M::Connection>>,
    waiting: AtomicU32,
}

struct State<C> {
    idle: Vec<Entry<C>>,
    in_use: u32,
    /// Being opened or closed.
    moving: u32,
    closed: bool,
}

struct Entry<C> {
    conn: C,
    born: Instant,
    used: Instant,
}

/// Counts the calling thread as waiting until it is dropped.
struct Waiting<'a>(&'a AtomicU32);

impl<'a> Waiting<'a> {
    fn begin(count: &'a AtomicU32) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

enum Found<C> {
    Idle(Entry<C>),
    Room,
    Nothing,
    Closed,
}

impl<C> State<C> {
    fn is_full(&self, max: u32) -> bool {
        self.idle.len() + self.in_use as usize + self.moving as usize >= max as usize
    }
}

/// A place of a connection that is being opened or closed.
struct Moving<'a, M: ManageConnection>(&'a Core<M>);

impl<M: ManageConnection> Drop for Moving<'_, M> {
    fn drop(&mut self) {
        self.0.write().moving -= 1;
    }
}

impl<M: ManageConnection> Core<M> {
    fn read(&self) -> RwLockReadGuard<'_, State<M::Connection>> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State<M::Connection>> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// One look. What is found is the caller's.
    fn look(&self) -> Found<M::Connection> {
        let max = self.config.max_connections;
        let state = self.read();
        if !state.closed && state.idle.is_empty() && state.is_full(max) {
            return Found::Nothing;
        }
        drop(state);
        let mut state = self.write();
        if state.closed {
            Found::Closed
        } else if let Some(entry) = state.idle.pop() {
            state.in_use += 1;
            Found::Idle(entry)
        } else if state.is_full(max) {
            Found::Nothing
        } else {
            state.moving += 1;
            Found::Room
        }
    }

    fn is_good(&self, entry: &mut Entry<M::Connection>) -> bool {
        !older(entry.born, self.config.max_lifetime) && !self.manager.has_broken(&mut entry.conn)
    }

    fn open(&self) -> Result<Entry<M::Connection>, PoolError<M::Error>> {
        let moving = Moving(self);
        let conn = self.manager.connect().map_err(PoolError::Connect)?;
        mem::forget(moving);
        let mut state = self.write();
        state.moving -= 1;
        state.in_use += 1;
        drop(state);
        let now = Instant::now();
        Ok(Entry { conn, born: now, used: now })
    }

    /// Takes a connection in use back, or closes it.
    fn give_back(&self, mut entry: Entry<M::Connection>) {
        let good = self.is_good(&mut entry);
        let mut state = self.write();
        state.in_use -= 1;
        if good && !state.closed {
            entry.used = Instant::now();
            state.idle.push(entry);
        } else {
            state.moving += 1;
            drop(state);
            self.discard(entry);
        }
    }

    fn discard(&self, entry: Entry<M::Connection>) {
        let moving = Moving(self);
        drop(entry);
        drop(moving);
    }
}

fn older(since: Instant, limit: Option<Duration>) -> bool {
    limit.is_some_and(|limit| since.elapsed() > limit)
}

impl<M: ManageConnection> Pool<M> {
    pub fn new(manager: M, config: PoolConfig) -> Result<Self, PoolError<M::Error>> {
        if let Some(problem) = config.problem() {
            return Err(PoolError::InvalidConfig(problem));
        }
        let mut idle = Vec::new();
        while idle.len() < config.min_connections as usize {
            let conn = manager.connect().map_err(PoolError::Connect)?;
            let now = Instant::now();
            idle.push(Entry { conn, born: now, used: now });
        }
        let state = RwLock::new(State { idle, in_use: 0, moving: 0, closed: false });
        Ok(Self { core: Arc::new(Core { manager, config, state, waiting: AtomicU32::new(0) }) })
    }

    pub fn get(&self) -> Result<PooledConnection<M>, PoolError<M::Error>> {
        self.get_timeout(self.core.config.connection_timeout)
    }

    pub fn get_timeout(
        &self,
        timeout: Duration,
    ) -> Result<PooledConnection<M>, PoolError<M::Error>> {
        let core = &self.core;
        let lend = |entry| PooledConnection { entry: Some(entry), core: Arc::downgrade(core) };
        let deadline = Instant::now().checked_add(timeout);
        let mut waiting = None;
        loop {
            // The time first, then the look: whoever gives up has looked when the time was over.
            let left = deadline.map_or(EVERY, |at| at.saturating_duration_since(Instant::now()));
            match core.look() {
                Found::Idle(mut entry) => {
                    if core.is_good(&mut entry) {
                        return Ok(lend(entry));
                    }
                    core.give_back(entry);
                }
                Found::Room => return core.open().map(lend),
                Found::Closed => return Err(PoolError::Closed),
                Found::Nothing if left.is_zero() => return Err(PoolError::Timeout),
                Found::Nothing => {
                    waiting.get_or_insert_with(|| Waiting::begin(&core.waiting));
                    thread::sleep(left.min(EVERY));
                }
            }
        }
    }

    pub fn status(&self) -> Status {
        let state = self.core.read();
        let idle = u32::try_from(state.idle.len()).expect("no more than max_connections");
        let waiting = self.core.waiting.load(Ordering::Relaxed);
        Status { size: idle + state.in_use, idle, in_use: state.in_use, waiting }
    }

    pub fn reap(&self) -> usize {
        let PoolConfig { min_connections, max_lifetime, idle_timeout, .. } = self.core.config;
        let mut state = self.core.write();
        let mut old: Vec<_> =
            state.idle.extract_if(.., |entry| older(entry.born, max_lifetime)).collect();
        let remain = state.idle.len() + state.in_use as usize;
        let spare = remain.saturating_sub(min_connections as usize);
        let unused = state.idle.extract_if(.., |entry| older(entry.used, idle_timeout));
        old.extend(unused.take(spare));
        state.moving += u32::try_from(old.len()).expect("no more than max_connections");
        drop(state);
        old.into_iter().map(|entry| self.core.discard(entry)).count()
    }

    pub fn close(&self) {
        let mut state = self.core.write();
        state.closed = true;
        let idle = mem::take(&mut state.idle);
        state.moving += u32::try_from(idle.len()).expect("no more than max_connections");
        drop(state);
        for entry in idle {
            self.core.discard(entry);
        }
    }
}

impl<M: ManageConnection> Clone for Pool<M> {
    fn clone(&self) -> Self {
        Self { core: Arc::clone(&self.core) }
    }
}

impl<M: ManageConnection> Deref for PooledConnection<M> {
    type Target = M::Connection;

    fn deref(&self) -> &M::Connection {
        &self.entry.as_ref().expect("there until it is dropped").conn
    }
}

impl<M: ManageConnection> DerefMut for PooledConnection<M> {
    fn deref_mut(&mut self) -> &mut M::Connection {
        &mut self.entry.as_mut().expect("there until it is dropped").conn
    }
}

impl<M: ManageConnection> Drop for PooledConnection<M> {
    fn drop(&mut self) {
        if let (Some(entry), Some(core)) = (self.entry.take(), self.core.upgrade()) {
            core.give_back(entry);
        }
    }
}
