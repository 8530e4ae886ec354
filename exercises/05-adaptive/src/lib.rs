//! Task 05: a pool that finds its own size.
//!
//! The README beside this crate tells what the pool promises (P1, P2, …); the docs below are the
//! same contract, function by function. The pool itself is given and works, with as many places as
//! it begins with; what changes their number is yours. Add whatever private fields, types and
//! functions you like; leave the public names and signatures as they are.

#![allow(dead_code, unused_variables, unused_imports, unused_mut)] // remove when you are done

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::mem;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use fixtures::AsyncManageConnection;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};

/// How a pool finds its size.
#[derive(Clone, Debug)]
pub struct AdaptiveConfig {
    /// The places that [`AdaptivePool::new`] begins with, a connection in each; never fewer.
    /// Default 5.
    pub min: u32,
    /// Never more connections than this at once: idle, lent out, being opened or closed. Default 50.
    pub max: u32,
    /// The mean wait that is still good. Zero means that nobody should wait. Default 10 ms.
    pub target_wait: Duration,
    /// The time from one sample to the next. Default 1 s.
    pub sample_every: Duration,
    /// So many slow samples in a row, and the pool grows. Default 3.
    pub grow_after: u32,
    /// So many idle samples in a row, and the pool shrinks. Default 30.
    pub shrink_after: u32,
    /// How long [`AdaptivePool::get`] may take, and each attempt of the pool's own to open a
    /// connection. Default 30 s.
    pub connection_timeout: Duration,
}

impl Default for AdaptiveConfig {
    fn default() -> Self {
        Self {
            min: 5,
            max: 50,
            target_wait: Duration::from_millis(10),
            sample_every: Duration::from_secs(1),
            grow_after: 3,
            shrink_after: 30,
            connection_timeout: Duration::from_secs(30),
        }
    }
}

/// What the pool was like in the time from one sample to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// The places that there are at its end.
    pub size: u32,
    /// The most connections that were lent out, or were being opened by a `get`, at one moment of it.
    pub in_use: u32,
    /// The tasks that wait for a connection at its end.
    pub waiting: u32,
    /// How long people waited, on average: everybody whose wait ended in that time, whatever he got,
    /// with all of it; and everybody who still waits, with what he has waited so far. Zero if there
    /// was nobody.
    pub mean_wait: Duration,
}

/// What a [`Controller`] makes of a sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// So many places more.
    Grow(u32),
    /// So many places less.
    Shrink(u32),
    /// Leave it as it is.
    Hold,
}

/// A [`Action::Grow`] or [`Action::Shrink`] of the pool's controller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// When, since [`AdaptivePool::new`] returned.
    pub at: Duration,
    /// What was decided.
    pub action: Action,
    /// Why, in words for people.
    pub reason: String,
}

/// Why there is no pool, or no connection.
#[derive(Debug)]
pub enum PoolError<E> {
    /// The configuration cannot work, for this reason.
    InvalidConfig(String),
    /// There was no connection in time.
    Timeout,
    /// A connection could not be opened.
    Connect(E),
    /// The pool has been closed.
    Closed,
}

impl<E: fmt::Display> fmt::Display for PoolError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InvalidConfig(reason) => write!(f, "the configuration cannot work: {reason}"),
            Self::Timeout => f.write_str("there was no connection in time"),
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

/// What a pool looks like at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    /// The places that there are. One is empty if its connection has broken and nobody has asked
    /// for another one yet.
    pub size: u32,
    /// Connections that wait for somebody to take them.
    pub idle: u32,
    /// Connections that are lent out, or that a `get` is just opening.
    pub in_use: u32,
    /// Tasks that wait for a connection.
    pub waiting: u32,
}

/// A pool of connections that grows and shrinks with its load. Cloning it is cheap and gives another
/// handle to the same pool.
pub struct AdaptivePool<M: AsyncManageConnection> {
    shared: Arc<Shared<M>>,
}

impl<M: AsyncManageConnection> Clone for AdaptivePool<M> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

// ---- The controller: yours. ---------------------------------------------------------------------

/// Decides on the size of a pool. It knows no clock and no pool: samples in, actions out.
///
/// A sample is *slow* if its `mean_wait` is above `target_wait`. It is *idle* if it is not slow, nobody
/// waits, and less than half of the places were in use. All others are fine.
#[derive(Clone, Debug)]
pub struct Controller {
    // Your fields.
}

