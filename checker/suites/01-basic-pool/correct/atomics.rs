//! All counting happens in one atomic word, by compare-and-exchange; idle connections lie in a slab
//! of small locks that grows on demand, and `get` sweeps out the expired ones before it looks.
#![allow(missing_docs)]

use std::fmt;
use std::iter;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
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

/// The width of a counter in the word.
const BITS: u32 = 21;
/// The most that a counter can hold, and so the most connections that there can be.
const MOST: u32 = (1 << BITS) - 1;

pub struct Pool<M: ManageConnection> {
    handle: Arc<Handle<M>>,
}

pub struct PooledConnection<M: ManageConnection> {
    conn: Option<Conn<M::Connection>>,
    shared: Arc<Shared<M>>,
}

struct Handle<M: ManageConnection> {
    shared: Arc<Shared<M>>,
}

impl<M: ManageConnection> Drop for Handle<M> {
    fn drop(&mut self) {
        self.shared.close();
    }
}

struct Shared<M: ManageConnection> {
    manager: M,
    config: PoolConfig,
    max: u32,
    word: Word,
    /// Holds at least as many connections as the word counts as idle.
    slab: Slab<Conn<M::Connection>>,
    /// How many threads wait. Nobody begins to wait without a look at the word under this lock, and
    /// who changes the word for the better takes it before waking anybody.
    gate: Mutex<u32>,
    better: Condvar,
}

struct Conn<C> {
    raw: C,
    opened: Instant,
    since: Instant,
}

/// The counts at one moment.
#[derive(Clone, Copy)]
struct Counts {
    idle: u32,
    lent: u32,
    /// All that there is: idle, lent, being opened, being closed.
    places: u32,
    closed: bool,
}

struct Word(AtomicU64);

impl Word {
    fn new(counts: Counts) -> Self {
        Self(AtomicU64::new(counts.pack()))
    }

    fn now(&self) -> Counts {
        Counts::unpack(self.0.load(Ordering::SeqCst))
    }

    /// Changes the counts at once, unless `change` says `None`. Returns those before.
    fn update(&self, change: impl Fn(Counts) -> Option<Counts>) -> Option<Counts> {
        let mut before = self.0.load(Ordering::SeqCst);
        loop {
            let after = change(Counts::unpack(before))?.pack();
            let swapped =
                self.0.compare_exchange(before, after, Ordering::SeqCst, Ordering::SeqCst);
            match swapped {
                Ok(before) => return Some(Counts::unpack(before)),
                Err(other) => before = other,
            }
        }
    }

    /// As `update`, for a change that is always possible.
    fn change(&self, change: impl Fn(&mut Counts)) {
        self.update(|mut counts| {
            change(&mut counts);
            Some(counts)
        });
    }
}

impl Counts {
    fn pack(self) -> u64 {
        let Self { idle, lent, places, closed } = self;
        let fields = [u32::from(closed), idle, lent, places];
        fields.into_iter().fold(0, |word, field| word << BITS | u64::from(field))
    }

    fn unpack(word: u64) -> Self {
        let field = |at: u32| u32::try_from(word >> (at * BITS) & u64::from(MOST)).unwrap_or(MOST);
        Self { idle: field(2), lent: field(1), places: field(0), closed: field(3) != 0 }
    }
}

/// Locked for as long as it takes to put something in or to take it out.
type Slot<T> = Mutex<Option<T>>;

/// Slots that never move: a chunk is made when the ones before it are full, each twice as long.
struct Slab<T> {
    chunks: [OnceLock<Box<[Slot<T>]>>; BITS as usize],
}

impl<T> Slab<T> {
    fn new() -> Self {
        Self { chunks: [const { OnceLock::new() }; BITS as usize] }
    }

    fn slots(&self) -> impl Iterator<Item = MutexGuard<'_, Option<T>>> {
        let chunks = self.chunks.iter().map_while(OnceLock::get);
        chunks.flatten().map(|slot| slot.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn put(&self, item: T) {
        for (at, chunk) in self.chunks.iter().enumerate().cycle() {
            let make = || iter::repeat_with(|| Mutex::new(None)).take(1 << at).collect();
            for slot in chunk.get_or_init(make) {
                let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
                if slot.is_none() {
                    *slot = Some(item);
                    return;
                }
            }
        }
    }

    /// Takes any. The caller has been promised one by the word, so it is there, even if others
    /// move so fast that it is missed at first.
    fn take(&self) -> T {
        loop {
            if let Some(item) = self.slots().find_map(|mut slot| slot.take()) {
                return item;
            }
            thread::yield_now();
        }
    }
}

/// A place that holds no connection that could be lent; dropping it frees the place.
struct Place<'a, M: ManageConnection>(&'a Shared<M>);

