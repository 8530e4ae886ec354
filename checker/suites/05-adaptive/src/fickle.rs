//! An exchange of which one attempt to connect goes wrong sooner than the others come right.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use adaptive_pool::{AdaptiveConfig, AdaptivePool};
use fixtures::AsyncManageConnection;
use fixtures::exchange::{AsyncLine, AsyncManager, Exchange, ExchangeError};
use harness::fail;
use harness::tasks::ends;
use tokio::time::sleep;

use crate::desk::ms;
use crate::words::told;

/// The exchange's manager, of whose attempts one is refused after 5 ms; the others take 30 ms.
pub(crate) struct Fickle {
    manager: AsyncManager,
    /// Attempts before the one that is refused.
    good: AtomicU32,
}

/// A pool over an exchange that refuses the next attempt after the first ones, which `new` makes.
pub(crate) async fn open(exchange: &Exchange, config: AdaptiveConfig) -> Arc<AdaptivePool<Fickle>> {
    let good = AtomicU32::new(config.min);
    let manager = Fickle { manager: exchange.async_manager(), good };
    match ends("`AdaptivePool::new`", AdaptivePool::new(manager, config)).await {
        Ok(pool) => Arc::new(pool),
        Err(error) => fail("`AdaptivePool::new` to succeed", told(&error)),
    }
}

impl AsyncManageConnection for Fickle {
    type Connection = AsyncLine;
    type Error = ExchangeError;

    async fn connect(&self) -> Result<AsyncLine, ExchangeError> {
        // It wraps around after the one that goes wrong.
        if self.good.fetch_sub(1, Ordering::Relaxed) == 0 {
            sleep(ms(5)).await;
            return Err(ExchangeError::Refused);
        }
        sleep(ms(30)).await;
        self.manager.connect().await
    }

    async fn is_valid(&self, line: &mut AsyncLine) -> Result<(), ExchangeError> {
        self.manager.is_valid(line).await
    }

    fn has_broken(&self, line: &mut AsyncLine) -> bool {
        self.manager.has_broken(line)
    }
}
