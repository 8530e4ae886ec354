//! Waiting for what should come: an end, a trader, a state. What never comes is said within 2 s.

use std::time::{Duration, Instant};

use harness::tasks::{Patience, Telling, ends_in_real_time, joined};
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::desk::Desk;

/// How long to wait for what should take a tenth of a second. Only time in which it could have come
/// counts, so a busy machine takes as long as it needs.
pub(crate) const PATIENCE: Duration = Duration::from_millis(1_250);

/// For so long it is looked often whether something has become so; then now and then.
const OFTEN: Duration = Duration::from_millis(100);

impl Desk {
    /// What something comes to that must come to an end.
    pub(crate) fn ends<'a, T: 'a>(
        &'a self,
        what: &'a str,
        work: impl Future<Output = T> + 'a,
    ) -> Telling<'a, T> {
        self.ended(what, Box::pin(work))
    }

    /// Compiled once for each result, not for each work.
    fn ended<'a, T: 'a>(&'a self, what: &'a str, work: Telling<'a, T>) -> Telling<'a, T> {
        Box::pin(async move {
            match self.in_time(work).await {
                Ok(value) => value,
                Err(late) => self.fail(format!("{what} to come to an end"), late).await,
            }
        })
    }

    /// What something comes to that should come to an end, or that it is late.
    pub(crate) async fn in_time<T>(&self, work: Telling<'_, T>) -> Result<T, String> {
        ends_in_real_time(Patience::new(PATIENCE), work, &|| self.is_at_work())
            .await
            .map_err(|late| late.to_string())
    }

    /// Waits for a trader to go home; a panic of his is the case's.
    pub(crate) async fn home<T>(&self, what: &str, trader: JoinHandle<T>) -> T {
        joined(self.ends(what, trader).await)
    }

    /// Waits until it is so, or fails; `what` continues "expected".
    pub(crate) async fn becomes(&self, what: &str, is_so: impl AsyncFn() -> Result<(), String>) {
        let began = Instant::now();
        let mut patience = Patience::new(PATIENCE);
        while let Err(got) = is_so().await {
            if began.elapsed() < OFTEN {
                sleep(Duration::from_millis(2)).await;
            } else if patience.spend(&|| self.is_at_work()).await {
                self.fail(what, got).await;
            }
        }
    }

    /// Waits until it is so, but no longer than a good while.
    pub(crate) async fn waits_a_while_for(&self, a_while: Duration, is_so: impl Fn() -> bool) {
        let began = Instant::now();
        let mut patience = Patience::new(a_while);
        while !is_so() {
            if began.elapsed() < OFTEN.min(a_while / 2) {
                sleep(Duration::from_millis(1)).await;
            } else if patience.spend(&|| self.is_at_work()).await {
                return;
            }
        }
    }

    /// Whether the server is at something for this database.
    fn is_at_work(&self) -> Telling<'_, bool> {
        Box::pin(self.database.is_at_work())
    }
}
