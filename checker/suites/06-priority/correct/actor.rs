//! One task owns everything, without a lock; all others send it messages, and a place comes and goes
//! by message as well. What the task has said of itself last stands in a `watch` channel.

use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroU32;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use fixtures::AsyncManageConnection;
use tokio::sync::{mpsc, oneshot, watch};
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
    office: Arc<Office<M>>,
}

/// A connection on loan.
pub struct PriorityConnection<M: AsyncManageConnection> {
    conn: Option<M::Connection>,
    office: Arc<Office<M>>,
}

/// What everybody knows who deals with the task.
struct Office<M: AsyncManageConnection> {
    manager: M,
    config: PriorityConfig,
    letters: mpsc::UnboundedSender<Letter<M>>,
    says: watch::Receiver<Status>,
    next: AtomicU64,
    closed: AtomicBool,
}

/// A place comes without its way back: whoever reads the answer knows the office.
enum Answer<M: AsyncManageConnection> {
    Place(Parcel<M>),
    QueueFull,
}

/// A place on its way. If nobody takes it out, it goes back.
struct Parcel<M: AsyncManageConnection> {
    conn: Option<M::Connection>,
    back: Option<mpsc::UnboundedSender<Letter<M>>>,
}

impl<M: AsyncManageConnection> Drop for Parcel<M> {
    fn drop(&mut self) {
        if let Some(back) = self.back.take() {
            let _ = back.send(Letter::Back(self.conn.take()));
        }
    }
}

enum Letter<M: AsyncManageConnection> {
    Ask {
        ticket: u64,
        priority: Priority,
        answer: oneshot::Sender<Answer<M>>,
    },
    Leave(u64, Priority),
    Back(Option<M::Connection>),
    /// One that has a place and nothing in it wants an idle connection.
    Swap(oneshot::Sender<Option<M::Connection>>),
    Close,
}

type Queue<M> = BTreeMap<u64, oneshot::Sender<Answer<M>>>;

struct Clerk<M: AsyncManageConnection> {
    max: u32,
    normal_queue: usize,
    limit: Option<NonZeroU32>,
    idle: Vec<M::Connection>,
    size: u32,
    critical: Queue<M>,
    normal: Queue<M>,
    in_a_row: u32,
    closed: bool,
    says: watch::Sender<Status>,
    back: mpsc::WeakUnboundedSender<Letter<M>>,
}

impl<M: AsyncManageConnection> Clerk<M> {
    async fn work(mut self, mut letters: mpsc::UnboundedReceiver<Letter<M>>) {
        while let Some(letter) = letters.recv().await {
            self.read(letter);
            self.say();
        }
    }

    fn say(&self) {
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let idle = count(self.idle.len());
        self.says.send_replace(Status {
            size: self.size,
            idle,
            in_use: self.size - idle,
            waiting_critical: count(self.critical.len()),
            waiting_normal: count(self.normal.len()),
        });
    }

    fn read(&mut self, letter: Letter<M>) {
        match letter {
            Letter::Ask { .. } if self.closed => {}
            Letter::Ask { ticket, priority, answer } => {
                if let Some(conn) = self.idle.pop() {
                    self.send(answer, Some(conn));
                } else if self.size < self.max {
                    self.size += 1;
                    self.send(answer, None);
                } else if priority == Priority::Critical {
                    self.critical.insert(ticket, answer);
                } else if self.normal.len() < self.normal_queue {
                    self.normal.insert(ticket, answer);
                } else {
                    let _ = answer.send(Answer::QueueFull);
                }
            }
            Letter::Leave(ticket, Priority::Critical) => drop(self.critical.remove(&ticket)),
            Letter::Leave(ticket, Priority::Normal) => drop(self.normal.remove(&ticket)),
            Letter::Swap(answer) => {
                let conn = self.idle.pop();
                // Two places become one.
                self.size -= u32::from(conn.is_some());
                if let Err(Some(conn)) = answer.send(conn) {
                    self.size += 1;
                    self.back(Some(conn));
                }
            }
            Letter::Back(conn) => self.back(conn.filter(|_| !self.closed)),
            Letter::Close => {
                self.closed = true;
                self.critical.clear();
                self.normal.clear();
                self.size -= self.idle.len() as u32;
                self.idle.clear();
            }
        }
    }

    fn back(&mut self, conn: Option<M::Connection>) {
        let due = self.limit.is_some_and(|limit| self.in_a_row >= limit.get());
        let next = if self.critical.is_empty() || due && !self.normal.is_empty() {
            self.in_a_row = 0;
            self.normal.pop_first()
        } else {
            self.in_a_row += u32::from(!self.normal.is_empty());
            self.critical.pop_first()
        };
        match (next, conn) {
            (Some((_, answer)), conn) => self.send(answer, conn),
            (None, Some(conn)) => self.idle.push(conn),
            (None, None) => self.size -= 1,
        }
    }

