//! Task 01: a blocking connection pool.
//!
//! The README beside this crate tells what the pool promises (P1, P2, …); the docs below are the
//! same contract, function by function. Add whatever private fields, types and functions you like;
//! leave the public names and signatures as they are.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::time::Duration;

use fixtures::ManageConnection;

// answer: import what your pool is made of
use std::sync::{Arc, Weak};
use std::time::Instant;

use parking_lot::{Condvar, Mutex};
// starter:
// use std::marker::PhantomData;
// end answer

/// How a pool behaves.
#[derive(Clone, Debug)]
pub struct PoolConfig {
    /// Opened by [`Pool::new`], and left alone by the idle time-out. Default 5.
    pub min_connections: u32,
    /// Never more than this at once; connections that are being opened or closed count. Default 20.
    pub max_connections: u32,
    /// How long [`Pool::get`] waits for a connection to become free. Default 30 s.
    pub connection_timeout: Duration,
    /// A connection older than this is not handed out any more. Default 30 min; `None`: no limit.
    pub max_lifetime: Option<Duration>,
    /// [`Pool::reap`] closes a connection that nobody has used for longer than this, as long as
    /// more than `min_connections` remain. Default 10 min; `None`: no limit.
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

/// Why there is no pool, or no connection.
#[derive(Debug)]
pub enum PoolError<E> {
    /// The configuration cannot work, for this reason.
    InvalidConfig(String),
    /// No connection became free in time.
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

/// What a pool looks like at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    /// Connections that the pool has: idle or in use. Whether one that is just being opened or
    /// closed counts, and where, is up to you.
    pub size: u32,
    /// Connections that wait for somebody to take them.
    pub idle: u32,
    /// Connections that somebody holds.
    pub in_use: u32,
    /// Threads that wait for a connection.
    pub waiting: u32,
}

/// A pool of connections. Cloning it is cheap and gives another handle to the same pool.
///
/// Dropping the last handle closes the pool, as [`close`](Pool::close) does. A guard that is still
/// out works on.
pub struct Pool<M: ManageConnection> {
    // answer: what every handle to the pool shares
    shared: Arc<Shared<M>>,
    // starter:
    // your_fields: PhantomData<M>, // put yours here instead
    // end answer
}

/// A connection on loan. It derefs to the connection; dropping it gives the connection back.
pub struct PooledConnection<M: ManageConnection> {
    // answer: the connection, and the way back into the pool
    /// `None` only while it is being dropped.
    live: Option<Live<M::Connection>>,
    /// Weak: a guard that outlives the last `Pool` finds nobody to give its connection to.
    shared: Weak<Shared<M>>,
    // starter:
    // your_fields: PhantomData<M>, // put yours here instead
    // end answer
}

// answer: your own types, if you want any
struct Shared<M: ManageConnection> {
    manager: M,
    config: PoolConfig,
    state: Mutex<State<M::Connection>>,
    /// Somebody may find a connection, or room for one, who did not before.
    freed: Condvar,
}

/// Everything that changes, under one lock. Neither `connect` nor the closing of a connection ever
/// happens under it.
struct State<C> {
    /// The last one to come back is the first one to go: so the others can grow old and be reaped.
    idle: Vec<Idle<C>>,
    /// Connections that are idle, in use or being opened.
    size: u32,
    /// Connections that are being closed: they still take their places.
    closing: u32,
    waiting: u32,
    closed: bool,
}

struct Live<C> {
    conn: C,
    opened: Instant,
}

struct Idle<C> {
    live: Live<C>,
    since: Instant,
}

/// The place of a connection that is being opened. Dropping it frees the place and wakes a thread
/// that can use it, also when `connect` fails or panics.
struct Opening<'a, M: ManageConnection>(&'a Shared<M>);

impl<M: ManageConnection> Drop for Opening<'_, M> {
    fn drop(&mut self) {
        self.0.state.lock().size -= 1;
        self.0.freed.notify_one();
    }
}

/// The place of a connection that is being closed. Dropping it, afterwards, frees the place and
/// wakes a thread that can use it.
struct Closing<'a, M: ManageConnection>(&'a Shared<M>);

impl<'a, M: ManageConnection> Closing<'a, M> {
    fn begin(shared: &'a Shared<M>, state: &mut State<M::Connection>) -> Self {
        state.size -= 1;
        state.closing += 1;
        Self(shared)
    }
}

impl<M: ManageConnection> Drop for Closing<'_, M> {
    fn drop(&mut self) {
        self.0.state.lock().closing -= 1;
        self.0.freed.notify_one();
    }
}

