//! What a mean and a long memory hide: P16, P17, P18 and P19.

use std::time::Duration;

use harness::{Case, clock, fail};
use pool_metrics::{Health, Snapshot};

use crate::day::{Day, thousands};
use crate::desk::{Desk, expect, ms, us};
use crate::judging::{expect_health, expect_utilisation};
use crate::script::Answer;

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new("quantiles_by_nearest_rank", "P16", quantiles_by_nearest_rank)
            .title("the time within which a part of the attempts ended")
            .hard()
            .points(0.5)
            .lesson("what-an-average-hides")
            .hints(&[
                "Of four attempts, which one is the median by nearest rank: the second or the \
                 third?",
                "Compute the rank, ⌈q·n⌉ and at least 1, as an integer. Then walk along the \
                 buckets and add up until you have as many.",
                "The last bucket has no bound: `BOUNDS.get(index)` is `None` there.",
            ]),
        Case::new("a_window_forgets", "P17", a_window_forgets)
            .title("what happened since")
            .hard()
            .points(0.5)
            .lesson("windows")
            .hints(&[
                "Which of the fields say \"so far\", and which say \"now\"?",
                "Counters, buckets and `wait_total` are subtracted; `in_use`, `pending` and `max` \
                 are taken from the later snapshot.",
                "In a window more can be released than acquired, so `in_use` cannot be computed \
                 from the two. And `saturating_sub` never goes below 0.",
            ]),
        Case::new("the_tail_shows", "P18", the_tail_shows)
            .title("the tail behind a healthy mean")
            .hard()
            .points(0.5)
            .lesson("what-an-average-hides")
            .hints(&[
                "Two of a hundred traders wait for 1.5 s. Which number of a snapshot knows?",
                "The mean and the health are right, and they say nothing about the two. Their \
                 bucket does: look whether each wait lands in the right one, and how `quantile` \
                 finds it.",
            ]),
        Case::new("counts_for_years", "P19", counts_for_years)
            .title("three million million attempts")
            .hard()
            .points(0.5)
            .lesson("windows")
            .hints(&[
                "`Duration` can be divided by a `u32`. How long does it take until that is not \
                 enough?",
                "At 10,000 a second, 2³² attempts are five days. Divide the nanoseconds by a u64 \
                 or u128 instead, and cast nothing to a smaller integer.",
            ]),
    ]
}

fn quantiles_by_nearest_rank() {
    let spread = Day::new()
        .acquired(1, ms(0))
        .acquired(1, ms(4))
        .timeouts(1, ms(50))
        .connect_errors(1, ms(3_000));
    let of_100 = Day::new().acquired(90, us(600)).acquired(9, ms(15)).timeouts(1, ms(30_000));
    let slow = Day::new().acquired(4, ms(15));
    let in_vain = Day::new().timeouts(1, ms(15)).connect_errors(1, ms(50));
    let at = |bound| Some(ms(bound));
    for (day, q, expected) in [
        (&spread, 0.0, at(1)),
        (&spread, 0.25, at(1)),
        (&spread, 0.26, at(5)),
        (&spread, 0.5, at(5)),
        (&spread, 0.51, at(50)),
        (&spread, 0.75, at(50)),
        (&spread, 0.76, at(5_000)),
        (&spread, 1.0, at(5_000)),
        (&of_100, 0.0, at(1)),
        (&of_100, 0.5, at(1)),
        (&of_100, 0.895, at(1)),
        (&of_100, 0.905, at(20)),
        (&of_100, 0.99, at(20)),
        (&of_100, 0.995, Some(Duration::MAX)),
        (&of_100, 1.0, Some(Duration::MAX)),
        (&slow, 0.0, at(20)),
        (&in_vain, 0.5, at(20)),
        (&in_vain, 1.0, at(50)),
        (&Day::new(), 0.0, None),
        (&Day::new(), 0.99, None),
    ] {
        expect_quantile(&day.snapshot, q, expected, &day.told());
    }
}

