//! The suite of task 04 as a program, with the graded crate in its place.

use fixtures::db::Lines;
use fixtures::exchange::AsyncManager;
use harness::Suite;
use harness::tasks::Work;
use pool_health_check::Pool;
use pool_health_check_suite::graded::{
    CheckReport, Graded, HealthConfig, Outcome, PoolConfig, PoolError, PooledConnection, Seat,
    Status, Watched,
};

/// The suite over the graded crate.
fn suite() -> Suite {
    AsyncManager::take(AsyncManager::open);
    Watched::take(Watched::open);
    Lines::take(Lines::open);
    pool_health_check_suite::suite()
}

harness::main!(suite);

/// A manager over which the graded crate opens a pool.
trait Opens: Seat {
    fn open(
        self,
        config: PoolConfig,
        health: HealthConfig,
    ) -> Work<'static, Outcome<Box<dyn Graded<Self>>, Self>>;
}

/// The graded crate's pool.
struct Mine<M: Seat>(Pool<M>);

/// For each manager by itself: whether a task may hold what the pool's futures hold is asked of the
/// connections that there are, and not of all that could be.
macro_rules! opens {
    ($($manager:ty),+) => {$(
        impl Opens for $manager {
            fn open(
                self,
                config: PoolConfig,
                health: HealthConfig,
            ) -> Work<'static, Outcome<Box<dyn Graded<Self>>, Self>> {
                Box::pin(async move {
                    let new = Pool::new(self, pool_config(&config), health_config(&health));
                    let pool = new.await.map_err(told)?;
                    Ok(Box::new(Mine(pool)) as Box<dyn Graded<Self>>)
                })
            }
        }

        impl Graded<$manager> for Mine<$manager> {
            fn get(&self) -> Work<'_, Outcome<PooledConnection<$manager>, $manager>> {
                Box::pin(async {
                    let taken = self.0.get().await.map_err(told)?;
                    Ok(Box::new(taken) as PooledConnection<$manager>)
                })
            }

            fn check_once(&self) -> Work<'_, CheckReport> {
                Box::pin(async { report(self.0.check_once().await) })
            }

            fn status(&self) -> Status {
                let pool_health_check::Status { size, idle, in_use, waiting } = self.0.status();
                Status { size, idle, in_use, waiting }
            }

            fn last_check(&self) -> Option<CheckReport> {
                self.0.last_check().map(report)
            }

            fn close(&self) -> Work<'_, ()> {
                Box::pin(self.0.close())
            }

            fn another(&self) -> Box<dyn Graded<$manager>> {
                Box::new(Self(self.0.clone()))
            }
        }
    )+};
}

opens!(AsyncManager, Watched, Lines);

fn pool_config(config: &PoolConfig) -> pool_health_check::PoolConfig {
    let &PoolConfig { min_connections, max_connections, connection_timeout } = config;
    pool_health_check::PoolConfig { min_connections, max_connections, connection_timeout }
}

fn health_config(health: &HealthConfig) -> pool_health_check::HealthConfig {
    let &HealthConfig { interval, ping_timeout, backoff_min, backoff_max } = health;
    pool_health_check::HealthConfig { interval, ping_timeout, backoff_min, backoff_max }
}

fn report(report: pool_health_check::CheckReport) -> CheckReport {
    let pool_health_check::CheckReport { pinged, removed, opened } = report;
    CheckReport { pinged, removed, opened }
}

fn told<E>(error: pool_health_check::PoolError<E>) -> PoolError<E> {
    match error {
        pool_health_check::PoolError::InvalidConfig(why) => PoolError::InvalidConfig(why),
        pool_health_check::PoolError::Timeout => PoolError::Timeout,
        pool_health_check::PoolError::Connect(error) => PoolError::Connect(error),
        pool_health_check::PoolError::Closed => PoolError::Closed,
    }
}
