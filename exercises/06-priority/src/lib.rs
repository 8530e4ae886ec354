//! Task 06: a pool that knows what is urgent.
//!
//! The README beside this crate tells what the pool promises (P1, P2, …); the docs below are the
//! same contract, function by function. Add whatever private fields, types and functions you like;
//! leave the public names and signatures as they are.

#![allow(dead_code, unused_variables, unused_imports, unused_mut)] // remove when you are done

use std::fmt;
use std::num::NonZeroU32;
use std::ops::{Deref, DerefMut};
use std::time::Duration;

use fixtures::AsyncManageConnection;

use std::marker::PhantomData;

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

/// A pool of connections with two queues before it. Cloning it is cheap and gives another handle to
/// the same pool.
///
/// When the last handle and the last guard are dropped, nothing is open any more.
pub struct PriorityPool<M: AsyncManageConnection> {
    your_fields: PhantomData<M>, // put yours here instead
}

/// A connection on loan. It derefs to the connection; dropping it gives the connection back.
pub struct PriorityConnection<M: AsyncManageConnection> {
    your_fields: PhantomData<M>, // put yours here instead
}

impl<M: AsyncManageConnection> PriorityPool<M> {
    /// A pool over `manager`. It opens nothing yet.
    ///
    /// # Errors
    /// [`PriorityError::InvalidConfig`] if `max_connections` is 0. Every other configuration works.
    pub fn new(manager: M, config: PriorityConfig) -> Result<Self, PriorityError<M::Error>> {
        todo!("refuse what cannot work (P1)")
    }

    /// Takes a connection: an idle one; else a new one, if there is room for it; else it waits for
    /// its turn. Turns come in the order of asking, critical ones first, up to the starvation limit.
    ///
    /// Asking, and giving up, cost no more when many wait than when few do. Dropping the future
    /// loses nothing: what it was given already goes to the next in order.
    ///
    /// # Errors
    /// [`PriorityError::QueueFull`], at once, for a normal request that would have to wait as number
    /// `normal_queue` + 1. [`PriorityError::Timeout`] after `connection_timeout`.
    /// [`PriorityError::Connect`] when a new connection could not be opened.
    /// [`PriorityError::Closed`] when the pool is closed, or becomes so while the request waits.
    ///
    /// # Panics
    /// If `connect` panics; its place goes to the next in order then.
    pub async fn get(
        &self,
        priority: Priority,
    ) -> Result<PriorityConnection<M>, PriorityError<M::Error>> {
        todo!("an idle one, a new one, or wait for your turn (P2, P3, P5 to P10, P13 to P17)")
    }

    /// What the pool looks like now. Never waits for a connection to be opened or closed.
    pub fn status(&self) -> Status {
        todo!("count the connections, and who waits (P11)")
    }

    /// Closes the pool: idle connections at once, those lent out when they come back. Whoever waits,
    /// or asks later, gets [`PriorityError::Closed`], and nobody begins to connect any more. Closing
    /// it again does nothing.
    pub fn close(&self) {
        todo!("let nobody in any more, tell those who wait, close what is idle (P19)")
    }
}

impl<M: AsyncManageConnection> Clone for PriorityPool<M> {
    fn clone(&self) -> Self {
        todo!("another handle to the same pool")
    }
}

impl<M: AsyncManageConnection> Deref for PriorityConnection<M> {
    type Target = M::Connection;

    fn deref(&self) -> &M::Connection {
        todo!("the connection (P2)")
    }
}

impl<M: AsyncManageConnection> DerefMut for PriorityConnection<M> {
    fn deref_mut(&mut self) -> &mut M::Connection {
        todo!("the connection (P2)")
    }
}

impl<M: AsyncManageConnection> Drop for PriorityConnection<M> {
    /// Gives the connection back: to the next in order, or it becomes idle. A connection that is
    /// broken, or whose pool has been closed, is closed first; then the next in order gets its place.
    /// It costs no more when many wait than when few do.
    fn drop(&mut self) {
        todo!("give it to the next in order, or back into the pool (P4 to P6, P12 to P19)")
    }
}