fn expect_quantile(snapshot: &Snapshot, q: f64, expected: Option<Duration>, when: &str) {
    let got = snapshot.quantile(q);
    if got != expected {
        let told = |time: Option<Duration>| time.map_or("None".to_owned(), clock);
        fail(format!("quantile({q}) {} {when}", told(expected)), told(got));
    }
}

fn a_window_forgets() {
    a_bad_morning_is_forgotten();
    a_bad_hour_is_not_hidden();
    gauges_are_of_the_end();
    the_wrong_way_round();
}

fn a_bad_morning_is_forgotten() {
    let desk = Desk::open(4);
    desk.attempts(10, ms(500), Answer::TimeOut);
    desk.attempts(10, ms(200), Answer::Refuse);
    desk.attempts(80, ms(100), Answer::Lend);
    desk.need().record_query();
    let earlier = desk.snapshot("in the morning");
    desk.note("the earlier snapshot is taken");
    desk.attempts(3, ms(15), Answer::Lend);
    let mut held = desk.need();
    held.record_query();
    held.record_query();
    let later = desk.snapshot("at noon");
    let window = later.since(&earlier);
    let when = "since the morning, which was bad: 4 connections since then, 2 queries";
    expect("acquired", window.acquired, 4, when);
    expect("released", window.released, 3, when);
    expect("timeouts", window.timeouts, 0, when);
    expect("connect_errors", window.connect_errors, 0, when);
    expect("queries", window.queries, 2, when);
    expect("buckets: attempts in all of them", window.buckets.iter().sum::<u64>(), 4, when);
    let mean = window.mean_wait();
    if mean.abs_diff(us(11_250)) > us(1) {
        fail(format!("mean_wait() 11.25 ms {when}"), clock(mean));
    }
    expect_quantile(&window, 1.0, Some(ms(20)), when);
    expect_health(&window, Health::Healthy, when);
    expect_health(&later, Health::Degraded, "of the whole day, whose morning was bad");
}

fn a_bad_hour_is_not_hidden() {
    let good = Day::new().acquired(1_000_000, ms(1));
    let bad = good.clone().acquired(10, ms(400)).timeouts(30, ms(500));
    expect_health(&bad.snapshot, Health::Healthy, &bad.told());
    let window = bad.snapshot.since(&good.snapshot);
    let when = "of the window in which 10 got a connection after 400 ms and 30 timed out after 500";
    expect_health(&window, Health::Degraded, when);
    expect_quantile(&window, 0.25, Some(ms(500)), when);
    let quiet = bad.snapshot.since(&bad.snapshot);
    expect_health(&quiet, Health::NoTraffic, "of a window in which nobody asked");
}

fn gauges_are_of_the_end() {
    let desk = Desk::open(4);
    let mut held = vec![desk.need(), desk.need(), desk.need()];
    let earlier = desk.snapshot("while three are in use");
    held.truncate(1);
    let window = desk.snapshot("after two of three came back").since(&earlier);
    let when = "of a window in which nothing was acquired and two of three connections came back";
    expect("acquired", window.acquired, 0, when);
    expect("released", window.released, 2, when);
    expect("in_use", window.in_use, 1, when);
    expect("max", window.max, 4, when);
    expect_utilisation(&window, 0.25, when);
    expect_health(&window, Health::NoTraffic, when);
    let now = Snapshot { pending: 3, max: 8, ..Snapshot::default() };
    let window = now.since(&Snapshot { pending: 5, max: 4, ..Snapshot::default() });
    let when = "of a window that began with pending 5, max 4 and ended with pending 3, max 8";
    expect("pending", window.pending, 3, when);
    expect("max", window.max, 8, when);
}

