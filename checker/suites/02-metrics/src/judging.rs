//! What the counters mean: P7 to P11.

use std::time::Duration;

use harness::{Case, clock, fail};
use pool_metrics::{Health, Snapshot};

use crate::day::Day;
use crate::desk::{Desk, ms, us};
use crate::script::Answer;

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new("mean_of_all_waits", "P7", mean_of_all_waits)
            .title("the average wait, of those who got nothing as well")
            .points(0.5)
            .lesson("how-long-is-a-wait")
            .hints(&[
                "Who waits longest: those who are served, or those who time out in the end?",
                "Read the clock before the call into the pool beneath and after it, whatever it \
                 returns, and add the difference to `wait_total`.",
                "The mean divides `wait_total` by acquired + timeouts + connect_errors. A \
                 `Duration` can be divided as it is, or by its nanoseconds; whole milliseconds \
                 are too coarse.",
            ]),
        Case::new("utilisation_is_a_part", "P8", utilisation_is_a_part)
            .title("how much of the pool is in use")
            .points(0.5)
            .lesson("counters-and-gauges")
            .hints(&[
                "What is 3 / 4 if both are integers?",
                "Make both numbers `f64` before you divide, with `f64::from`; and look at what \
                 0 / 0 is then.",
            ]),
        Case::new("health_by_all_attempts", "P9", health_by_all_attempts)
            .title("1 % of what?")
            .points(0.5)
            .lesson("is-it-healthy")
            .hints(&[
                "1 of 101 attempts fails. Is that 1 %? And 1 for every 100 that succeed?",
                "The rate is failed / (acquired + failed), where failed = timeouts + \
                 connect_errors. With integers: failed × 100 < attempts.",
                "\"Less than\" leaves out the limit itself: 1 of 100 is too many, a mean of 100 ms \
                 too slow.",
            ]),
        Case::new("nobody_served_is_not_healthy", "P10", nobody_served_is_not_healthy)
            .title("when everybody times out")
            .points(0.5)
            .lesson("is-it-healthy")
            .hints(&[
                "What do you divide by when `acquired` is 0?",
                "Divide by all attempts. It is 0 only when there was none, and that is a case of \
                 its own.",
            ]),
        Case::new("silence_is_no_health", "P11", silence_is_no_health)
            .title("when nobody asks")
            .points(0.5)
            .lesson("is-it-healthy")
            .hints(&[
                "What does a pool know about itself that nobody has used?",
                "Look at the number of attempts first: if it is 0, the answer is `NoTraffic`.",
            ]),
    ]
}

fn mean_of_all_waits() {
    whatever_came_of_them();
    up_to_the_answer();
    nobody_was_served();
    somebody_still_waits();
    for_hours();
}

fn whatever_came_of_them() {
    let desk = Desk::open(4);
    expect_mean(&desk.snapshot("before anything"), (ms(0), 0), "before anything");
    desk.attempts(1, ms(30), Answer::Lend);
    desk.attempts(1, ms(0), Answer::Lend);
    let when = "after one wait of 30 ms and one of none";
    expect_mean(&desk.snapshot(when), (ms(30), 2), when);
    desk.attempts(1, ms(50), Answer::TimeOut);
    let when = "after waits of 30 ms, of none, and of 50 ms up to a time-out";
    expect_mean(&desk.snapshot(when), (ms(80), 3), when);
    desk.attempts(1, ms(13), Answer::Refuse);
    let when = "after waits of 30 ms, of none, 50 ms up to a time-out and 13 ms up to an error";
    expect_mean(&desk.snapshot(when), (ms(93), 4), when);

    let desk = Desk::open(4);
    desk.attempts(3, us(400), Answer::Lend);
    let when = "after three waits of 0.4 ms";
    expect_mean(&desk.snapshot(when), (us(1_200), 3), when);
    let mut held = desk.need();
    desk.at(ms(500));
    held.record_query();
    drop(held);
    let when =
        "after three waits of 0.4 ms and one of none, whose connection was then held for long";
    expect_mean(&desk.snapshot(when), (us(1_200), 4), when);
}

