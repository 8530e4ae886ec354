//! One task owns everything, without a lock; all others send it messages. What it has said of
//! itself last stands in a `watch` channel.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::Duration;

use fixtures::AsyncManageConnection;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

/// How a pool behaves.
#[derive(Clone, Debug)]
pub struct PoolConfig {
    /// Opened by [`Pool::new`], and opened again by the checker when some have gone. Default 5.
    pub min_connections: u32,
    /// Never more than this at once: idle, lent out, being pinged, opened or closed. Default 20.
    pub max_connections: u32,
    /// How long [`Pool::get`] may take, and how long the checker lets an attempt to open a
    /// connection take. Default 30 s.
    pub connection_timeout: Duration,
}

impl Default for PoolConfig {
    fn default() -> Self {
        Self {
            min_connections: 5,
            max_connections: 20,
            connection_timeout: Duration::from_secs(30),
        }
    }
}

/// How a pool looks after its connections.
#[derive(Clone, Debug)]
pub struct HealthConfig {
    /// The time from one round of pings to the next. Default 30 s.
    pub interval: Duration,
    /// A connection that has not answered a ping after so long is dead. Default 2 s.
    pub ping_timeout: Duration,
    /// The pause after a first failed attempt to restore a connection. Default 100 ms.
    pub backoff_min: Duration,
    /// Pauses grow with every further failure, up to this. Default 30 s.
    pub backoff_max: Duration,
}

impl Default for HealthConfig {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(30),
            ping_timeout: Duration::from_secs(2),
            backoff_min: Duration::from_millis(100),
            backoff_max: Duration::from_secs(30),
        }
    }
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
    /// Places that are taken, of `max_connections`.
    pub size: u32,
    /// Connections that wait for somebody to take them.
    pub idle: u32,
    /// All others: lent out, and those that are just being pinged or opened.
    pub in_use: u32,
    /// Tasks that wait for a connection.
    pub waiting: u32,
}

/// What a round of the checker came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CheckReport {
    /// Connections that it pinged, whatever they answered.
    pub pinged: u32,
    /// Connections that it closed, because they were dead.
    pub removed: u32,
    /// Connections that it opened, to have `min_connections` again.
    pub opened: u32,
}

/// A pool of connections: an address to write to.
pub struct Pool<M: AsyncManageConnection> {
    address: mpsc::UnboundedSender<Message<M>>,
    setup: Arc<Setup<M>>,
    said: watch::Receiver<(Status, Option<CheckReport>)>,
}

impl<M: AsyncManageConnection> Clone for Pool<M> {
    fn clone(&self) -> Self {
        let Self { address, setup, said } = self;
        Self { address: address.clone(), setup: Arc::clone(setup), said: said.clone() }
    }
}

struct Setup<M> {
    manager: M,
    config: PoolConfig,
    health: HealthConfig,
}

enum Message<M: AsyncManageConnection> {
    Get(oneshot::Sender<Slot<M>>),
    Back(Option<M::Connection>),
    Check(Option<oneshot::Sender<CheckReport>>),
    Pinged { round: u64, alive: bool },
    Opened { round: Option<u64>, well: bool },
    Close,
}

/// A place, and the connection in it. It goes back as a message when it is dropped; where nobody
/// reads messages any more, the connection is closed.
struct Slot<M: AsyncManageConnection> {
    conn: Option<M::Connection>,
    address: mpsc::WeakUnboundedSender<Message<M>>,
    setup: Arc<Setup<M>>,
}

impl<M: AsyncManageConnection> Drop for Slot<M> {
    fn drop(&mut self) {
        let conn = self.conn.take();
        if let Some(address) = self.address.upgrade() {
            drop(address.send(Message::Back(conn)));
        }
    }
}

/// Says how an errand ended, also when it panics.
struct Word<M: AsyncManageConnection> {
    address: mpsc::WeakUnboundedSender<Message<M>>,
    word: Option<Message<M>>,
}

impl<M: AsyncManageConnection> Word<M> {
    fn instead(mut self, word: Message<M>) {
        self.word = Some(word);
    }
}

impl<M: AsyncManageConnection> Drop for Word<M> {
    fn drop(&mut self) {
        if let (Some(address), Some(word)) = (self.address.upgrade(), self.word.take()) {
            drop(address.send(word));
        }
    }
}

struct Round {
    report: CheckReport,
    left: u32,
    opening: bool,
    reply: Option<oneshot::Sender<CheckReport>>,
}

struct Actor<M: AsyncManageConnection> {
    setup: Arc<Setup<M>>,
    address: mpsc::WeakUnboundedSender<Message<M>>,
    idle: Vec<M::Connection>,
    size: u32,
    waiting: VecDeque<oneshot::Sender<Slot<M>>>,
    rounds: BTreeMap<u64, Round>,
    next_round: u64,
    errands: JoinSet<()>,
    pause: Duration,
    retry_at: Option<Instant>,
    last: Option<CheckReport>,
    says: watch::Sender<(Status, Option<CheckReport>)>,
}