impl<M: ManageConnection> Shared<M> {
    /// Opens a connection for this place.
    fn open(&self, place: Opening<'_, M>) -> Result<Live<M::Connection>, PoolError<M::Error>> {
        let conn = self.manager.connect().map_err(PoolError::Connect)?;
        // The connection is there: from now on it stands for the place.
        std::mem::forget(place);
        Ok(Live { conn, opened: Instant::now() })
    }

    /// Closes a connection, then frees its place: in this order, or the other side would see one
    /// connection too many.
    fn discard(&self, live: Live<M::Connection>) {
        let place = Closing::begin(self, &mut self.state.lock());
        drop(live);
        drop(place);
    }

    fn is_good(&self, live: &mut Live<M::Connection>) -> bool {
        let expired = self.config.max_lifetime.is_some_and(|limit| live.opened.elapsed() > limit);
        !expired && !self.manager.has_broken(&mut live.conn)
    }
}
// starter:
// end answer

impl<M: ManageConnection> Pool<M> {
    /// A pool over `manager`, with `min_connections` open and idle.
    ///
    /// # Errors
    /// [`PoolError::InvalidConfig`], before anything is opened, if `max_connections` is 0 or less
    /// than `min_connections`. [`PoolError::Connect`] if one of the first connections could not be
    /// opened; those that were are closed again.
    pub fn new(manager: M, config: PoolConfig) -> Result<Self, PoolError<M::Error>> {
        // answer: refuse what cannot work (P1), then open min_connections (P2, P15)
        let PoolConfig { min_connections: min, max_connections: max, .. } = config;
        if max == 0 {
            return Err(PoolError::InvalidConfig("max_connections is 0".into()));
        }
        if min > max {
            let reason = format!("min_connections {min} is above max_connections {max}");
            return Err(PoolError::InvalidConfig(reason));
        }
        let state = State { idle: Vec::new(), size: min, closing: 0, waiting: 0, closed: false };
        let (state, freed) = (Mutex::new(state), Condvar::new());
        let shared = Arc::new(Shared { manager, config, state, freed });
        for _ in 0..min {
            let live = shared.open(Opening(&shared))?;
            shared.state.lock().idle.push(Idle { since: live.opened, live });
        }
        Ok(Self { shared })
        // end answer
    }

    /// Takes a connection, waiting for one up to the configured `connection_timeout`.
    ///
    /// # Errors
    /// As [`get_timeout`](Self::get_timeout).
    pub fn get(&self) -> Result<PooledConnection<M>, PoolError<M::Error>> {
        // answer: take a connection within connection_timeout (P7)
        self.get_timeout(self.shared.config.connection_timeout)
        // end answer
    }

    /// Takes a connection: an idle one; else a new one, if there is room for it; else the first
    /// that becomes free, or room to open one, within `timeout`.
    ///
    /// The time-out counts from the call and bounds the waiting for other threads. It cannot bound
    /// what nothing can hurry: `connect`, or the closing of an idle connection that turns out to be
    /// broken or too old. A time-out of zero never waits.
    ///
    /// # Errors
    /// [`PoolError::Timeout`] when nothing became free in time, [`PoolError::Connect`] when a new
    /// connection could not be opened, [`PoolError::Closed`] when the pool is closed, or becomes so
    /// while the thread waits.
    ///
    /// # Panics
    /// If `connect` panics; the pool is as before then.
    pub fn get_timeout(
        &self,
        timeout: Duration,
    ) -> Result<PooledConnection<M>, PoolError<M::Error>> {
        // answer: an idle one, a new one, or wait for one (P3 to P11, P13, P14, P16, P17)
        let shared = &self.shared;
        let lend = |live| PooledConnection { live: Some(live), shared: Arc::downgrade(shared) };
        // The clock is read when something takes time, and not before: it costs more than all the
        // rest.
        let mut deadline = None;
        let begin = || Instant::now().checked_add(timeout);
        let mut too_late = timeout.is_zero();
        let mut state = shared.state.lock();
        loop {
            if state.closed {
                return Err(PoolError::Closed);
            }
            if let Some(Idle { mut live, .. }) = state.idle.pop() {
                drop(state);
                if shared.is_good(&mut live) {
                    return Ok(lend(live));
                }
                deadline.get_or_insert_with(begin);
                shared.discard(live);
                state = shared.state.lock();
            } else if state.size + state.closing < shared.config.max_connections {
                state.size += 1;
                drop(state);
                return shared.open(Opening(shared)).map(lend);
            } else if too_late {
                // The look above was the last one: what arrived together with the deadline is ours.
                return Err(PoolError::Timeout);
            } else {
                let until = *deadline.get_or_insert_with(begin);
                state.waiting += 1;
                if let Some(until) = until {
                    too_late = shared.freed.wait_until(&mut state, until).timed_out();
                } else {
                    shared.freed.wait(&mut state);
                }
                state.waiting -= 1;
            }
        }
        // end answer
    }

