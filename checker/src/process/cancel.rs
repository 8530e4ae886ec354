//! Stopping: Ctrl-C, or a newer save, ends what is going on without leaving a process behind.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result, bail};

/// A wish to stop, which whoever waits for something looks at.
#[derive(Clone, Debug, Default)]
pub struct Cancel {
    own: Arc<AtomicBool>,
    parent: Option<Arc<Cancel>>,
}

impl Cancel {
    /// The one that Ctrl-C, a closed terminal or a polite kill sets. To be called once.
    pub fn on_interrupt() -> Result<Self> {
        let cancel = Self::default();
        let own = cancel.clone();
        ctrlc::set_handler(move || own.cancel()).context("cannot listen for Ctrl-C")?;
        Ok(cancel)
    }

    /// One that is also set when this one is: for a run that a newer one may replace.
    pub fn child(&self) -> Self {
        Self { own: Arc::default(), parent: Some(Arc::new(self.clone())) }
    }

    /// Asks everybody to stop.
    pub fn cancel(&self) {
        self.own.store(true, Ordering::SeqCst);
    }

    /// Whether somebody asked to stop.
    pub fn is_set(&self) -> bool {
        self.own.load(Ordering::SeqCst)
            || self.parent.as_ref().is_some_and(|parent| parent.is_set())
    }

    /// An [`Interrupted`] error if somebody asked to stop.
    pub fn check(&self) -> Result<()> {
        if self.is_set() {
            bail!(Interrupted);
        }
        Ok(())
    }
}

/// The error of what was stopped.
#[derive(Clone, Copy, Debug)]
pub struct Interrupted;

impl fmt::Display for Interrupted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("interrupted")
    }
}

impl std::error::Error for Interrupted {}
