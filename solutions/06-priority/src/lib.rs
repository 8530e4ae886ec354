//! Task 06: a pool that knows what is urgent.
//!
//! The README beside this crate tells what the pool promises (P1, P2, …); the docs below are the
//! same contract, function by function. Add whatever private fields, types and functions you like;
//! leave the public names and signatures as they are.

use std::fmt;
use std::num::NonZeroU32;
use std::ops::{Deref, DerefMut};
use std::time::Duration;

use fixtures::AsyncManageConnection;

// answer: import what your pool is made of
use std::collections::BTreeMap;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::oneshot;
use tokio::time::timeout;
// starter:
// use std::marker::PhantomData;
// end answer

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
    // answer: what every handle to the pool shares
    shared: Arc<Shared<M>>,
    // starter:
    // your_fields: PhantomData<M>, // put yours here instead
    // end answer
}

/// A connection on loan. It derefs to the connection; dropping it gives the connection back.
pub struct PriorityConnection<M: AsyncManageConnection> {
    // answer: the connection, and the way back into the pool
    /// `None` while its place is empty: before a connection is opened there, or once it is closed.
    /// Who gets the guard from `get` never sees that.
    conn: Option<M::Connection>,
    shared: Arc<Shared<M>>,
    // starter:
    // your_fields: PhantomData<M>, // put yours here instead
    // end answer
}

// answer: your own types, if you want any
/// A guard is one of the `max_connections` places, with a connection in it or none. So a place is
/// never lost: whoever drops it, wherever that happens, gives it to the next in order.
type Guard<M> = PriorityConnection<M>;

/// Those who wait, by their tickets: the first has waited longest. Each can leave at any time, and
/// that costs no more for many than for few.
type Queue<M> = BTreeMap<u64, oneshot::Sender<Guard<M>>>;

struct Shared<M: AsyncManageConnection> {
    manager: M,
    config: PriorityConfig,
    state: Mutex<State<M>>,
}

/// Everything that changes, as plain data under one lock. Nobody holds the lock across an `await`,
/// while a connection is closed, or while another task is woken.
///
/// Who waits, waits because all places are taken and none is idle: a place that comes back goes into
/// the hands of the next in order, under the same lock, so nobody who asks later finds it.
struct State<M: AsyncManageConnection> {
    /// The last one to come back is the first one to go.
    idle: Vec<M::Connection>,
    /// How many places are taken: one for each idle connection, one for each guard.
    size: u32,
    critical: Queue<M>,
    normal: Queue<M>,
    next_ticket: u64,
    /// How many critical ones in a row were served while a normal one waited.
    run: u32,
    closed: bool,
}

impl<M: AsyncManageConnection> State<M> {
    fn queue(&mut self, priority: Priority) -> &mut Queue<M> {
        match priority {
            Priority::Critical => &mut self.critical,
            Priority::Normal => &mut self.normal,
        }
    }

    /// Takes the next in order from the queue.
    fn next(&mut self, limit: Option<NonZeroU32>) -> Option<oneshot::Sender<Guard<M>>> {
        let normal_is_due =
            limit.is_some_and(|limit| self.run >= limit.get()) && !self.normal.is_empty();
        if !normal_is_due && let Some((_, waiter)) = self.critical.pop_first() {
            self.run = if self.normal.is_empty() { 0 } else { self.run.saturating_add(1) };
            return Some(waiter);
        }
        self.run = 0;
        self.normal.pop_first().map(|(_, waiter)| waiter)
    }
}

/// A task's turn to get a place. Dropping it leaves the queue; if the turn has come already, the
/// guard that lies in `place` is dropped as well, and goes to the next.
struct Turn<'a, M: AsyncManageConnection> {
    priority: Priority,
    ticket: u64,
    place: oneshot::Receiver<Guard<M>>,
    shared: &'a Shared<M>,
}

impl<M: AsyncManageConnection> Drop for Turn<'_, M> {
    fn drop(&mut self) {
        let sender = self.shared.state().queue(self.priority).remove(&self.ticket);
        drop(sender); // With the lock free.
    }
}

/// What there is for a task that wants a connection.
enum Found<'a, M: AsyncManageConnection> {
    Place(Guard<M>),
    Turn(Turn<'a, M>),
}

impl<M: AsyncManageConnection> Found<'_, M> {
    /// Waits for the turn, if it has to come yet, and sees to it that there is a connection.
    async fn come(self) -> Result<Guard<M>, PriorityError<M::Error>> {
        let mut guard = match self {
            Self::Place(guard) => guard,
            Self::Turn(mut turn) => (&mut turn.place).await.map_err(|_| PriorityError::Closed)?,
        };
        if !guard.is_ready() {
            guard.open().await?;
        }
        Ok(guard)
    }
}

impl<M: AsyncManageConnection> Shared<M> {
    fn state(&self) -> MutexGuard<'_, State<M>> {
        self.state.lock().expect("nobody panics with this lock")
    }

    /// A place, with an idle connection or an empty one; else a turn in the queue.
    fn find(self: &Arc<Self>, priority: Priority) -> Result<Found<'_, M>, PriorityError<M::Error>> {
        let PriorityConfig { max_connections, normal_queue, .. } = self.config;
        let mut state = self.state();
        if state.closed {
            return Err(PriorityError::Closed);
        }
        let conn = state.idle.pop();
        if conn.is_none() && state.size == max_connections {
            if priority == Priority::Normal && state.normal.len() >= normal_queue {
                return Err(PriorityError::QueueFull);
            }
            let (sender, place) = oneshot::channel();
            let ticket = state.next_ticket;
            state.next_ticket += 1;
            state.queue(priority).insert(ticket, sender);
            return Ok(Found::Turn(Turn { priority, ticket, place, shared: self }));
        }
        state.size += u32::from(conn.is_none());
        Ok(Found::Place(PriorityConnection { conn, shared: Arc::clone(self) }))
    }
}