impl Controller {
    /// A controller that has seen nothing yet, for a configuration that [`AdaptivePool::new`] would
    /// take.
    pub fn new(config: AdaptiveConfig) -> Self {
        todo!("begin with nothing seen")
    }

    /// What to do after this sample, which follows on those before.
    ///
    /// Grows at the sample that makes `grow_after` slow ones in a row, in proportion to what is
    /// missing, up to `max` places. Shrinks at the one that makes `shrink_after` idle ones in a row,
    /// down to `min` places and never below what was in use. Holds at all others.
    pub fn observe(&mut self, sample: &Sample) -> Action {
        todo!("count slow and idle samples in a row, and decide (P2 to P6, P15, P16)")
    }
}

// ---- The sampling: yours. -----------------------------------------------------------------------

/// What the sampling has to remember. The pool has it beside its own state, as `shared.sampling`.
#[derive(Default)]
struct Sampling {
    // Your fields; they begin with their `Default`.
}

impl<M: AsyncManageConnection> Shared<M> {
    /// One place more, with a connection in it, which goes to the task that has waited longest, or is
    /// idle. Says whether it came to that: if the connection cannot be opened in `connection_timeout`,
    /// or the pool is closed, there is no place more, and nobody has noticed.
    async fn grow(self: &Arc<Self>) -> bool {
        todo!("open a connection, then make a place for it (P10, P18)")
    }

    /// One place less: an empty one, else that of the connection that has been idle longest, which is
    /// closed. Says whether it came to that: what is lent out stays.
    fn shrink(&self) -> bool {
        todo!("take an empty place or an idle connection out, and close it (P11)")
    }
}

impl<M: AsyncManageConnection> AdaptivePool<M> {
    /// A pool over `manager`, with `min` connections open and idle, and a task that takes a sample
    /// every `sample_every`, for the first time one `sample_every` from now.
    ///
    /// # Errors
    /// [`PoolError::InvalidConfig`], before anything is opened, if `min`, `sample_every`, `grow_after`,
    /// `shrink_after` or `connection_timeout` is zero, or if `min` is above `max`.
    /// [`PoolError::Connect`] or [`PoolError::Timeout`] if one of the first connections could not be
    /// opened; those that were are closed again.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub async fn new(manager: M, config: AdaptiveConfig) -> Result<Self, PoolError<M::Error>> {
        todo!("look at the configuration (P1), then `AdaptivePool::fixed`, then the samples (P8)")
    }

    /// The sample that was taken last; before the first, the pool's size and nothing else. Looking at
    /// it changes nothing.
    pub fn sample(&self) -> Sample {
        todo!("the last sample (P8)")
    }

    /// What was decided so far, the latest at the end: each `Grow` and `Shrink`, and no `Hold`. Only
    /// the last 100 are kept.
    pub fn decisions(&self) -> Vec<Decision> {
        todo!("the last 100 decisions (P12)")
    }

    /// Closes the pool: what is idle, and what is lent out when it comes back. Whoever waits for a
    /// connection, or asks later, gets [`PoolError::Closed`], even if this is dropped half-way. When it
    /// returns, no task of the pool is left: no sample is taken any more, and what was just being
    /// opened is given up. That holds for each of two that close it at the same time, and for one after
    /// a `close` that was dropped half-way. Closing it once more does nothing.
    pub async fn close(&self) {
        todo!("close the pool with `Shared::shut`, and end the samples (P13)")
    }
}

// ---- The pool: given. It is right as it is, also when a `get` is cancelled. ---------------------

/// A connection on loan. It derefs to the connection; dropping it gives the connection back.
pub struct PooledConnection<M: AsyncManageConnection> {
    place: Place<M>,
}

struct Shared<M: AsyncManageConnection> {
    manager: M,
    config: AdaptiveConfig,
    state: Mutex<State<M>>,
    sampling: Sampling,
}

/// Everything that changes, as plain data under one lock. Nobody holds the lock across an `await`,
/// or while a connection is closed.
struct State<M: AsyncManageConnection> {
    /// The last one to come back is the first one to go; the one at the front has been idle longest.
    idle: VecDeque<M::Connection>,
    /// How many places there are. The pool itself never changes it.
    places: u32,
    /// How many of them are taken: one for each idle connection, one for each [`Place`].
    taken: u32,
    /// The tasks that wait, by their tickets: the first has waited longest. Only while all places
    /// are taken and none is idle.
    waiting: BTreeMap<u64, Waiting<M>>,
    next_ticket: u64,
    closed: bool,
    /// What has happened since somebody last took it away and put another one in its place.
    window: Window,
}

