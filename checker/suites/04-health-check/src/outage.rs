//! What fails, hangs and panics, and what must go on all the same: P12 to P15.

use std::time::Duration;

use harness::{Case, clock, fail};
use pool_health_check::{CheckReport, HealthConfig, PoolConfig};

use crate::desk::{BEGIN, Desk, SECOND, SLACK, between, by_hand, each_second, ms, story};

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
            ]),
        Case::new("an_outage_is_no_storm", "P14", an_outage_is_no_storm)
            .title("attempts become rarer while connecting fails")
            .paused()
            .hard()
            .points(0.5)
            .lesson("back-off")
            .hints(&[
                "The exchange is down for a minute. How many times does your pool knock, and what \
                 if a hundred pools do the same?",
                "After a failure wait `backoff_min`, after the next one twice as long, and so on up \
                 to `backoff_max`; after a success begin anew. Rounds of pings do not wait for it, \
                 but they do not try to connect in a pause either.",
            ]),
        Case::new("recovers_by_itself", "P15", recovers_by_itself)
            .title("the minimum comes back after an outage")
            .paused()
            .hard()
            .points(0.5)
            .lesson("back-off")
            .hints(&[
                "The exchange is back, and nobody calls. Who tries again, and when at the latest?",
                "A pause never grows above `backoff_max`; and a checker that has given up for good \
                 is as bad as none.",
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
}

const CONNECT: Duration = ms(10);

/// One connection, a round each second, pauses from 100 ms to 5 s.
async fn through_an_outage(from: Duration) -> Desk {
    let health = HealthConfig { backoff_max: 5 * SECOND, ..each_second() };
    let desk = Desk::open(between(1, 1), health).await;
    desk.at(from).await;
    // A refusal takes time: else a storm would have no end on the paused clock.
    desk.exchange.connect_takes(CONNECT).go_offline();
    desk
}

fn an_outage_is_no_storm() {
    story(async || {
        let desk = through_an_outage(ms(500)).await;
        desk.at(ms(60_500)).await;
        let attempts: Vec<_> =
            desk.attempts().into_iter().filter(|&attempt| attempt > ms(500)).collect();
        for pair in attempts.windows(2) {
            if pair[1].saturating_sub(pair[0]) < ms(100) {
                fail(
                    "a pause of at least backoff_min, 100 ms, after a failed attempt",
                    format!("attempts at {} and at {}", clock(pair[0]), clock(pair[1])),
                );
            }
        }
        if attempts.len() > 40 {
            fail(
                "at most 40 attempts in an outage of a minute, with pauses that grow from 100 ms \
                 to 5 s",
                format!("{} attempts", attempts.len()),
            );
        }
        let pauses: Vec<_> =
            attempts.windows(2).map(|pair| pair[1].saturating_sub(pair[0])).collect();
        let (shortest, longest) = (pauses.iter().min(), pauses.iter().rev().take(5).max());
        if longest < shortest.map(|pause| *pause * 2).as_ref() {
            let told = |pause: Option<&Duration>| pause.map_or("none".to_owned(), |p| clock(*p));
            fail(
                "pauses that grow from 100 ms to 5 s in an outage of a minute",
                format!("{} at first, {} in the end", told(pauses.first()), told(pauses.last())),
            );
        }
    });
}

fn recovers_by_itself() {
    for outage in [SECOND, 10 * SECOND, 70 * SECOND] {
        story(async || {
            let desk = through_an_outage(ms(500)).await;
            desk.at(ms(500) + outage).await;
            desk.exchange.come_back();
            // The longest pause, and a round.
            let latest = ms(500) + outage + 6 * SECOND + CONNECT + SLACK;
            desk.at(latest).await;
            desk.expect_idle(
                1,
                &format!(
                    "6 s after an outage of {} s, with a backoff_max of 5 s and a round each second",
                    outage.as_secs()
                ),
            ).await;
            let mut held = desk.need_at(latest, "idle again").await;
            held.order().await;
        });
    }
}
