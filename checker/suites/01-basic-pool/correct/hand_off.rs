//! Connections and free places go from hand to hand: each waiting thread stands in a queue with a
//! channel of its own.
#![allow(missing_docs)]

use std::collections::VecDeque;
use std::fmt;
use std::mem;
use std::ops::{Deref, DerefMut};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SendError, Sender};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use fixtures::ManageConnection;

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
    house: Arc<House<M>>,
}

pub struct PooledConnection<M: ManageConnection> {
    live: Option<Live<M::Connection>>,
    shared: Arc<Shared<M>>,
}

/// What all handles of the pool own together. When it goes, nobody can ask any more.
struct House<M: ManageConnection>(Arc<Shared<M>>);

impl<M: ManageConnection> Drop for House<M> {
    fn drop(&mut self) {
        self.0.close();
    }
}

struct Shared<M: ManageConnection> {
    manager: M,
    config: PoolConfig,
    counter: Mutex<Counter<M::Connection>>,
}

/// While anybody stands in the queue, nothing is idle and no place is free.
struct Counter<C> {
    idle: Vec<Live<C>>,
    /// Held by somebody, or on the way to somebody.
    lent: u32,
    /// All that there is: idle, lent, being opened, being closed, and offered places.
    places: u32,
    queue: VecDeque<Waiter<C>>,
    next_ticket: u64,
    closed: bool,
}

struct Waiter<C> {
    ticket: u64,
    hand: Sender<Offer<C>>,
}

enum Offer<C> {
    /// It counts as lent.
    Connection(Live<C>),
    /// It stays counted.
    Place,
}

struct Live<C> {
    conn: C,
    opened: Instant,
    since: Instant,
}

impl<C> Counter<C> {
    /// Gives the offer to the first in the queue; else puts it away. Returns a connection that has
    /// to be closed because the pool is.
    fn hand_on(&mut self, mut offer: Offer<C>) -> Option<Live<C>> {
        while let Some(waiter) = self.queue.pop_front() {
            match waiter.hand.send(offer) {
                Ok(()) => return None,
                Err(SendError(back)) => offer = back,
            }
        }
        match offer {
            Offer::Connection(live) if self.closed => return Some(live),
            Offer::Connection(live) => {
                self.lent -= 1;
                self.idle.push(live);
            }
            Offer::Place => self.places -= 1,
        }
        None
    }
}

/// A place that holds no connection that could be lent. When it is dropped, the next one gets it.
struct Place<'a, M: ManageConnection>(&'a Shared<M>);

impl<M: ManageConnection> Drop for Place<'_, M> {
    fn drop(&mut self) {
        let none = self.0.lock().hand_on(Offer::Place);
        debug_assert!(none.is_none());
    }
}

impl<M: ManageConnection> Shared<M> {
    fn lock(&self) -> MutexGuard<'_, Counter<M::Connection>> {
        self.counter.lock().expect("nothing panics under this lock")
    }

    fn expired(&self, live: &Live<M::Connection>) -> bool {
        self.config.max_lifetime.is_some_and(|limit| live.opened.elapsed() > limit)
    }

    fn is_good(&self, live: &mut Live<M::Connection>) -> bool {
        !self.expired(live) && !self.manager.has_broken(&mut live.conn)
    }

    /// Puts a lent connection into a guard; a bad one is closed.
    fn lend(self: &Arc<Self>, live: Live<M::Connection>) -> Option<PooledConnection<M>> {
        let mut guard = PooledConnection { live: Some(live), shared: Arc::clone(self) };
        let good = guard.live.as_mut().is_some_and(|live| self.is_good(live));
        good.then_some(guard)
    }

    /// Opens a connection in a place that is the caller's.
    fn open(self: &Arc<Self>) -> Result<PooledConnection<M>, PoolError<M::Error>> {
        let place = Place(self);
        let conn = self.manager.connect().map_err(PoolError::Connect)?;
        mem::forget(place);
        self.lock().lent += 1;
        let now = Instant::now();
        let live = Live { conn, opened: now, since: now };
        Ok(PooledConnection { live: Some(live), shared: Arc::clone(self) })
    }

    /// Closes a connection that counts neither as idle nor as lent any more.
    fn discard(&self, live: Live<M::Connection>) {
        let place = Place(self);
        drop(live);
        drop(place);
    }

    /// The time of this waiter is over. What it was sent in the meantime goes on to the next.
    fn leave(&self, ticket: u64, offers: &Receiver<Offer<M::Connection>>) -> PoolError<M::Error> {
        let mut counter = self.lock();
        let before = counter.queue.len();
        counter.queue.retain(|waiter| waiter.ticket != ticket);
        if counter.queue.len() < before {
            return PoolError::Timeout;
        }
        // Offers are sent under the lock: it is here, or there will be none.
        let Ok(offer) = offers.try_recv() else { return PoolError::Closed };
        if let Some(live) = counter.hand_on(offer) {
            counter.lent -= 1;
            drop(counter);
            self.discard(live);
        }
        PoolError::Timeout
    }

    fn close(&self) {
        let mut counter = self.lock();
        counter.closed = true;
        // Without its sender, a channel tells the waiter that nothing will come.
        counter.queue.clear();
        let idle = mem::take(&mut counter.idle);
        drop(counter);
        for live in idle {
            self.discard(live);
        }
    }
}

