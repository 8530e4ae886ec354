//! An exchange of which one attempt to connect takes another time than the others, and another end.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use adaptive_pool::{AdaptiveConfig, AdaptivePool};
use fixtures::AsyncManageConnection;
use fixtures::exchange::{AsyncLine, AsyncManager, Exchange, ExchangeError};
use harness::fail;
use harness::tasks::ends;
use tokio::time::sleep;

use crate::desk::ms;
use crate::words::told;

/// The exchange's manager, of whose attempts one is odd; the others take 30 ms.
pub(crate) struct Fickle {
    exchange: Exchange,
    manager: AsyncManager,
    /// Attempts before the one that is odd.
    good: AtomicU32,
    odd: Odd,
}

/// How an attempt differs from the others.
#[derive(Clone, Copy)]
pub(crate) struct Odd {
    /// How long it takes.
    pub(crate) after: Duration,
    /// What happens then at the exchange.
    pub(crate) spoil: fn(&Exchange),
}

/// A pool over an exchange of which the next attempt is odd after the first ones, which `new` makes.
pub(crate) async fn open(
    exchange: &Exchange,
    config: AdaptiveConfig,
    odd: Odd,
) -> Arc<AdaptivePool<Fickle>> {
    let (exchange, manager) = (exchange.clone(), exchange.async_manager());
    let good = AtomicU32::new(config.min);
    let manager = Fickle { exchange, manager, good, odd };
    match ends("`AdaptivePool::new`", AdaptivePool::new(manager, config)).await {
        Ok(pool) => Arc::new(pool),
        Err(error) => fail("`AdaptivePool::new` to succeed", told(&error)),
    }
}

impl AsyncManageConnection for Fickle {
    type Connection = AsyncLine;
    type Error = ExchangeError;

    async fn connect(&self) -> Result<AsyncLine, ExchangeError> {
        // It wraps around after the odd one.
        if self.good.fetch_sub(1, Ordering::Relaxed) == 0 {
            sleep(self.odd.after).await;
            (self.odd.spoil)(&self.exchange);
        } else {
            sleep(ms(30)).await;
        }
        self.manager.connect().await
    }

    async fn is_valid(&self, line: &mut AsyncLine) -> Result<(), ExchangeError> {
        self.manager.is_valid(line).await
    }

    fn has_broken(&self, line: &mut AsyncLine) -> bool {
        self.manager.has_broken(line)
    }
}