impl<M: AsyncManageConnection> Actor<M> {
    async fn run(mut self, mut letters: mpsc::UnboundedReceiver<Message<M>>) {
        let mut round_at = after(self.setup.health.interval);
        loop {
            self.say();
            while self.errands.try_join_next().is_some() {}
            let retry_at = self.retry_at.unwrap_or(round_at);
            tokio::select! {
                letter = letters.recv() => match letter {
                    None => return,
                    Some(Message::Close) => {
                        self.idle.clear();
                        self.waiting.clear();
                        self.errands.shutdown().await;
                        self.size = 0;
                        self.say();
                        return;
                    }
                    Some(letter) => self.read(letter),
                },
                () = sleep_until(round_at) => {
                    round_at += self.setup.health.interval;
                    self.begin(None);
                }
                () = sleep_until(retry_at), if self.retry_at.is_some() => {
                    self.retry_at = None;
                    self.open_missing(None);
                }
            }
        }
    }

    fn say(&mut self) {
        self.waiting.retain(|reply| !reply.is_closed());
        let count = |number: usize| u32::try_from(number).unwrap();
        let (idle, waiting) = (count(self.idle.len()), count(self.waiting.len()));
        let status = Status { size: self.size, idle, in_use: self.size - idle, waiting };
        self.says.send_replace((status, self.last));
    }

    fn slot(&self, conn: Option<M::Connection>) -> Slot<M> {
        Slot { conn, address: self.address.clone(), setup: Arc::clone(&self.setup) }
    }

    fn read(&mut self, letter: Message<M>) {
        match letter {
            Message::Get(reply) => {
                self.waiting.push_back(reply);
                self.serve();
            }
            Message::Back(conn) => {
                self.size -= 1;
                let good = conn.and_then(|mut conn| {
                    (!self.setup.manager.has_broken(&mut conn)).then_some(conn)
                });
                if let Some(conn) = good {
                    self.idle.push(conn);
                    self.size += 1;
                }
                self.serve();
            }
            Message::Check(reply) => self.begin(reply),
            Message::Pinged { round, alive } => {
                let Some(told) = self.rounds.get_mut(&round) else { return };
                told.report.removed += u32::from(!alive);
                told.left -= 1;
                self.go_on(round);
            }
            Message::Opened { round, well } => {
                let HealthConfig { backoff_min, backoff_max, .. } = self.setup.health;
                if well {
                    (self.pause, self.retry_at) = (Duration::ZERO, None);
                } else if self.retry_at.is_none() {
                    self.pause = (self.pause * 2).clamp(backoff_min, backoff_max);
                    self.retry_at = Some(after(self.pause));
                }
                let Some(round) = round else { return };
                let Some(told) = self.rounds.get_mut(&round) else { return };
                told.report.opened += u32::from(well);
                told.left -= 1;
                self.go_on(round);
            }
            Message::Close => {}
        }
    }

    /// Gives those who wait what there is: idle connections, then free places.
    fn serve(&mut self) {
        while let Some(reply) = self.waiting.pop_front() {
            if reply.is_closed() {
                continue;
            }
            let slot = if let Some(mut conn) = self.idle.pop() {
                if self.setup.manager.has_broken(&mut conn) {
                    self.size -= 1;
                    self.waiting.push_front(reply);
                    continue;
                }
                self.slot(Some(conn))
            } else if self.size < self.setup.config.max_connections {
                self.size += 1;
                self.slot(None)
            } else {
                self.waiting.push_front(reply);
                return;
            };
            drop(reply.send(slot));
        }
    }

    fn begin(&mut self, reply: Option<oneshot::Sender<CheckReport>>) {
        let round = self.next_round;
        self.next_round += 1;
        let mut told = Round { report: CheckReport::default(), left: 0, opening: false, reply };
        for conn in std::mem::take(&mut self.idle) {
            told.left += 1;
            let mut slot = self.slot(Some(conn));
            let word = Word {
                address: self.address.clone(),
                word: Some(Message::Pinged { round, alive: false }),
            };
            self.errands.spawn(async move {
                let setup = Arc::clone(&slot.setup);
                let Some(conn) = slot.conn.as_mut() else { return };
                let ping = timeout(setup.health.ping_timeout, setup.manager.is_valid(conn)).await;
                let alive = matches!(ping, Ok(Ok(())));
                if !alive {
                    slot.conn = None;
                }
                drop(slot);
                word.instead(Message::Pinged { round, alive });
            });
        }
        told.report.pinged = told.left;
        self.rounds.insert(round, told);
        self.go_on(round);
    }

    /// After the pings the opening, after the opening the end.
    fn go_on(&mut self, round: u64) {
        let Some(told) = self.rounds.get_mut(&round) else { return };
        if told.left > 0 {
            return;
        }
        if !told.opening {
            told.opening = true;
            if self.retry_at.is_none() {
                self.open_missing(Some(round));
            }
        }
        if let Some(told) = self.rounds.remove(&round) {
            if told.left > 0 {
                self.rounds.insert(round, told);
            } else {
                self.last = Some(told.report);
                self.say();
                if let Some(reply) = told.reply {
                    let _ = reply.send(told.report);
                }
            }
        }
    }

