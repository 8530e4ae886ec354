//! Task 07: a pool that survives its primary.
//!
//! The README beside this crate tells what the cluster promises (P1, P2, …); the docs below are the same
//! contract, function by function. The words are given, and so is a pool for each single server
//! (`fixtures::cluster`); breaker, choice of server, probe and fail-back are yours. Add whatever private
//! fields, types and functions you like; leave the public names and signatures as they are.

use std::error::Error;
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::time::Duration;

use fixtures::cluster::Server;

// answer: import what your cluster is made of
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::Poll;

use fixtures::cluster::{Place, ServerPool};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};
// starter:
// end answer

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
    // answer: what a cluster knows
    /// The primary first.
    nodes: Vec<Arc<Node<S>>>,
    config: ClusterConfig,
    /// At which replica the next read begins that needs one.
    turn: AtomicUsize,
    /// Has no permits, and is closed with the cluster: that wakes whoever is at work.
    open: Semaphore,
    // starter:
    // // Your fields; `S` has to be among them, and this line not.
    // server: std::marker::PhantomData<S>,
    // end answer
}

/// A connection on loan. It derefs to the connection; dropping it gives the connection back to the pool
/// of its server. If it has broken by then, that is a failure of the server.
pub struct ClusterConnection<S: Server> {
    // answer: what a guard knows
    place: Place<S>,
    server: usize,
    node: Arc<Node<S>>,
    /// The era of the breaker in which it was handed out.
    era: u64,
    // starter:
    // // Your fields; `S` has to be among them, and this line not.
    // server: std::marker::PhantomData<S>,
    // end answer
}

impl<S: Server> Cluster<S> {
    /// A cluster of these servers, with all breakers closed. Opens nothing.
    ///
    /// # Errors
    /// [`ClusterError::InvalidConfig`] if `failure_threshold`, `open_for`, `attempt_timeout` or
    /// `max_connections` is zero. There may be no replicas.
    pub fn new(primary: S, replicas: Vec<S>, config: ClusterConfig) -> Result<Self, ClusterError> {
        // answer: look at the configuration (P1), and make a pool and a breaker for each server
        let zero = |name: &str| Err(ClusterError::InvalidConfig(format!("{name} is zero")));
        if config.failure_threshold == 0 {
            return zero("failure_threshold");
        }
        if config.open_for.is_zero() || config.attempt_timeout.is_zero() {
            return zero("open_for or attempt_timeout");
        }
        if config.max_connections == 0 {
            return zero("max_connections");
        }
        let servers = [primary].into_iter().chain(replicas);
        let nodes = servers.map(|server| Arc::new(Node::new(server, &config))).collect();
        Ok(Self { nodes, config, turn: AtomicUsize::new(0), open: Semaphore::new(0) })
        // end answer
    }

    /// A connection to read on: the primary's while it lives; else one of a replica, where the
    /// replicas take turns. A server that does not give one is passed over for the next. Cancelling it
    /// loses nothing.
    ///
    /// # Errors
    /// [`ClusterError::AllUnavailable`] when no server gives one, [`ClusterError::Closed`] when the
    /// cluster is or becomes closed.
    pub async fn read(&self) -> Result<ClusterConnection<S>, ClusterError> {
        // answer: try the primary, then the replicas in their turn (P2, P4, P6, P7)
        self.unless_closed(async {
            let mut errors = vec![String::new(); self.nodes.len()];
            match self.attempt(0, None).await {
                Ok(conn) => return Ok(conn),
                Err(error) => errors[0] = error,
            }
            let replicas = self.nodes.len() - 1;
            let first = self.turn.fetch_add(1, Ordering::Relaxed);
            for step in 0..replicas {
                let server = 1 + first.wrapping_add(step) % replicas;
                match self.attempt(server, self.config.max_lag).await {
                    Ok(conn) => return Ok(conn),
                    Err(error) => errors[server] = error,
                }
            }
            Err(ClusterError::AllUnavailable(errors))
        })
        .await
        // end answer
    }

