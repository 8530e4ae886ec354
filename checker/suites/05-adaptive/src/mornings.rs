//! Four traffic scripts, each with its bounds: P22 to P25.

use std::time::Duration;

use adaptive_pool::{AdaptiveConfig, AdaptivePool};
use fixtures::exchange::Exchange;
use harness::{Case, clock, fail};

use crate::chart;
use crate::desk::{ms, order};
use crate::traffic::{Played, SCRIPTS, Script, play};

pub(crate) fn cases() -> Vec<Case> {
    let hints = &[
        "The charts show what the desk wanted, what there was, and how long somebody waited. Where do \
         the first two lie apart, and for how long?",
        "Too long waits: by how much does the pool grow, and how soon again? Too many connections: by \
         how much does it shrink, and does it shrink at all while a few are in use? Too many resizes: \
         does it swing?",
    ];
    let case = |name, promise, body, title: &str| {
        Case::new(name, promise, body)
            .title(title)
            .paused()
            .hard()
            .points(0.5)
            .lesson("four-mornings")
            .hints(hints)
    };
    vec![
        case("traffic_step", "P22", || judge(0), "the script step: from 2 to 30 at once"),
        case(
            "traffic_saw_tooth",
            "P23",
            || judge(1),
            "the script saw-tooth: up slowly, down at once",
        ),
        case("traffic_night", "P24", || judge(2), "the script night: from 30 to 1, and up again"),
        case("traffic_spike_every_minute", "P25", || judge(3), "the script spike every minute"),
    ]
}

/// How the pool is set up for all four.
pub fn config() -> AdaptiveConfig {
    AdaptiveConfig {
        min: 2,
        max: 60,
        target_wait: ms(20),
        sample_every: ms(100),
        grow_after: 2,
        shrink_after: 50,
        connection_timeout: Duration::from_secs(30),
    }
}

/// How long a connection takes to open.
pub const CONNECT: Duration = ms(100);

/// What a pool must keep to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    longest: Duration,
    mean: Duration,
    connection_seconds: f64,
    resizes: u32,
}

/// The bounds of each script, as the README has them.
const BOUNDS: [Bounds; 4] = [
    Bounds { longest: ms(1_000), mean: ms(20), connection_seconds: 3_300.0, resizes: 20 },
    Bounds { longest: ms(600), mean: ms(40), connection_seconds: 3_300.0, resizes: 90 },
    Bounds { longest: ms(1_200), mean: ms(30), connection_seconds: 8_500.0, resizes: 90 },
    Bounds { longest: ms(600), mean: ms(40), connection_seconds: 8_000.0, resizes: 100 },
];

fn judge(index: usize) {
    let (script, bounds) = (&SCRIPTS[index], BOUNDS[index]);
    order(async || {
        let exchange = Exchange::for_tasks();
        exchange.connect_takes(CONNECT);
        let new = AdaptivePool::new(exchange.async_manager(), config());
        let Ok(pool) = harness::tasks::ends("`AdaptivePool::new`", new).await else {
            fail("`AdaptivePool::new` to succeed", "an error")
        };
        let get = || {
            let pool = pool.clone();
            async move { pool.get().await.ok() }
        };
        let played = play(script, &exchange, get).await;
        expect(script, bounds, &played);
    });
}

fn expect(script: &Script, bounds: Bounds, played: &Played) {
    let Bounds { longest, mean, connection_seconds, resizes } = bounds;
    let told = |what: &str, most: String| {
        format!("{what} of at most {most} on the script {}", script.name)
    };
    let failing = [
        (
            played.longest() > longest,
            told("a longest wait", clock(longest)),
            whole(played.longest()),
        ),
        (played.mean() > mean, told("a mean wait", clock(mean)), whole(played.mean())),
        (
            played.connection_seconds() > connection_seconds,
            told("connections × time", format!("{connection_seconds} s")),
            format!("{:.0} s", played.connection_seconds()),
        ),
        (
            played.resizes > resizes,
            told("a number of resizes", resizes.to_string()),
            played.resizes.to_string(),
        ),
    ];
    for (failed, expected, got) in failing {
        if failed {
            fail(expected, format!("{got}\n{}", chart::draw(played, script.seconds)));
        }
    }
}

/// A time to the millisecond.
fn whole(time: Duration) -> String {
    format!("{} ms", time.as_millis())
}