    fn open_missing(&mut self, round: Option<u64>) {
        while self.size < self.setup.config.min_connections {
            self.size += 1;
            let mut slot = self.slot(None);
            let word = Word {
                address: self.address.clone(),
                word: Some(Message::Opened { round, well: false }),
            };
            if let Some(told) = round.and_then(|round| self.rounds.get_mut(&round)) {
                told.left += 1;
            }
            self.errands.spawn(async move {
                let setup = Arc::clone(&slot.setup);
                let opening = timeout(setup.config.connection_timeout, setup.manager.connect());
                let opened = opening.await.ok().and_then(Result::ok);
                let well = opened.is_some();
                slot.conn = opened;
                drop(slot);
                word.instead(Message::Opened { round, well });
            });
        }
    }
}

impl<M: AsyncManageConnection> Pool<M> {
    /// A pool and its one task.
    pub async fn new(
        manager: M,
        config: PoolConfig,
        health: HealthConfig,
    ) -> Result<Self, PoolError<M::Error>> {
        if let Some(error) = refused(&config, &health) {
            return Err(error);
        }
        let mut idle = Vec::new();
        for _ in 0..config.min_connections {
            let opening = timeout(config.connection_timeout, manager.connect());
            idle.push(opening.await.map_err(|_| PoolError::Timeout)?.map_err(PoolError::Connect)?);
        }
        let size = config.min_connections;
        let setup = Arc::new(Setup { manager, config, health });
        let (address, letters) = mpsc::unbounded_channel();
        let status = Status { size, idle: size, in_use: 0, waiting: 0 };
        let (says, said) = watch::channel((status, None));
        let actor = Actor {
            setup: Arc::clone(&setup),
            address: address.downgrade(),
            idle,
            size,
            waiting: VecDeque::new(),
            rounds: BTreeMap::new(),
            next_round: 0,
            errands: JoinSet::new(),
            pause: Duration::ZERO,
            retry_at: None,
            last: None,
            says,
        };
        tokio::spawn(actor.run(letters));
        Ok(Self { address, setup, said })
    }

    /// Takes a connection.
    pub async fn get(&self) -> Result<PooledConnection<M>, PoolError<M::Error>> {
        let take = async {
            let (reply, answer) = oneshot::channel();
            let asked = self.address.send(Message::Get(reply));
            asked.map_err(|_| PoolError::Closed)?;
            let mut slot = answer.await.map_err(|_| PoolError::Closed)?;
            if slot.conn.is_none() {
                slot.conn = Some(self.setup.manager.connect().await.map_err(PoolError::Connect)?);
            }
            Ok(PooledConnection { slot })
        };
        let limit = self.setup.config.connection_timeout;
        timeout(limit, take).await.unwrap_or(Err(PoolError::Timeout))
    }

    /// What the pool said of itself last.
    pub fn status(&self) -> Status {
        self.said.borrow().0
    }

    /// One round.
    pub async fn check_once(&self) -> CheckReport {
        let (reply, answer) = oneshot::channel();
        drop(self.address.send(Message::Check(Some(reply))));
        answer.await.unwrap_or_default()
    }

    /// The last round.
    pub fn last_check(&self) -> Option<CheckReport> {
        self.said.borrow().1
    }

    /// Closes the pool.
    pub async fn close(&self) {
        drop(self.address.send(Message::Close));
        // Nobody reads letters any more when the task has ended.
        self.address.closed().await;
    }
}

/// A connection on loan.
pub struct PooledConnection<M: AsyncManageConnection> {
    slot: Slot<M>,
}

impl<M: AsyncManageConnection> Deref for PooledConnection<M> {
    type Target = M::Connection;

    fn deref(&self) -> &M::Connection {
        self.slot.conn.as_ref().expect("there until it is dropped")
    }
}

impl<M: AsyncManageConnection> DerefMut for PooledConnection<M> {
    fn deref_mut(&mut self) -> &mut M::Connection {
        self.slot.conn.as_mut().expect("there until it is dropped")
    }
}

/// Some thirty years, where a clock cannot count so far as `Duration::MAX`.
const FAR: Duration = Duration::from_hours(270_000);

fn after(time: Duration) -> Instant {
    Instant::now() + time.min(FAR)
}

fn refused<E>(config: &PoolConfig, health: &HealthConfig) -> Option<PoolError<E>> {
    let reason = if config.max_connections == 0 {
        "max_connections is 0"
    } else if config.min_connections > config.max_connections {
        "min_connections is above max_connections"
    } else if health.interval.is_zero() {
        "interval is 0"
    } else if health.ping_timeout.is_zero() {
        "ping_timeout is 0"
    } else if health.backoff_min.is_zero() {
        "backoff_min is 0"
    } else if health.backoff_min > health.backoff_max {
        "backoff_min is above backoff_max"
    } else {
        return None;
    };
    Some(PoolError::InvalidConfig(reason.to_owned()))
}
