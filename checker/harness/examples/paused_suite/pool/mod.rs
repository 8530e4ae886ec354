//! What a student might write: a pool of one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

/// A pool of one, which is lent out at first.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    is_free: AtomicBool,
    returned: Notify,
}

impl Pool {
    pub(crate) async fn get(&self, limit: Duration) -> bool {
        let free = async {
            while !self.is_free.swap(false, Ordering::Relaxed) {
                self.returned.notified().await; // waits
            }
        };
        timeout(limit, free).await.is_ok() // limits
    }

    pub(crate) fn put(&self) {
        self.is_free.store(true, Ordering::Relaxed);
        self.returned.notify_one(); // wakes
    }

    /// What comes back in a second by itself.
    pub(crate) fn returns(self: &Arc<Self>) {
        let pool = Arc::clone(self);
        let task = async move {
            sleep(Duration::from_secs(1)).await; // sleeps
            pool.put();
        };
        tokio::spawn(harness::tasks::started(task)); // starts
    }
}
