//! No channels: who waits is a node of a linked list in a slab, with its waker in it, and a future
//! written by hand. Both lists are threaded through one `Vec`, so leaving costs two links.

use std::fmt;
use std::future::Future;
use std::num::NonZeroU32;
use std::ops::{Deref, DerefMut};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use fixtures::AsyncManageConnection;
use tokio::time::timeout;

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
    conn: Option<M::Connection>,
    shared: Arc<Shared<M>>,
}

struct Shared<M: AsyncManageConnection> {
    manager: M,
    config: PriorityConfig,
    state: Mutex<State<M>>,
}

/// What a node holds for the one that waits.
enum Word<M: AsyncManageConnection> {
    Wait(Option<Waker>),
    /// His turn has come: a place, with a connection or none.
    Place(Option<M::Connection>),
    Closed,
    /// Nobody uses this node.
    Unused,
}

struct Node<M: AsyncManageConnection> {
    word: Word<M>,
    before: usize,
    behind: usize,
}

const NONE: usize = usize::MAX;

#[derive(Clone, Copy)]
struct List {
    first: usize,
    last: usize,
    len: usize,
}

impl List {
    const EMPTY: Self = Self { first: NONE, last: NONE, len: 0 };
}

struct State<M: AsyncManageConnection> {
    idle: Vec<M::Connection>,
    size: u32,
    nodes: Vec<Node<M>>,
    unused: Vec<usize>,
    /// Critical, then normal.
    lists: [List; 2],
    served: u32,
    closed: bool,
}

fn list_of(priority: Priority) -> usize {
    usize::from(priority == Priority::Normal)
}

impl<M: AsyncManageConnection> State<M> {
    fn join(&mut self, list: usize) -> usize {
        let node = self.unused.pop().unwrap_or_else(|| {
            self.nodes.push(Node { word: Word::Unused, before: NONE, behind: NONE });
            self.nodes.len() - 1
        });
        let last = self.lists[list].last;
        self.nodes[node] = Node { word: Word::Wait(None), before: last, behind: NONE };
        match last {
            NONE => self.lists[list].first = node,
            last => self.nodes[last].behind = node,
        }
        self.lists[list].last = node;
        self.lists[list].len += 1;
        node
    }

    fn unlink(&mut self, list: usize, node: usize) {
        let Node { before, behind, .. } = self.nodes[node];
        match before {
            NONE => self.lists[list].first = behind,
            before => self.nodes[before].behind = behind,
        }
        match behind {
            NONE => self.lists[list].last = before,
            behind => self.nodes[behind].before = before,
        }
        self.lists[list].len -= 1;
    }

    /// Gives a place away. What is to be done with the lock free.
    fn give(&mut self, conn: Option<M::Connection>, limit: Option<NonZeroU32>) -> Option<Waker> {
        let waits = |list: usize| self.lists[list].len > 0;
        let over = limit.is_some_and(|limit| self.served >= limit.get());
        let list = match (waits(0), waits(1)) {
            (true, true) if over => 1,
            (true, _) => 0,
            (false, true) => 1,
            (false, false) => {
                match conn {
                    Some(conn) => self.idle.push(conn),
                    None => self.size -= 1,
                }
                return None;
            }
        };
        if list == 1 {
            self.served = 0;
        } else if waits(1) {
            self.served = self.served.saturating_add(1);
        }
        let node = self.lists[list].first;
        self.unlink(list, node);
        match std::mem::replace(&mut self.nodes[node].word, Word::Place(conn)) {
            Word::Wait(waker) => waker,
            _ => None,
        }
    }
}

/// Waits for a turn.
struct Wait<'a, M: AsyncManageConnection> {
    shared: &'a Arc<Shared<M>>,
    list: usize,
    node: usize,
}

impl<M: AsyncManageConnection> Future for Wait<'_, M> {
    type Output = Result<PriorityConnection<M>, PriorityError<M::Error>>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.shared.state();
        let word = &mut state.nodes[self.node].word;
        match std::mem::replace(word, Word::Closed) {
            Word::Wait(_) => {
                *word = Word::Wait(Some(context.waker().clone()));
                Poll::Pending
            }
            Word::Place(conn) => {
                Poll::Ready(Ok(PriorityConnection { conn, shared: Arc::clone(self.shared) }))
            }
            Word::Closed | Word::Unused => Poll::Ready(Err(PriorityError::Closed)),
        }
    }
}

impl<M: AsyncManageConnection> Drop for Wait<'_, M> {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        let word = std::mem::replace(&mut state.nodes[self.node].word, Word::Unused);
        if let Word::Wait(_) = word {
            state.unlink(self.list, self.node);
        }
        state.unused.push(self.node);
        drop(state);
        if let Word::Place(conn) = word {
            drop(PriorityConnection { conn, shared: Arc::clone(self.shared) });
        }
    }
}

