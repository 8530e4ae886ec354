//! Results as a student would say them.

use adaptive_pool::{Decision, PoolError, Sample};
use fixtures::exchange::ExchangeError;
use harness::clock;

use crate::desk::Outcome;
use crate::held::Held;

/// An error of the pool as a student would say it.
pub(crate) fn told(error: &PoolError<ExchangeError>) -> String {
    match error {
        PoolError::InvalidConfig(reason) => format!("InvalidConfig({reason:?})"),
        PoolError::Timeout => "Timeout".to_owned(),
        PoolError::Connect(error) => format!("Connect({error})"),
        PoolError::Closed => "Closed".to_owned(),
    }
}

/// What came of a `get`, as a student would say it.
pub(crate) fn outcome(result: &Outcome<Held>) -> String {
    match result {
        Ok(held) => format!("a connection (conn {})", held.id()),
        Err(error) => told(error),
    }
}

/// A sample in a line: "4 of 4 in use, 3 waiting, 50 ms each".
pub(crate) fn sample_in_words(sample: &Sample) -> String {
    let Sample { size, in_use, waiting, mean_wait } = sample;
    format!("{in_use} of {size} in use, {waiting} waiting, a mean_wait of {}", clock(*mean_wait))
}

/// Decisions, each with its moment: "Grow(3) at 300 ms, Shrink(1) at 900 ms".
pub(crate) fn decisions_in_words(decisions: &[Decision]) -> String {
    if decisions.is_empty() {
        return "no decision at all".to_owned();
    }
    let told = |decision: &Decision| format!("{:?} at {}", decision.action, clock(decision.at));
    let last = decisions.len().saturating_sub(12);
    let words: Vec<String> = decisions[last..].iter().map(told).collect();
    let more = if last > 0 { format!("{last} others, then ") } else { String::new() };
    format!("{more}{}", words.join(", "))
}
