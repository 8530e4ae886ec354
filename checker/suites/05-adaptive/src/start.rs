//! What cannot work is refused, and what a pool begins with: P1 and P7.

use std::time::Duration;

use adaptive_pool::{AdaptiveConfig, AdaptivePool, PoolError, Status};
use fixtures::exchange::Exchange;
use harness::tasks::{all_home, ends};
use harness::{Case, clock, fail, open_connections};

use crate::desk::{Desk, SLACK, between, ms, steady, story};
use crate::words::{outcome, told};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new("refuses_bad_config", "P1", refuses_bad_config)
            .title("a configuration that cannot work is refused")
            .paused()
            .points(0.5)
            .lesson("two-counts-and-a-target")
            .hints(&[
                "Which of the numbers and times can be zero, and in which order must two of them \
                 stand?",
                "Look at them before anything else in `new`; a duration knows `is_zero`. All that \
                 is left to do then is `Self::fixed(manager, config).await`.",
                "Nothing else is refused: `target_wait` may be zero, and `min` may be `max`.",
            ]),
        Case::new("begins_with_min", "P7", begins_with_min)
            .title("min connections to begin with, and none beside them")
            .paused()
            .points(0.5)
            .lesson("a-place-more-a-place-less")
            .hints(&[
                "`AdaptivePool::fixed` gives you a pool that does all of this.",
                "Let `get` be as it is: who finds nothing idle waits, and his waiting is what the \
                 controller goes by.",
            ]),
    ]
}

fn refuses_bad_config() {
    let good = between(1, 2);
    let zero = Duration::ZERO;
    let bad = [
        ("min 0", AdaptiveConfig { min: 0, ..good.clone() }),
        ("min 0, max 0", AdaptiveConfig { min: 0, max: 0, ..good.clone() }),
        ("min 3, max 2", AdaptiveConfig { min: 3, ..good.clone() }),
        ("min 1, max 0", AdaptiveConfig { max: 0, ..good.clone() }),
        ("sample_every 0", AdaptiveConfig { sample_every: zero, ..good.clone() }),
        ("grow_after 0", AdaptiveConfig { grow_after: 0, ..good.clone() }),
        ("shrink_after 0", AdaptiveConfig { shrink_after: 0, ..good.clone() }),
        ("connection_timeout 0", AdaptiveConfig { connection_timeout: zero, ..good.clone() }),
    ];
    for (what, config) in bad {
        story(async || refused(what, config.clone()).await);
    }
    let (short, long) = (Duration::from_micros(500), Duration::MAX);
    // Some fifty days: so many milliseconds, less 100, fit no `u32`.
    let weeks = ms((1 << 32) + 100);
    let odd = [
        AdaptiveConfig { min: 2, ..good.clone() },
        AdaptiveConfig { max: u32::MAX, ..good.clone() },
        AdaptiveConfig { target_wait: zero, ..good.clone() },
        AdaptiveConfig { target_wait: long, ..good.clone() },
        AdaptiveConfig { target_wait: 3600 * good.sample_every, ..good.clone() },
        AdaptiveConfig { sample_every: short, ..good.clone() },
        AdaptiveConfig { sample_every: long, ..good.clone() },
        AdaptiveConfig { sample_every: weeks, ..good.clone() },
        AdaptiveConfig { grow_after: 1, shrink_after: 1, ..good.clone() },
        AdaptiveConfig { grow_after: u32::MAX, shrink_after: u32::MAX, ..good.clone() },
        AdaptiveConfig { grow_after: 9, shrink_after: 2, ..good.clone() },
        AdaptiveConfig { connection_timeout: short, ..good.clone() },
        AdaptiveConfig { connection_timeout: long, ..good },
    ];
    for config in odd {
        story(async || {
            let desk = Desk::open(config.clone()).await;
            let (open, min) = (desk.exchange.sessions(), config.min as usize);
            if open != min {
                fail(
                    format!("{} after `AdaptivePool::new` with {config:?}", open_connections(min)),
                    open_connections(open),
                );
            }
            // It serves, and its samples end in nothing bad. What it does right after `new` is over.
            desk.at(ms(1)).await;
            drop(desk.need("from a pool with an idle one").await);
            desk.at(ms(450)).await;
            let held = desk.need("from a pool with an idle one").await;
            desk.at(ms(900)).await;
            let in_use = desk.sample().in_use;
            if config.sample_every > ms(900) && in_use > 0 {
                fail(
                    "no sample by 900 ms, with a sample_every of fifty days or more",
                    format!("one that tells of in_use {in_use}"),
                );
            }
            drop(held);
        });
    }
}