impl<M: AsyncManageConnection> Shared<M> {
    fn state(&self) -> MutexGuard<'_, State<M>> {
        self.state.lock().unwrap()
    }

    fn broken(&self, conn: &mut Option<M::Connection>) -> bool {
        conn.as_mut().is_some_and(|conn| self.manager.has_broken(conn))
    }
}

impl<M: AsyncManageConnection> PriorityPool<M> {
    /// A pool over `manager`.
    pub fn new(manager: M, config: PriorityConfig) -> Result<Self, PriorityError<M::Error>> {
        if config.max_connections == 0 {
            return Err(PriorityError::InvalidConfig("no connection is allowed".into()));
        }
        let state = Mutex::new(State {
            idle: Vec::new(),
            size: 0,
            nodes: Vec::new(),
            unused: Vec::new(),
            lists: [List::EMPTY; 2],
            served: 0,
            closed: false,
        });
        Ok(Self { shared: Arc::new(Shared { manager, config, state }) })
    }

    /// Takes a connection.
    pub async fn get(
        &self,
        priority: Priority,
    ) -> Result<PriorityConnection<M>, PriorityError<M::Error>> {
        timeout(self.shared.config.connection_timeout, self.take(priority))
            .await
            .unwrap_or(Err(PriorityError::Timeout))
    }

    async fn take(
        &self,
        priority: Priority,
    ) -> Result<PriorityConnection<M>, PriorityError<M::Error>> {
        let shared = &self.shared;
        let found = {
            let mut state = shared.state();
            let list = list_of(priority);
            if state.closed {
                return Err(PriorityError::Closed);
            }
            if let Some(conn) = state.idle.pop() {
                Ok(PriorityConnection { conn: Some(conn), shared: Arc::clone(shared) })
            } else if state.size < shared.config.max_connections {
                state.size += 1;
                Ok(PriorityConnection { conn: None, shared: Arc::clone(shared) })
            } else if list == 1 && state.lists[1].len >= shared.config.normal_queue {
                return Err(PriorityError::QueueFull);
            } else {
                let node = state.join(list);
                Err(Wait { shared, list, node })
            }
        };
        let mut guard = match found {
            Ok(guard) => guard,
            Err(wait) => wait.await?,
        };
        while shared.broken(&mut guard.conn) {
            guard.conn = None;
            let mut state = shared.state();
            if let Some(conn) = state.idle.pop() {
                state.size -= 1;
                guard.conn = Some(conn);
            }
        }
        if guard.conn.is_none() {
            if shared.state().closed {
                return Err(PriorityError::Closed);
            }
            guard.conn = Some(shared.manager.connect().await.map_err(PriorityError::Connect)?);
            // A connect that ends after the end is of no use to anybody.
            if shared.state().closed {
                return Err(PriorityError::Closed);
            }
        }
        Ok(guard)
    }

    /// What the pool looks like now.
    pub fn status(&self) -> Status {
        let state = self.shared.state();
        let idle = state.idle.len() as u32;
        Status {
            size: state.size,
            idle,
            in_use: state.size - idle,
            waiting_critical: state.lists[0].len as u32,
            waiting_normal: state.lists[1].len as u32,
        }
    }

    /// Closes the pool.
    pub fn close(&self) {
        let mut state = self.shared.state();
        state.closed = true;
        let mut wakers = Vec::new();
        for list in 0..2 {
            while state.lists[list].len > 0 {
                let node = state.lists[list].first;
                state.unlink(list, node);
                if let Word::Wait(Some(waker)) =
                    std::mem::replace(&mut state.nodes[node].word, Word::Closed)
                {
                    wakers.push(waker);
                }
            }
        }
        let idle = std::mem::take(&mut state.idle);
        state.size -= idle.len() as u32;
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
        drop(idle);
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
        self.conn.as_ref().unwrap()
    }
}

impl<M: AsyncManageConnection> DerefMut for PriorityConnection<M> {
    fn deref_mut(&mut self) -> &mut M::Connection {
        self.conn.as_mut().unwrap()
    }
}

impl<M: AsyncManageConnection> Drop for PriorityConnection<M> {
    fn drop(&mut self) {
        if self.shared.broken(&mut self.conn) || self.shared.state().closed {
            self.conn = None;
        }
        let mut state = self.shared.state();
        let mut conn = self.conn.take();
        let late = if state.closed { conn.take() } else { None };
        let waker = state.give(conn, self.shared.config.starvation_limit);
        drop(state);
        drop(late);
        waker.into_iter().for_each(Waker::wake);
    }
}
