//! Time limits of all lengths, and when they begin: P1, P9.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use harness::{clock, fail};
use priority_pool::{Priority, PriorityConfig, PriorityError};
use tokio::time::timeout;

use crate::crowd::HANDFUL;
use crate::desk::{BEGIN, Desk, SLACK, ms, order, story, up_to};
use crate::words::{said, told, who};

const DAY: Duration = Duration::from_hours(24);

/// A `get` that is made, kept, and polled later; limits that are no round seconds, and long ones.
pub(crate) fn tell() {
    let polls = AtomicUsize::new(0);
    for code in ["C1", "N1"] {
        for later in [Duration::ZERO, ms(500), ms(700_000)] {
            story(async || {
                polls.store(0, Ordering::Relaxed);
                waits(code, ms(1_500), later, &polls).await;
            });
        }
        // What looks again every millisecond would do so for days. That is another promise's: P20.
        let days = polls.load(Ordering::Relaxed) <= HANDFUL;
        let long = [Duration::from_mins(90), 3 * DAY].into_iter().filter(|_| days);
        for limit in [ms(1_500), ms(2_999)].into_iter().chain(long) {
            order(async || waits(code, limit, Duration::ZERO, &polls).await);
            order(async || connects(code, limit).await);
        }
    }
}

fn within(connection_timeout: Duration) -> PriorityConfig {
    PriorityConfig { connection_timeout, ..up_to(1) }
}

/// The only connection stays lent out. Its `get` is called at the beginning, and polled so much later.
async fn waits(code: &'static str, limit: Duration, later: Duration, polls: &AtomicUsize) {
    let desk = Desk::open(within(limit)).await;
    let held = desk.need_all(1, "from a new pool").await;
    let get = desk.pool.get(crate::words::priority(code));
    desk.at(BEGIN + later).await;
    let mut get = pin!(get);
    let counted = poll_fn(|context| {
        polls.fetch_add(1, Ordering::Relaxed);
        get.as_mut().poll(context)
    });
    let ended = ends(&desk, limit, counted).await;
    expect(code, limit, BEGIN + later, &ended, "while the only connection is lent out");
    drop(held);
    desk.expect_whole(1, "after one that gave up").await;
}

/// Its connect never ends.
async fn connects(code: &'static str, limit: Duration) {
    let desk = Desk::open(within(limit)).await;
    desk.exchange.hang_next(1);
    let get = desk.pool.get(crate::words::priority(code));
    let ended = ends(&desk, limit, get).await;
    expect(code, limit, BEGIN, &ended, "while its connect does not answer");
}

/// What came of it, and when.
type Ended = (String, Duration);

/// The end of a `get`; it is dropped when it is much too late.
async fn ends<T>(
    desk: &Desk,
    limit: Duration,
    get: impl Future<Output = Result<T, PriorityError<fixtures::exchange::ExchangeError>>>,
) -> Ended {
    let what = match timeout(2 * limit + DAY, get).await {
        Ok(Ok(_)) => "a connection".to_owned(),
        Ok(Err(error)) => told(&error),
        Err(_) => "nothing".to_owned(),
    };
    (what, desk.now())
}

/// Fails unless it ended with `Timeout` when its time was over.
fn expect(code: &str, limit: Duration, polled: Duration, ended: &Ended, meanwhile: &str) {
    let (what, at) = ended;
    let due = polled + limit;
    if what != "Timeout" || *at < due || *at > due + SLACK {
        let called = if polled == BEGIN {
            format!("who asked at {}", clock(BEGIN))
        } else {
            format!(
                "whose `get` was called at {} and first polled at {}",
                clock(BEGIN),
                clock(polled)
            )
        };
        fail(
            format!(
                "Timeout at {} for {}, {called} with connection_timeout {}, {meanwhile}",
                clock(due),
                who(code),
                clock(limit)
            ),
            format!("{what} at {}", clock(*at)),
        );
    }
}

/// With the longest of all limits, one waits longer than with the usual one.
pub(crate) fn without_end() {
    order(async || {
        let config = within(Duration::MAX);
        let desk = Desk::open(config.clone()).await;
        let held = desk.need_all(1, "from a new pool").await;
        if let Ok(ended) = timeout(ms(40_000), desk.pool.get(Priority::Normal)).await {
            let what = ended.map_or_else(|error| told(&error), |_| "a connection".to_owned());
            fail(
                format!("a `get` to wait for 40 s, with {}", said(&config)),
                format!("{what} after {}", clock(desk.now().saturating_sub(BEGIN))),
            );
        }
        drop(held);
        let why = "after one that went away after 40 s";
        drop(desk.need_at(desk.now(), Priority::Normal, why).await);
    });
}
