//! A thousand trades at once, as the lesson has them: how many were recorded, and what the lanes
//! look like afterwards.
//!
//! ```text
//! cargo run -p pool-separation --example desk
//! DATABASE_URL=postgres://me@localhost/postgres cargo run -p pool-separation --example desk
//! ```
//!
//! The database is one of its own, and gone at the end: a file of SQLite, or on the PostgreSQL server
//! in `DATABASE_URL`, whose role must be allowed to make databases and roles.

use std::env;
use std::error::Error;
use std::time::{Duration, Instant};

use fixtures::db::{Contents, Kind, NewTrade, OPENING, Server, Side};
use pool_separation::{DEFAULT_LIMITS, Limits, PoolStats, TradingError, TradingPools};
use tokio::task::JoinSet;

/// How many orders come in at the same moment.
const TRADES: u32 = 1_000;

/// What a PostgreSQL takes that nobody has configured: 100, and 3 of them for its administrators.
const SERVER_LIMIT: u32 = 97;

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> Result<(), Box<dyn Error>> {
    let given = env::var("DATABASE_URL").ok().filter(|url| url.starts_with("postgres"));
    let server = given.map_or_else(Server::sqlite, |url| Server::postgres(&url));
    let database = server.database(Contents::Day).await?;
    println!("on {}", database.server());

    if let Err(error) = TradingPools::connect(database.url(), DEFAULT_LIMITS, SERVER_LIMIT).await {
        println!("{error}"); // the lesson's limits, on a server that nobody has configured
    }
    let pools =
        TradingPools::connect(database.url(), limits(database.kind()), SERVER_LIMIT).await?;
    let began = Instant::now();
    let mut desk = JoinSet::new();
    for number in 0..TRADES {
        let pools = pools.clone();
        desk.spawn(async move { pools.record_trade(&order(number)).await });
    }
    let (mut recorded, mut too_late, mut refused) = (0, 0, 0);
    while let Some(trade) = desk.join_next().await {
        match trade? {
            Ok(_) => recorded += 1,
            Err(TradingError::Timeout(_)) => too_late += 1,
            Err(error) => {
                eprintln!("{error}");
                refused += 1;
            }
        }
    }
    let took = began.elapsed().as_millis();
    println!("{recorded} of {TRADES} trades recorded in {took} ms");
    println!("{too_late} waited too long for a connection, {refused} failed");
    for PoolStats { lane, size, idle } in pools.stats() {
        println!("{lane:8} size {size:3}  idle {idle:3}");
    }
    println!("AAPL is at {:?}", pools.get_latest_price("AAPL").await?);
    println!("100 more of it allowed: {}", pools.check_position_limit("AAPL", 100.0).await?);

    pools.close().await;
    database.remove().await?;
    Ok(())
}

/// The lanes that suit the server.
fn limits(kind: Kind) -> [Limits; 3] {
    // All 1,000 are to be recorded, however long the last one has to wait.
    let patient = Limits { acquire_timeout: Duration::from_secs(30), ..DEFAULT_LIMITS[0] };
    let [_, history, risk] = DEFAULT_LIMITS;
    match kind {
        // A file has one writer at a time. With more connections the writers would not wait in the
        // lane's queue but for the file's lock, which nobody hands on in turn.
        Kind::Sqlite => [Limits { min: 1, max: 1, ..patient }, Limits { max: 50, ..history }, risk],
        // 320 connections in all are three times what the server takes.
        Kind::Postgres => [
            Limits { min: 10, max: 30, ..patient },
            Limits { min: 10, max: 50, acquire_timeout: Duration::from_secs(1) },
            Limits { max: 10, ..risk },
        ],
    }
}

fn order(number: u32) -> NewTrade {
    NewTrade {
        symbol: "AAPL".to_owned(),
        price: 264.0 + f64::from(number % 100) / 100.0,
        quantity: 10.0,
        side: if number.is_multiple_of(2) { Side::Buy } else { Side::Sell },
        timestamp: OPENING + i64::from(number),
    }
}
