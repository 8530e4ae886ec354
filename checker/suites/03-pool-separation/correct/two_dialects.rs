//! Asks for the database once and speaks its dialect: on PostgreSQL a trade is one statement, on
//! SQLite a transaction that takes the writer's lock at once. History is made read-only by its URL
//! on PostgreSQL.

use std::fmt;
use std::time::Duration;

use fixtures::db::{NewTrade, Trade};
use sqlx::any::{AnyPoolOptions, install_default_drivers};
use sqlx::{AnyPool, Executor};

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

/// Run on a connection to SQLite, this makes it refuse to write from then on.
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
    trades: AnyPool,
    history: AnyPool,
    risk: AnyPool,
    dialect: Dialect,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dialect {
    Postgres,
    Sqlite,
}

impl TradingPools {
    /// Three lanes over the database at `url`.
    pub async fn connect(
        url: &str,
        limits: [Limits; 3],
        server_limit: u32,
    ) -> Result<Self, TradingError> {
        if let Some(reason) = objection(&limits, server_limit) {
            return Err(TradingError::InvalidLimits(reason));
        }
        install_default_drivers();
        let dialect = match url.split_once(':') {
            Some(("postgres" | "postgresql", _)) => Dialect::Postgres,
            _ => Dialect::Sqlite,
        };
        let [trades, history, risk] = limits;
        let (trades, history, risk) = tokio::join!(
            options(trades).connect(url),
            read(dialect, url, options(history)),
            options(risk).connect(url),
        );
        Ok(Self {
            trades: trades.map_err(|error| translate(error, Lane::Trades))?,
            history: history.map_err(|error| translate(error, Lane::History))?,
            risk: risk.map_err(|error| translate(error, Lane::Risk))?,
            dialect,
        })
    }

    /// Records a trade and its position.
    pub async fn record_trade(&self, trade: &NewTrade) -> Result<i64, TradingError> {
        let recorded = match self.dialect {
            Dialect::Postgres => self.record_at_once(trade).await,
            Dialect::Sqlite => self.record_in_turn(trade).await,
        };
        recorded.map_err(|error| translate(error, Lane::Trades))
    }

