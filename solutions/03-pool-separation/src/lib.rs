//! Task 03: three pools over one database, a lane for each kind of work.
//!
//! The README beside this crate tells what the lanes promise (P1, P2, …); the docs below are the
//! same contract, function by function. Add whatever private fields, types and functions you like;
//! leave the public names and signatures as they are.

use std::fmt;
use std::time::Duration;

use fixtures::db::{NewTrade, Trade};
use sqlx::AnyPool;

// answer: import what your lanes are made of
use sqlx::any::{AnyPoolOptions, install_default_drivers};
use sqlx::{AnyConnection, Executor};
// starter:
// end answer

/// What the desk does with the database; each kind of work has connections of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Lane {
    /// Recording trades: short writes, as many as there are orders.
    Trades,
    /// Prices and past trades: reads only, by many readers.
    History,
    /// The check before an order goes out: seldom, and never to be kept waiting by the others.
    Risk,
}

impl Lane {
    /// All of them, in the order of everything here that comes in threes.
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

/// How many connections a lane has, and how long it lets one wait for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Opened by [`TradingPools::connect`], and kept.
    pub min: u32,
    /// Never more than this.
    pub max: u32,
    /// How long a request may wait for a connection of the lane.
    pub acquire_timeout: Duration,
}

/// The limits of a busy desk, in the order of [`Lane::ALL`].
pub const DEFAULT_LIMITS: [Limits; 3] = [
    Limits { min: 10, max: 100, acquire_timeout: Duration::from_millis(500) },
    Limits { min: 20, max: 200, acquire_timeout: Duration::from_millis(100) },
    Limits { min: 5, max: 20, acquire_timeout: Duration::from_secs(2) },
];

/// Run on a connection to PostgreSQL, this makes it refuse to write from then on.
const READ_ONLY_ON_POSTGRES: &str = "SET default_transaction_read_only = on";

/// The same on a connection to SQLite.
const READ_ONLY_ON_SQLITE: &str = "PRAGMA query_only = on";

/// Why something could not be done.
#[derive(Debug)]
pub enum TradingError {
    /// The limits cannot work, for this reason.
    InvalidLimits(String),
    /// All connections of this lane were in use for its whole `acquire_timeout`, or could not be
    /// opened in it.
    Timeout(Lane),
    /// The lanes have been closed.
    Closed,
    /// The database refused, or cannot be reached.
    Database(sqlx::Error),
}

impl fmt::Display for TradingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InvalidLimits(reason) => write!(f, "the limits cannot work: {reason}"),
            Self::Timeout(lane) => {
                write!(f, "no connection of the {lane} lane became free in time")
            }
            Self::Closed => f.write_str("the lanes are closed"),
            Self::Database(error) => write!(f, "the database: {error}"),
        }
    }
}

impl std::error::Error for TradingError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Database(error) => Some(error),
            _ => None,
        }
    }
}

/// What a lane looks like at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolStats {
    /// Which one it is.
    pub lane: Lane,
    /// Its connections: idle, in use, and those that are just being opened.
    pub size: u32,
    /// Those that wait for somebody to take them.
    pub idle: usize,
}

/// The desk's way to its database. Cloning it is cheap and gives another handle to the same lanes.
#[derive(Clone, Debug)]
pub struct TradingPools {
    // answer: the three lanes
    /// In the order of [`Lane::ALL`].
    lanes: [AnyPool; 3],
    // starter:
    // // Your fields.
    // end answer
}

impl TradingPools {
    /// Three lanes over the database at `url`, each with its minimum of connections open.
    ///
    /// `limits` are in the order of [`Lane::ALL`]. `server_limit` is how many connections the server
    /// takes from all lanes together.
    ///
    /// # Errors
    /// [`TradingError::InvalidLimits`], before anything is opened, if a lane's `max` is 0 or less than
    /// its `min`, or if the lanes' `max` together are more than `server_limit`. Else what kept the
    /// first connections from being opened; those that were are closed again,
    /// then or soon after.
    pub async fn connect(
        url: &str,
        limits: [Limits; 3],
        server_limit: u32,
    ) -> Result<Self, TradingError> {
        // answer: refuse what cannot work (P1, P13), then open the lanes (P2, P18, P19)
        check(&limits, server_limit)?;
        install_default_drivers();
        let [trades, history, risk] = limits;
        // If one fails the others are dropped, and their connections closed with them.
        let (trades, history, risk) = tokio::try_join!(
            open(url, Lane::Trades, trades),
            open(url, Lane::History, history),
            open(url, Lane::Risk, risk),
        )?;
        Ok(Self { lanes: [trades, history, risk] })
        // end answer
    }

