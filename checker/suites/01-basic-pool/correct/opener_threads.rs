//! Every connection is opened by a thread in the background and goes to whoever waits when it is
//! open; who asked for it may have been served by a returned one meanwhile.
#![allow(missing_docs)]

use std::any::Any;
use std::fmt;
use std::mem;
use std::ops::{Deref, DerefMut};
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender, TryRecvError};
use std::thread::{self, ScopedJoinHandle};
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

pub struct Pool<M: ManageConnection> {
    keeper: Arc<Keeper<M>>,
}

pub struct PooledConnection<M: ManageConnection> {
    live: Option<Live<M::Connection>>,
    shared: Arc<Shared<M>>,
}

/// Held by the handles alone: openers and guards live on without it.
struct Keeper<M: ManageConnection>(Arc<Shared<M>>);

impl<M: ManageConnection> Drop for Keeper<M> {
    fn drop(&mut self) {
        self.0.close();
    }
}

struct Shared<M: ManageConnection> {
    manager: M,
    config: PoolConfig,
    state: Mutex<State<M::Connection>>,
    /// Anything changed. A returned connection is good for any of those who wait; of everything else
    /// all are told, for what is news to one of them is none to another.
    changed: Condvar,
}

struct State<C> {
    idle: Vec<Live<C>>,
    lent: u32,
    opening: u32,
    closing: u32,
    waiting: u32,
    closed: bool,
}

struct Live<C> {
    conn: C,
    opened: Instant,
    since: Instant,
}

/// Why an opener brings nothing.
enum Failure<E> {
    Error(E),
    Panic(Box<dyn Any + Send>),
}

/// What a thread that asked for a connection hears of its opener: a failure, or the end.
type News<M> = Receiver<Failure<<M as ManageConnection>::Error>>;

impl<C> State<C> {
    fn size(&self) -> usize {
        self.idle.len() + (self.lent + self.opening + self.closing) as usize
    }
}

fn age_over(since: Instant, limit: Option<Duration>) -> bool {
    limit.is_some_and(|limit| since.elapsed() > limit)
}

/// A place in which a connection is being opened.
struct Opening<M: ManageConnection> {
    shared: Arc<Shared<M>>,
    /// No longer when the connection is there.
    counted: bool,
}

impl<M: ManageConnection> Drop for Opening<M> {
    fn drop(&mut self) {
        if self.counted {
            self.shared.state.lock().opening -= 1;
        }
        self.shared.changed.notify_all();
    }
}

/// A place in which a connection is being closed.
struct Closing<'a, M: ManageConnection>(&'a Shared<M>);

impl<M: ManageConnection> Drop for Closing<'_, M> {
    fn drop(&mut self) {
        self.0.state.lock().closing -= 1;
        self.0.changed.notify_all();
    }
}

impl<M: ManageConnection> Opening<M> {
    /// The whole life of an opener.
    fn run(mut self, failed: Sender<Failure<M::Error>>) {
        let connect = || self.shared.manager.connect();
        let failure = match panic::catch_unwind(AssertUnwindSafe(connect)) {
            Ok(Ok(conn)) => return self.deliver(conn, failed),
            Ok(Err(error)) => Failure::Error(error),
            Err(payload) => Failure::Panic(payload),
        };
        // Nobody is there to hear it if the asker has been served by another connection.
        let _ = failed.send(failure);
    }

    fn deliver(&mut self, conn: M::Connection, asker: Sender<Failure<M::Error>>) {
        let now = Instant::now();
        let live = Live { conn, opened: now, since: now };
        let mut state = self.shared.state.lock();
        if state.closed {
            drop(state);
            drop(live);
            return;
        }
        state.idle.push(live);
        state.opening -= 1;
        self.counted = false;
        // Under the lock: who sees the connection gone must see that its opener is, too.
        drop(asker);
    }
}

impl<M: ManageConnection> Shared<M> {
    /// Sends an opener to a place that has been counted.
    fn send_opener(self: &Arc<Self>) -> News<M> {
        let opening = Opening { shared: Arc::clone(self), counted: true };
        let (failed, news) = mpsc::channel();
        thread::spawn(move || opening.run(failed));
        news
    }

    fn is_good(&self, live: &mut Live<M::Connection>) -> bool {
        !age_over(live.opened, self.config.max_lifetime) && !self.manager.has_broken(&mut live.conn)
    }

    fn discard(&self, live: Live<M::Connection>) {
        let closing = Closing(self);
        drop(live);
        drop(closing);
    }

    fn close(&self) {
        let mut state = self.state.lock();
        state.closed = true;
        let idle = mem::take(&mut state.idle);
        state.closing += count(idle.len());
        drop(state);
        self.changed.notify_all();
        for live in idle {
            self.discard(live);
        }
    }
}

fn count(len: usize) -> u32 {
    u32::try_from(len).expect("no more than max_connections")
}

