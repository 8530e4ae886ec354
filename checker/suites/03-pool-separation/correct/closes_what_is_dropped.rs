//! Begins and commits by hand, and closes a connection that is dropped in between: the server then
//! rolls back by itself. Pings with a statement of its own, instead of sqlx's test.

use std::fmt;
use std::time::Duration;

use fixtures::db::{NewTrade, Trade};
use sqlx::any::{AnyPoolOptions, install_default_drivers};
use sqlx::pool::PoolConnection;
use sqlx::{Any, AnyConnection, AnyPool, Executor};

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
    trades: AnyPool,
    history: AnyPool,
    risk: AnyPool,
}

impl TradingPools {
    /// Three lanes over the database at `url`.
    pub async fn connect(
        url: &str,
        limits: [Limits; 3],
        server_limit: u32,
    ) -> Result<Self, TradingError> {
        let [trades, history, risk] = limits;
        let works = |limits: Limits| limits.max > 0 && limits.min <= limits.max;
        if !limits.into_iter().all(works) {
            return Err(TradingError::InvalidLimits(format!("{limits:?}")));
        }
        let together =
            [history, risk].iter().try_fold(trades.max, |sum, limits| sum.checked_add(limits.max));
        if together.is_none_or(|together| together > server_limit) {
            return Err(TradingError::InvalidLimits(format!("more than {server_limit}")));
        }
        install_default_drivers();
        let reading = options(history).after_connect(|conn, _| Box::pin(only_read(conn)));
        Ok(Self {
            risk: opened(Lane::Risk, options(risk).connect(url)).await?,
            trades: opened(Lane::Trades, options(trades).connect(url)).await?,
            history: opened(Lane::History, reading.connect(url)).await?,
        })
    }

    /// Records a trade and its position.
    pub async fn record_trade(&self, trade: &NewTrade) -> Result<i64, TradingError> {
        let conn = self.trades.acquire().await.map_err(on(Lane::Trades))?;
        record(conn, trade).await.map_err(on(Lane::Trades))
    }

    /// The newest price of a symbol.
    pub async fn get_latest_price(&self, symbol: &str) -> Result<Option<f64>, TradingError> {
        let mut conn = self.history.acquire().await.map_err(on(Lane::History))?;
        let sql = "SELECT price FROM market_data WHERE symbol = $1
                   ORDER BY timestamp DESC, id DESC LIMIT 1";
        let price = sqlx::query_scalar(sql).bind(symbol).fetch_optional(&mut *conn).await;
        price.map_err(on(Lane::History))
    }

    /// The last trades of a symbol, newest first.
    pub async fn get_recent_trades(
        &self,
        symbol: &str,
        limit: u32,
    ) -> Result<Vec<Trade>, TradingError> {
        let mut conn = self.history.acquire().await.map_err(on(Lane::History))?;
        let sql = "SELECT id, symbol, price, quantity, side, timestamp FROM trades
                   WHERE symbol = $1 ORDER BY timestamp DESC, id DESC LIMIT $2";
        let query = sqlx::query_as(sql).bind(symbol).bind(i64::from(limit));
        query.fetch_all(&mut *conn).await.map_err(on(Lane::History))
    }

    /// Whether the desk may trade so much of a symbol.
    pub async fn check_position_limit(
        &self,
        symbol: &str,
        new_quantity: f64,
    ) -> Result<bool, TradingError> {
        let mut conn = self.risk.acquire().await.map_err(on(Lane::Risk))?;
        let sql = "SELECT max_position - COALESCE(SUM(quantity), 0.0) FROM risk_limits
                   LEFT JOIN positions USING (symbol)
                   WHERE symbol = $1 GROUP BY symbol, max_position";
        let room = sqlx::query_scalar(sql).bind(symbol).fetch_optional(&mut *conn).await;
        let room: Option<f64> = room.map_err(on(Lane::Risk))?;
        Ok(room.is_some_and(|room| new_quantity <= room))
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
            let (size, idle) = (self.pool(lane).size(), self.pool(lane).num_idle());
            PoolStats { lane, size, idle }
        })
    }

    /// Closes all lanes.
    pub async fn close(&self) {
        let (trades, history) = (self.trades.close(), self.history.close());
        tokio::join!(self.risk.close(), trades, history);
    }
}

/// A connection in a transaction. Dropped before its time, it is closed.
struct Open {
    conn: Option<PoolConnection<Any>>,
}

impl Drop for Open {
    fn drop(&mut self) {
        if let Some(mut conn) = self.conn.take() {
            conn.close_on_drop();
        }
    }
}

async fn record(conn: PoolConnection<Any>, trade: &NewTrade) -> sqlx::Result<i64> {
    let mut open = Open { conn: Some(conn) };
    let Some(conn) = open.conn.as_deref_mut() else { return Err(sqlx::Error::PoolClosed) };
    conn.execute("BEGIN").await?;
    let id = sqlx::query_scalar(
        "INSERT INTO trades (symbol, price, quantity, side, timestamp)
         VALUES ($1, $2, $3, $4, $5) RETURNING id",
    )
    .bind(&trade.symbol)
    .bind(trade.price)
    .bind(trade.quantity)
    .bind(trade.side.as_str())
    .bind(trade.timestamp)
    .fetch_one(&mut *conn)
    .await?;
    sqlx::query("INSERT INTO positions (symbol, quantity) VALUES ($1, $2)")
        .bind(&trade.symbol)
        .bind(trade.side.signed(trade.quantity))
        .execute(&mut *conn)
        .await?;
    conn.execute("COMMIT").await?;
    drop(open.conn.take());
    Ok(id)
}

async fn opened(
    lane: Lane,
    connect: impl Future<Output = sqlx::Result<AnyPool>>,
) -> Result<AnyPool, TradingError> {
    connect.await.map_err(on(lane))
}

fn options(limits: Limits) -> AnyPoolOptions {
    AnyPoolOptions::new()
        .min_connections(limits.min)
        .max_connections(limits.max)
        .acquire_timeout(limits.acquire_timeout)
        .test_before_acquire(false)
        .before_acquire(|conn, _| Box::pin(answers(conn)))
}

async fn answers(conn: &mut AnyConnection) -> sqlx::Result<bool> {
    Ok(conn.execute("SELECT 1").await.is_ok())
}

async fn only_read(conn: &mut AnyConnection) -> sqlx::Result<()> {
    let sql = if conn.backend_name() == "PostgreSQL" {
        READ_ONLY_ON_POSTGRES
    } else {
        READ_ONLY_ON_SQLITE
    };
    conn.execute(sql).await?;
    Ok(())
}

fn on(lane: Lane) -> impl FnOnce(sqlx::Error) -> TradingError {
    move |error| match error {
        sqlx::Error::PoolTimedOut => TradingError::Timeout(lane),
        sqlx::Error::PoolClosed => TradingError::Closed,
        error => TradingError::Database(error),
    }
}
