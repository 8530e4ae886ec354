//! Connections are opened by tasks of the pool's own. A connect whose request is dropped goes on, and
//! whoever has the place next waits for the same one; if nobody wants it, it becomes idle.

use std::collections::BTreeMap;
use std::fmt;
use std::mem;
use std::num::NonZeroU32;
use std::ops::{Deref, DerefMut};
use std::panic;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use fixtures::AsyncManageConnection;
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout, timeout_at};

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
pub struct PriorityPool<M: AsyncManageConnection> {
    shared: Arc<Shared<M>>,
}

/// A connection on loan.
pub struct PriorityConnection<M: AsyncManageConnection> {
    place: Place<M>,
}

struct Shared<M: AsyncManageConnection> {
    manager: Arc<M>,
    config: PriorityConfig,
    state: Mutex<State<M>>,
}

struct State<M: AsyncManageConnection> {
    idle: Vec<M::Connection>,
    taken: u32,
    queues: [BTreeMap<u64, oneshot::Sender<Place<M>>>; 2],
    ticket: u64,
    row: u32,
    closed: bool,
}

/// What comes of a connect: `None` if it took too long.
type Dial<M> = JoinHandle<
    Option<Result<<M as AsyncManageConnection>::Connection, <M as AsyncManageConnection>::Error>>,
>;

enum Content<M: AsyncManageConnection> {
    Nothing,
    Connection(M::Connection),
    Dial(Dial<M>),
}

struct Place<M: AsyncManageConnection> {
    content: Content<M>,
    shared: Arc<Shared<M>>,
}

impl<M: AsyncManageConnection> Shared<M> {
    fn state(&self) -> MutexGuard<'_, State<M>> {
        self.state.lock().expect("never poisoned")
    }

    /// The next in order, if anybody waits.
    fn next(&self, state: &mut State<M>) -> Option<oneshot::Sender<Place<M>>> {
        let [critical, normal] = &mut state.queues;
        let due = self.config.starvation_limit.is_some_and(|limit| state.row >= limit.get());
        if normal.is_empty() || !critical.is_empty() && !due {
            state.row = state.row.saturating_add(u32::from(!normal.is_empty()));
            return critical.pop_first().map(|(_, next)| next);
        }
        state.row = 0;
        normal.pop_first().map(|(_, next)| next)
    }
}

impl<M: AsyncManageConnection> Place<M> {
    fn close_broken(&mut self) -> bool {
        let broken = match &mut self.content {
            Content::Connection(conn) => self.shared.manager.has_broken(conn),
            Content::Nothing | Content::Dial(_) => false,
        };
        if broken {
            self.content = Content::Nothing;
        }
        broken
    }

    /// Ends a connect that takes too long.
    fn give_up(&mut self) {
        if let Content::Dial(dial) = &self.content {
            dial.abort();
            self.content = Content::Nothing;
        }
    }

    async fn fill(&mut self) -> Result<(), PriorityError<M::Error>> {
        while self.close_broken() {
            let mut state = self.shared.state();
            if let Some(conn) = state.idle.pop() {
                state.taken -= 1;
                drop(state);
                self.content = Content::Connection(conn);
            }
        }
        if let Content::Nothing = self.content {
            if self.shared.state().closed {
                return Err(PriorityError::Closed);
            }
            let manager = Arc::clone(&self.shared.manager);
            let limit = self.shared.config.connection_timeout;
            let dial = async move { timeout(limit, manager.connect()).await.ok() };
            self.content = Content::Dial(tokio::spawn(dial));
        }
        if let Content::Dial(dial) = &mut self.content {
            let answer = dial.await;
            self.content = Content::Nothing;
            match answer {
                Ok(Some(Ok(conn))) => self.content = Content::Connection(conn),
                Ok(Some(Err(error))) => return Err(PriorityError::Connect(error)),
                Ok(None) => return Err(PriorityError::Timeout),
                Err(error) => match error.try_into_panic() {
                    Ok(payload) => panic::resume_unwind(payload),
                    Err(_) => return Err(PriorityError::Closed),
                },
            }
        }
        Ok(())
    }
}

impl<M: AsyncManageConnection> Drop for Place<M> {
    fn drop(&mut self) {
        self.close_broken();
        let shared = Arc::clone(&self.shared);
        let mut state = shared.state();
        if state.closed {
            drop(state);
            self.give_up();
            self.content = Content::Nothing;
            state = shared.state();
        }
        if let Some(next) = shared.next(&mut state) {
            drop(state);
            let content = mem::replace(&mut self.content, Content::Nothing);
            drop(next.send(Place { content, shared }));
            return;
        }
        match mem::replace(&mut self.content, Content::Nothing) {
            Content::Nothing => state.taken -= 1,
            Content::Connection(conn) => state.idle.push(conn),
            Content::Dial(dial) => {
                drop(state);
                let Ok(runtime) = Handle::try_current() else {
                    dial.abort();
                    shared.state().taken -= 1;
                    return;
                };
                runtime.spawn(async move {
                    let content = match dial.await {
                        Ok(Some(Ok(conn))) => Content::Connection(conn),
                        _ => Content::Nothing,
                    };
                    drop(Place { content, shared });
                });
            }
        }
    }
}

