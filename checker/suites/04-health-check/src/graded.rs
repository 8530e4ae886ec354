//! The graded crate as the cases see it: the same names and signatures, behind a trait.
//!
//! The cases are compiled once, and not anew with each submission: only `main.rs`, which makes the
//! graded crate a [`Graded`], is.

#![expect(missing_docs, reason = "what is named as in the graded crate has its docs there")]

use std::fmt;
use std::ops::DerefMut;
use std::sync::OnceLock;
use std::time::Duration;

use fixtures::AsyncManageConnection;
use fixtures::db::Lines;
use fixtures::exchange::AsyncManager;
use harness::tasks::Work;

pub use crate::watched::Watched;

#[derive(Clone, Debug)]
pub struct PoolConfig {
    pub min_connections: u32,
    pub max_connections: u32,
    pub connection_timeout: Duration,
}

#[derive(Clone, Debug)]
pub struct HealthConfig {
    pub interval: Duration,
    pub ping_timeout: Duration,
    pub backoff_min: Duration,
    pub backoff_max: Duration,
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
            Self::InvalidConfig(reason) => write!(f, "InvalidConfig({reason:?})"),
            Self::Timeout => f.write_str("Timeout"),
            Self::Connect(error) => write!(f, "Connect({error})"),
            Self::Closed => f.write_str("Closed"),
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

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CheckReport {
    pub pinged: u32,
    pub removed: u32,
    pub opened: u32,
}

/// What the pool hands out.
pub type PooledConnection<M> =
    Box<dyn DerefMut<Target = <M as AsyncManageConnection>::Connection> + Send>;

/// What comes of a request to a pool over this manager.
pub type Outcome<T, M> = Result<T, PoolError<<M as AsyncManageConnection>::Error>>;

/// What the graded crate's pool can do.
pub trait Graded<M: AsyncManageConnection>: Send + Sync {
    fn get(&self) -> Work<'_, Outcome<PooledConnection<M>, M>>;
    fn check_once(&self) -> Work<'_, CheckReport>;
    fn status(&self) -> Status;
    fn last_check(&self) -> Option<CheckReport>;
    fn close(&self) -> Work<'_, ()>;
    /// Its `clone`.
    fn another(&self) -> Box<dyn Graded<M>>;
}

/// Opens a pool.
pub type Open<M> = fn(M, PoolConfig, HealthConfig) -> Work<'static, Outcome<Box<dyn Graded<M>>, M>>;

/// A manager that the cases make pools over: how the graded crate opens one.
pub trait Seat: AsyncManageConnection + Sized {
    #[doc(hidden)]
    fn seat() -> &'static OnceLock<Open<Self>>;

    /// Says which crate is graded; once for each manager, before any case runs.
    fn take(open: Open<Self>) {
        Self::seat().get_or_init(|| open);
    }
}

macro_rules! seats {
    ($($manager:ty),+) => {
        $(impl Seat for $manager {
            fn seat() -> &'static OnceLock<Open<Self>> {
                static SEAT: OnceLock<Open<$manager>> = OnceLock::new();
                &SEAT
            }
        })+
    };
}

seats!(AsyncManager, Watched, Lines);

pub struct Pool<M: Seat>(Box<dyn Graded<M>>);

impl<M: Seat> Pool<M> {
    pub async fn new(manager: M, config: PoolConfig, health: HealthConfig) -> Outcome<Self, M> {
        let open = M::seat().get().expect("`main` says which crate is graded");
        open(manager, config, health).await.map(Self)
    }

    pub fn get(&self) -> Work<'_, Outcome<PooledConnection<M>, M>> {
        self.0.get()
    }

    pub fn check_once(&self) -> Work<'_, CheckReport> {
        self.0.check_once()
    }

    pub fn status(&self) -> Status {
        self.0.status()
    }

    pub fn last_check(&self) -> Option<CheckReport> {
        self.0.last_check()
    }

    pub fn close(&self) -> Work<'_, ()> {
        self.0.close()
    }
}

impl<M: Seat> Clone for Pool<M> {
    fn clone(&self) -> Self {
        Self(self.0.another())
    }
}
