//! What fails, hangs and panics, and what must go on all the same: P12 and P13.

use std::time::Duration;

use crate::graded::{CheckReport, HealthConfig, PoolConfig};
use harness::{Case, clock, connections, fail};

use crate::desk::{BEGIN, Desk, SECOND, between, by_hand, each_second, ms, story};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new("a_ping_has_a_time_limit", "P12", a_ping_has_a_time_limit)
            .title("a ping that is never answered ends")
            .paused()
            .hard()
            .points(0.5)
            .lesson("silence")
            .hints(&[
                "A cable was pulled: no error, no answer, nothing. How long does the round wait?",
                "`tokio::time::timeout` around `is_valid`, with `ping_timeout`. Both an error and \
                 no answer mean dead.",
            ]),
        Case::new("one_failure_spares_the_others", "P13", one_failure_spares_the_others)
            .title("a failure stops neither the round nor the checker")
            .paused()
            .hard()
            .points(0.5)
            .lesson("silence")
            .hints(&[
                "One connection is dead, or one `connect` fails. Does your loop go on to the next?",
                "`?` and `break` leave the loop; a panic leaves the whole task, and nobody is told. \
                 A task that died in silence is the worst checker of all.",
                "`connect` can panic and it can hang. Let it run on a task of its own (`JoinSet`), \
                 where a panic comes back as an error, and under a `timeout`.",
                "A pause may be as long as `Duration::MAX`, and `Instant::now() + pause` panics then.",
            ]),
    ]
}

fn a_ping_has_a_time_limit() {
    story(async || {
        let desk = Desk::open(between(3, 4), by_hand()).await;
        desk.exchange.silence(2);
        let why = "one of three does not answer, and ping_timeout is 200 ms";
        let report = desk.check_by(BEGIN + ms(200), why).await;
        let expected = CheckReport { pinged: 3, removed: 1, opened: 1 };
        if report != expected {
            fail(format!("{expected:?} when one of three does not answer"), format!("{report:?}"));
        }
        desk.expect_idle(3, "after a round in which one of three did not answer").await;
    });
    story(async || {
        let desk = Desk::open(between(2, 4), by_hand()).await;
        desk.exchange.query_takes(ms(150));
        let report = desk.check().await;
        if report.removed != 0 {
            fail(
                "removed 0 from `check_once` when both answer after 150 ms, and ping_timeout is \
                 200 ms",
                format!("{report:?}"),
            );
        }
    });
    story(async || {
        let desk = Desk::open(between(3, 3), each_second()).await;
        desk.at(ms(500)).await;
        (1..=3).for_each(|line| desk.exchange.silence(line));
        desk.at(SECOND + ms(900)).await;
        desk.expect_idle(3, "after a round in which none of three answered within 200 ms each")
            .await;
        desk.at(4 * SECOND + ms(500)).await;
        desk.expect_pinged_after(4, 3 * SECOND, "after a round in which none answered");
    });
    // It has all of its time, however short the interval is, and however long the time is.
    let short = HealthConfig { interval: ms(150), ping_timeout: SECOND, ..each_second() };
    answered_after(ms(500), &short, &async |desk: &Desk| desk.at(3 * SECOND).await);
    let max = Duration::MAX;
    let long = HealthConfig { interval: max, ping_timeout: max, backoff_max: max, ..each_second() };
    answered_after(30 * SECOND, &long, &async |desk: &Desk| {
        desk.check().await;
    });
}

/// Fails if a connection is given up that answers a ping in time.
fn answered_after(latency: Duration, health: &HealthConfig, pinged: &impl AsyncFn(&Desk)) {
    story(async || {
        let desk = Desk::open(between(1, 2), health.clone()).await;
        desk.exchange.query_takes(latency);
        pinged(&desk).await;
        if desk.pings_of(1).is_empty() || desk.exchange.attempts() > 1 {
            fail(
                format!(
                    "conn 1 to stay, which answers a ping after {}, with a ping_timeout of {} and \
                     an interval of {}",
                    clock(latency),
                    clock(health.ping_timeout),
                    clock(health.interval)
                ),
                format!(
                    "{} answered, {} opened anew",
                    pings(desk.pings_of(1).len()),
                    connections(desk.exchange.attempts() - 1)
                ),
            );
        }
        desk.close().await;
    });
}

fn pings(count: usize) -> String {
    if count == 1 { "1 ping".to_owned() } else { format!("{count} pings") }
}

fn one_failure_spares_the_others() {
    for dead in 1..=4 {
        story(async || {
            let desk = Desk::open(between(4, 4), by_hand()).await;
            desk.exchange.cut(dead);
            desk.exchange.query_takes(ms(10));
            desk.check().await;
            for line in 1..=4 {
                if desk.pings_of(line).iter().all(|&ping| ping < BEGIN) {
                    fail(
                        format!("a round to ping all four, though conn {dead} is dead"),
                        format!("no ping of conn {line}"),
                    );
                }
            }
            desk.expect_idle(4, "after a round that found one of four dead").await;
        });
    }
    let limit = 4 * SECOND;
    for (how, after) in
        [("failed", ms(0)), ("panicked", ms(0)), ("never ended", limit), ("took 3 s", 3 * SECOND)]
    {
        story(async || {
            let config = PoolConfig { connection_timeout: limit, ..between(2, 3) };
            let desk = Desk::open(config, each_second()).await;
            desk.at(ms(500)).await;
            desk.exchange.cut(1);
            match how {
                "failed" => desk.exchange.refuse_next(1),
                "panicked" => desk.exchange.panic_next(1),
                "never ended" => desk.exchange.hang_next(1),
                _ => desk.exchange.connect_takes(after),
            };
            // The round, the attempt, the longest pause, one more round.
            let restored = SECOND + after + SECOND + SECOND + ms(500);
            desk.at(restored).await;
            let when = format!(
                "at {}, after a connect that {how}, with a connection_timeout of 4 s, a round each \
                 second, and backoff_max 1 s",
                clock(restored)
            );
            desk.expect_idle(2, &when).await;
            desk.at(restored + 2 * SECOND).await;
            let when = format!("after a connect that {how}");
            desk.expect_pinged_after(2, restored + ms(500), &when);
        });
    }
    // Each attempt has all of connection_timeout.
    story(async || {
        let config = PoolConfig { connection_timeout: limit, ..between(3, 3) };
        let desk = Desk::open(config, by_hand()).await;
        desk.exchange.connect_takes(3 * SECOND);
        (1..=3).for_each(|line| desk.exchange.cut(line));
        desk.check().await;
        desk.at(20 * SECOND).await;
        let when = "at 20 s, after a round that found 3 of 3 dead, when each connect takes 3 s and \
                    connection_timeout is 4 s";
        desk.expect_idle(3, when).await;
        if desk.exchange.attempts() > 6 {
            fail(
                "three attempts to connect, each given up after 4 s at the earliest, when three \
                 are missing and each takes 3 s",
                format!("{} attempts", desk.exchange.attempts() - 3),
            );
        }
    });
    // A pause that never ends holds up no round.
    story(async || {
        let max = Duration::MAX;
        let health = HealthConfig { backoff_min: max, backoff_max: max, ..each_second() };
        let desk = Desk::open(between(2, 2), health).await;
        desk.at(ms(500)).await;
        desk.exchange.refuse_next(1).cut(1);
        desk.at(5 * SECOND + ms(500)).await;
        let when = "after a connect that failed, with a backoff_min of Duration::MAX";
        desk.expect_pinged_after(2, 4 * SECOND, when);
    });
}