impl<M: ManageConnection> Drop for Place<'_, M> {
    fn drop(&mut self) {
        self.0.word.change(|counts| counts.places -= 1);
        self.0.wake();
    }
}

enum Found<'a, M: ManageConnection> {
    Idle(PooledConnection<M>),
    Room(Place<'a, M>),
}

impl<M: ManageConnection> Shared<M> {
    fn gate(&self) -> MutexGuard<'_, u32> {
        self.gate.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wake(&self) {
        if *self.gate() > 0 {
            self.better.notify_one();
        }
    }

    fn is_expired(&self, conn: &Conn<M::Connection>) -> bool {
        self.config.max_lifetime.is_some_and(|limit| conn.opened.elapsed() > limit)
    }

    fn is_good(&self, conn: &mut Conn<M::Connection>) -> bool {
        !self.is_expired(conn) && !self.manager.has_broken(&mut conn.raw)
    }

    /// Whether somebody who asks now would have to wait.
    fn is_hopeless(&self) -> bool {
        let counts = self.word.now();
        !counts.closed && counts.idle == 0 && counts.places >= self.max
    }

    fn look(self: &Arc<Self>) -> Result<Option<Found<'_, M>>, PoolError<M::Error>> {
        let before = self.word.update(|counts| match counts {
            Counts { closed: true, .. } => None,
            Counts { idle: 1.., .. } => {
                Some(Counts { idle: counts.idle - 1, lent: counts.lent + 1, ..counts })
            }
            _ if counts.places < self.max => Some(Counts { places: counts.places + 1, ..counts }),
            _ => None,
        });
        match before {
            Some(Counts { idle: 0, .. }) => Ok(Some(Found::Room(Place(self)))),
            Some(_) => Ok(Some(Found::Idle(self.lend(self.slab.take())))),
            None if self.word.now().closed => Err(PoolError::Closed),
            None => Ok(None),
        }
    }

    fn lend(self: &Arc<Self>, conn: Conn<M::Connection>) -> PooledConnection<M> {
        PooledConnection { conn: Some(conn), shared: Arc::clone(self) }
    }

    /// Waits until it is worth another look, or `left` is over.
    fn wait(&self, left: Option<Duration>) {
        let mut gate = self.gate();
        *gate += 1;
        let mut gate = if let Some(left) = left {
            let waited = self.better.wait_timeout_while(gate, left, |_| self.is_hopeless());
            waited.unwrap_or_else(PoisonError::into_inner).0
        } else {
            let waited = self.better.wait_while(gate, |_| self.is_hopeless());
            waited.unwrap_or_else(PoisonError::into_inner)
        };
        *gate -= 1;
    }

    /// Closes connections that count neither as idle nor as lent any more.
    fn discard(&self, conns: Vec<Conn<M::Connection>>) -> usize {
        let close = |conn| {
            let place = Place(self);
            drop(conn);
            drop(place);
        };
        conns.into_iter().map(close).count()
    }

    /// Takes out idle connections that are `unwanted`, as long as `may` allows it.
    fn sweep(
        &self,
        unwanted: impl Fn(&Conn<M::Connection>) -> bool,
        may: impl Fn(Counts) -> bool,
    ) -> Vec<Conn<M::Connection>> {
        let mut swept = Vec::new();
        for mut slot in self.slab.slots() {
            if !slot.as_ref().is_some_and(&unwanted) {
                continue;
            }
            // If none is left that is idle, this one is promised to somebody.
            let one_less = |counts: Counts| {
                let idle = counts.idle.checked_sub(1)?;
                may(counts).then_some(Counts { idle, ..counts })
            };
            if self.word.update(one_less).is_some() {
                swept.extend(slot.take());
            }
        }
        swept
    }

    fn sweep_expired(&self) -> Vec<Conn<M::Connection>> {
        match self.config.max_lifetime {
            Some(_) => self.sweep(|conn| self.is_expired(conn), |_| true),
            None => Vec::new(),
        }
    }

    fn close(&self) {
        let shut = |counts| Some(Counts { idle: 0, closed: true, ..counts });
        let before = self.word.update(shut).expect("it can always be closed");
        drop(self.gate());
        self.better.notify_all();
        self.discard((0..before.idle).map(|_| self.slab.take()).collect());
    }
}