    /// What the pool looks like now. Never waits for a connection to be opened or closed.
    pub fn status(&self) -> Status {
        // answer: count the connections and the waiting threads (P2, P4)
        let state = self.shared.state.lock();
        let idle = u32::try_from(state.idle.len()).expect("no more than max_connections");
        Status { size: state.size, idle, in_use: state.size - idle, waiting: state.waiting }
        // end answer
    }

    /// Closes idle connections that are older than `max_lifetime`, and idle connections that nobody
    /// has used for longer than `idle_timeout`, as long as more than `min_connections` remain, those
    /// in use included. Opens none. Returns how many it closed.
    ///
    /// A pool does not do this by itself: call it now and then.
    pub fn reap(&self) -> usize {
        // answer: close what is too old or of no use (P18)
        let PoolConfig { min_connections, max_lifetime, idle_timeout, .. } = self.shared.config;
        let now = Instant::now();
        let over = |since, limit: Option<Duration>| limit.is_some_and(|limit| now - since > limit);

        let mut state = self.shared.state.lock();
        let (mut closed, keep): (Vec<_>, Vec<_>) =
            state.idle.drain(..).partition(|idle| over(idle.live.opened, max_lifetime));
        let mut left = state.size as usize - closed.len();
        // The longest idle come first, and go first.
        for idle in keep {
            if left > min_connections as usize && over(idle.since, idle_timeout) {
                left -= 1;
                closed.push(idle);
            } else {
                state.idle.push(idle);
            }
        }
        // They leave together, before anybody else counts what is left.
        let leaving: Vec<_> = closed
            .into_iter()
            .map(|idle| (idle, Closing::begin(&self.shared, &mut state)))
            .collect();
        drop(state);
        // Field by field: each connection is closed, then its place is free.
        leaving.len()
        // end answer
    }

    /// Closes the pool: idle connections at once, those in use when they come back. Whoever waits
    /// for one, or asks later, gets [`PoolError::Closed`]. Closing it again does nothing.
    pub fn close(&self) {
        // answer: let nobody in any more, and close what is idle (P19)
        let mut state = self.shared.state.lock();
        state.closed = true;
        let idle = std::mem::take(&mut state.idle);
        drop(state);
        self.shared.freed.notify_all();
        for idle in idle {
            self.shared.discard(idle.live);
        }
        // end answer
    }
}

impl<M: ManageConnection> Clone for Pool<M> {
    fn clone(&self) -> Self {
        // answer: another handle to the same pool
        Self { shared: Arc::clone(&self.shared) }
        // end answer
    }
}

impl<M: ManageConnection> Deref for PooledConnection<M> {
    type Target = M::Connection;

    fn deref(&self) -> &M::Connection {
        // answer: the connection (P3)
        &self.live.as_ref().expect("there until it is dropped").conn
        // end answer
    }
}

impl<M: ManageConnection> DerefMut for PooledConnection<M> {
    fn deref_mut(&mut self) -> &mut M::Connection {
        // answer: the connection (P3)
        &mut self.live.as_mut().expect("there until it is dropped").conn
        // end answer
    }
}

impl<M: ManageConnection> Drop for PooledConnection<M> {
    /// Gives the connection back, and a thread that waits for one gets it. A connection that is
    /// broken, or whose pool has been closed, is closed instead, and its place is free.
    fn drop(&mut self) {
        // answer: give it back, or close it (P4, P10 to P13, P19)
        let (Some(mut live), Some(shared)) = (self.live.take(), self.shared.upgrade()) else {
            return; // The pool is gone, and the connection goes with this guard.
        };
        if !shared.is_good(&mut live) {
            return shared.discard(live);
        }
        let since = Instant::now();
        let mut state = shared.state.lock();
        if state.closed {
            drop(state);
            return shared.discard(live);
        }
        state.idle.push(Idle { live, since });
        drop(state);
        shared.freed.notify_one();
        // end answer
    }
}
