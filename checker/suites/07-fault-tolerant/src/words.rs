//! Results and configurations as a student would say them.

use fault_tolerant_pool::{ClusterConfig, ClusterError};
use harness::clock;

use crate::desk::Outcome;
use crate::held::Held;

/// An error of the cluster as a student would say it.
pub(crate) fn told(error: &ClusterError) -> String {
    match error {
        ClusterError::InvalidConfig(reason) => format!("InvalidConfig({reason:?})"),
        ClusterError::PrimaryUnavailable => "PrimaryUnavailable".to_owned(),
        ClusterError::AllUnavailable(errors) => format!("AllUnavailable({errors:?})"),
        ClusterError::Closed => "Closed".to_owned(),
    }
}

/// What came of a request, as a student would say it.
pub(crate) fn outcome(result: &Outcome<Held>) -> String {
    match result {
        Ok(held) => format!("a connection of server {} (conn {})", held.server(), held.id()),
        Err(error) => told(error),
    }
}

/// A configuration, field by field.
pub(crate) fn said(config: &ClusterConfig) -> String {
    let ClusterConfig { failure_threshold, open_for, attempt_timeout, max_lag, max_connections } =
        config;
    let lag = max_lag.map_or("None".to_owned(), clock);
    format!(
        "failure_threshold {failure_threshold}, open_for {}, attempt_timeout {}, max_lag {lag}, \
         max_connections {max_connections}",
        clock(*open_for),
        clock(*attempt_timeout)
    )
}