/// A pool that opens a connection cannot break that off when the time is over.
fn up_to_the_answer() {
    let desk = Desk::open(4);
    desk.beneath.then(ms(80), Answer::Lend).then(ms(70), Answer::TimeOut);
    drop(desk.get_timeout(ms(50)));
    let when = "after a connection that came after 80 ms, though the time-out was 50 ms";
    expect_mean(&desk.snapshot(when), (ms(80), 1), when);
    drop(desk.get_timeout(ms(50)));
    let when =
        "after a connection after 80 ms and a time-out after 70 ms, both asked for with 50 ms";
    expect_mean(&desk.snapshot(when), (ms(150), 2), when);
}

fn nobody_was_served() {
    let desk = Desk::open(4);
    desk.attempts(1, ms(50), Answer::TimeOut);
    let when = "after one wait of 50 ms up to a time-out, when nobody has got a connection";
    expect_mean(&desk.snapshot(when), (ms(50), 1), when);
}

/// By hand, as in [`silence_is_no_health`]: that nobody waits for those who wait is P13's matter.
fn somebody_still_waits() {
    let day = Day::new().acquired(1, ms(30)).acquired(1, ms(0));
    let when = format!("{}, and 50 threads wait for their answer now", day.told());
    expect_mean(&Snapshot { pending: 50, ..day.snapshot }, (ms(30), 2), &when);
}

fn for_hours() {
    let desk = Desk::open(4);
    let hours = Duration::from_hours(2);
    desk.attempts(1, hours, Answer::Lend);
    let when = "after one wait of two hours";
    expect_mean(&desk.snapshot(when), (hours, 1), when);
    desk.attempts(1, us(12_345_679), Answer::Lend);
    let when = "after one wait of two hours and one of 12.345679 s";
    expect_mean(&desk.snapshot(when), (hours + us(12_345_679), 2), when);
}

fn expect_mean(snapshot: &Snapshot, (total, attempts): (Duration, u32), when: &str) {
    let off = |got: Duration, expected: Duration| got.abs_diff(expected) > us(1);
    if off(snapshot.wait_total, total) {
        fail(
            format!("wait_total {} {when}", clock(total)),
            format!("wait_total {}", clock(snapshot.wait_total)),
        );
    }
    let expected = total.checked_div(attempts).unwrap_or_default();
    let mean = snapshot.mean_wait();
    if off(mean, expected) {
        fail(format!("mean_wait() {} {when}", clock(expected)), clock(mean));
    }
}

fn utilisation_is_a_part() {
    let desk = Desk::open(4);
    let mut held = Vec::new();
    for (in_use, expected) in [(0, 0.0), (1, 0.25), (2, 0.5), (3, 0.75), (4, 1.0)] {
        let when = format!("while {in_use} of 4 connections are in use");
        let snapshot = desk.snapshot(&when);
        if snapshot.max != 4 {
            fail(format!("max 4 {when}"), format!("max {}", snapshot.max));
        }
        expect_utilisation(&snapshot, expected, &when);
        if in_use < 4 {
            held.push(desk.need());
        }
    }
    drop(held);
    let when = "after all connections came back";
    expect_utilisation(&desk.snapshot(when), 0.0, when);

    let desk = Desk::open(3);
    let _held = desk.need();
    let when = "while 1 of 3 connections is in use";
    expect_utilisation(&desk.snapshot(when), 1.0 / 3.0, when);

    let when = "of a pool that may have no connection";
    expect_utilisation(&Desk::open(0).snapshot(when), 0.0, when);
}

pub(crate) fn expect_utilisation(snapshot: &Snapshot, expected: f64, when: &str) {
    let got = snapshot.utilisation();
    // Not "> 1e-12": that would let NaN pass.
    let is_right = (got - expected).abs() <= 1e-12;
    if !is_right {
        fail(format!("utilisation() {expected} {when}"), format!("{got}"));
    }
}

