//! Tasks in a set.

use std::future::Future;
use std::ops::{Deref, DerefMut};

use tokio::task::{self, AbortHandle};

/// As `tokio::task::JoinSet`.
#[derive(Debug)]
pub struct JoinSet<T>(task::JoinSet<T>);

impl<T> JoinSet<T> {
    /// An empty set.
    pub fn new() -> Self {
        Self(task::JoinSet::new())
    }
}

impl<T: 'static> JoinSet<T> {
    /// Starts a task in the set.
    ///
    /// # Panics
    /// Outside a runtime.
    pub fn spawn<F>(&mut self, task: F) -> AbortHandle
    where
        F: Future<Output = T> + Send + 'static,
        T: Send,
    {
        self.0.spawn(harness::tasks::started(task))
    }

    /// What all of them return, in the order in which they end.
    ///
    /// # Panics
    /// When one of them has panicked.
    pub async fn join_all(self) -> Vec<T> {
        self.0.join_all().await
    }
}

impl<T> Default for JoinSet<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Deref for JoinSet<T> {
    type Target = task::JoinSet<T>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl<T> DerefMut for JoinSet<T> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.0
    }
}

impl<T: Send + 'static, F: Future<Output = T> + Send + 'static> FromIterator<F> for JoinSet<T> {
    fn from_iter<I: IntoIterator<Item = F>>(tasks: I) -> Self {
        let mut set = Self::new();
        for task in tasks {
            set.spawn(task);
        }
        set
    }
}
