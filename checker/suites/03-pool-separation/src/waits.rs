//! Waiting for what should come: an end, a trader, a state. What never comes is said within 2 s.

use std::time::{Duration, Instant};

use harness::tasks::{Patience, ends_in_real_time, joined};
use sqlx::Connection;
use sqlx::postgres::PgConnection;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::desk::Desk;

/// How long to wait for what should take a tenth of a second. Only time in which it could have come
/// counts, so a busy machine takes as long as it needs.
pub(crate) const PATIENCE: Duration = Duration::from_millis(1_250);

/// For so long it is looked often whether something has become so; then now and then.
const OFTEN: Duration = Duration::from_millis(100);

/// Sessions that compute, that wait for a disk or are just being opened. Who waits for a lock or for
/// its client does not get on by itself.
const AT_WORK: &str = "SELECT COUNT(*) FROM pg_stat_activity
     WHERE datname = current_database() AND pid <> pg_backend_pid()
       AND backend_type = 'client backend' AND query <> '<insufficient privilege>'
       AND coalesce(state, 'active') = 'active'
       AND coalesce(wait_event_type, '') NOT IN ('Lock', 'Client', 'Timeout')";

impl Desk {
    /// What something comes to that must come to an end.
    pub(crate) async fn ends<T>(&self, what: &str, work: impl Future<Output = T>) -> T {
        match self.in_time(work).await {
            Ok(value) => value,
            Err(late) => self.fail(format!("{what} to come to an end"), late).await,
        }
    }

    /// What something comes to that should come to an end, or that it is late.
    pub(crate) async fn in_time<T>(&self, work: impl Future<Output = T>) -> Result<T, String> {
        ends_in_real_time(Patience::new(PATIENCE), work, async || self.is_at_work().await)
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
            } else if patience.spend(async || self.is_at_work().await).await {
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
            } else if patience.spend(async || self.is_at_work().await).await {
                return;
            }
        }
    }

    /// Whether the server is at something for this database. It is asked over a connection that is
    /// opened when it is first needed: most stories never wait so long.
    async fn is_at_work(&self) -> bool {
        if !self.is_postgres() {
            return false;
        }
        let mut watch = self.watch.lock().await;
        if watch.is_none() {
            *watch = PgConnection::connect(self.database.control_url()).await.ok();
        }
        let Some(server) = watch.as_mut() else { return false };
        sqlx::query_scalar(AT_WORK).fetch_one(server).await.is_ok_and(|sessions: i64| sessions > 0)
    }
}
