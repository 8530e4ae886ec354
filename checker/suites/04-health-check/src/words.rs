//! Results, times and counts as people say them.

use std::time::Duration;

use fixtures::exchange::ExchangeError;
use pool_health_check::PoolError;

use crate::desk::{Held, Outcome};

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

/// A moment or a span, as people say it.
pub(crate) fn clock(time: Duration) -> String {
    let micros = time.as_micros();
    if micros.is_multiple_of(1_000) {
        format!("{} ms", micros / 1_000)
    } else {
        format!("{}.{:03} ms", micros / 1_000, micros % 1_000)
    }
}

/// So many connections are open, as people say it.
pub(crate) fn open(count: usize) -> String {
    if count == 0 {
        return "no connection open".to_owned();
    }
    format!("{} open", connections(count))
}

/// So many connections, as people say it.
pub(crate) fn connections(count: usize) -> String {
    if count == 1 { "1 connection".to_owned() } else { format!("{count} connections") }
}

/// So many times, as people say it.
pub(crate) fn times(count: usize) -> String {
    match count {
        1 => "once".to_owned(),
        2 => "twice".to_owned(),
        n => format!("{n} times"),
    }
}