    /// A connection to write on, of the primary and of no other. Cancelling it loses nothing.
    ///
    /// # Errors
    /// [`ClusterError::PrimaryUnavailable`], at once while the primary's breaker is open or half open,
    /// and else when its one attempt, which is the probe if `open_for` is over, comes to nothing;
    /// [`ClusterError::Closed`] when the cluster is or becomes closed.
    pub async fn write(&self) -> Result<ClusterConnection<S>, ClusterError> {
        // answer: try the primary, and nobody else (P2, P5)
        let attempt = async { self.attempt(0, None).await };
        let unavailable = |_| ClusterError::PrimaryUnavailable;
        self.unless_closed(async { attempt.await.map_err(unavailable) }).await
        // end answer
    }

    /// What the cluster thinks of each server, the primary first. Never waits.
    pub fn states(&self) -> Vec<Breaker> {
        // answer: the breakers as they stand (P3)
        let state = |node: &Arc<Node<S>>| match node.breaker().state {
            State::Closed { .. } => Breaker::Closed,
            State::Open { .. } => Breaker::Open,
            State::Probed { .. } => Breaker::HalfOpen,
        };
        self.nodes.iter().map(state).collect()
        // end answer
    }

    /// Closes the cluster: what is idle now, and what is in use when it comes back. Whoever asks
    /// meanwhile or later gets [`ClusterError::Closed`], at once; nothing dials any more. Closing it
    /// again does nothing.
    #[allow(clippy::unused_async)] // another cluster may have something to wait for
    pub async fn close(&self) {
        // answer: end what is under way, close all pools (P21)
        self.open.close();
        self.nodes.iter().for_each(|node| node.pool.close());
        // end answer
    }
}

impl<S: Server> ClusterConnection<S> {
    /// The number of its server: 0 is the primary, 1 the first replica.
    pub fn server(&self) -> usize {
        // answer: whose connection it is
        self.server
        // end answer
    }
}

impl<S: Server> Deref for ClusterConnection<S> {
    type Target = S::Connection;

    fn deref(&self) -> &S::Connection {
        // answer: the connection
        self.place.conn().expect("there until it is dropped")
        // end answer
    }
}

impl<S: Server> DerefMut for ClusterConnection<S> {
    fn deref_mut(&mut self) -> &mut S::Connection {
        // answer: the connection
        self.place.conn_mut().expect("there until it is dropped")
        // end answer
    }
}
// answer: your own types and functions: breaker, attempt, the guard's `Drop` (P3, P8 to P20)

impl<S: Server> Drop for ClusterConnection<S> {
    fn drop(&mut self) {
        // Its place is given back behind this: who gets that finds the failure counted.
        if self.place.has_broken() {
            self.node.breaker().failed(self.era, "a connection broke in use");
        }
    }
}

impl<S: Server> Cluster<S> {
    async fn unless_closed<T>(
        &self,
        work: impl Future<Output = Result<T, ClusterError>>,
    ) -> Result<T, ClusterError> {
        tokio::select! {
            biased;
            _ = self.open.acquire() => Err(ClusterError::Closed),
            result = work => result,
        }
    }

    /// A connection of this server that has just answered, or why there is none. Waiting for a place is
    /// not the server's fault; what goes wrong behind that is.
    async fn attempt(
        &self,
        server: usize,
        max_lag: Option<Duration>,
    ) -> Result<ClusterConnection<S>, String> {
        let node = &self.nodes[server];
        node.breaker().look()?;
        let limit = self.config.attempt_timeout;
        let place = timeout(limit, node.pool.place()).await.map_err(|_| "its pool is full")?;
        let mut place = place.map_err(|closed| closed.to_string())?;
        // Only now, for a breaker may have opened while this waited.
        let ticket = node.admit()?;
        let lag = match timeout(limit, caught(answer(&mut place, max_lag.is_some()))).await {
            Ok(Some(Ok(lag))) => lag,
            Ok(Some(Err(error))) if node.pool.server().is_full(&error) => {
                // It lives, or it could not have said so.
                ticket.succeeded();
                return Err(error.to_string());
            }
            Ok(Some(Err(error))) => return Err(ticket.failed(&error.to_string())),
            Ok(None) => return Err(ticket.failed("it panicked")),
            Err(_) => return Err(ticket.failed(&format!("no answer within {limit:?}"))),
        };
        let era = ticket.succeeded();
        if let Some(max) = max_lag {
            let lag = lag.ok_or("it cannot say how far it is behind")?;
            if lag > max {
                return Err(format!("it is {lag:?} behind"));
            }
        }
        Ok(ClusterConnection { place, server, node: Arc::clone(node), era })
    }
}