/// Leaves the queue when it is dropped.
struct Turn<'a, M: AsyncManageConnection> {
    shared: &'a Shared<M>,
    queue: usize,
    ticket: u64,
}

impl<M: AsyncManageConnection> Drop for Turn<'_, M> {
    fn drop(&mut self) {
        let sender = self.shared.state().queues[self.queue].remove(&self.ticket);
        drop(sender);
    }
}

impl<M: AsyncManageConnection> PriorityPool<M> {
    /// A pool over `manager`.
    pub fn new(manager: M, config: PriorityConfig) -> Result<Self, PriorityError<M::Error>> {
        if config.max_connections == 0 {
            return Err(PriorityError::InvalidConfig("max_connections is zero".into()));
        }
        let state = Mutex::new(State {
            idle: Vec::new(),
            taken: 0,
            queues: [BTreeMap::new(), BTreeMap::new()],
            ticket: 0,
            row: 0,
            closed: false,
        });
        let manager = Arc::new(manager);
        Ok(Self { shared: Arc::new(Shared { manager, config, state }) })
    }

    /// Takes a connection.
    pub async fn get(
        &self,
        priority: Priority,
    ) -> Result<PriorityConnection<M>, PriorityError<M::Error>> {
        let now = Instant::now();
        let far = now + Duration::from_secs(86_400 * 365);
        let until = now.checked_add(self.shared.config.connection_timeout).unwrap_or(far).min(far);
        let late = |_| PriorityError::Timeout;
        let mut place = timeout_at(until, self.place(priority)).await.map_err(late)??;
        match timeout_at(until, place.fill()).await {
            Ok(result) => result?,
            Err(_) => {
                place.give_up();
                return Err(PriorityError::Timeout);
            }
        }
        Ok(PriorityConnection { place })
    }

    async fn place(&self, priority: Priority) -> Result<Place<M>, PriorityError<M::Error>> {
        let shared = &self.shared;
        let queue = usize::from(priority == Priority::Normal);
        let (turn, comes) = {
            let mut state = shared.state();
            if state.closed {
                return Err(PriorityError::Closed);
            }
            if let Some(conn) = state.idle.pop() {
                let content = Content::Connection(conn);
                return Ok(Place { content, shared: Arc::clone(shared) });
            }
            if state.taken < shared.config.max_connections {
                state.taken += 1;
                return Ok(Place { content: Content::Nothing, shared: Arc::clone(shared) });
            }
            if queue == 1 && state.queues[1].len() >= shared.config.normal_queue {
                return Err(PriorityError::QueueFull);
            }
            let (sender, comes) = oneshot::channel();
            let ticket = state.ticket;
            state.ticket += 1;
            state.queues[queue].insert(ticket, sender);
            (Turn { shared: &**shared, queue, ticket }, comes)
        };
        let place = comes.await;
        drop(turn);
        place.map_err(|_| PriorityError::Closed)
    }

    /// What the pool looks like now.
    pub fn status(&self) -> Status {
        let state = self.shared.state();
        let idle = u32::try_from(state.idle.len()).unwrap_or(u32::MAX);
        let [waiting_critical, waiting_normal] =
            [0, 1].map(|queue: usize| u32::try_from(state.queues[queue].len()).unwrap_or(u32::MAX));
        Status {
            size: state.taken,
            idle,
            in_use: state.taken - idle,
            waiting_critical,
            waiting_normal,
        }
    }

    /// Closes the pool.
    pub fn close(&self) {
        let mut state = self.shared.state();
        state.closed = true;
        let idle = mem::take(&mut state.idle);
        let queues = mem::take(&mut state.queues);
        drop(state);
        drop(queues);
        for conn in idle {
            let content = Content::Connection(conn);
            drop(Place { content, shared: Arc::clone(&self.shared) });
        }
    }
}

impl<M: AsyncManageConnection> Clone for PriorityPool<M> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<M: AsyncManageConnection> Deref for PriorityConnection<M> {
    type Target = M::Connection;

    fn deref(&self) -> &M::Connection {
        match &self.place.content {
            Content::Connection(conn) => conn,
            Content::Nothing | Content::Dial(_) => unreachable!("it was filled"),
        }
    }
}

impl<M: AsyncManageConnection> DerefMut for PriorityConnection<M> {
    fn deref_mut(&mut self) -> &mut M::Connection {
        match &mut self.place.content {
            Content::Connection(conn) => conn,
            Content::Nothing | Content::Dial(_) => unreachable!("it was filled"),
        }
    }
}