impl<M: AsyncManageConnection> State<M> {
    /// How many connections are lent out, or being opened by a `get`.
    fn in_use(&self) -> u32 {
        self.taken - count(self.idle.len())
    }

    /// Notes that a task has got a connection or a place.
    fn lent(&mut self) {
        self.window.busiest = self.window.busiest.max(self.in_use());
    }

    /// Notes that a task waits no longer, whatever it got.
    fn waited(&mut self, time: Duration) {
        self.window.ended = self.window.ended.saturating_add(1);
        self.window.waited = self.window.waited.saturating_add(time);
    }
}

/// A task that waits.
struct Waiting<M: AsyncManageConnection> {
    /// Since when.
    since: Instant,
    place: oneshot::Sender<Place<M>>,
}

/// What has happened in some time. It begins with its `Default`, but for `busiest`: what is lent out
/// at its beginning counts.
#[derive(Clone, Copy, Debug, Default)]
struct Window {
    /// How many tasks have ended their wait, whatever they got; also those that waited for nothing.
    ended: u32,
    /// How long these waited, together.
    waited: Duration,
    /// The most connections that were in use at one moment.
    busiest: u32,
}

/// One of the pool's places, and the connection in it if there is one. Whoever has it may open a
/// connection there.
///
/// Dropping it gives it back: into the hands of the task that has waited longest, with its
/// connection or empty; else the connection becomes idle, or the place is free. A connection that
/// `has_broken`, or whose pool is closed, is closed first.
struct Place<M: AsyncManageConnection> {
    conn: Option<M::Connection>,
    shared: Arc<Shared<M>>,
}

impl<M: AsyncManageConnection> Place<M> {
    /// The place of a connection that was taken out of the idle ones.
    fn holding(shared: &Arc<Shared<M>>, conn: M::Connection) -> Self {
        Self { conn: Some(conn), shared: Arc::clone(shared) }
    }

    /// Opens a connection here.
    async fn open(&mut self) -> Result<(), M::Error> {
        self.conn = Some(self.shared.manager.connect().await?);
        Ok(())
    }

    /// Closes the connection; the place is empty then, and still taken.
    fn close(&mut self) {
        self.conn = None;
    }

    fn is_broken(&mut self) -> bool {
        self.conn.as_mut().is_some_and(|conn| self.shared.manager.has_broken(conn))
    }
}

impl<M: AsyncManageConnection> Drop for Place<M> {
    fn drop(&mut self) {
        if self.is_broken() {
            self.close();
        }
        let shared = Arc::clone(&self.shared);
        let mut state = shared.state();
        if state.closed {
            drop(state);
            self.close();
            state = shared.state();
        }
        if let Some((_, waiting)) = state.waiting.pop_first() {
            state.waited(waiting.since.elapsed());
            state.lent();
            drop(state);
            let conn = self.conn.take();
            // A task that gives up at this moment sends it back: then it is dropped here, and goes
            // to the next one. One that gives up later drops it there, to the same end.
            drop(waiting.place.send(Place { conn, shared }));
        } else if let Some(conn) = self.conn.take() {
            state.idle.push_back(conn);
        } else {
            state.taken -= 1;
        }
    }
}

/// A task's turn to get a place. Dropping it leaves the queue.
struct Turn<M: AsyncManageConnection> {
    ticket: u64,
    place: oneshot::Receiver<Place<M>>,
    shared: Arc<Shared<M>>,
}

impl<M: AsyncManageConnection> Turn<M> {
    async fn come(mut self) -> Result<Place<M>, PoolError<M::Error>> {
        (&mut self.place).await.map_err(|_| PoolError::Closed)
    }
}

impl<M: AsyncManageConnection> Drop for Turn<M> {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        if let Some(waiting) = state.waiting.remove(&self.ticket) {
            state.waited(waiting.since.elapsed());
        }
    }
}

/// What there is for a task that wants a connection.
enum Found<M: AsyncManageConnection> {
    Idle(Place<M>),
    Empty(Place<M>),
    Queue(Turn<M>),
}