fn the_wrong_way_round() {
    let earlier = Day::new().acquired(10, ms(1));
    let later = earlier.clone().acquired(20, ms(2)).timeouts(1, ms(50)).connect_errors(1, ms(1));
    let window = earlier.snapshot.since(&Snapshot { queries: 7, ..later.snapshot });
    let when = "of a window that ends before it begins";
    for (field, count) in [
        ("acquired", window.acquired),
        ("timeouts", window.timeouts),
        ("connect_errors", window.connect_errors),
        ("released", window.released),
        ("queries", window.queries),
        ("buckets: attempts in all of them", window.buckets.iter().sum()),
    ] {
        expect(field, count, 0, when);
    }
    if window.wait_total > ms(0) {
        fail(format!("wait_total 0 ms {when}"), clock(window.wait_total));
    }
    expect_health(&window, Health::NoTraffic, when);
}

fn the_tail_shows() {
    let desk = Desk::open(4);
    desk.attempts(49, ms(0), Answer::Lend);
    desk.attempts(1, ms(1_500), Answer::Lend);
    desk.attempts(49, ms(0), Answer::Lend);
    desk.attempts(1, ms(1_500), Answer::Lend);
    let when = "when 98 of 100 attempts were served at once and two after 1.5 s";
    let snapshot = desk.snapshot(when);
    let mean = snapshot.mean_wait();
    if mean.abs_diff(ms(30)) > us(1) {
        fail(format!("mean_wait() 30 ms {when}"), clock(mean));
    }
    expect_health(&snapshot, Health::Healthy, when);
    expect_quantile(&snapshot, 0.99, Some(ms(2_000)), when);
    expect_quantile(&snapshot, 0.9, Some(ms(1)), when);
    expect_quantile(&snapshot, 0.5, Some(ms(1)), when);
}

fn counts_for_years() {
    const MANY: u64 = 3_000_000_000_000;
    for (attempts, wait, bound) in [
        (3, us(1_500), ms(2)),
        (5_000_000_000, us(1_500), ms(2)),
        (MANY, us(1_500), ms(2)),
        (MANY, ms(90), ms(100)),
    ] {
        let day = Day::new().acquired(attempts, wait);
        let mean = day.snapshot.mean_wait();
        if mean.abs_diff(wait) > us(1) {
            fail(format!("mean_wait() {} {}", clock(wait), day.told()), clock(mean));
        }
        expect_quantile(&day.snapshot, 0.99, Some(bound), &day.told());
        expect_quantile(&day.snapshot, 1.0, Some(bound), &day.told());
    }
    let rare = Day::new().acquired(999_999_990, ms(1)).timeouts(10, ms(50));
    expect_quantile(&rare.snapshot, 0.999_999_985, Some(ms(1)), &rare.told());
    expect_quantile(&rare.snapshot, 0.999_999_995, Some(ms(50)), &rare.told());
    let almost = Day::new().acquired(MANY / 100 * 99 + 1, ms(1)).timeouts(MANY / 100 - 1, ms(50));
    expect_health(&almost.snapshot, Health::Healthy, &almost.told());
    let just = Day::new().acquired(MANY / 100 * 99, ms(1)).timeouts(MANY / 100, ms(50));
    expect_health(&just.snapshot, Health::Degraded, &just.told());
    let decade = Day::new().acquired(MANY, ms(1));
    let failed = decade.clone().timeouts(MANY / 100, ms(50));
    expect_health(&failed.snapshot, Health::Healthy, &failed.told());
    let failed = decade.clone().timeouts(MANY / 50, ms(50));
    expect_health(&failed.snapshot, Health::Degraded, &failed.told());
    expect_quantile(&failed.snapshot, 0.9, Some(ms(1)), &failed.told());
    expect_quantile(&failed.snapshot, 0.99, Some(ms(50)), &failed.told());
    let window = failed.snapshot.since(&decade.snapshot);
    let when = format!("of the window in which {} timed out", thousands(MANY / 50));
    expect("timeouts", window.timeouts, MANY / 50, &when);
    expect_quantile(&window, 0.5, Some(ms(50)), &when);
}