/// Has a connection here answer a question, and opens one for that if need be. That an old connection
/// does not answer says nothing of the server: a new one may.
async fn answer<S: Server>(
    place: &mut Place<S>,
    ask_lag: bool,
) -> Result<Option<Duration>, S::Error> {
    loop {
        let is_new = place.conn().is_none();
        place.open().await?;
        let answer = if ask_lag { place.lag().await } else { place.ping().await.map(|()| None) };
        if is_new || answer.is_ok() {
            return answer;
        }
    }
}

/// What a future comes to; `None` if it panics.
async fn caught<T>(work: impl Future<Output = T>) -> Option<T> {
    let mut work = pin!(work);
    poll_fn(|context| match catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(context))) {
        Ok(poll) => poll.map(Some),
        Err(_) => Poll::Ready(None),
    })
    .await
}

/// A server, its pool, and its breaker.
struct Node<S: Server> {
    pool: ServerPool<S>,
    breaker: Mutex<Circuit>,
}

impl<S: Server> Node<S> {
    fn new(server: S, config: &ClusterConfig) -> Self {
        let breaker = Circuit {
            state: State::Closed { failures: 0 },
            era: 0,
            last_error: String::new(),
            threshold: config.failure_threshold,
            open_for: config.open_for,
        };
        Self { pool: ServerPool::new(server, config.max_connections), breaker: Mutex::new(breaker) }
    }

    /// The breaker. Never held while waiting for anything.
    fn breaker(&self) -> MutexGuard<'_, Circuit> {
        self.breaker.lock().expect("nobody panics with this lock")
    }

    /// Leave to try the server; while the breaker is not closed, for one at a time.
    fn admit(&self) -> Result<Ticket<'_>, String> {
        let mut breaker = self.breaker();
        breaker.look()?;
        if let State::Open { since } = breaker.state {
            breaker.state = State::Probed { since };
        }
        Ok(Ticket { breaker: &self.breaker, era: breaker.era })
    }
}

/// A breaker, as plain data.
struct Circuit {
    state: State,
    /// Counts its changes between open and closed: what began in another era says nothing about this
    /// one.
    era: u64,
    last_error: String,
    threshold: u32,
    open_for: Duration,
}

#[derive(Clone, Copy)]
enum State {
    /// So many failures in a row.
    Closed {
        failures: u32,
    },
    Open {
        since: Instant,
    },
    /// A probe is under way.
    Probed {
        since: Instant,
    },
}

impl Circuit {
    /// Whether the server may be tried now.
    fn look(&self) -> Result<(), String> {
        match self.state {
            State::Closed { .. } => Ok(()),
            State::Open { since } if since.elapsed() >= self.open_for => Ok(()),
            _ => Err(format!("its breaker is open: {}", self.last_error)),
        }
    }

    fn failed(&mut self, era: u64, error: &str) {
        if era != self.era {
            return;
        }
        error.clone_into(&mut self.last_error);
        match &mut self.state {
            State::Closed { failures } if *failures + 1 < self.threshold => *failures += 1,
            _ => self.change(State::Open { since: Instant::now() }),
        }
    }

    /// Says in which era the connection is handed out that answered.
    fn succeeded(&mut self, era: u64) -> u64 {
        if era != self.era {
            return era;
        }
        match &mut self.state {
            State::Closed { failures } => *failures = 0,
            _ => self.change(State::Closed { failures: 0 }),
        }
        self.era
    }

    fn change(&mut self, state: State) {
        self.state = state;
        self.era += 1;
    }
}

/// Leave to try a server. What comes of it must be said; dropping it says nothing, and makes way for
/// the next probe if it was one.
struct Ticket<'a> {
    breaker: &'a Mutex<Circuit>,
    era: u64,
}

impl Ticket<'_> {
    fn circuit(&self) -> MutexGuard<'_, Circuit> {
        self.breaker.lock().expect("nobody panics with this lock")
    }

    fn failed(self, error: &str) -> String {
        self.circuit().failed(self.era, error);
        error.to_owned()
    }

    fn succeeded(self) -> u64 {
        self.circuit().succeeded(self.era)
    }
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        let mut circuit = self.circuit();
        if let (true, State::Probed { since }) = (circuit.era == self.era, circuit.state) {
            circuit.state = State::Open { since };
        }
    }
}
// starter:
// end answer