    /// Records a trade, and what it did to the desk's position: a row of `trades` and one of
    /// `positions`, bought positive, sold negative. Returns the trade's id.
    ///
    /// Both rows are there or neither is, also if this is dropped half-way. Uses [`Lane::Trades`].
    pub async fn record_trade(&self, trade: &NewTrade) -> Result<i64, TradingError> {
        // answer: write both rows or neither (P3, P4, P14, P15, P17)
        let lane = Lane::Trades;
        // A `begin` that is dropped before PostgreSQL has answered is not rolled back in sqlx 0.9.0:
        // its connection comes back to the pool with a transaction open (sqlx, issue 4393). So it runs
        // in a task that goes on, and what nobody takes is dropped there: a transaction rolls back.
        let pool = self.pool(lane).clone();
        let begun = tokio::spawn(async move { pool.begin().await }).await;
        let begun = begun.unwrap_or(Err(sqlx::Error::WorkerCrashed));
        let mut transaction = begun.map_err(failed(lane))?;
        let id = sqlx::query_scalar(
            "INSERT INTO trades (symbol, price, quantity, side, timestamp)
             VALUES ($1, $2, $3, $4, $5) RETURNING id",
        )
        .bind(&trade.symbol)
        .bind(trade.price)
        .bind(trade.quantity)
        .bind(trade.side.as_str())
        .bind(trade.timestamp)
        .fetch_one(&mut *transaction)
        .await
        .map_err(failed(lane))?;
        sqlx::query("INSERT INTO positions (symbol, quantity) VALUES ($1, $2)")
            .bind(&trade.symbol)
            .bind(trade.side.signed(trade.quantity))
            .execute(&mut *transaction)
            .await
            .map_err(failed(lane))?;
        transaction.commit().await.map_err(failed(lane))?;
        Ok(id)
        // end answer
    }

    /// The newest price of a symbol in `market_data`, by timestamp; `None` if it has none. Uses
    /// [`Lane::History`].
    pub async fn get_latest_price(&self, symbol: &str) -> Result<Option<f64>, TradingError> {
        // answer: read the newest price (P5, P8)
        sqlx::query_scalar(
            "SELECT price FROM market_data WHERE symbol = $1 ORDER BY timestamp DESC LIMIT 1",
        )
        .bind(symbol)
        .fetch_optional(self.pool(Lane::History))
        .await
        .map_err(failed(Lane::History))
        // end answer
    }

    /// The last trades of a symbol, `limit` at most: newest first, by timestamp, and of those with
    /// the same timestamp the one with the higher id. Uses [`Lane::History`].
    pub async fn get_recent_trades(
        &self,
        symbol: &str,
        limit: u32,
    ) -> Result<Vec<Trade>, TradingError> {
        // answer: read the last trades (P6, P8)
        sqlx::query_as(
            "SELECT id, symbol, price, quantity, side, timestamp FROM trades
             WHERE symbol = $1 ORDER BY timestamp DESC, id DESC LIMIT $2",
        )
        .bind(symbol)
        .bind(i64::from(limit))
        .fetch_all(self.pool(Lane::History))
        .await
        .map_err(failed(Lane::History))
        // end answer
    }

