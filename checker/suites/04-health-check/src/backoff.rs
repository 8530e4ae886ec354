//! Attempts and pauses while nothing can be opened, and the end of an outage: P14 and P15.

use std::time::Duration;

use crate::graded::{HealthConfig, PoolConfig};
use harness::{Case, clock, fail};

use crate::desk::{Desk, SECOND, SLACK, between, each_second, ms, story};

pub(crate) fn cases() -> Vec<Case> {
    vec![
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
                "A panic and a time-out are failures as well, and a pause begins when the attempt \
                 has ended. One pause is enough for all that are missing.",
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

const CONNECT: Duration = ms(10);

/// One connection, a round each second, pauses from 100 ms to 5 s.
async fn through_an_outage(from: Duration) -> Desk {
    outage(HealthConfig { backoff_max: 5 * SECOND, ..each_second() }, from).await
}

/// One connection, which is gone from this moment on, and cannot be restored.
async fn outage(health: HealthConfig, from: Duration) -> Desk {
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
        let attempts = attempts_after(&desk, ms(500));
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
    for how in [Failure::Refused, Failure::Panicked, Failure::TimedOut] {
        story(async || pauses_from_the_end(how).await);
    }
    story(async || one_pause_for_all().await);
    story(async || never_above_the_maximum().await);
    story(async || begins_anew().await);
}

/// How attempts to connect come to nothing.
#[derive(Clone, Copy, Debug)]
enum Failure {
    Refused,
    Panicked,
    TimedOut,
}

/// A slow failure is followed by a whole pause, however the attempt failed.
async fn pauses_from_the_end(how: Failure) {
    let pause = 3 * SECOND;
    let config = PoolConfig { connection_timeout: 5 * SECOND, ..between(2, 2) };
    let health = HealthConfig { backoff_min: pause, backoff_max: pause, ..each_second() };
    let desk = Desk::open(config, health).await;
    desk.at(ms(500)).await;
    desk.exchange.connect_takes(2 * SECOND);
    let (takes, failed) = match how {
        Failure::Refused => (2 * SECOND, "was refused"),
        Failure::Panicked => (2 * SECOND, "panicked"),
        Failure::TimedOut => (5 * SECOND, "was given up, after a connection_timeout of 5 s"),
    };
    match how {
        Failure::Refused => desk.exchange.refuse_next(99),
        Failure::Panicked => desk.exchange.panic_next(99),
        Failure::TimedOut => desk.exchange.hang_next(99),
    }
    .cut(1);
    desk.at(40 * SECOND).await;
    for pair in attempts_after(&desk, ms(500)).windows(2) {
        let ended = pair[0] + takes;
        if pair[1] < ended + pause {
            fail(
                format!(
                    "a pause of backoff_min, 3 s, from {} on, when an attempt to connect {failed}",
                    clock(ended)
                ),
                format!("the next attempt at {}", clock(pair[1])),
            );
        }
    }
}

/// Another one dies in the pause: that is no reason to try sooner.
async fn one_pause_for_all() {
    let pause = 10 * SECOND;
    let health = HealthConfig { backoff_min: pause, backoff_max: pause, ..each_second() };
    let desk = Desk::open(between(3, 3), health).await;
    desk.exchange.connect_takes(CONNECT);
    desk.at(ms(500)).await;
    desk.exchange.refuse_next(1).cut(1);
    desk.at(3 * SECOND + ms(500)).await;
    desk.exchange.cut(2);
    desk.at(20 * SECOND).await;
    let attempts = attempts_after(&desk, ms(500));
    if let [first, second, ..] = attempts[..]
        && second < first + pause
    {
        fail(
            format!(
                "no attempt to connect for 10 s after one that failed at {}: a pause holds for all \
                 that are missing, also for conn 2, which died at 3500 ms",
                clock(first + CONNECT)
            ),
            format!("one at {}", clock(second)),
        );
    }
    desk.expect_idle(3, "at 20 s, 10 s after the only attempt that failed, and some rounds").await;
}

/// Pauses of 3 s, then of 4 s, and not of 6 s.
async fn never_above_the_maximum() {
    let health = HealthConfig { backoff_min: 3 * SECOND, backoff_max: 4 * SECOND, ..each_second() };
    let desk = outage(health, ms(500)).await;
    desk.at(60 * SECOND).await;
    for pair in attempts_after(&desk, ms(500)).windows(2) {
        // Where attempts fall upon rounds, it takes up to an interval until the next one.
        if pair[1] > pair[0] + CONNECT + 4 * SECOND + SECOND + SLACK {
            fail(
                "pauses that grow from 3 s to a backoff_max of 4 s and not above, with a round \
                 each second",
                format!("attempts at {} and at {}", clock(pair[0]), clock(pair[1])),
            );
        }
    }
}

/// The second outage is a new one.
async fn begins_anew() {
    let health = HealthConfig { backoff_max: 30 * SECOND, ..each_second() };
    let desk = outage(health, ms(500)).await;
    desk.at(60 * SECOND).await;
    desk.exchange.come_back();
    desk.at(ms(94_500)).await;
    desk.expect_idle(1, "34.5 s after an outage, with a backoff_max of 30 s").await;
    let second = desk.now();
    desk.exchange.go_offline();
    desk.at(second + 10 * SECOND).await;
    let attempts = attempts_after(&desk, second);
    let told = |at: Option<&Duration>| at.map_or("none in 10 s".to_owned(), |at| clock(*at));
    let (first, next) = (attempts.first(), attempts.get(1));
    // Ten times as long as backoff_min, and an interval: however the pauses are chosen.
    let soon = |(first, next): (&Duration, &Duration)| *next < *first + 2 * SECOND;
    if !first.zip(next).is_some_and(soon) {
        fail(
            "pauses that begin with a backoff_min of 100 ms in a second outage, 30 s after the \
             first one ended",
            format!("the first attempt at {}, the next one: {}", told(first), told(next)),
        );
    }
}

fn attempts_after(desk: &Desk, since: Duration) -> Vec<Duration> {
    desk.attempts().into_iter().filter(|&attempt| attempt > since).collect()
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
