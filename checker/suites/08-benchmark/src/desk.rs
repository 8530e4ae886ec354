//! What the cases say of a report, and in which words.

use std::future::Future;
use std::time::Duration;

use harness::{clock, fail, tasks};
use pool_benchmark::{Latency, Strategy};
use tokio::time::timeout;

/// The statement that requests send unless a case is about it.
pub(crate) const SQL: &str = "SELECT price FROM market_data WHERE symbol = 'AAPL'";

pub(crate) const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

pub(crate) const fn pool(min: u32, max: u32) -> Strategy {
    Strategy::Pool { min, max }
}

/// Tells a story on a paused clock.
pub(crate) fn order(tell: impl AsyncFn()) {
    tasks::one_order(&|| Box::pin(tasks::known_as("desk", tell())));
}

/// A strategy, as the code says it.
pub(crate) fn said(strategy: Strategy) -> String {
    match strategy {
        Strategy::PerRequest => "`PerRequest`".to_owned(),
        Strategy::Pool { min, max } => format!("`Pool {{ min: {min}, max: {max} }}`"),
    }
}

/// A figure must be this one; `why` follows a comma.
pub(crate) fn expect_count(name: &str, got: u64, expected: u64, why: &str) {
    if got != expected {
        fail(format!("`{name}` {expected}, {why}"), format!("{got}"));
    }
}

/// A time must be this one, to the microsecond; `why` follows a comma.
pub(crate) fn expect_time(name: &str, got: Duration, expected: Duration, why: &str) {
    if got.abs_diff(expected) > Duration::from_micros(1) {
        fail(format!("`{name}` {}, {why}", clock(expected)), clock(got));
    }
}

/// A number a second must be this one.
pub(crate) fn expect_rate(got: f64, expected: f64, why: &str) {
    if (got - expected).abs() > expected * 1e-6 || !got.is_finite() {
        fail(format!("`throughput` {expected} a second, {why}"), format!("{got}"));
    }
}

/// Nobody was answered: all latencies are zero.
pub(crate) fn expect_no_latency(latency: &Latency, why: &str) {
    let Latency { mean, p50, p90, p99, max } = *latency;
    let figures = [("mean", mean), ("p50", p50), ("p90", p90), ("p99", p99), ("max", max)];
    for (name, got) in figures {
        expect_time(&format!("latency.{name}"), got, Duration::ZERO, why);
    }
}

/// Runs `work`, which is named `what`, for so long, and drops it.
pub(crate) async fn dropped_after<T>(
    time: Duration,
    what: &str,
    work: impl Future<Output = T> + Send,
) {
    if timeout(time, work).await.is_ok() {
        fail(format!("{what} to be under way after {}", clock(time)), "it had ended");
    }
}