    /// Whether the desk may trade `new_quantity` of a symbol (negative for a sale): what it holds,
    /// the sum of the symbol's `positions`, and `new_quantity` must together be at most the
    /// `max_position` in `risk_limits`. A symbol without a limit may not be traded at all.
    ///
    /// Position and limit are those of one moment. Uses [`Lane::Risk`].
    pub async fn check_position_limit(
        &self,
        symbol: &str,
        new_quantity: f64,
    ) -> Result<bool, TradingError> {
        // answer: hold the position against its limit, both of one moment (P7, P8, P16)
        // One statement sees one snapshot, on both databases. What has no rows has no sum: NULL.
        let row: Option<(f64, Option<f64>)> = sqlx::query_as(
            "SELECT max_position,
                    (SELECT SUM(quantity) FROM positions WHERE symbol = risk_limits.symbol)
             FROM risk_limits WHERE symbol = $1",
        )
        .bind(symbol)
        .fetch_optional(self.pool(Lane::Risk))
        .await
        .map_err(failed(Lane::Risk))?;
        Ok(row.is_some_and(|(most, held)| held.unwrap_or(0.0) + new_quantity <= most))
        // end answer
    }

    /// A lane's pool.
    pub fn pool(&self, lane: Lane) -> &AnyPool {
        // answer: the lane's pool (P2)
        let [trades, history, risk] = &self.lanes;
        match lane {
            Lane::Trades => trades,
            Lane::History => history,
            Lane::Risk => risk,
        }
        // end answer
    }

    /// What the lanes look like now, in the order of [`Lane::ALL`].
    pub fn stats(&self) -> [PoolStats; 3] {
        // answer: ask each lane for its numbers (P11)
        Lane::ALL.map(|lane| {
            let pool = self.pool(lane);
            PoolStats { lane, size: pool.size(), idle: pool.num_idle() }
        })
        // end answer
    }

    /// Closes all lanes. Whoever waits for a connection that is in use, or asks for one later, gets
    /// [`TradingError::Closed`] from every lane at once; when this returns, those that were in use
    /// have come back, and all connections are closed. Closing again does no harm, and waits as well.
    pub async fn close(&self) {
        // answer: close all lanes at the same time (P20)
        // One after the other, the later ones would let everybody in while the first waits for its
        // connections to come back.
        let [trades, history, risk] = &self.lanes;
        tokio::join!(trades.close(), history.close(), risk.close());
        // end answer
    }
}

// answer: your own functions, if you want any
/// Whether limits can work at all.
fn check(limits: &[Limits; 3], server_limit: u32) -> Result<(), TradingError> {
    for (lane, &Limits { min, max, .. }) in Lane::ALL.iter().zip(limits) {
        if max == 0 || min > max {
            let reason = format!("the {lane} lane has min {min} and max {max}");
            return Err(TradingError::InvalidLimits(reason));
        }
    }
    let together: u64 = limits.iter().map(|limits| u64::from(limits.max)).sum();
    if together > u64::from(server_limit) {
        let reason = format!("{together} connections in all, the server takes {server_limit}");
        return Err(TradingError::InvalidLimits(reason));
    }
    Ok(())
}

/// Opens a lane.
async fn open(url: &str, lane: Lane, limits: Limits) -> Result<AnyPool, TradingError> {
    let mut options = AnyPoolOptions::new()
        .min_connections(limits.min)
        .max_connections(limits.max)
        .acquire_timeout(limits.acquire_timeout);
    if lane == Lane::History {
        // For each connection that the lane ever opens, also in an hour.
        options = options.after_connect(|conn, _| Box::pin(forbid_writing(conn)));
    }
    options.connect(url).await.map_err(failed(lane))
}

async fn forbid_writing(conn: &mut AnyConnection) -> sqlx::Result<()> {
    let is_postgres = conn.backend_name() == "PostgreSQL";
    let statement = if is_postgres { READ_ONLY_ON_POSTGRES } else { READ_ONLY_ON_SQLITE };
    conn.execute(statement).await.map(drop)
}

/// What an error of sqlx means on this lane.
fn failed(lane: Lane) -> impl Fn(sqlx::Error) -> TradingError {
    move |error| match error {
        sqlx::Error::PoolTimedOut => TradingError::Timeout(lane),
        sqlx::Error::PoolClosed => TradingError::Closed,
        other => TradingError::Database(other),
    }
}
// starter:
// // Your own functions, if you want any.
// end answer
