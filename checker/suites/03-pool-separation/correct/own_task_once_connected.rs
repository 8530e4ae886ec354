//! Takes a connection itself and records on it in a task that nobody drops; reads whole symbols and
//! sorts, adds up and picks in Rust.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use fixtures::db::{NewTrade, Trade};
use sqlx::any::{AnyPoolOptions, install_default_drivers};
use sqlx::pool::PoolConnection;
use sqlx::{Any, AnyPool, Connection, Executor};
use tokio::sync::oneshot;

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
    lanes: Arc<[AnyPool]>,
}

type Answer<T> = Result<T, TradingError>;

impl TradingPools {
    /// Three lanes over the database at `url`.
    pub async fn connect(url: &str, limits: [Limits; 3], server_limit: u32) -> Answer<Self> {
        let fits = limits.iter().all(|limits| limits.max.max(1) == limits.max)
            && limits.iter().all(|limits| limits.min <= limits.max)
            && limits.iter().map(|limits| u64::from(limits.max)).sum::<u64>()
                <= u64::from(server_limit);
        if !fits {
            return Err(TradingError::InvalidLimits(format!("{limits:?} on {server_limit}")));
        }
        install_default_drivers();
        let mut lanes = Vec::new();
        for (lane, limits) in Lane::ALL.into_iter().zip(limits) {
            lanes.push(open(url, lane, limits).await.map_err(|error| on(lane, error))?);
        }
        Ok(Self { lanes: lanes.into() })
    }

    /// Takes a connection of a lane.
    async fn line(&self, lane: Lane) -> Answer<PoolConnection<Any>> {
        self.pool(lane).acquire().await.map_err(|error| on(lane, error))
    }

    /// Records a trade and its position.
    pub async fn record_trade(&self, trade: &NewTrade) -> Answer<i64> {
        let mut line = self.line(Lane::Trades).await?;
        let (told, answer) = oneshot::channel();
        let trade = trade.clone();
        // From here on nobody drops it half-way.
        tokio::spawn(async move {
            let recorded = record(&mut line, &trade).await;
            drop(line);
            let _ = told.send(recorded);
        });
        match answer.await {
            Ok(recorded) => recorded.map_err(TradingError::Database),
            Err(_) => Err(TradingError::Database(sqlx::Error::WorkerCrashed)),
        }
    }

    /// The newest price of a symbol.
    pub async fn get_latest_price(&self, symbol: &str) -> Answer<Option<f64>> {
        let mut line = self.line(Lane::History).await?;
        let sql = "SELECT price, timestamp FROM market_data WHERE symbol = $1";
        let ticks = sqlx::query_as(sql).bind(symbol).fetch_all(&mut *line).await;
        let ticks: Vec<(f64, i64)> = ticks.map_err(TradingError::Database)?;
        Ok(ticks.into_iter().max_by_key(|(_, timestamp)| *timestamp).map(|(price, _)| price))
    }

    /// The last trades of a symbol, newest first.
    pub async fn get_recent_trades(&self, symbol: &str, limit: u32) -> Answer<Vec<Trade>> {
        let mut line = self.line(Lane::History).await?;
        let sql = "SELECT * FROM trades WHERE symbol = $1";
        let trades = sqlx::query_as(sql).bind(symbol).fetch_all(&mut *line).await;
        let mut trades: Vec<Trade> = trades.map_err(TradingError::Database)?;
        trades.sort_by_key(|trade| std::cmp::Reverse((trade.timestamp, trade.id)));
        trades.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        Ok(trades)
    }

    /// Whether the desk may trade so much of a symbol.
    pub async fn check_position_limit(&self, symbol: &str, new_quantity: f64) -> Answer<bool> {
        let mut line = self.line(Lane::Risk).await?;
        // The limit is a row like the positions: one statement, one moment.
        let sql = "SELECT 1, max_position FROM risk_limits WHERE symbol = $1
                   UNION ALL SELECT 0, quantity FROM positions WHERE symbol = $1";
        let rows = sqlx::query_as(sql).bind(symbol).fetch_all(&mut *line).await;
        let rows: Vec<(i64, f64)> = rows.map_err(TradingError::Database)?;
        let most = rows.iter().find(|(kind, _)| *kind == 1).map(|(_, most)| *most);
        let held: f64 = rows.iter().filter(|(kind, _)| *kind == 0).map(|(_, one)| one).sum();
        Ok(most.is_some_and(|most| held + new_quantity <= most))
    }

    /// A lane's pool.
    pub fn pool(&self, lane: Lane) -> &AnyPool {
        &self.lanes[lane as usize]
    }

    /// What the lanes look like now.
    pub fn stats(&self) -> [PoolStats; 3] {
        Lane::ALL.map(|lane| {
            let pool = self.pool(lane);
            PoolStats { lane, size: pool.size(), idle: pool.num_idle() }
        })
    }

    /// Closes all lanes.
    pub async fn close(&self) {
        let closing: Vec<_> = self.lanes.iter().map(|pool| pool.close()).collect();
        for lane in closing {
            lane.await;
        }
    }
}

async fn record(line: &mut PoolConnection<Any>, trade: &NewTrade) -> sqlx::Result<i64> {
    let mut both = line.begin().await?;
    let id = sqlx::query_scalar(
        "INSERT INTO trades (symbol, price, quantity, side, timestamp)
         VALUES ($1, $2, $3, $4, $5) RETURNING id",
    )
    .bind(&trade.symbol)
    .bind(trade.price)
    .bind(trade.quantity)
    .bind(trade.side.as_str())
    .bind(trade.timestamp)
    .fetch_one(&mut *both)
    .await?;
    let position = "INSERT INTO positions (symbol, quantity) VALUES ($1, $2)";
    let signed = trade.side.signed(trade.quantity);
    sqlx::query(position).bind(&trade.symbol).bind(signed).execute(&mut *both).await?;
    both.commit().await?;
    Ok(id)
}

async fn open(url: &str, lane: Lane, limits: Limits) -> sqlx::Result<AnyPool> {
    let options = AnyPoolOptions::new()
        .min_connections(limits.min)
        .max_connections(limits.max)
        .acquire_timeout(limits.acquire_timeout)
        .after_connect(move |conn, _| {
            Box::pin(async move {
                match (lane, conn.backend_name()) {
                    (Lane::History, "PostgreSQL") => conn.execute(READ_ONLY_ON_POSTGRES).await?,
                    (Lane::History, _) => conn.execute(READ_ONLY_ON_SQLITE).await?,
                    _ => return Ok(()),
                };
                Ok(())
            })
        });
    options.connect(url).await
}

fn on(lane: Lane, error: sqlx::Error) -> TradingError {
    match error {
        sqlx::Error::PoolTimedOut => TradingError::Timeout(lane),
        sqlx::Error::PoolClosed => TradingError::Closed,
        error => TradingError::Database(error),
    }
}
