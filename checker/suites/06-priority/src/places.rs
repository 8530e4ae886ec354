//! When the place of a connection is free, seen from another thread: P3, P17, P19.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Waker};

use harness::tasks::ends;
use harness::{connections, fail};
use priority_pool::{Priority, PriorityConfig, PriorityPool};
use tokio::time::timeout;

use crate::desk::{ms, order, up_to};
use crate::watched::{self, Watched, While};

/// The future of one that waits, to be polled while a connection is being closed.
type Waiting = Arc<Mutex<Option<Pin<Box<dyn Future<Output = ()> + Send>>>>>;

/// Whoever has the place while the broken one is still being closed opens one too many.
pub(crate) fn closed_before_its_place_is_free() {
    for waits in [false, true] {
        order(async || {
            let (exchange, manager) = Watched::exchange();
            let pool = watched::open(&manager, up_to(1));
            let held = watched::need_all(&pool, 1).await;
            let waiting: Waiting = Arc::default();
            if waits {
                let pool = pool.clone();
                let get = Box::pin(async move { drop(pool.get(Priority::Normal).await) });
                *waiting.lock().expect("nobody panics with it") = Some(get);
                poll(&waiting);
            }
            exchange.kill(1);
            let polled = Arc::clone(&waiting);
            let act = move |pool: &PriorityPool<Watched>| {
                if waits {
                    poll(&polled);
                } else {
                    watched::asks_once().1(pool);
                }
            };
            let what = "a `get`, from another thread,";
            manager.glancing(&pool, what, "it came back broken", act, async { drop(held) }).await;
            let peak = exchange.peak_sessions();
            if peak > 1 {
                fail(
                    "no place to be free before its broken connection is closed, with \
                     max_connections 1",
                    format!("{peak} connections at once: a `get` had the place meanwhile"),
                );
            }
            drop(waiting.lock().expect("nobody panics with it").take());
        });
    }
}

/// Polls the one that waits, unless somebody does so already.
fn poll(waiting: &Waiting) {
    if let Ok(mut waiting) = waiting.try_lock()
        && let Some(get) = waiting.as_mut()
        && get.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready()
    {
        *waiting = None;
    }
}

/// A connect is dropped that has not come to its end. Whoever has its place meanwhile opens one too
/// many.
pub(crate) fn given_up_before_its_place_is_free() {
    for times_out in [false, true] {
        order(async || {
            let (exchange, manager) = Watched::exchange();
            let limit = if times_out { ms(40) } else { ms(30_000) };
            let config = PriorityConfig { connection_timeout: limit, ..up_to(1) };
            let pool = watched::open(&manager, config);
            exchange.connect_takes(ms(80));
            let (waiting, asks) = (Waiting::default(), pool.clone());
            let get = Box::pin(async move { drop(asks.get(Priority::Critical).await) });
            let polled = Arc::clone(&waiting);
            let part = async {
                let opens = async {
                    // It takes the only place; then another one waits for it.
                    let opens = ends("a `get` with a time limit", pool.get(Priority::Normal));
                    tokio::join!(opens, async {
                        *waiting.lock().expect("nobody panics with it") = Some(get);
                        poll(&waiting);
                    })
                };
                drop(timeout(ms(60), opens).await);
            };
            manager.meanwhile(While::Cancelling, move || poll(&polled), part).await;
            let peak = exchange.peak_sessions();
            if peak > 1 {
                let how = if times_out { "timed out" } else { "was dropped" };
                fail(
                    format!(
                        "a place to go on when its connect has been given up, and not before: a \
                         `get` {how} while it connected, with max_connections 1"
                    ),
                    format!("{} at once: the next one had the place meanwhile", connections(peak)),
                );
            }
            drop(waiting.lock().expect("nobody panics with it").take());
        });
    }
}

/// The pool is closed while `has_broken` is asked about a connection that comes back: between a look
/// and an act.
pub(crate) fn closed_while_it_comes_back() {
    for waits in [false, true] {
        order(async || {
            let (exchange, manager) = Watched::exchange();
            let pool = watched::open(&manager, up_to(2));
            let mut held = watched::need_all(&pool, 2).await;
            let waiting = Waiting::default();
            if waits {
                let asks = pool.clone();
                let get = Box::pin(async move { drop(asks.get(Priority::Normal).await) });
                *waiting.lock().expect("nobody panics with it") = Some(get);
                poll(&waiting);
            }
            let closes = pool.clone();
            let part = async { drop(held.pop()) };
            if !manager.meanwhile(While::Asking, move || closes.close(), part).await {
                // It is not asked then.
                return;
            }
            drop(held);
            tokio::time::sleep(ms(5)).await;
            poll(&waiting);
            tokio::time::sleep(ms(5)).await;
            let open = exchange.sessions();
            if open > 0 {
                fail(
                    format!(
                        "nothing to be open when all have come back to a closed pool: `close` was \
                         called while one came back, just when the pool asked `has_broken`{}",
                        if waits { ", and a normal one waited" } else { "" }
                    ),
                    harness::open_connections(open),
                );
            }
        });
    }
}
