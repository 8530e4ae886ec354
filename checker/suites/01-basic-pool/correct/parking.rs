//! Waiting threads are parked; who frees something takes the first of them off the list, ticks it
//! and unparks it.
#![allow(missing_docs)]

use std::collections::VecDeque;
use std::fmt;
use std::mem;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use fixtures::ManageConnection;
use parking_lot::Mutex;

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
    desk: Arc<Desk<M>>,
}

pub struct PooledConnection<M: ManageConnection> {
    line: Option<Line<M::Connection>>,
    /// Without a desk to go back to, the line is hung up.
    desk: Weak<Desk<M>>,
}

struct Desk<M: ManageConnection> {
    manager: M,
    config: PoolConfig,
    book: Mutex<Book<M::Connection>>,
}

struct Book<C> {
    idle: Vec<Line<C>>,
    in_use: u32,
    /// Lines that are being opened or closed.
    busy: u32,
    /// Threads in `get`, parked or not, that have found nothing so far.
    waiting: u32,
    parked: VecDeque<Parked>,
    closed: bool,
}

struct Parked {
    thread: Thread,
    /// Set by whoever takes it off the list.
    called: Arc<AtomicBool>,
}

struct Line<C> {
    conn: C,
    opened: Instant,
    returned: Instant,
}

/// A line, or why there is none.
type Outcome<M> =
    Result<Line<<M as ManageConnection>::Connection>, PoolError<<M as ManageConnection>::Error>>;

impl<C> Book<C> {
    fn is_full(&self, max: u32) -> bool {
        self.idle.len() + self.in_use as usize + self.busy as usize >= max as usize
    }

    /// Takes the next thread off the list; to be unparked when the lock is free.
    fn call(&mut self) -> Option<Thread> {
        let Parked { thread, called } = self.parked.pop_front()?;
        called.store(true, Ordering::Release);
        Some(thread)
    }
}

/// A place counted as busy. Dropping it frees the place and calls the next thread.
struct Busy<'a, M: ManageConnection>(&'a Desk<M>);

impl<M: ManageConnection> Drop for Busy<'_, M> {
    fn drop(&mut self) {
        let mut book = self.0.book.lock();
        book.busy -= 1;
        let next = book.call();
        drop(book);
        if let Some(thread) = next {
            thread.unpark();
        }
    }
}

impl<M: ManageConnection> Desk<M> {
    fn is_good(&self, line: &mut Line<M::Connection>) -> bool {
        !outlived(line.opened, self.config.max_lifetime) && !self.manager.has_broken(&mut line.conn)
    }

    /// Closes lines that are counted as busy.
    fn hang_up(&self, lines: Vec<Line<M::Connection>>) {
        for line in lines {
            let busy = Busy(self);
            drop(line);
            drop(busy);
        }
    }

    fn give_back(&self, mut line: Line<M::Connection>) {
        let good = self.is_good(&mut line);
        line.returned = Instant::now();
        let mut book = self.book.lock();
        book.in_use -= 1;
        if good && !book.closed {
            book.idle.push(line);
            let next = book.call();
            drop(book);
            if let Some(thread) = next {
                thread.unpark();
            }
        } else {
            book.busy += 1;
            drop(book);
            self.hang_up(vec![line]);
        }
    }

    /// A line, or `None` if there is neither one nor room for one.
    fn look(&self) -> Option<Outcome<M>> {
        loop {
            let mut book = self.book.lock();
            if book.closed {
                return Some(Err(PoolError::Closed));
            }
            if let Some(mut line) = book.idle.pop() {
                book.in_use += 1;
                drop(book);
                if self.is_good(&mut line) {
                    return Some(Ok(line));
                }
                self.give_back(line);
            } else if book.is_full(self.config.max_connections) {
                return None;
            } else {
                book.busy += 1;
                drop(book);
                return Some(self.open());
            }
        }
    }

    fn open(&self) -> Outcome<M> {
        let busy = Busy(self);
        let conn = self.manager.connect().map_err(PoolError::Connect)?;
        mem::forget(busy);
        let mut book = self.book.lock();
        book.busy -= 1;
        book.in_use += 1;
        drop(book);
        let now = Instant::now();
        Ok(Line { conn, opened: now, returned: now })
    }

