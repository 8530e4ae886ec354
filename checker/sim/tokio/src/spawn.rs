//! Tasks by themselves.

use std::future::Future;

use tokio::task::{self, JoinHandle};

/// As `tokio::spawn`.
///
/// # Panics
/// Outside a runtime.
pub fn spawn<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    task::spawn(harness::tasks::started(future))
}