    async fn record_at_once(&self, trade: &NewTrade) -> sqlx::Result<i64> {
        // All of the answer is read: the row comes before the statement is committed.
        let ids = sqlx::query_scalar(
            "WITH trade AS (
                 INSERT INTO trades (symbol, price, quantity, side, timestamp)
                 VALUES ($1, $2, $3, $4, $5) RETURNING id
             ), position AS (
                 INSERT INTO positions (symbol, quantity) VALUES ($1, $6)
             )
             SELECT id FROM trade",
        )
        .bind(&trade.symbol)
        .bind(trade.price)
        .bind(trade.quantity)
        .bind(trade.side.as_str())
        .bind(trade.timestamp)
        .bind(trade.side.signed(trade.quantity))
        .fetch_all(&self.trades)
        .await?;
        ids.first().copied().ok_or(sqlx::Error::RowNotFound)
    }

    async fn record_in_turn(&self, trade: &NewTrade) -> sqlx::Result<i64> {
        let mut writer = self.trades.begin_with("BEGIN IMMEDIATE").await?;
        sqlx::query("INSERT INTO positions (symbol, quantity) VALUES (?, ?)")
            .bind(&trade.symbol)
            .bind(trade.side.signed(trade.quantity))
            .execute(&mut *writer)
            .await?;
        sqlx::query(
            "INSERT INTO trades (symbol, price, quantity, side, timestamp) VALUES (?, ?, ?, ?, ?)",
        )
        .bind(&trade.symbol)
        .bind(trade.price)
        .bind(trade.quantity)
        .bind(trade.side.as_str())
        .bind(trade.timestamp)
        .execute(&mut *writer)
        .await?;
        // Nobody else writes meanwhile, and this connection's last row is ours.
        let id = sqlx::query_scalar("SELECT last_insert_rowid()").fetch_one(&mut *writer).await?;
        writer.commit().await?;
        Ok(id)
    }

    /// The newest price of a symbol.
    pub async fn get_latest_price(&self, symbol: &str) -> Result<Option<f64>, TradingError> {
        sqlx::query_scalar(
            "SELECT price FROM market_data WHERE symbol = $1 ORDER BY timestamp DESC LIMIT 1",
        )
        .bind(symbol)
        .fetch_optional(&self.history)
        .await
        .map_err(|error| translate(error, Lane::History))
    }

    /// The last trades of a symbol, newest first.
    pub async fn get_recent_trades(
        &self,
        symbol: &str,
        limit: u32,
    ) -> Result<Vec<Trade>, TradingError> {
        if limit == 0 {
            return self.history.acquire().await.map(|_| Vec::new()).map_err(of_history);
        }
        sqlx::query_as(
            "SELECT id, symbol, price, quantity, side, timestamp FROM
                 (SELECT * FROM trades WHERE symbol = $1 ORDER BY timestamp DESC, id DESC LIMIT $2)
                 AS newest
             ORDER BY timestamp DESC, id DESC",
        )
        .bind(symbol)
        .bind(i64::from(limit))
        .fetch_all(&self.history)
        .await
        .map_err(of_history)
    }

    /// Whether the desk may trade so much of a symbol.
    pub async fn check_position_limit(
        &self,
        symbol: &str,
        new_quantity: f64,
    ) -> Result<bool, TradingError> {
        let fits: Option<i64> = sqlx::query_scalar(
            "SELECT CASE WHEN max_position >= $2 + (
                 SELECT COALESCE(SUM(quantity), 0.0) FROM positions WHERE symbol = $1
             ) THEN 1 ELSE 0 END FROM risk_limits WHERE symbol = $1",
        )
        .bind(symbol)
        .bind(new_quantity)
        .fetch_optional(&self.risk)
        .await
        .map_err(|error| translate(error, Lane::Risk))?;
        Ok(fits == Some(1))
    }

    /// A lane's pool.
    pub fn pool(&self, lane: Lane) -> &AnyPool {
        match lane {
            Lane::Trades => &self.trades,
            Lane::History => &self.history,
            Lane::Risk => &self.risk,
        }
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
        tokio::join!(self.history.close(), self.risk.close(), self.trades.close());
    }
}

fn objection(limits: &[Limits; 3], server_limit: u32) -> Option<String> {
    for (lane, limits) in Lane::ALL.iter().zip(limits) {
        if !(limits.min..=server_limit).contains(&limits.max) || limits.max == 0 {
            return Some(format!("{limits:?} of the {lane} lane"));
        }
    }
    let sum = limits.iter().fold(0_u128, |sum, limits| sum + u128::from(limits.max));
    (sum > u128::from(server_limit)).then(|| format!("{sum} are more than {server_limit}"))
}

/// The lane that only reads.
async fn read(dialect: Dialect, url: &str, options: AnyPoolOptions) -> sqlx::Result<AnyPool> {
    if dialect == Dialect::Postgres {
        let with = if url.contains('?') { '&' } else { '?' };
        let url = format!("{url}{with}options=-c%20default_transaction_read_only%3Don");
        return options.connect(&url).await;
    }
    let only_read = options.after_connect(|conn, _| {
        Box::pin(async move { conn.execute(READ_ONLY_ON_SQLITE).await.map(drop) })
    });
    only_read.connect(url).await
}

fn options(limits: Limits) -> AnyPoolOptions {
    AnyPoolOptions::new()
        .acquire_timeout(limits.acquire_timeout)
        .max_connections(limits.max)
        .min_connections(limits.min)
}

fn of_history(error: sqlx::Error) -> TradingError {
    translate(error, Lane::History)
}

fn translate(error: sqlx::Error, lane: Lane) -> TradingError {
    match error {
        sqlx::Error::PoolTimedOut => TradingError::Timeout(lane),
        sqlx::Error::PoolClosed => TradingError::Closed,
        error => TradingError::Database(error),
    }
}
