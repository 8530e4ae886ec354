//! The suite of task 03 as a program, with the graded crate in its place.

use fixtures::db::{NewTrade, Trade};
use harness::Suite;
use harness::tasks::Work;
use pool_separation::TradingPools;
use pool_separation_suite::graded::{
    Graded, Lane, Limits, Outcome, PoolStats, TradingError, grade,
};
use sqlx::AnyPool;

/// The suite over the graded crate.
fn suite() -> Suite {
    grade(connect);
    pool_separation_suite::suite()
}

harness::main!(suite);

/// The graded crate's lanes.
struct Lanes(TradingPools);

fn connect(
    url: &str,
    limits: [Limits; 3],
    server_limit: u32,
) -> Work<'_, Outcome<Box<dyn Graded>>> {
    let limits = limits.map(|Limits { min, max, acquire_timeout }| pool_separation::Limits {
        min,
        max,
        acquire_timeout,
    });
    Box::pin(async move {
        let pools = TradingPools::connect(url, limits, server_limit).await.map_err(told)?;
        Ok(Box::new(Lanes(pools)) as Box<dyn Graded>)
    })
}

impl Graded for Lanes {
    fn record_trade<'a>(&'a self, trade: &'a NewTrade) -> Work<'a, Outcome<i64>> {
        let request = self.0.record_trade(trade);
        Box::pin(async { request.await.map_err(told) })
    }

    fn get_latest_price<'a>(&'a self, symbol: &'a str) -> Work<'a, Outcome<Option<f64>>> {
        let request = self.0.get_latest_price(symbol);
        Box::pin(async { request.await.map_err(told) })
    }

    fn get_recent_trades<'a>(
        &'a self,
        symbol: &'a str,
        limit: u32,
    ) -> Work<'a, Outcome<Vec<Trade>>> {
        let request = self.0.get_recent_trades(symbol, limit);
        Box::pin(async { request.await.map_err(told) })
    }

    fn check_position_limit<'a>(
        &'a self,
        symbol: &'a str,
        new_quantity: f64,
    ) -> Work<'a, Outcome<bool>> {
        let request = self.0.check_position_limit(symbol, new_quantity);
        Box::pin(async { request.await.map_err(told) })
    }

    fn pool(&self, lane: Lane) -> &AnyPool {
        self.0.pool(match lane {
            Lane::Trades => pool_separation::Lane::Trades,
            Lane::History => pool_separation::Lane::History,
            Lane::Risk => pool_separation::Lane::Risk,
        })
    }

    fn stats(&self) -> [PoolStats; 3] {
        self.0.stats().map(|pool_separation::PoolStats { lane, size, idle }| PoolStats {
            lane: named(lane),
            size,
            idle,
        })
    }

    fn close(&self) -> Work<'_, ()> {
        Box::pin(self.0.close())
    }

    fn another(&self) -> Box<dyn Graded> {
        Box::new(Self(self.0.clone()))
    }
}

fn named(lane: pool_separation::Lane) -> Lane {
    match lane {
        pool_separation::Lane::Trades => Lane::Trades,
        pool_separation::Lane::History => Lane::History,
        pool_separation::Lane::Risk => Lane::Risk,
    }
}

fn told(error: pool_separation::TradingError) -> TradingError {
    match error {
        pool_separation::TradingError::InvalidLimits(why) => TradingError::InvalidLimits(why),
        pool_separation::TradingError::Timeout(lane) => TradingError::Timeout(named(lane)),
        pool_separation::TradingError::Closed => TradingError::Closed,
        pool_separation::TradingError::Database(error) => TradingError::Database(error),
    }
}