impl<M: ManageConnection> Pool<M> {
    pub fn new(manager: M, config: PoolConfig) -> Result<Self, PoolError<M::Error>> {
        if let Some(problem) = config.problem() {
            return Err(PoolError::InvalidConfig(problem));
        }
        let open = |_| {
            let conn = manager.connect().map_err(PoolError::Connect)?;
            let now = Instant::now();
            Ok(Live { conn, opened: now, since: now })
        };
        let places = config.min_connections;
        let idle = (0..places).map(open).collect::<Result<Vec<_>, _>>()?;
        let queue = VecDeque::new();
        let counter = Counter { idle, lent: 0, places, queue, next_ticket: 0, closed: false };
        let shared = Arc::new(Shared { manager, config, counter: Mutex::new(counter) });
        Ok(Self { house: Arc::new(House(shared)) })
    }

    pub fn get(&self) -> Result<PooledConnection<M>, PoolError<M::Error>> {
        self.get_timeout(self.house.0.config.connection_timeout)
    }

    pub fn get_timeout(
        &self,
        timeout: Duration,
    ) -> Result<PooledConnection<M>, PoolError<M::Error>> {
        let shared = &self.house.0;
        let deadline = Instant::now().checked_add(timeout);
        loop {
            let mut counter = shared.lock();
            if counter.closed {
                return Err(PoolError::Closed);
            }
            if let Some(live) = counter.idle.pop() {
                counter.lent += 1;
                drop(counter);
                match shared.lend(live) {
                    Some(guard) => return Ok(guard),
                    None => continue,
                }
            }
            if counter.places < shared.config.max_connections {
                counter.places += 1;
                drop(counter);
                return shared.open();
            }
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            if left == Some(Duration::ZERO) {
                return Err(PoolError::Timeout);
            }
            let (hand, offers) = mpsc::channel();
            let ticket = counter.next_ticket;
            counter.next_ticket += 1;
            counter.queue.push_back(Waiter { ticket, hand });
            drop(counter);

            let offer = match left {
                Some(left) => offers.recv_timeout(left),
                None => offers.recv().map_err(RecvTimeoutError::from),
            };
            match offer {
                // One that broke on the way is closed, and the search begins again.
                Ok(Offer::Connection(live)) => {
                    if let Some(guard) = shared.lend(live) {
                        return Ok(guard);
                    }
                }
                Ok(Offer::Place) => return shared.open(),
                Err(RecvTimeoutError::Timeout) => return Err(shared.leave(ticket, &offers)),
                Err(RecvTimeoutError::Disconnected) => return Err(PoolError::Closed),
            }
        }
    }

    pub fn status(&self) -> Status {
        let counter = self.house.0.lock();
        let idle = u32::try_from(counter.idle.len()).expect("no more than max_connections");
        let waiting = u32::try_from(counter.queue.len()).expect("fewer than 2^32 threads");
        Status { size: idle + counter.lent, idle, in_use: counter.lent, waiting }
    }

    pub fn reap(&self) -> usize {
        let shared = &self.house.0;
        let min = shared.config.min_connections as usize;
        let mut closed = Vec::new();
        let mut counter = shared.lock();
        for live in mem::take(&mut counter.idle) {
            if shared.expired(&live) {
                closed.push(live);
            } else {
                counter.idle.push(live);
            }
        }
        let mut left = counter.idle.len() + counter.lent as usize;
        for live in mem::take(&mut counter.idle) {
            let unused = shared.config.idle_timeout.is_some_and(|at| live.since.elapsed() > at);
            if unused && left > min {
                left -= 1;
                closed.push(live);
            } else {
                counter.idle.push(live);
            }
        }
        drop(counter);
        let count = closed.len();
        for live in closed {
            shared.discard(live);
        }
        count
    }

    pub fn close(&self) {
        self.house.0.close();
    }
}

impl<M: ManageConnection> Clone for Pool<M> {
    fn clone(&self) -> Self {
        Self { house: Arc::clone(&self.house) }
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
        live.since = Instant::now();
        let mut counter = self.shared.lock();
        let rest = if good { counter.hand_on(Offer::Connection(live)) } else { Some(live) };
        if let Some(live) = rest {
            counter.lent -= 1;
            drop(counter);
            self.shared.discard(live);
        }
    }
}