impl<M: AsyncManageConnection> PriorityConnection<M> {
    /// Whether there is a good connection here. A broken one is closed, and an idle one takes its
    /// place as long as there are any.
    fn is_ready(&mut self) -> bool {
        while self.close_broken() {
            let mut state = self.shared.state();
            if let Some(conn) = state.idle.pop() {
                // Two places become one. Nobody waits for the other: else nothing would be idle.
                state.size -= 1;
                self.conn = Some(conn);
            }
        }
        self.conn.is_some()
    }

    /// Closes the connection here if it is of no more use, and says whether it did.
    fn close_broken(&mut self) -> bool {
        let broken = self.conn.as_mut().is_some_and(|conn| self.shared.manager.has_broken(conn));
        if broken {
            self.conn = None;
        }
        broken
    }

    /// Opens a connection here.
    async fn open(&mut self) -> Result<(), PriorityError<M::Error>> {
        if self.shared.state().closed {
            return Err(PriorityError::Closed);
        }
        let conn = self.shared.manager.connect().await.map_err(PriorityError::Connect)?;
        self.conn = Some(conn);
        Ok(())
    }
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
// starter:
// end answer

impl<M: AsyncManageConnection> PriorityPool<M> {
    /// A pool over `manager`. It opens nothing yet.
    ///
    /// # Errors
    /// [`PriorityError::InvalidConfig`] if `max_connections` is 0. Every other configuration works.
    pub fn new(manager: M, config: PriorityConfig) -> Result<Self, PriorityError<M::Error>> {
        // answer: refuse what cannot work (P1)
        if config.max_connections == 0 {
            return Err(PriorityError::InvalidConfig("max_connections is 0".into()));
        }
        let state = State {
            idle: Vec::new(),
            size: 0,
            critical: Queue::new(),
            normal: Queue::new(),
            next_ticket: 0,
            run: 0,
            closed: false,
        };
        Ok(Self { shared: Arc::new(Shared { manager, config, state: Mutex::new(state) }) })
        // end answer
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
        // answer: an idle one, a new one, or wait for your turn (P2, P3, P5 to P10, P13 to P17)
        let found = match self.shared.find(priority)? {
            Found::Place(mut guard) => {
                // The usual way needs no timer: that would cost more than all the rest.
                if guard.is_ready() {
                    return Ok(guard);
                }
                Found::Place(guard)
            }
            turn @ Found::Turn(_) => turn,
        };
        let limit = self.shared.config.connection_timeout;
        timeout(limit, found.come()).await.unwrap_or(Err(PriorityError::Timeout))
        // end answer
    }

    /// What the pool looks like now. Never waits for a connection to be opened or closed.
    pub fn status(&self) -> Status {
        // answer: count the connections, and who waits (P11)
        let state = self.shared.state();
        let idle = count(state.idle.len());
        Status {
            size: state.size,
            idle,
            in_use: state.size - idle,
            waiting_critical: count(state.critical.len()),
            waiting_normal: count(state.normal.len()),
        }
        // end answer
    }

    /// Closes the pool: idle connections at once, those lent out when they come back. Whoever waits,
    /// or asks later, gets [`PriorityError::Closed`], and nobody begins to connect any more. Closing
    /// it again does nothing.
    pub fn close(&self) {
        // answer: let nobody in any more, tell those who wait, close what is idle (P19)
        let mut state = self.shared.state();
        state.closed = true;
        let idle = mem::take(&mut state.idle);
        let waiting = [mem::take(&mut state.critical), mem::take(&mut state.normal)];
        drop(state);
        drop(waiting);
        for conn in idle {
            drop(PriorityConnection { conn: Some(conn), shared: Arc::clone(&self.shared) });
        }
        // end answer
    }
}

impl<M: AsyncManageConnection> Clone for PriorityPool<M> {
    fn clone(&self) -> Self {
        // answer: another handle to the same pool
        Self { shared: Arc::clone(&self.shared) }
        // end answer
    }
}

impl<M: AsyncManageConnection> Deref for PriorityConnection<M> {
    type Target = M::Connection;

    fn deref(&self) -> &M::Connection {
        // answer: the connection (P2)
        self.conn.as_ref().expect("there until it is dropped")
        // end answer
    }
}

impl<M: AsyncManageConnection> DerefMut for PriorityConnection<M> {
    fn deref_mut(&mut self) -> &mut M::Connection {
        // answer: the connection (P2)
        self.conn.as_mut().expect("there until it is dropped")
        // end answer
    }
}

impl<M: AsyncManageConnection> Drop for PriorityConnection<M> {
    /// Gives the connection back: to the next in order, or it becomes idle. A connection that is
    /// broken, or whose pool has been closed, is closed first; then the next in order gets its place.
    /// It costs no more when many wait than when few do.
    fn drop(&mut self) {
        // answer: give it to the next in order, or back into the pool (P4 to P6, P12 to P19)
        self.close_broken();
        let mut state = self.shared.state();
        if state.closed {
            drop(state);
            self.conn = None;
            state = self.shared.state();
        }
        if let Some(next) = state.next(self.shared.config.starvation_limit) {
            drop(state);
            let conn = self.conn.take();
            // One that gives up at this moment sends it back: then it is dropped here, and goes to
            // the one after. One that gives up later drops it there, to the same end.
            drop(next.send(PriorityConnection { conn, shared: Arc::clone(&self.shared) }));
        } else if let Some(conn) = self.conn.take() {
            state.idle.push(conn);
        } else {
            state.size -= 1;
        }
        // end answer
    }
}
