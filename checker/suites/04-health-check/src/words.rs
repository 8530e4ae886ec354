//! Results as a student would say them.

use crate::graded::PoolError;
use fixtures::exchange::ExchangeError;

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
