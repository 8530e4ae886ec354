//! Task 01: a blocking connection pool.
//!
//! The README beside this crate tells what the pool promises (P1, P2, …); the docs below are the
//! same contract, function by function. Add whatever private fields, types and functions you like;
//! leave the public names and signatures as they are.

#![allow(dead_code, unused_variables, unused_imports, unused_mut)] // remove when you are done

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::time::Duration;

use fixtures::ManageConnection;

use std::marker::PhantomData;

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
    your_fields: PhantomData<M>, // put yours here instead
}

/// A connection on loan. It derefs to the connection; dropping it gives the connection back.
pub struct PooledConnection<M: ManageConnection> {
    your_fields: PhantomData<M>, // put yours here instead
}

impl<M: ManageConnection> Pool<M> {
    /// A pool over `manager`, with `min_connections` open and idle.
    ///
    /// # Errors
    /// [`PoolError::InvalidConfig`], before anything is opened, if `max_connections` is 0 or less
    /// than `min_connections`. [`PoolError::Connect`] if one of the first connections could not be
    /// opened; those that were are closed again.
    pub fn new(manager: M, config: PoolConfig) -> Result<Self, PoolError<M::Error>> {
        todo!("refuse what cannot work (P1), then open min_connections (P2, P15)")
    }

    /// Takes a connection, waiting for one up to the configured `connection_timeout`.
    ///
    /// # Errors
    /// As [`get_timeout`](Self::get_timeout).
    pub fn get(&self) -> Result<PooledConnection<M>, PoolError<M::Error>> {
        todo!("take a connection within connection_timeout (P7)")
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
        todo!("an idle one, a new one, or wait for one (P3 to P11, P13, P14, P16, P17)")
    }

    /// What the pool looks like now. Never waits for a connection to be opened or closed.
    pub fn status(&self) -> Status {
        todo!("count the connections and the waiting threads (P2, P4)")
    }

    /// Closes idle connections that are older than `max_lifetime`, and idle connections that nobody
    /// has used for longer than `idle_timeout`, as long as more than `min_connections` remain, those
    /// in use included. Opens none. Returns how many it closed.
    ///
    /// A pool does not do this by itself: call it now and then.
    pub fn reap(&self) -> usize {
        todo!("close what is too old or of no use (P18)")
    }

    /// Closes the pool: idle connections at once, those in use when they come back. Whoever waits
    /// for one, or asks later, gets [`PoolError::Closed`]. Closing it again does nothing.
    pub fn close(&self) {
        todo!("let nobody in any more, and close what is idle (P19)")
    }
}

impl<M: ManageConnection> Clone for Pool<M> {
    fn clone(&self) -> Self {
        todo!("another handle to the same pool")
    }
}

impl<M: ManageConnection> Deref for PooledConnection<M> {
    type Target = M::Connection;

    fn deref(&self) -> &M::Connection {
        todo!("the connection (P3)")
    }
}

impl<M: ManageConnection> DerefMut for PooledConnection<M> {
    fn deref_mut(&mut self) -> &mut M::Connection {
        todo!("the connection (P3)")
    }
}

impl<M: ManageConnection> Drop for PooledConnection<M> {
    /// Gives the connection back, and a thread that waits for one gets it. A connection that is
    /// broken, or whose pool has been closed, is closed instead, and its place is free.
    fn drop(&mut self) {
        todo!("give it back, or close it (P4, P10 to P13, P19)")
    }
}
