//! Connections that let somebody look at the pool while they are being closed, from another thread:
//! on a runtime of one thread, nobody else could.

use std::future::Future;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Waker};
use std::thread;
use std::time::Duration;

use crate::graded::{Pool, PoolConfig};
use fixtures::AsyncManageConnection;
use fixtures::exchange::{AsyncLine, AsyncManager, Exchange, ExchangeError};
use harness::fail;
use harness::tasks::ends;
use tokio::runtime::Handle;

use crate::desk::{by_hand, ms};
use crate::words::told;

/// How long a look at the pool may take that waits for nobody, on a machine that is busy.
const PATIENCE: Duration = ms(1_500);

/// The exchange's manager, with eyes.
#[derive(Clone)]
pub struct Watched {
    manager: AsyncManager,
    glance: Arc<Mutex<Glance>>,
}

/// What is done while a connection is being closed.
type Glance = Option<Arc<dyn Fn() + Send + Sync>>;

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
        pool: &Pool<Self>,
        what: &str,
        glance: fn(&Pool<Self>),
        part: impl Future<Output = ()>,
    ) {
        let (pool, runtime) = (pool.clone(), Handle::current());
        let expected = format!("{what} to wait for nobody while a connection is being closed");
        let look = move || {
            let (pool, runtime) = (pool.clone(), runtime.clone());
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

    fn glance(&self) -> MutexGuard<'_, Glance> {
        self.glance.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A pool over such connections in which no round comes by itself.
pub(crate) async fn open(manager: &Watched, config: PoolConfig) -> Pool<Watched> {
    let new = Pool::new(manager.clone(), config, by_hand());
    let pool = match ends("`Pool::new`", new).await {
        Ok(pool) => pool,
        Err(error) => fail("`Pool::new` to succeed", told(&error)),
    };
    // A checker may begin with a round at once.
    tokio::time::sleep(ms(100)).await;
    pool
}

/// Asks for a connection and goes away, if there is none at once.
pub(crate) fn asks_once(pool: &Pool<Watched>) {
    let mut get = Box::pin(pool.get());
    drop(get.as_mut().poll(&mut Context::from_waker(Waker::noop())));
}

/// A line of the exchange's.
pub struct WatchedLine {
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