    /// Waits until called, or until the deadline.
    fn park(&self, deadline: Option<Instant>) {
        let called = Arc::new(AtomicBool::new(false));
        let mut book = self.book.lock();
        // Between the last look and this lock something may have come.
        let max = self.config.max_connections;
        if book.closed || !book.idle.is_empty() || !book.is_full(max) {
            return;
        }
        let parked = Parked { thread: thread::current(), called: Arc::clone(&called) };
        book.parked.push_back(parked);
        book.waiting += 1;
        drop(book);
        while !called.load(Ordering::Acquire) {
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            match left {
                Some(Duration::ZERO) => break,
                Some(left) => thread::park_timeout(left),
                None => thread::park(),
            }
        }
        let mut book = self.book.lock();
        book.waiting -= 1;
        book.parked.retain(|other| !Arc::ptr_eq(&other.called, &called));
    }
}

fn outlived(since: Instant, limit: Option<Duration>) -> bool {
    limit.is_some_and(|limit| since.elapsed() > limit)
}

fn number(len: usize) -> u32 {
    u32::try_from(len).expect("no more than max_connections")
}

impl<M: ManageConnection> Pool<M> {
    pub fn new(manager: M, config: PoolConfig) -> Result<Self, PoolError<M::Error>> {
        if let Some(problem) = config.problem() {
            return Err(PoolError::InvalidConfig(problem));
        }
        let mut idle = Vec::new();
        for _ in 0..config.min_connections {
            let conn = manager.connect().map_err(PoolError::Connect)?;
            let now = Instant::now();
            idle.push(Line { conn, opened: now, returned: now });
        }
        let parked = VecDeque::new();
        let book = Book { idle, in_use: 0, busy: 0, waiting: 0, parked, closed: false };
        Ok(Self { desk: Arc::new(Desk { manager, config, book: Mutex::new(book) }) })
    }

    pub fn get(&self) -> Result<PooledConnection<M>, PoolError<M::Error>> {
        self.get_timeout(self.desk.config.connection_timeout)
    }

    pub fn get_timeout(
        &self,
        timeout: Duration,
    ) -> Result<PooledConnection<M>, PoolError<M::Error>> {
        let deadline = Instant::now().checked_add(timeout);
        loop {
            let too_late = deadline.is_some_and(|deadline| Instant::now() >= deadline);
            if let Some(found) = self.desk.look() {
                let desk = Arc::downgrade(&self.desk);
                return found.map(|line| PooledConnection { line: Some(line), desk });
            }
            if too_late {
                return Err(PoolError::Timeout);
            }
            self.desk.park(deadline);
        }
    }

    pub fn status(&self) -> Status {
        let book = self.desk.book.lock();
        let idle = number(book.idle.len());
        let size = idle + book.in_use;
        Status { size, idle, in_use: book.in_use, waiting: book.waiting }
    }

    pub fn reap(&self) -> usize {
        let PoolConfig { min_connections, max_lifetime, idle_timeout, .. } = self.desk.config;
        let mut book = self.desk.book.lock();
        let mut remain = book.idle.len() + book.in_use as usize;
        let (mut closing, mut keep) = (Vec::new(), Vec::new());
        for line in mem::take(&mut book.idle) {
            if outlived(line.opened, max_lifetime) {
                remain -= 1;
                closing.push(line);
            } else {
                keep.push(line);
            }
        }
        for line in keep {
            if remain > min_connections as usize && outlived(line.returned, idle_timeout) {
                remain -= 1;
                closing.push(line);
            } else {
                book.idle.push(line);
            }
        }
        let count = closing.len();
        book.busy += number(count);
        drop(book);
        self.desk.hang_up(closing);
        count
    }

    pub fn close(&self) {
        let mut book = self.desk.book.lock();
        book.closed = true;
        let idle = mem::take(&mut book.idle);
        book.busy += number(idle.len());
        let waiting: Vec<_> = std::iter::from_fn(|| book.call()).collect();
        drop(book);
        for thread in waiting {
            thread.unpark();
        }
        self.desk.hang_up(idle);
    }
}

impl<M: ManageConnection> Clone for Pool<M> {
    fn clone(&self) -> Self {
        Self { desk: Arc::clone(&self.desk) }
    }
}

impl<M: ManageConnection> Deref for PooledConnection<M> {
    type Target = M::Connection;

    fn deref(&self) -> &M::Connection {
        &self.line.as_ref().expect("there until it is dropped").conn
    }
}

impl<M: ManageConnection> DerefMut for PooledConnection<M> {
    fn deref_mut(&mut self) -> &mut M::Connection {
        &mut self.line.as_mut().expect("there until it is dropped").conn
    }
}

impl<M: ManageConnection> Drop for PooledConnection<M> {
    fn drop(&mut self) {
        let Some(line) = self.line.take() else { return };
        match self.desk.upgrade() {
            Some(desk) => desk.give_back(line),
            None => drop(line),
        }
    }
}