impl<M: ManageConnection> Pool<M> {
    pub fn new(manager: M, config: PoolConfig) -> Result<Self, PoolError<M::Error>> {
        if let Some(problem) = config.problem() {
            return Err(PoolError::InvalidConfig(problem));
        }
        let (min, max) = (config.min_connections, config.max_connections.min(MOST));
        if min > max {
            return Err(PoolError::InvalidConfig(format!("more than {MOST} connections")));
        }
        let slab = Slab::new();
        for _ in 0..min {
            let raw = manager.connect().map_err(PoolError::Connect)?;
            let now = Instant::now();
            slab.put(Conn { raw, opened: now, since: now });
        }
        let word = Word::new(Counts { idle: min, lent: 0, places: min, closed: false });
        let (gate, better) = (Mutex::new(0), Condvar::new());
        let shared = Arc::new(Shared { manager, config, max, word, slab, gate, better });
        Ok(Self { handle: Arc::new(Handle { shared }) })
    }

    pub fn get(&self) -> Result<PooledConnection<M>, PoolError<M::Error>> {
        self.get_timeout(self.handle.shared.config.connection_timeout)
    }

    pub fn get_timeout(
        &self,
        timeout: Duration,
    ) -> Result<PooledConnection<M>, PoolError<M::Error>> {
        let shared = &self.handle.shared;
        let deadline = Instant::now().checked_add(timeout);
        shared.discard(shared.sweep_expired());
        loop {
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            match shared.look()? {
                Some(Found::Idle(mut guard)) => {
                    if guard.conn.as_mut().is_some_and(|conn| shared.is_good(conn)) {
                        return Ok(guard);
                    }
                    // A guard that is dropped closes what is bad.
                }
                Some(Found::Room(place)) => {
                    let raw = shared.manager.connect().map_err(PoolError::Connect)?;
                    shared.word.change(|counts| counts.lent += 1);
                    std::mem::forget(place);
                    let now = Instant::now();
                    return Ok(shared.lend(Conn { raw, opened: now, since: now }));
                }
                None if left == Some(Duration::ZERO) => return Err(PoolError::Timeout),
                None => shared.wait(left),
            }
        }
    }

    pub fn status(&self) -> Status {
        let shared = &self.handle.shared;
        let waiting = *shared.gate();
        let Counts { idle, lent, .. } = shared.word.now();
        Status { size: idle + lent, idle, in_use: lent, waiting }
    }

    pub fn reap(&self) -> usize {
        let shared = &self.handle.shared;
        let mut swept = shared.sweep_expired();
        if let Some(limit) = shared.config.idle_timeout {
            let min = shared.config.min_connections;
            let unused = shared.sweep(
                |conn| conn.since.elapsed() > limit,
                |counts| counts.idle + counts.lent > min,
            );
            swept.extend(unused);
        }
        shared.discard(swept)
    }

    pub fn close(&self) {
        self.handle.shared.close();
    }
}

impl<M: ManageConnection> Clone for Pool<M> {
    fn clone(&self) -> Self {
        Self { handle: Arc::clone(&self.handle) }
    }
}

impl<M: ManageConnection> Deref for PooledConnection<M> {
    type Target = M::Connection;

    fn deref(&self) -> &M::Connection {
        &self.conn.as_ref().expect("there until it is dropped").raw
    }
}

impl<M: ManageConnection> DerefMut for PooledConnection<M> {
    fn deref_mut(&mut self) -> &mut M::Connection {
        &mut self.conn.as_mut().expect("there until it is dropped").raw
    }
}

impl<M: ManageConnection> Drop for PooledConnection<M> {
    fn drop(&mut self) {
        let shared = &self.shared;
        let Some(mut conn) = self.conn.take() else { return };
        if shared.is_good(&mut conn) {
            conn.since = Instant::now();
            // Into the slab first: the word must not promise what is not there yet.
            shared.slab.put(conn);
            let back = |counts: Counts| {
                let back = Counts { idle: counts.idle + 1, lent: counts.lent - 1, ..counts };
                (!counts.closed).then_some(back)
            };
            if shared.word.update(back).is_some() {
                return shared.wake();
            }
            // The pool is closed: as many come out again as were put in.
            conn = shared.slab.take();
        }
        shared.word.change(|counts| counts.lent -= 1);
        shared.discard(vec![conn]);
    }
}
