//! A suite on a paused clock, with a pool beside it that it judges, for the harness's own tests.

mod pool;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use harness::tasks::{self, Telling, ends, known_as, one_order, spawn, story};
use harness::{Case, Suite, fail, watch};
use ledger::{Event, Log, What};
use tokio::task::JoinHandle;
use tokio::time::sleep;

use pool::Pool;

const LONG: Duration = Duration::from_secs(30);

fn suite() -> Suite {
    let cases: [(&str, fn()); 4] = [
        ("is_woken", || one_order(&|| desk(is_woken()))),
        ("is_dropped", || one_order(&|| desk(is_dropped()))),
        ("starts_a_task", || one_order(&|| desk(starts_a_task()))),
        ("fails_the_third_time", fails_the_third_time),
    ];
    cases.into_iter().fold(Suite::new(&[("P1", "It holds.")]), |suite, (name, body)| {
        suite.case(Case::new(name, "P1", body).paused().hints(&["Look up."]))
    })
}

fn desk<'a>(work: impl Future<Output = ()> + 'a) -> Telling<'a, ()> {
    Box::pin(known_as("desk", work))
}

/// A trader that asks for what the pool has.
fn trader(name: &str, pool: &Arc<Pool>, limit: Duration) -> JoinHandle<bool> {
    let pool = Arc::clone(pool);
    spawn(known_as(name, async move { ends("`get`", pool.get(limit)).await }))
}

async fn is_woken() {
    let (pool, log) = (Arc::new(Pool::default()), Log::default());
    watch(&log);
    let trader = trader("trader A", &pool, LONG);
    sleep(Duration::from_millis(50)).await;
    let what = What::Note { text: "looks up".to_owned() };
    log.push(Event { at: Duration::from_millis(50), thread: "desk".to_owned(), what });
    pool.put();
    tasks::home(trader).await;
    fail("nothing", "something");
}

async fn is_dropped() {
    let pool = Arc::new(Pool::default());
    let trader = trader("trader A", &pool, LONG);
    tokio::task::yield_now().await;
    trader.abort();
    let _ = trader.await;
    fail("nothing", "something");
}

async fn starts_a_task() {
    let pool = Arc::new(Pool::default());
    pool.returns();
    trader("trader A", &pool, Duration::from_millis(500)).await.unwrap();
    sleep(LONG).await;
    fail("nothing", "something");
}

fn fails_the_third_time() {
    let told = AtomicU64::new(0);
    story(&|| {
        let number = told.fetch_add(1, Ordering::Relaxed) + 1;
        desk(async move {
            let pool = Arc::new(Pool::default());
            trader("trader A", &pool, LONG).await.unwrap();
            if number == 3 {
                fail("nothing", "something");
            }
        })
    });
}

harness::main!(suite);