fn health_by_all_attempts() {
    for (day, expected) in [
        (Day::new().acquired(100, ms(1)).timeouts(1, ms(50)), Health::Healthy),
        (Day::new().acquired(99, ms(1)).timeouts(1, ms(50)), Health::Degraded),
        (Day::new().acquired(1_000, ms(1)).connect_errors(10, ms(1)), Health::Healthy),
        (Day::new().acquired(990, ms(1)).connect_errors(10, ms(1)), Health::Degraded),
        (
            Day::new().acquired(990, ms(1)).timeouts(5, ms(50)).connect_errors(5, ms(1)),
            Health::Degraded,
        ),
        (
            Day::new().acquired(992, ms(1)).timeouts(4, ms(50)).connect_errors(4, ms(1)),
            Health::Healthy,
        ),
        (Day::new().acquired(10, us(99_999)), Health::Healthy),
        (Day::new().acquired(10, ms(100)), Health::Degraded),
        (Day::new().acquired(200, ms(1)).acquired(1, ms(19_899)), Health::Healthy),
        (Day::new().acquired(200, ms(1)).timeouts(1, ms(19_900)), Health::Degraded),
    ] {
        expect_health(&day.snapshot, expected, &day.told());
    }
    exactly_at_the_limits();
    let day = Day::new().acquired(100, ms(1));
    let asks = Snapshot { pending: 50, in_use: 20, ..day.snapshot.clone() };
    let when = format!("{}, and 50 threads wait for their answer now", day.told());
    expect_health(&asks, Health::Healthy, &when);
}

/// The limits do not belong to the healthy, of however many attempts: what is rounded before it is
/// compared is sometimes a little less.
fn exactly_at_the_limits() {
    for timeouts in 0..=10 {
        let served = Day::new().acquired(990, ms(1));
        let day = served.timeouts(timeouts, ms(50)).connect_errors(10 - timeouts, ms(1));
        expect_health(&day.snapshot, Health::Degraded, &day.told());
    }
    for attempts in 1..=100 {
        let day = Day::new().acquired(attempts, ms(100));
        expect_health(&day.snapshot, Health::Degraded, &day.told());
    }
}

pub(crate) fn expect_health(snapshot: &Snapshot, expected: Health, when: &str) {
    let got = snapshot.health();
    if got != expected {
        fail(format!("health() {expected:?} {when}"), format!("{got:?}"));
    }
}

fn nobody_served_is_not_healthy() {
    for (answer, after, who) in [
        (Answer::TimeOut, ms(50), "timed out after 50 ms"),
        (Answer::TimeOut, ms(0), "timed out at once"),
        (Answer::Refuse, ms(0), "got a connect error at once"),
    ] {
        let desk = Desk::open(4);
        for attempts in [1, 49] {
            desk.attempts(attempts, after, answer);
            let when =
                format!("after all of {} attempts {who}", if attempts == 1 { 1 } else { 50 });
            expect_health(&desk.snapshot(&when), Health::Degraded, &when);
        }
    }
}

fn silence_is_no_health() {
    let desk = Desk::open(4);
    let when = "before anybody has asked for a connection";
    expect_health(&desk.snapshot(when), Health::NoTraffic, when);
    let waiting = Snapshot { pending: 3, ..Day::new().snapshot };
    let when = "when three threads wait for the first answer of all, and no attempt has ended";
    expect_health(&waiting, Health::NoTraffic, when);
    desk.attempts(1, ms(1), Answer::Lend);
    let when = "after one attempt, served after 1 ms";
    expect_health(&desk.snapshot(when), Health::Healthy, when);
    desk.at(Duration::from_hours(1));
    let when = "an hour after the only attempt, which was served after 1 ms";
    expect_health(&desk.snapshot(when), Health::Healthy, when);
}
