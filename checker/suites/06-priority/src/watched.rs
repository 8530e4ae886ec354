//! Connections that let somebody look at the pool while they are being closed, looked at or given up,
//! from another thread: on a runtime of one thread, nobody else could.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use fixtures::AsyncManageConnection;
use fixtures::exchange::{AsyncLine, AsyncManager, Exchange, ExchangeError};
use harness::fail;
use harness::tasks::ends;
use priority_pool::{Priority, PriorityConfig, PriorityConnection, PriorityPool};
use tokio::runtime::Handle;

use crate::desk::ms;
use crate::words::told;

/// How long a look at the pool may take that waits for nobody, on a machine that is busy.
const PATIENCE: Duration = ms(1_500);

/// The exchange's manager, with eyes.
#[derive(Clone)]
pub(crate) struct Watched {
    manager: AsyncManager,
    glance: Arc<Mutex<Glance>>,
}

/// For what may have to wait: so long is waited for it, and then without it.
const MOMENT: Duration = ms(200);

/// At what moment somebody does something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum While {
    /// A connection is being closed.
    Closing,
    /// The pool asks whether a connection has broken.
    Asking,
    /// A connect is being dropped that has not come to its end.
    Cancelling,
}

/// What is done, and at what moment.
type Glance = Option<(While, Arc<dyn Fn() + Send + Sync>)>;

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
    /// does, and `closing` tells who closes what.
    pub(crate) async fn glancing(
        &self,
        pool: &PriorityPool<Self>,
        what: &str,
        closing: &str,
        glance: impl Fn(&PriorityPool<Self>) + Clone + Send + Sync + 'static,
        part: impl Future<Output = ()>,
    ) {
        let (pool, runtime) = (pool.clone(), Handle::current());
        let expected =
            format!("{what} to wait for nobody while a connection is being closed: {closing}");
        let look = move || {
            let (pool, runtime, glance) = (pool.clone(), runtime.clone(), glance.clone());
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
        self.looking(While::Closing, look, part).await;
    }

    /// Plays a part of the story. At the first such moment in it somebody does `act` on a thread of his
    /// own; if he has to wait there for what goes on, he does it later, but before this returns. Whether
    /// there was such a moment.
    pub(crate) async fn meanwhile(
        &self,
        moment: While,
        act: impl FnOnce() + Send + 'static,
        part: impl Future<Output = ()>,
    ) -> bool {
        let (runtime, act) = (Handle::current(), Mutex::new(Some(act)));
        let (tell, told) = mpsc::channel();
        let (tell, told) = (Mutex::new(Some(tell)), Arc::new(Mutex::new(told)));
        let waits = Arc::clone(&told);
        let came = Arc::new(AtomicBool::new(false));
        let comes = Arc::clone(&came);
        let first = move || {
            let act = act.lock().unwrap_or_else(PoisonError::into_inner).take();
            let tell = tell.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let (Some(act), Some(tell)) = (act, tell) {
                comes.store(true, Ordering::Relaxed);
                let runtime = runtime.clone();
                thread::spawn(move || {
                    let _inside = runtime.enter();
                    act();
                    let _ = tell.send(());
                });
                let waits = waits.lock().unwrap_or_else(PoisonError::into_inner);
                let _ = waits.recv_timeout(MOMENT);
            }
        };
        self.looking(moment, first, part).await;
        // Said already, or to be said yet.
        let _ = told.lock().unwrap_or_else(PoisonError::into_inner).recv_timeout(PATIENCE);
        came.load(Ordering::Relaxed)
    }

    async fn looking(
        &self,
        moment: While,
        look: impl Fn() + Send + Sync + 'static,
        part: impl Future<Output = ()>,
    ) {
        *self.glance() = Some((moment, Arc::new(look)));
        part.await;
        let look = self.glance().take();
        // Without the lock: with the last handle, the pool's connections go.
        drop(look);
    }

    /// It is such a moment.
    fn now(&self, moment: While) {
        let glance = self.glance().clone();
        if let Some((awaited, look)) = glance
            && awaited == moment
        {
            look();
        }
    }

    fn glance(&self) -> MutexGuard<'_, Glance> {
        self.glance.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A pool over such connections.
pub(crate) fn open(manager: &Watched, config: PriorityConfig) -> PriorityPool<Watched> {
    match PriorityPool::new(manager.clone(), config) {
        Ok(pool) => pool,
        Err(error) => fail("`PriorityPool::new` to succeed", told(&error)),
    }
}

/// So many connections at the same time.
pub(crate) async fn need_all(
    pool: &PriorityPool<Watched>,
    count: usize,
) -> Vec<PriorityConnection<Watched>> {
    let mut held = Vec::new();
    while held.len() < count {
        match ends("`get`", pool.get(Priority::Normal)).await {
            Ok(one) => held.push(one),
            Err(error) => fail("a connection from a pool that has one, or room", told(&error)),
        }
    }
    held
}

/// What somebody does with the pool, and how it is told.
pub(crate) type Act = (&'static str, fn(&PriorityPool<Watched>));

/// Looks at the pool.
pub(crate) fn looks() -> Act {
    ("`status`, called from another thread,", |pool| {
        pool.status();
    })
}

/// Asks for a connection and goes away, if there is none at once.
pub(crate) fn asks_once() -> Act {
    ("the first poll of a `get`, from another thread,", |pool| {
        let mut get = Box::pin(pool.get(Priority::Critical));
        drop(get.as_mut().poll(&mut Context::from_waker(Waker::noop())));
    })
}

/// Closes the pool.
pub(crate) fn closes() -> Act {
    ("`close`, called from another thread,", PriorityPool::close)
}

/// A line of the exchange's.
pub(crate) struct WatchedLine {
    line: AsyncLine,
    manager: Watched,
}

impl Drop for WatchedLine {
    /// The line itself is closed after this.
    fn drop(&mut self) {
        self.manager.now(While::Closing);
    }
}

impl AsyncManageConnection for Watched {
    type Connection = WatchedLine;
    type Error = ExchangeError;

    async fn connect(&self) -> Result<WatchedLine, ExchangeError> {
        let dials = Box::pin(async { self.manager.connect().await });
        let line = Dialling { dials, ended: false, manager: self }.await?;
        Ok(WatchedLine { line, manager: self.clone() })
    }

    async fn is_valid(&self, conn: &mut WatchedLine) -> Result<(), ExchangeError> {
        self.manager.is_valid(&mut conn.line).await
    }

    fn has_broken(&self, conn: &mut WatchedLine) -> bool {
        self.now(While::Asking);
        self.manager.has_broken(&mut conn.line)
    }
}

/// A connect under way.
struct Dialling<'a> {
    dials: Pin<Box<dyn Future<Output = Result<AsyncLine, ExchangeError>> + Send + 'a>>,
    ended: bool,
    manager: &'a Watched,
}

impl Future for Dialling<'_> {
    type Output = Result<AsyncLine, ExchangeError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let answer = self.dials.as_mut().poll(context);
        self.ended = answer.is_ready();
        answer
    }
}

impl Drop for Dialling<'_> {
    /// What was begun at the exchange ends after this.
    fn drop(&mut self) {
        if !self.ended {
            self.manager.now(While::Cancelling);
        }
    }
}