async fn refused(what: &str, config: AdaptiveConfig) {
    let exchange = Exchange::for_tasks();
    harness::watch(exchange.log());
    let new = AdaptivePool::new(exchange.async_manager(), config);
    match ends("`AdaptivePool::new`", new).await {
        Err(PoolError::InvalidConfig(_)) => {}
        other => fail(
            format!("InvalidConfig for a configuration with {what}"),
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

fn begins_with_min() {
    story(async || {
        let desk = Desk::open(steady(3, 10)).await;
        let status = Status { size: 3, idle: 3, in_use: 0, waiting: 0 };
        desk.expect_status(status, "right after `new` with min 3, max 10").await;
        let mut held = desk.need_all(3, "from a pool with three idle ones").await;
        for one in &mut held {
            one.order().await;
        }
        // The fourth waits for one that comes back, however much room there is.
        let fourth = desk.trader("task A", async |desk| {
            drop(desk.need_at(ms(250), "when the first of three came back").await);
        });
        desk.at(ms(50)).await;
        let status = Status { size: 3, idle: 0, in_use: 3, waiting: 1 };
        desk.expect_status(status, "while three are lent out, and one waits").await;
        desk.at(ms(250)).await;
        drop(held.pop());
        all_home([fourth]).await;
        desk.expect_sessions(3, "with min 3, max 10 and a grow_after of u32::MAX").await;
    });
    // Not longer than it is asked to.
    story(async || {
        let config = AdaptiveConfig { connection_timeout: ms(120), ..steady(1, 10) };
        let desk = Desk::open(config).await;
        let held = desk.need("from a pool with an idle one").await;
        let result = desk.get().await;
        let now = desk.now();
        if !(matches!(result, Err(PoolError::Timeout)) && now >= ms(120) && now <= ms(125)) {
            fail(
                "Timeout at 120 ms, with a connection_timeout of 120 ms and the only connection \
                 lent out",
                format!("{} at {}", outcome(&result), clock(now)),
            );
        }
        drop(held);
    });
    // The second of three cannot be opened.
    for hangs in [false, true] {
        story(async || one_cannot_be_opened(hangs).await);
    }
    // One that broke has left its place empty.
    story(async || {
        let desk = Desk::open(steady(2, 10)).await;
        let held = desk.need("from a pool with two idle ones").await;
        desk.exchange.kill(held.id());
        drop(held);
        desk.at(ms(150)).await;
        desk.expect_whole(2, "after one of two has broken").await;
        desk.expect_peak(2, ", with min 2, and one broke");
    });
}

/// `new` says so, and leaves nothing behind.
async fn one_cannot_be_opened(hangs: bool) {
    let exchange = Exchange::for_tasks();
    harness::watch(exchange.log());
    let (how, expected) =
        if hangs { ("never answered", "Timeout") } else { ("refused", "Connect") };
    let config = AdaptiveConfig { connection_timeout: ms(120), ..between(3, 9) };
    // The second takes its turn when the first is there, or goes at the same time.
    exchange.connect_takes(ms(10));
    let manager = exchange.async_manager();
    let new = AdaptivePool::new(manager, config);
    let spoil = async {
        tokio::time::sleep(ms(5)).await;
        if hangs {
            exchange.hang_next(9)
        } else {
            exchange.refuse_next(9)
        };
    };
    let (result, ()) = ends("`AdaptivePool::new`", async { tokio::join!(new, spoil) }).await;
    let told = match result {
        Err(error) => told(&error),
        // All three began at the same time, before anything went wrong.
        Ok(pool) if exchange.attempts() == 3 && exchange.opened() == 3 => return drop(pool),
        Ok(_) => "a pool".to_owned(),
    };
    if !told.starts_with(expected) {
        fail(
            format!(
                "{expected} from `AdaptivePool::new` with min 3, when the second connect is {how}"
            ),
            told,
        );
    }
    tokio::time::sleep(SLACK).await;
    if exchange.sessions() > 0 {
        fail(
            format!("nothing to be left open when `new` has failed: the second connect is {how}"),
            open_connections(exchange.sessions()),
        );
    }
}
