//! A trade is recorded by a task of its own, which nobody can drop half-way. Opens lazily and takes
//! the minimum by hand; adds positions up in Rust.

use std::collections::BTreeMap;
use std::fmt;
use std::panic;
use std::time::Duration;

use fixtures::db::{NewTrade, Trade};
use sqlx::any::{AnyPoolOptions, AnyRow, install_default_drivers};
use sqlx::{AnyPool, Executor, FromRow, Row};
use tokio::task::JoinSet;

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
    pools: BTreeMap<u8, AnyPool>,
}

impl TradingPools {
    /// Three lanes over the database at `url`.
    pub async fn connect(
        url: &str,
        limits: [Limits; 3],
        server_limit: u32,
    ) -> Result<Self, TradingError> {
        let mut together = 0_u32;
        for limits in limits {
            if limits.max == 0 || limits.max < limits.min {
                return Err(TradingError::InvalidLimits(format!("{limits:?}")));
            }
            together = together.saturating_add(limits.max);
            if together > server_limit || together == u32::MAX {
                return Err(TradingError::InvalidLimits("the server has not so many".into()));
            }
        }
        install_default_drivers();
        let mut pools = BTreeMap::new();
        for (lane, limits) in Lane::ALL.into_iter().zip(limits) {
            let pool = lane_options(lane, limits)
                .connect_lazy(url)
                .map_err(|error| of_lane(lane, error))?;
            // At least one, to know that there is a database.
            let mut opening = JoinSet::new();
            for _ in 0..limits.min.max(1) {
                let pool = pool.clone();
                opening.spawn(async move { pool.acquire().await });
            }
            let mut open = Vec::new();
            while let Some(conn) = opening.join_next().await {
                let conn = conn.unwrap_or_else(|error| panic::resume_unwind(error.into_panic()));
                open.push(conn.map_err(|error| of_lane(lane, error))?);
            }
            pools.insert(lane as u8, pool);
        }
        Ok(Self { pools })
    }

    /// Records a trade and its position.
    pub async fn record_trade(&self, trade: &NewTrade) -> Result<i64, TradingError> {
        let (pool, trade) = (self.pool(Lane::Trades).clone(), trade.clone());
        let work = tokio::spawn(async move { record(&pool, &trade).await });
        match work.await {
            Ok(recorded) => recorded.map_err(|error| of_lane(Lane::Trades, error)),
            Err(error) => panic::resume_unwind(error.into_panic()),
        }
    }

    /// The newest price of a symbol.
    pub async fn get_latest_price(&self, symbol: &str) -> Result<Option<f64>, TradingError> {
        let sql = "SELECT price FROM market_data WHERE symbol = $1 ORDER BY timestamp DESC";
        let row = sqlx::query(sql).bind(symbol).fetch_optional(self.pool(Lane::History)).await;
        let price = row.and_then(|row| row.map(|row: AnyRow| row.try_get(0)).transpose());
        price.map_err(|error| of_lane(Lane::History, error))
    }

    /// The last trades of a symbol, newest first.
    pub async fn get_recent_trades(
        &self,
        symbol: &str,
        limit: u32,
    ) -> Result<Vec<Trade>, TradingError> {
        let sql = "SELECT id, symbol, price, quantity, side, timestamp FROM trades
                   WHERE symbol = $1 ORDER BY timestamp DESC, id DESC LIMIT $2";
        let rows = sqlx::query(sql)
            .bind(symbol)
            .bind(i64::from(limit))
            .fetch_all(self.pool(Lane::History))
            .await;
        let trades = rows.and_then(|rows| rows.iter().map(Trade::from_row).collect());
        trades.map_err(|error| of_lane(Lane::History, error))
    }

    /// Whether the desk may trade so much of a symbol.
    pub async fn check_position_limit(
        &self,
        symbol: &str,
        new_quantity: f64,
    ) -> Result<bool, TradingError> {
        let sql = "SELECT max_position, quantity FROM risk_limits
                   LEFT JOIN positions ON positions.symbol = risk_limits.symbol
                   WHERE risk_limits.symbol = $1";
        let rows = sqlx::query_as(sql).bind(symbol).fetch_all(self.pool(Lane::Risk)).await;
        let rows: Vec<(f64, Option<f64>)> = rows.map_err(|error| of_lane(Lane::Risk, error))?;
        let held: f64 = rows.iter().filter_map(|(_, quantity)| *quantity).sum();
        Ok(rows.first().is_some_and(|(most, _)| held + new_quantity <= *most))
    }

    /// A lane's pool.
    pub fn pool(&self, lane: Lane) -> &AnyPool {
        &self.pools[&(lane as u8)]
    }

    /// What the lanes look like now.
    pub fn stats(&self) -> [PoolStats; 3] {
        Lane::ALL.map(|lane| PoolStats {
            lane,
            size: self.pool(lane).size(),
            idle: self.pool(lane).num_idle(),
        })
    }

    /// Closes all lanes.
    pub async fn close(&self) {
        let mut closing = JoinSet::new();
        for pool in self.pools.values().cloned() {
            closing.spawn(async move { pool.close().await });
        }
        while closing.join_next().await.is_some() {}
    }
}

async fn record(pool: &AnyPool, trade: &NewTrade) -> sqlx::Result<i64> {
    let mut transaction = pool.begin().await?;
    let row = sqlx::query(
        "INSERT INTO trades (symbol, price, quantity, side, timestamp)
         VALUES ($1, $2, $3, $4, $5) RETURNING id",
    )
    .bind(trade.symbol.clone())
    .bind(trade.price)
    .bind(trade.quantity)
    .bind(trade.side.as_str())
    .bind(trade.timestamp)
    .fetch_one(&mut *transaction)
    .await?;
    sqlx::query("INSERT INTO positions (symbol, quantity) VALUES ($1, $2)")
        .bind(trade.symbol.clone())
        .bind(trade.side.signed(trade.quantity))
        .execute(&mut *transaction)
        .await?;
    transaction.commit().await?;
    row.try_get("id")
}

fn lane_options(lane: Lane, limits: Limits) -> AnyPoolOptions {
    let options = AnyPoolOptions::new()
        .min_connections(limits.min)
        .max_connections(limits.max)
        .acquire_timeout(limits.acquire_timeout);
    if lane != Lane::History {
        return options;
    }
    options.after_connect(|conn, _| {
        Box::pin(async move {
            let sql = match conn.backend_name() {
                "SQLite" => READ_ONLY_ON_SQLITE,
                _ => READ_ONLY_ON_POSTGRES,
            };
            conn.execute(sql).await.map(|_| ())
        })
    })
}

fn of_lane(lane: Lane, error: sqlx::Error) -> TradingError {
    match error {
        sqlx::Error::PoolTimedOut => TradingError::Timeout(lane),
        sqlx::Error::PoolClosed => TradingError::Closed,
        error => TradingError::Database(error),
    }
}
