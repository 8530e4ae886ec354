//! Time limits of all lengths, and when they begin: P9.

use std::time::Duration;

use harness::{clock, fail};
use priority_pool::{Priority, PriorityConfig, PriorityError};
use tokio::time::timeout;

use crate::desk::{BEGIN, Desk, SLACK, ms, order, story, up_to};
use crate::words::{said, told, who};

const DAY: Duration = Duration::from_hours(24);

/// A `get` that is made, kept, and polled later; limits that are no round seconds, and long ones.
pub(crate) fn tell() {
    let limits = [ms(1_500), ms(2_999), Duration::from_mins(90), 3 * DAY];
    for code in ["C1", "N1"] {
        for later in [Duration::ZERO, ms(500), ms(700_000)] {
            story(async || waits(code, ms(1_500), later).await);
        }
        for limit in limits {
            order(async || waits(code, limit, Duration::ZERO).await);
            order(async || connects(code, limit).await);
        }
    }
    order(without_end);
}

fn within(connection_timeout: Duration) -> PriorityConfig {
    PriorityConfig { connection_timeout, ..up_to(1) }
}

/// The only connection stays lent out. Its `get` is called at the beginning, and polled so much later.
async fn waits(code: &'static str, limit: Duration, later: Duration) {
    let desk = Desk::open(within(limit)).await;
    let held = desk.need_all(1, "from a new pool").await;
    let get = desk.pool.get(crate::words::priority(code));
    desk.at(BEGIN + later).await;
    let ended = ends(&desk, limit, get).await;
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

/// With the longest of all limits, one waits a hundred days and is served.
async fn without_end() {
    let config = within(Duration::MAX);
    let desk = Desk::open(config.clone()).await;
    let held = desk.need_all(1, "from a new pool").await;
    for priority in [Priority::Critical, Priority::Normal] {
        let asked = desk.now();
        if let Ok(ended) = timeout(100 * DAY, desk.pool.get(priority)).await {
            let what = ended.map_or_else(|error| told(&error), |_| "a connection".to_owned());
            fail(
                format!("a `get` to wait for a hundred days, with {}", said(&config)),
                format!("{what} after {}", clock(desk.now().saturating_sub(asked))),
            );
        }
    }
    drop(held);
    desk.expect_whole(1, "after two that waited a hundred days").await;
}