impl<M: AsyncManageConnection> Shared<M> {
    fn state(&self) -> MutexGuard<'_, State<M>> {
        self.state.lock().expect("nobody panics with this lock")
    }

    /// An idle connection; else an empty place; else a place in the queue.
    fn find(self: &Arc<Self>) -> Result<Found<M>, PoolError<M::Error>> {
        loop {
            let mut state = self.state();
            if state.closed {
                return Err(PoolError::Closed);
            }
            if let Some(conn) = state.idle.pop_back() {
                drop(state);
                let mut place = Place::holding(self, conn);
                if place.is_broken() {
                    // It is closed, its place is empty, and there is another look.
                    continue;
                }
                let mut state = self.state();
                state.waited(Duration::ZERO);
                state.lent();
                return Ok(Found::Idle(place));
            }
            if state.taken < state.places {
                state.taken += 1;
                state.waited(Duration::ZERO);
                state.lent();
                return Ok(Found::Empty(Place { conn: None, shared: Arc::clone(self) }));
            }
            let (sender, place) = oneshot::channel();
            let ticket = state.next_ticket;
            state.next_ticket += 1;
            state.waiting.insert(ticket, Waiting { since: Instant::now(), place: sender });
            return Ok(Found::Queue(Turn { ticket, place, shared: Arc::clone(self) }));
        }
    }

    /// Closes what is idle, tells those who wait, and lets nobody in any more.
    fn shut(&self) {
        let mut state = self.state();
        state.closed = true;
        let (idle, waiting) = (mem::take(&mut state.idle), mem::take(&mut state.waiting));
        state.taken -= count(idle.len());
        drop(state);
        drop((idle, waiting));
    }
}

impl<M: AsyncManageConnection> AdaptivePool<M> {
    /// A pool of `min` places with an idle connection in each, whose number nobody changes.
    async fn fixed(manager: M, config: AdaptiveConfig) -> Result<Self, PoolError<M::Error>> {
        let AdaptiveConfig { min, connection_timeout, .. } = config;
        let state = Mutex::new(State {
            idle: VecDeque::new(),
            places: min,
            taken: 0,
            waiting: BTreeMap::new(),
            next_ticket: 0,
            closed: false,
            window: Window::default(),
        });
        let shared = Arc::new(Shared { manager, config, state, sampling: Sampling::default() });
        for _ in 0..min {
            shared.state().taken += 1;
            let mut place = Place { conn: None, shared: Arc::clone(&shared) };
            let opened = timeout(connection_timeout, place.open()).await;
            opened.map_err(|_| PoolError::Timeout)?.map_err(PoolError::Connect)?;
        }
        Ok(Self { shared })
    }

    /// Takes a connection: an idle one; else a new one, if a place is empty because its connection
    /// has broken; else the first that comes back or is opened as the pool grows, in the order of
    /// asking. Cancelling it loses nothing.
    ///
    /// # Errors
    /// [`PoolError::Timeout`] after `connection_timeout`, [`PoolError::Connect`] when a new
    /// connection could not be opened, [`PoolError::Closed`] when the pool is or becomes closed.
    pub async fn get(&self) -> Result<PooledConnection<M>, PoolError<M::Error>> {
        let found = match self.shared.find()? {
            // The usual way reads no clock: that would cost more than all the rest.
            Found::Idle(place) => return Ok(PooledConnection { place }),
            found => found,
        };
        let open = async {
            let mut place = match found {
                Found::Idle(place) | Found::Empty(place) => place,
                Found::Queue(turn) => turn.come().await?,
            };
            if place.conn.is_none() {
                place.open().await.map_err(PoolError::Connect)?;
            }
            Ok(PooledConnection { place })
        };
        let limit = self.shared.config.connection_timeout;
        timeout(limit, open).await.unwrap_or(Err(PoolError::Timeout))
    }

    /// What the pool looks like now. Never waits.
    pub fn status(&self) -> Status {
        let state = self.shared.state();
        let (idle, waiting) = (count(state.idle.len()), count(state.waiting.len()));
        Status { size: state.places, idle, in_use: state.in_use(), waiting }
    }
}

impl<M: AsyncManageConnection> Deref for PooledConnection<M> {
    type Target = M::Connection;

    fn deref(&self) -> &M::Connection {
        self.place.conn.as_ref().expect("there until it is dropped")
    }
}

impl<M: AsyncManageConnection> DerefMut for PooledConnection<M> {
    fn deref_mut(&mut self) -> &mut M::Connection {
        self.place.conn.as_mut().expect("there until it is dropped")
    }
}

fn count(number: usize) -> u32 {
    u32::try_from(number).expect("fewer than 2^32")
}
