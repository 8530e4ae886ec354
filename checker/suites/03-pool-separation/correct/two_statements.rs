//! Position and limit are read by two statements of one transaction that sees one snapshot; the
//! position is written before the trade. One handle, an `Arc`, over three named pools.

use std::fmt;
use std::sync::Arc;
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
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    trades: AnyPool,
    history: AnyPool,
    risk: AnyPool,
    postgres: bool,
}

impl TradingPools {
    /// Three lanes over the database at `url`.
    pub async fn connect(
        url: &str,
        limits: [Limits; 3],
        server_limit: u32,
    ) -> Result<Self, TradingError> {
        let mut left = server_limit;
        for (lane, limits) in Lane::ALL.into_iter().zip(limits) {
            if limits.max < limits.min.max(1) {
                return Err(TradingError::InvalidLimits(format!("of the {lane} lane")));
            }
            left = left.checked_sub(limits.max).ok_or_else(|| {
                TradingError::InvalidLimits(format!("more than {server_limit} connections"))
            })?;
        }
        install_default_drivers();
        let postgres = url.starts_with("postgres");
        let [trades, history, risk] = limits;
        let read_only = if postgres { READ_ONLY_ON_POSTGRES } else { READ_ONLY_ON_SQLITE };
        let reading = options(history).after_connect(move |conn, _| {
            Box::pin(async move {
                conn.execute(read_only).await?;
                Ok(())
            })
        });
        let open = async |lane, options: AnyPoolOptions| {
            options.connect(url).await.map_err(|error| told(lane, error))
        };
        let trades = open(Lane::Trades, options(trades)).await?;
        let history = open(Lane::History, reading).await?;
        let risk = open(Lane::Risk, options(risk)).await?;
        Ok(Self { shared: Arc::new(Shared { trades, history, risk, postgres }) })
    }

    /// Records a trade and its position.
    pub async fn record_trade(&self, trade: &NewTrade) -> Result<i64, TradingError> {
        let record = async {
            let mut both = self.shared.trades.begin().await?;
            sqlx::query("INSERT INTO positions (quantity, symbol) VALUES ($1, $2)")
                .bind(trade.side.signed(trade.quantity))
                .bind(&trade.symbol)
                .execute(&mut *both)
                .await?;
            let (id,): (i64,) = sqlx::query_as(
                "INSERT INTO trades (timestamp, side, quantity, price, symbol)
                 VALUES ($1, $2, $3, $4, $5) RETURNING id",
            )
            .bind(trade.timestamp)
            .bind(trade.side.to_string())
            .bind(trade.quantity)
            .bind(trade.price)
            .bind(&trade.symbol)
            .fetch_one(&mut *both)
            .await?;
            both.commit().await?;
            Ok(id)
        };
        record.await.map_err(|error| told(Lane::Trades, error))
    }

    /// The newest price of a symbol.
    pub async fn get_latest_price(&self, symbol: &str) -> Result<Option<f64>, TradingError> {
        let price = sqlx::query_scalar(
            "SELECT price FROM market_data WHERE symbol = $1 AND timestamp =
                 (SELECT MAX(timestamp) FROM market_data WHERE symbol = $1)",
        )
        .bind(symbol)
        .fetch_optional(&self.shared.history);
        price.await.map_err(|error| told(Lane::History, error))
    }

    /// The last trades of a symbol, newest first.
    pub async fn get_recent_trades(
        &self,
        symbol: &str,
        limit: u32,
    ) -> Result<Vec<Trade>, TradingError> {
        let trades = sqlx::query_as(
            "SELECT * FROM trades WHERE symbol = $1 ORDER BY timestamp DESC, id DESC LIMIT $2",
        )
        .bind(symbol)
        .bind(i64::from(limit))
        .fetch_all(&self.shared.history);
        trades.await.map_err(|error| told(Lane::History, error))
    }

    /// Whether the desk may trade so much of a symbol.
    pub async fn check_position_limit(
        &self,
        symbol: &str,
        new_quantity: f64,
    ) -> Result<bool, TradingError> {
        // SQLite's transactions see one snapshot anyway.
        let begin = if self.shared.postgres {
            "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
        } else {
            "BEGIN"
        };
        let check = async {
            let mut moment = self.shared.risk.begin_with(begin).await?;
            let most: Option<f64> =
                sqlx::query_scalar("SELECT max_position FROM risk_limits WHERE symbol = $1")
                    .bind(symbol)
                    .fetch_optional(&mut *moment)
                    .await?;
            let held: f64 = sqlx::query_scalar(
                "SELECT COALESCE(SUM(quantity), 0.0) FROM positions WHERE symbol = $1",
            )
            .bind(symbol)
            .fetch_one(&mut *moment)
            .await?;
            moment.commit().await?;
            Ok(most.is_some_and(|most| held + new_quantity <= most))
        };
        check.await.map_err(|error| told(Lane::Risk, error))
    }

    /// A lane's pool.
    pub fn pool(&self, lane: Lane) -> &AnyPool {
        match lane {
            Lane::Trades => &self.shared.trades,
            Lane::History => &self.shared.history,
            Lane::Risk => &self.shared.risk,
        }
    }

    /// What the lanes look like now.
    pub fn stats(&self) -> [PoolStats; 3] {
        let of =
            |lane, pool: &AnyPool| PoolStats { lane, size: pool.size(), idle: pool.num_idle() };
        [
            of(Lane::Trades, &self.shared.trades),
            of(Lane::History, &self.shared.history),
            of(Lane::Risk, &self.shared.risk),
        ]
    }

    /// Closes all lanes.
    pub async fn close(&self) {
        // Each is closed to newcomers as soon as its future is made.
        let all = Lane::ALL.map(|lane| self.pool(lane).close());
        for close in all {
            close.await;
        }
    }
}

fn options(limits: Limits) -> AnyPoolOptions {
    AnyPoolOptions::new()
        .min_connections(limits.min)
        .max_connections(limits.max)
        .acquire_timeout(limits.acquire_timeout)
        .max_lifetime(Duration::from_secs(1_800))
        .idle_timeout(Duration::from_secs(600))
        // A `begin` that was dropped may have left a transaction open (sqlx, issue 4393); if there
        // is none, the error or the warning says no more than that.
        .after_release(|conn, _| {
            Box::pin(async move {
                let _ = conn.execute("ROLLBACK").await;
                Ok(true)
            })
        })
}

fn told(lane: Lane, error: sqlx::Error) -> TradingError {
    match error {
        sqlx::Error::PoolTimedOut => TradingError::Timeout(lane),
        sqlx::Error::PoolClosed => TradingError::Closed,
        error => TradingError::Database(error),
    }
}
