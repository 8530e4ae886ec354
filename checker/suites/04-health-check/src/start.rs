//! What cannot work is refused, and nothing else: P1.

use std::time::Duration;

use crate::graded::{HealthConfig, Pool, PoolConfig, PoolError};
use fixtures::exchange::Exchange;
use harness::tasks::ends;
use harness::{Case, fail, open_connections};

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
                "Nothing else is refused: `min_connections` may be 0, a ping may take longer than an \
                 interval, and `as_millis` makes a zero of half a millisecond.",
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
    for (config, health) in unusual() {
        story(async || {
            let desk = Desk::new(config.clone(), health.clone()).await;
            // Without waiting: what the checker makes of it is no matter of this case.
            let (open, min) = (desk.exchange.sessions(), config.min_connections as usize);
            if open != min {
                fail(
                    format!(
                        "{} after `Pool::new` with {config:?} and {health:?}",
                        open_connections(min)
                    ),
                    open_connections(open),
                );
            }
        });
    }
}

/// Configurations that look odd, and work.
fn unusual() -> Vec<(PoolConfig, HealthConfig)> {
    let (config, health) = (between(1, 2), each_second());
    let (short, long) = (Duration::from_micros(500), Duration::MAX);
    let healths = [
        HealthConfig { backoff_min: ms(100), backoff_max: ms(100), ..health.clone() },
        HealthConfig { interval: SECOND, ping_timeout: 2 * SECOND, ..health.clone() },
        HealthConfig {
            interval: SECOND,
            backoff_min: 2 * SECOND,
            backoff_max: 3 * SECOND,
            ..health.clone()
        },
        HealthConfig { interval: short, ..health.clone() },
        HealthConfig { ping_timeout: short, ..health.clone() },
        HealthConfig { backoff_min: short, ..health.clone() },
        HealthConfig { backoff_min: short, backoff_max: short, ..health.clone() },
        HealthConfig { interval: long, ..health.clone() },
        HealthConfig { ping_timeout: long, ..health.clone() },
        HealthConfig { backoff_max: long, ..health.clone() },
        HealthConfig { backoff_min: long, backoff_max: long, ..health.clone() },
    ];
    let configs = [
        between(0, 1),
        between(2, 2),
        between(1, u32::MAX),
        PoolConfig { connection_timeout: long, ..config.clone() },
    ];
    let with_config = configs.map(|config| (config, health.clone()));
    healths.map(|health| (config.clone(), health)).into_iter().chain(with_config).collect()
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