impl<M: ManageConnection> Pool<M> {
    pub fn new(manager: M, config: PoolConfig) -> Result<Self, PoolError<M::Error>> {
        if let Some(problem) = config.problem() {
            return Err(PoolError::InvalidConfig(problem));
        }
        // The first ones are opened at the same time, too.
        let opened: Vec<_> = thread::scope(|scope| {
            let open = || {
                let conn = manager.connect()?;
                let now = Instant::now();
                Ok::<_, M::Error>(Live { conn, opened: now, since: now })
            };
            let openers: Vec<_> = (0..config.min_connections).map(|_| scope.spawn(open)).collect();
            openers.into_iter().map(ScopedJoinHandle::join).collect()
        });
        let opened = opened.into_iter().collect::<thread::Result<Vec<_>>>();
        let opened = opened.unwrap_or_else(|payload| panic::resume_unwind(payload));
        let idle = opened.into_iter().collect::<Result<Vec<_>, _>>().map_err(PoolError::Connect)?;
        let state = State { idle, lent: 0, opening: 0, closing: 0, waiting: 0, closed: false };
        let (state, changed) = (Mutex::new(state), Condvar::new());
        Ok(Self { keeper: Arc::new(Keeper(Arc::new(Shared { manager, config, state, changed }))) })
    }

    pub fn get(&self) -> Result<PooledConnection<M>, PoolError<M::Error>> {
        self.get_timeout(self.keeper.0.config.connection_timeout)
    }

    pub fn get_timeout(
        &self,
        timeout: Duration,
    ) -> Result<PooledConnection<M>, PoolError<M::Error>> {
        let shared = &self.keeper.0;
        let deadline = Instant::now().checked_add(timeout);
        let mut opener: Option<News<M>> = None;
        let mut state = shared.state.lock();
        loop {
            if state.closed {
                return Err(PoolError::Closed);
            }
            match opener.as_ref().map(Receiver::try_recv) {
                Some(Ok(Failure::Error(error))) => return Err(PoolError::Connect(error)),
                Some(Ok(Failure::Panic(payload))) => {
                    drop(state);
                    panic::resume_unwind(payload)
                }
                // It came, and another thread was quicker, or it is ours below.
                Some(Err(TryRecvError::Disconnected)) => opener = None,
                Some(Err(TryRecvError::Empty)) | None => {}
            }
            if let Some(mut live) = state.idle.pop() {
                state.lent += 1;
                drop(state);
                if shared.is_good(&mut live) {
                    return Ok(PooledConnection { live: Some(live), shared: Arc::clone(shared) });
                }
                state = shared.state.lock();
                state.lent -= 1;
                state.closing += 1;
                drop(state);
                shared.discard(live);
                state = shared.state.lock();
                continue;
            }
            let too_late = deadline.is_some_and(|deadline| Instant::now() >= deadline);
            let room = state.size() < shared.config.max_connections as usize;
            if opener.is_none() && room && !too_late {
                state.opening += 1;
                drop(state);
                opener = Some(shared.send_opener());
                state = shared.state.lock();
                continue;
            }
            // As long as the thread's own opener is at work, the time-out does not count: it bounds
            // the waiting for others.
            if opener.is_none() && too_late {
                return Err(PoolError::Timeout);
            }
            state.waiting += 1;
            if let Some(until) = deadline.filter(|_| opener.is_none()) {
                shared.changed.wait_until(&mut state, until);
            } else {
                shared.changed.wait(&mut state);
            }
            state.waiting -= 1;
        }
    }

    pub fn status(&self) -> Status {
        let state = self.keeper.0.state.lock();
        let idle = count(state.idle.len());
        Status { size: idle + state.lent, idle, in_use: state.lent, waiting: state.waiting }
    }

    pub fn reap(&self) -> usize {
        let shared = &self.keeper.0;
        let PoolConfig { min_connections, max_lifetime, idle_timeout, .. } = shared.config;
        let mut state = shared.state.lock();
        let expired = state.idle.extract_if(.., |live| age_over(live.opened, max_lifetime));
        let mut closed: Vec<_> = expired.collect();
        // The longest idle come first.
        state.idle.sort_by_key(|live| live.since);
        let unused = state.idle.partition_point(|live| age_over(live.since, idle_timeout));
        let remain = state.idle.len() + state.lent as usize;
        let surplus = remain.saturating_sub(min_connections as usize);
        closed.extend(state.idle.drain(..unused.min(surplus)));
        state.closing += count(closed.len());
        drop(state);
        closed.into_iter().map(|live| shared.discard(live)).count()
    }

    pub fn close(&self) {
        self.keeper.0.close();
    }
}

impl<M: ManageConnection> Clone for Pool<M> {
    fn clone(&self) -> Self {
        Self { keeper: Arc::clone(&self.keeper) }
    }
}

impl<M: ManageConnection> Deref for PooledConnection<M> {
    type Target = M::Connection;

    fn deref(&self) -> &M::Connection {
        &self.live.as_ref().expect("there until it is dropped").conn
    }
}

impl<M: ManageConnection> DerefMut for PooledConnection<M> {
    fn deref_mut(&mut self) -> &mut M::Connection {
        &mut self.live.as_mut().expect("there until it is dropped").conn
    }
}

impl<M: ManageConnection> Drop for PooledConnection<M> {
    fn drop(&mut self) {
        let Some(mut live) = self.live.take() else { return };
        let good = self.shared.is_good(&mut live);
        let mut state = self.shared.state.lock();
        state.lent -= 1;
        if good && !state.closed {
            live.since = Instant::now();
            state.idle.push(live);
            drop(state);
            // Should the one that is woken leave with its opener's failure, then that failure wakes
            // the others.
            self.shared.changed.notify_one();
        } else {
            state.closing += 1;
            drop(state);
            self.shared.discard(live);
        }
    }
}
