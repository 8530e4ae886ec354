//! What is seen and what can be had while a `Shrink` closes connections: parts of P11, P12 and P19.

use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use adaptive_pool::{Action, AdaptiveConfig, AdaptivePool};
use fixtures::exchange::Exchange;
use harness::fail;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::desk::{between, ms, story};
use crate::watched::{self, Glance, Watched};

/// As many connections as there are at most.
const MAX: u32 = 4;

/// A connection that is being closed takes as long as it takes.
pub(crate) fn nobody_waits() {
    story(async || {
        let what = "`status`, `sample` and `decisions`, called from another thread,";
        let glance = |pool: &AdaptivePool<Watched>| {
            pool.status();
            pool.sample();
            pool.decisions();
        };
        shrinks(what, Arc::new(glance)).await;
    });
}

/// A `Shrink` is told when it is decided, and not when its connections are closed.
pub(crate) fn told_meanwhile() {
    story(async || {
        let told: Arc<Mutex<Vec<Option<Action>>>> = Arc::default();
        let seen = Arc::clone(&told);
        let glance = move |pool: &AdaptivePool<Watched>| {
            let last = pool.decisions().pop().map(|decision| decision.action);
            seen.lock().unwrap_or_else(PoisonError::into_inner).push(last);
        };
        shrinks("`decisions`, called from another thread,", Arc::new(glance)).await;
        let told = told.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(last) = told.iter().find(|last| !matches!(last, Some(Action::Shrink(_)))) {
            fail(
                "`decisions` to tell of a `Shrink` as soon as it is decided: when its connections are \
                 being closed, it is the latest",
                last.map_or("nothing".to_owned(), |action| format!("the latest is a {action:?}")),
            );
        }
    });
}

/// The place of a connection that is being closed is nobody's: who asks meanwhile opens nothing there.
pub(crate) fn nothing_is_opened() {
    story(async || {
        let glance = |pool: &AdaptivePool<Watched>| {
            // Each is asked once. Whoever finds nothing idle waits, and then leaves the queue.
            let ask = |_| match pin!(pool.get()).poll(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(Ok(held)) => Some(held),
                _ => None,
            };
            let held: Vec<_> = (0..MAX).filter_map(ask).collect();
            drop(held);
        };
        let what = "`get`, called from another thread,";
        let (exchange, before) = shrinks(what, Arc::new(glance)).await;
        let opened = exchange.attempts() - before;
        if opened > 0 {
            fail(
                "nothing to be opened by a `get` that comes while a `Shrink` closes a connection: its \
                 place is gone, all others are taken, and there would be one more than `max`, 4",
                format!("{opened} calls of connect"),
            );
        }
    });
}

/// A pool that has grown to [`MAX`] is idle, and shrinks; `glance` is taken at it, by somebody called
/// `what`, while each of its connections is being closed. The exchange, and the attempts to connect
/// before that.
async fn shrinks(what: &str, glance: Glance) -> (Exchange, usize) {
    let (exchange, manager) = Watched::exchange();
    let config = AdaptiveConfig { shrink_after: 5, ..between(1, MAX) };
    let pool = watched::open(&manager, config).await;
    let mut rush = JoinSet::new();
    for _ in 0..3 * MAX {
        let pool = pool.clone();
        rush.spawn(async move {
            loop {
                let held = pool.get().await;
                sleep(ms(37)).await;
                drop(held);
            }
        });
    }
    sleep(ms(2_050)).await;
    rush.shutdown().await;
    let before = exchange.attempts();
    manager.glancing(&pool, what, glance, sleep(ms(3_000))).await;
    (exchange, before)
}
