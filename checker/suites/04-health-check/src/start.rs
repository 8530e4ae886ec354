//! What cannot work is refused: P1.

use std::time::Duration;

use fixtures::exchange::Exchange;
use harness::tasks::ends;
use harness::{Case, fail};
use pool_health_check::{HealthConfig, Pool, PoolError};

use crate::desk::{Desk, SECOND, between, each_second, ms, story};
use crate::words::told;

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new("refuses_bad_health", "P1", refuses_bad_health)
            .title("a health configuration that cannot work is refused")
            .paused()
            .points(0.5)
            .lesson("four-more-parameters")
            .hints(&[
                "Which of the four durations can be zero, and in which order must two of them \
                 stand?",
                "Look at them before anything else in `new`; a duration knows `is_zero`. All that \
                 is left to do then is `Self::unchecked(manager, config, health).await`: it looks \
                 at the other configuration and opens the first connections.",
            ]),
    ]
}

fn refuses_bad_health() {
    let good = each_second();
    let bad = [
        ("interval 0", HealthConfig { interval: Duration::ZERO, ..good.clone() }),
        ("ping_timeout 0", HealthConfig { ping_timeout: Duration::ZERO, ..good.clone() }),
        ("backoff_min 0", HealthConfig { backoff_min: Duration::ZERO, ..good.clone() }),
        (
            "backoff_min 2 s, backoff_max 1 s",
            HealthConfig { backoff_min: 2 * SECOND, backoff_max: SECOND, ..good.clone() },
        ),
    ];
    for (what, health) in bad {
        story(async || refused(what, health.clone()).await);
    }
    let equal = HealthConfig { backoff_min: ms(100), backoff_max: ms(100), ..good };
    story(async || {
        Desk::open(between(1, 2), equal.clone()).await.expect_idle(1, "after `Pool::new`").await;
    });
}

async fn refused(what: &str, health: HealthConfig) {
    let exchange = Exchange::for_tasks();
    harness::watch(exchange.log());
    let new = Pool::new(exchange.async_manager(), between(1, 2), health);
    match ends("`Pool::new`", new).await {
        Err(PoolError::InvalidConfig(_)) => {}
        other => fail(
            format!("InvalidConfig for a health configuration with {what}"),
            other.map_or_else(|error| told(&error), |_| "a pool".to_owned()),
        ),
    }
    if exchange.attempts() > 0 {
        fail(
            format!("nothing to be opened with {what}, which cannot work"),
            format!("{} calls of connect before it was refused", exchange.attempts()),
        );
    }
}
