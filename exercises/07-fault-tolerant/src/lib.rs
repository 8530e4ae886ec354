//! Task 07: a pool that survives its primary.
//!
//! The README beside this crate tells what the cluster promises (P1, P2, …); the docs below are the same
//! contract, function by function. The words are given, and so is a pool for each single server
//! (`fixtures::cluster`); breaker, choice of server, probe and fail-back are yours. Add whatever private
//! fields, types and functions you like; leave the public names and signatures as they are.

#![allow(dead_code, unused_variables, unused_imports, unused_mut)] // remove when you are done

use std::error::Error;
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::time::Duration;

use fixtures::cluster::Server;

/// How a cluster behaves.
#[derive(Clone, Debug)]
pub struct ClusterConfig {
    /// So many failures of a server in a row open its breaker. Default 3.
    pub failure_threshold: u32,
    /// How long a breaker stays open before a probe may find out whether the server is back.
    /// Default 5 s.
    pub open_for: Duration,
    /// How long an attempt at one server may take: to open a connection, if none is idle, and to have
    /// its answer to a question. And how long a request may wait, before that, for a place in the pool
    /// of that server. Default 500 ms.
    pub attempt_timeout: Duration,
    /// A replica that is further behind serves no reads, nor does one that cannot say how far it is.
    /// `None`: nobody asks. Default 1 s.
    pub max_lag: Option<Duration>,
    /// Never more connections than this at once to any one server. Default 10.
    pub max_connections: u32,
}

impl Default for ClusterConfig {
    fn default() -> Self {
        Self {
            failure_threshold: 3,
            open_for: Duration::from_secs(5),
            attempt_timeout: Duration::from_millis(500),
            max_lag: Some(Duration::from_secs(1)),
            max_connections: 10,
        }
    }
}

/// Why there is no cluster, or no connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClusterError {
    /// The configuration cannot work, for this reason.
    InvalidConfig(String),
    /// The primary has no connection to write on: its breaker is open or half open, the attempt failed,
    /// or it is full.
    PrimaryUnavailable,
    /// No server has a connection to read on. One text for each server, the primary's first: the error
    /// of its attempt, or why there was none.
    AllUnavailable(Vec<String>),
    /// The cluster has been closed.
    Closed,
}

impl fmt::Display for ClusterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InvalidConfig(reason) => write!(f, "the configuration cannot work: {reason}"),
            Self::PrimaryUnavailable => f.write_str("the primary is not available"),
            Self::AllUnavailable(errors) => {
                f.write_str("no server is available")?;
                let mut errors = errors.iter().enumerate();
                errors.try_for_each(|(server, error)| write!(f, "; server {server}: {error}"))
            }
            Self::Closed => f.write_str("the cluster is closed"),
        }
    }
}

impl Error for ClusterError {}

/// What the cluster thinks of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Breaker {
    /// The server is in use.
    Closed,
    /// It has failed too often in a row: nobody asks it for anything.
    Open,
    /// One request, the probe, is finding out whether it is back; to all others it is open.
    HalfOpen,
}

/// A primary and its replicas. Each has a pool of its own, and a breaker.
pub struct Cluster<S: Server> {
    // Your fields; `S` has to be among them, and this line not.
    server: std::marker::PhantomData<S>,
}

/// A connection on loan. It derefs to the connection; dropping it gives the connection back to the pool
/// of its server. If it has broken by then, that is a failure of the server.
pub struct ClusterConnection<S: Server> {
    // Your fields; `S` has to be among them, and this line not.
    server: std::marker::PhantomData<S>,
}

impl<S: Server> Cluster<S> {
    /// A cluster of these servers, with all breakers closed. Opens nothing.
    ///
    /// # Errors
    /// [`ClusterError::InvalidConfig`] if `failure_threshold`, `open_for`, `attempt_timeout` or
    /// `max_connections` is zero. There may be no replicas.
    pub fn new(primary: S, replicas: Vec<S>, config: ClusterConfig) -> Result<Self, ClusterError> {
        todo!("look at the configuration (P1), and make a pool and a breaker for each server")
    }

    /// A connection to read on: the primary's while it lives; else one of a replica, where the
    /// replicas take turns. A server that does not give one is passed over for the next. Cancelling it
    /// loses nothing.
    ///
    /// # Errors
    /// [`ClusterError::AllUnavailable`] when no server gives one, [`ClusterError::Closed`] when the
    /// cluster is or becomes closed.
    pub async fn read(&self) -> Result<ClusterConnection<S>, ClusterError> {
        todo!("try the primary, then the replicas in their turn (P2, P4, P6, P7)")
    }

    /// A connection to write on, of the primary and of no other. Cancelling it loses nothing.
    ///
    /// # Errors
    /// [`ClusterError::PrimaryUnavailable`], at once while the primary's breaker is open or half open,
    /// and else when its one attempt, which is the probe if `open_for` is over, comes to nothing;
    /// [`ClusterError::Closed`] when the cluster is or becomes closed.
    pub async fn write(&self) -> Result<ClusterConnection<S>, ClusterError> {
        todo!("try the primary, and nobody else (P2, P5)")
    }

    /// What the cluster thinks of each server, the primary first. Never waits.
    pub fn states(&self) -> Vec<Breaker> {
        todo!("the breakers as they stand (P3)")
    }

    /// Closes the cluster: what is idle now, and what is in use when it comes back. Whoever asks
    /// meanwhile or later gets [`ClusterError::Closed`], at once; nothing dials any more. Closing it
    /// again does nothing.
    #[allow(clippy::unused_async)] // another cluster may have something to wait for
    pub async fn close(&self) {
        todo!("end what is under way, close all pools (P21)")
    }
}

impl<S: Server> ClusterConnection<S> {
    /// The number of its server: 0 is the primary, 1 the first replica.
    pub fn server(&self) -> usize {
        todo!("whose connection it is")
    }
}

impl<S: Server> Deref for ClusterConnection<S> {
    type Target = S::Connection;

    fn deref(&self) -> &S::Connection {
        todo!("the connection")
    }
}

impl<S: Server> DerefMut for ClusterConnection<S> {
    fn deref_mut(&mut self) -> &mut S::Connection {
        todo!("the connection")
    }
}
