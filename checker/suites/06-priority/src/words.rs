//! Results and requests as a student would say them.

use fixtures::exchange::ExchangeError;
use harness::clock;
use priority_pool::{Priority, PriorityConfig, PriorityError};

use crate::desk::Outcome;
use crate::held::Held;

/// An error of the pool as a student would say it.
pub(crate) fn told(error: &PriorityError<ExchangeError>) -> String {
    match error {
        PriorityError::InvalidConfig(reason) => format!("InvalidConfig({reason:?})"),
        PriorityError::QueueFull => "QueueFull".to_owned(),
        PriorityError::Timeout => "Timeout".to_owned(),
        PriorityError::Connect(error) => format!("Connect({error})"),
        PriorityError::Closed => "Closed".to_owned(),
    }
}

/// A configuration, field by field.
pub(crate) fn said(config: &PriorityConfig) -> String {
    let PriorityConfig { max_connections, normal_queue, connection_timeout, starvation_limit } =
        config;
    let limit = starvation_limit.map_or("None".to_owned(), |limit| limit.to_string());
    format!(
        "max_connections {max_connections}, normal_queue {normal_queue}, connection_timeout {}, \
         starvation_limit {limit}",
        clock(*connection_timeout)
    )
}

/// What came of a `get`, as a student would say it.
pub(crate) fn outcome(result: &Outcome<Held>) -> String {
    match result {
        Ok(held) => format!("a connection (conn {})", held.id()),
        Err(error) => told(error),
    }
}

/// The name of a trader: `C2` is "critical 2", `N1` is "normal 1".
pub(crate) fn who(code: &str) -> String {
    let word = if priority(code) == Priority::Critical { "critical" } else { "normal" };
    format!("{word} {}", &code[1..])
}

/// The priority that the code of a trader says.
pub(crate) fn priority(code: &str) -> Priority {
    if code.starts_with('C') { Priority::Critical } else { Priority::Normal }
}

/// Traders in their order: `C1 N1` is "critical 1, normal 1".
pub(crate) fn in_order<'a>(codes: impl IntoIterator<Item = &'a str>) -> String {
    let names: Vec<String> = codes.into_iter().map(who).collect();
    if names.is_empty() { "nobody".to_owned() } else { names.join(", ") }
}
