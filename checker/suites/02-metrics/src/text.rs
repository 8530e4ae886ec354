//! The buckets, and the text that Prometheus reads: P12.

use std::time::Duration;

use harness::{Case, clock, fail};
use pool_metrics::{BOUNDS, Snapshot};

use crate::desk::{Desk, ms, us};
use crate::exposition::{self, Metric};
use crate::script::Answer;

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new("prometheus_reads_it", "P12", prometheus_reads_it)
            .title("each attempt in its bucket, and the text adds up")
            .points(0.5)
            .lesson("what-an-average-hides")
            .hints(&[
                "Every attempt that is counted has taken some time. Which of them are in no \
                 bucket, or in two?",
                "The bucket of a wait is the number of bounds that are below it: \
                 `BOUNDS.partition_point(|bound| *bound < wait)` counts them.",
                "Each bucket holds only its own attempts. The text makes sums of them, because \
                 Prometheus wants it so; that part is given.",
            ]),
    ]
}

/// What the pool beneath does, and the bucket in which it belongs.
const ATTEMPTS: [(Duration, Answer, usize); 9] = [
    (ms(0), Answer::Lend, 0),
    (ms(1), Answer::Lend, 0),
    (us(1_001), Answer::Lend, 1),
    (ms(10), Answer::Lend, 3),
    (us(10_001), Answer::TimeOut, 4),
    (ms(50), Answer::TimeOut, 5),
    (ms(3), Answer::Refuse, 2),
    (ms(5_000), Answer::Lend, 11),
    (ms(7_000), Answer::Lend, 12),
];

fn prometheus_reads_it() {
    let desk = Desk::open(4);
    reads(&desk.snapshot("before anything"), "before anything");

    let desk = Desk::open(4);
    for (after, answer, _) in ATTEMPTS {
        desk.attempts(1, after, answer);
    }
    let mut held = desk.need();
    held.record_query();
    let when = "after 7 connections, 2 time-outs and 1 connect error";
    let snapshot = desk.snapshot(when);
    reads(&snapshot, when);

    let mut expected = [0; BOUNDS.len() + 1];
    expected[0] += 1; // the connection that is in use came at once
    for (_, _, bucket) in ATTEMPTS {
        expected[bucket] += 1;
    }
    let buckets = snapshot.buckets.iter().zip(expected);
    for (index, (got, expected)) in buckets.enumerate() {
        if *got != expected {
            let lower = index.checked_sub(1).map_or(ms(0), |before| BOUNDS[before]);
            let upper = BOUNDS.get(index).map_or("any time".to_owned(), |bound| clock(*bound));
            fail(
                format!("{expected} in bucket {index}, above {} up to {upper}", clock(lower)),
                format!("{got}; the attempts took {}", waits()),
            );
        }
    }
}

/// The attempts of the story, as people say it.
fn waits() -> String {
    let waits: Vec<String> = ATTEMPTS.iter().map(|(after, ..)| clock(*after)).collect();
    format!("{} and 0 ms", waits.join(", "))
}

/// Fails unless the text can be read and says what the snapshot says.
fn reads(snapshot: &Snapshot, when: &str) {
    let metrics = exposition::read(&snapshot.prometheus()).unwrap_or_else(|why| {
        fail(format!("a text that Prometheus takes {when}"), format!("one it refuses: {why}"))
    });
    #[expect(clippy::cast_precision_loss, reason = "a story has few attempts")]
    let counter = |value: u64| Some(Metric::Counter(value as f64));
    let gauge = |value: u32| Some(Metric::Gauge(f64::from(value)));
    for (name, expected) in [
        ("pool_acquired_total", counter(snapshot.acquired)),
        ("pool_timeouts_total", counter(snapshot.timeouts)),
        ("pool_connect_errors_total", counter(snapshot.connect_errors)),
        ("pool_released_total", counter(snapshot.released)),
        ("pool_queries_total", counter(snapshot.queries)),
        ("pool_in_use", gauge(snapshot.in_use)),
        ("pool_pending", gauge(snapshot.pending)),
        ("pool_max", gauge(snapshot.max)),
    ] {
        let got = metrics.get(name).cloned();
        if got != expected {
            fail(format!("{name} {expected:?} in the text {when}"), format!("{got:?}"));
        }
    }
    let Some(Metric::Histogram(histogram)) = metrics.get("pool_wait_seconds") else {
        fail(format!("a histogram pool_wait_seconds in the text {when}"), "none");
    };
    let sum = snapshot.wait_total.as_secs_f64();
    if histogram.sum != Some(sum) {
        fail(format!("pool_wait_seconds_sum {sum} in the text {when}"), format!("{histogram:?}"));
    }
    let mut up_to = 0;
    for (index, (bound, attempts)) in histogram.buckets.iter().enumerate() {
        let expected = BOUNDS.get(index).map_or(f64::INFINITY, Duration::as_secs_f64);
        up_to += snapshot.buckets.get(index).copied().unwrap_or_default();
        #[expect(clippy::cast_precision_loss, reason = "a story has few attempts")]
        let up_to = up_to as f64;
        if (*bound, *attempts) != (expected, up_to) {
            fail(
                format!("{up_to} attempts up to {expected} s in the text {when}"),
                format!("{attempts} up to {bound} s"),
            );
        }
    }
    if histogram.buckets.len() != BOUNDS.len() + 1 {
        fail(
            format!("a bucket for each bound and one above in the text {when}"),
            format!("{} buckets", histogram.buckets.len()),
        );
    }
}
