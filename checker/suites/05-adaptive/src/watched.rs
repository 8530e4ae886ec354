//! Connections that let somebody look at the pool while they are being closed, from another thread:
//! on a runtime of one thread, nobody else could.

use std::future::Future;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use adaptive_pool::{AdaptiveConfig, AdaptivePool};
use fixtures::AsyncManageConnection;
use fixtures::exchange::{AsyncLine, AsyncManager, Exchange, ExchangeError};
use harness::fail;
use harness::tasks::ends;
use tokio::runtime::Handle;

use crate::desk::ms;
use crate::words::told;

/// How long a look at the pool may take that waits for nobody, on a machine that is busy.
const PATIENCE: Duration = ms(1_500);

/// The exchange's manager, with eyes.
#[derive(Clone)]
pub(crate) struct Watched {
    manager: AsyncManager,
    glance: Arc<Mutex<Option<Look>>>,
}

/// What somebody does with the pool while a connection is being closed.
pub(crate) type Glance = Arc<dyn Fn(&AdaptivePool<Watched>) + Send + Sync>;

/// Lets him do it, and waits until he has.
type Look = Arc<dyn Fn() + Send + Sync>;

impl Watched {
    /// An exchange, and what opens connections to it.
    pub(crate) fn exchange() -> (Exchange, Self) {
        let exchange = Exchange::for_tasks();
        harness::watch(exchange.log());
        let manager = exchange.async_manager();
        (exchange, Self { manager, glance: Arc::default() })
    }

    /// Plays a part of the story, and lets somebody do `glance` with the pool on a thread of his own
    /// whenever a connection is being closed meanwhile. Fails if he has to wait: `what` is what he
    /// does.
    pub(crate) async fn glancing(
        &self,
        pool: &AdaptivePool<Self>,
        what: &str,
        glance: Glance,
        part: impl Future<Output = ()>,
    ) {
        let (pool, runtime) = (pool.clone(), Handle::current());
        let expected = format!("{what} to wait for nobody while a connection is being closed");
        let look = move || {
            let (pool, runtime, glance) = (pool.clone(), runtime.clone(), Arc::clone(&glance));
            let (tell, told) = mpsc::channel();
            thread::spawn(move || {
                let _inside = runtime.enter();
                glance(&pool);
                drop(pool);
                let _ = tell.send(());
            });
            if let Err(RecvTimeoutError::Timeout) = told.recv_timeout(PATIENCE) {
                let late = "it waited until the connection was closed: is a lock held meanwhile?";
                fail(expected.clone(), late);
            }
        };
        *self.glance() = Some(Arc::new(look));
        part.await;
        let look = self.glance().take();
        // Without the lock: with the last handle, the pool's connections go.
        drop(look);
    }

    fn glance(&self) -> MutexGuard<'_, Option<Look>> {
        self.glance.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A pool over such connections.
pub(crate) async fn open(manager: &Watched, config: AdaptiveConfig) -> AdaptivePool<Watched> {
    match ends("`AdaptivePool::new`", AdaptivePool::new(manager.clone(), config)).await {
        Ok(pool) => pool,
        Err(error) => fail("`AdaptivePool::new` to succeed", told(&error)),
    }
}

/// A line of the exchange's.
pub(crate) struct WatchedLine {
    line: AsyncLine,
    manager: Watched,
}

impl Drop for WatchedLine {
    /// The line itself is closed after this.
    fn drop(&mut self) {
        let glance = self.manager.glance().clone();
        if let Some(glance) = glance {
            glance();
        }
    }
}

impl AsyncManageConnection for Watched {
    type Connection = WatchedLine;
    type Error = ExchangeError;

    async fn connect(&self) -> Result<WatchedLine, ExchangeError> {
        let line = self.manager.connect().await?;
        Ok(WatchedLine { line, manager: self.clone() })
    }

    async fn is_valid(&self, conn: &mut WatchedLine) -> Result<(), ExchangeError> {
        self.manager.is_valid(&mut conn.line).await
    }

    fn has_broken(&self, conn: &mut WatchedLine) -> bool {
        self.manager.has_broken(&mut conn.line)
    }
}
