//! The graded crate as the cases see it: the same names and signatures, behind a trait.
//!
//! The cases are compiled once, and not anew with each submission: only `main.rs`, which makes the
//! graded crate a [`Graded`], is.

#![expect(missing_docs, reason = "what is named as in the graded crate has its docs there")]

use std::fmt;
use std::sync::OnceLock;
use std::time::Duration;

use fixtures::db::{NewTrade, Trade};
use harness::tasks::Work;
use sqlx::AnyPool;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    Trades,
    History,
    Risk,
}

impl Lane {
    pub const ALL: [Self; 3] = [Self::Trades, Self::History, Self::Risk];
}

impl fmt::Display for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Trades => "trades",
            Self::History => "history",
            Self::Risk => "risk",
        })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    pub min: u32,
    pub max: u32,
    pub acquire_timeout: Duration,
}

#[derive(Debug)]
pub enum TradingError {
    InvalidLimits(String),
    Timeout(Lane),
    Closed,
    Database(sqlx::Error),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolStats {
    pub lane: Lane,
    pub size: u32,
    pub idle: usize,
}

/// What comes of a request.
pub type Outcome<T> = Result<T, TradingError>;

/// Opens lanes.
pub type Connect = for<'a> fn(
    url: &'a str,
    limits: [Limits; 3],
    server_limit: u32,
) -> Work<'a, Outcome<Box<dyn Graded>>>;

/// What the graded crate's lanes can do.
pub trait Graded: Send + Sync {
    fn record_trade<'a>(&'a self, trade: &'a NewTrade) -> Work<'a, Outcome<i64>>;
    fn get_latest_price<'a>(&'a self, symbol: &'a str) -> Work<'a, Outcome<Option<f64>>>;
    fn get_recent_trades<'a>(
        &'a self,
        symbol: &'a str,
        limit: u32,
    ) -> Work<'a, Outcome<Vec<Trade>>>;
    fn check_position_limit<'a>(
        &'a self,
        symbol: &'a str,
        new_quantity: f64,
    ) -> Work<'a, Outcome<bool>>;
    fn pool(&self, lane: Lane) -> &AnyPool;
    fn stats(&self) -> [PoolStats; 3];
    fn close(&self) -> Work<'_, ()>;
    /// Its `clone`.
    fn another(&self) -> Box<dyn Graded>;
}

static CONNECT: OnceLock<Connect> = OnceLock::new();

/// Says which crate is graded; once, before any case runs.
pub fn grade(connect: Connect) {
    CONNECT.get_or_init(|| connect);
}

pub struct TradingPools(Box<dyn Graded>);

impl TradingPools {
    pub async fn connect(url: &str, limits: [Limits; 3], server_limit: u32) -> Outcome<Self> {
        let connect = CONNECT.get().expect("`main` says which crate is graded");
        connect(url, limits, server_limit).await.map(Self)
    }

    pub fn record_trade<'a>(&'a self, trade: &'a NewTrade) -> Work<'a, Outcome<i64>> {
        self.0.record_trade(trade)
    }

    pub fn get_latest_price<'a>(&'a self, symbol: &'a str) -> Work<'a, Outcome<Option<f64>>> {
        self.0.get_latest_price(symbol)
    }

    pub fn get_recent_trades<'a>(
        &'a self,
        symbol: &'a str,
        limit: u32,
    ) -> Work<'a, Outcome<Vec<Trade>>> {
        self.0.get_recent_trades(symbol, limit)
    }

    pub fn check_position_limit<'a>(
        &'a self,
        symbol: &'a str,
        new_quantity: f64,
    ) -> Work<'a, Outcome<bool>> {
        self.0.check_position_limit(symbol, new_quantity)
    }

    pub fn pool(&self, lane: Lane) -> &AnyPool {
        self.0.pool(lane)
    }

    pub fn stats(&self) -> [PoolStats; 3] {
        self.0.stats()
    }

    pub fn close(&self) -> Work<'_, ()> {
        self.0.close()
    }
}

impl Clone for TradingPools {
    fn clone(&self) -> Self {
        Self(self.0.another())
    }
}