    fn send(&self, answer: oneshot::Sender<Answer<M>>, conn: Option<M::Connection>) {
        // What is known when the answer is read.
        self.say();
        let parcel = Parcel { conn, back: self.back.upgrade() };
        drop(answer.send(Answer::Place(parcel)));
    }
}

/// Leaves the queue when it is dropped.
struct Leaver<'a, M: AsyncManageConnection> {
    office: &'a Office<M>,
    ticket: u64,
    priority: Priority,
}

impl<M: AsyncManageConnection> Drop for Leaver<'_, M> {
    fn drop(&mut self) {
        let _ = self.office.letters.send(Letter::Leave(self.ticket, self.priority));
    }
}

impl<M: AsyncManageConnection> PriorityPool<M> {
    /// A pool over `manager`.
    pub fn new(manager: M, config: PriorityConfig) -> Result<Self, PriorityError<M::Error>> {
        if config.max_connections < 1 {
            return Err(PriorityError::InvalidConfig("max_connections".into()));
        }
        let (letters, inbox) = mpsc::unbounded_channel();
        let none = Status { size: 0, idle: 0, in_use: 0, waiting_critical: 0, waiting_normal: 0 };
        let (says, said) = watch::channel(none);
        let clerk = Clerk::<M> {
            max: config.max_connections,
            normal_queue: config.normal_queue,
            limit: config.starvation_limit,
            idle: Vec::new(),
            size: 0,
            critical: Queue::new(),
            normal: Queue::new(),
            in_a_row: 0,
            closed: false,
            says,
            back: letters.downgrade(),
        };
        tokio::spawn(clerk.work(inbox));
        let office = Office {
            manager,
            config,
            letters,
            says: said,
            next: AtomicU64::new(0),
            closed: AtomicBool::new(false),
        };
        Ok(Self { office: Arc::new(office) })
    }

    /// Takes a connection.
    pub async fn get(
        &self,
        priority: Priority,
    ) -> Result<PriorityConnection<M>, PriorityError<M::Error>> {
        let limit = self.office.config.connection_timeout;
        // A clerk needs a moment even for an idle one.
        let limit = limit.max(Duration::from_millis(2));
        timeout(limit, self.take(priority)).await.unwrap_or(Err(PriorityError::Timeout))
    }

    async fn take(
        &self,
        priority: Priority,
    ) -> Result<PriorityConnection<M>, PriorityError<M::Error>> {
        let office = &self.office;
        if office.closed.load(Ordering::SeqCst) {
            return Err(PriorityError::Closed);
        }
        let ticket = office.next.fetch_add(1, Ordering::SeqCst);
        let (answer, answered) = oneshot::channel();
        let _ = office.letters.send(Letter::Ask { ticket, priority, answer });
        let leaver = Leaver { office, ticket, priority };
        let answer = answered.await;
        drop(leaver);
        let mut parcel = match answer {
            Ok(Answer::Place(parcel)) => parcel,
            Ok(Answer::QueueFull) => return Err(PriorityError::QueueFull),
            Err(_) => return Err(PriorityError::Closed),
        };
        let conn = parcel.conn.take();
        parcel.back = None;
        let mut guard = PriorityConnection { conn, office: Arc::clone(office) };
        while guard.close_broken() {
            let (answer, answered) = oneshot::channel();
            let _ = office.letters.send(Letter::Swap(answer));
            guard.conn = answered.await.unwrap_or(None);
        }
        if guard.conn.is_none() {
            if office.closed.load(Ordering::SeqCst) {
                return Err(PriorityError::Closed);
            }
            guard.conn = Some(office.manager.connect().await.map_err(PriorityError::Connect)?);
        }
        Ok(guard)
    }

    /// What the pool looks like now.
    pub fn status(&self) -> Status {
        *self.office.says.borrow()
    }

    /// Closes the pool.
    pub fn close(&self) {
        self.office.closed.store(true, Ordering::SeqCst);
        let _ = self.office.letters.send(Letter::Close);
    }
}

impl<M: AsyncManageConnection> Clone for PriorityPool<M> {
    fn clone(&self) -> Self {
        Self { office: Arc::clone(&self.office) }
    }
}

impl<M: AsyncManageConnection> PriorityConnection<M> {
    fn close_broken(&mut self) -> bool {
        let broken = self.conn.as_mut().is_some_and(|conn| self.office.manager.has_broken(conn));
        if broken {
            self.conn = None;
        }
        broken
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
        self.close_broken();
        let _ = self.office.letters.send(Letter::Back(self.conn.take()));
    }
}
