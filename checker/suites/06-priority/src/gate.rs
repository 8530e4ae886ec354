//! The exchange's connecting side with a gate before it: while it is shut, connects end when the case
//! says so.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use fixtures::AsyncManageConnection;
use fixtures::exchange::{AsyncLine, AsyncManager, ExchangeError};
use tokio::sync::Notify;

/// A gate that begins open. Clones are the same one.
#[derive(Clone, Default)]
pub(crate) struct Gate(Arc<Inner>);

#[derive(Default)]
struct Inner {
    shut: AtomicBool,
    ends: Notify,
}

impl Gate {
    /// From now on, a connect ends at the next [`ends`](Self::ends).
    pub(crate) fn shut(&self) {
        self.0.shut.store(true, Ordering::Relaxed);
    }

    /// Connects end by themselves again, and those that wait at the gate end now.
    pub(crate) fn open(&self) {
        self.0.shut.store(false, Ordering::Relaxed);
        self.ends();
    }

    /// The connects that wait at the gate end; those that begin later do not.
    pub(crate) fn ends(&self) {
        self.0.ends.notify_waiters();
    }
}

/// Opens lines to the exchange, through the gate.
#[derive(Clone)]
pub(crate) struct Gated {
    pub(crate) manager: AsyncManager,
    pub(crate) gate: Gate,
}

impl AsyncManageConnection for Gated {
    type Connection = AsyncLine;
    type Error = ExchangeError;

    async fn connect(&self) -> Result<AsyncLine, ExchangeError> {
        let answer = self.manager.connect().await;
        if self.gate.0.shut.load(Ordering::Relaxed) {
            self.gate.0.ends.notified().await;
        }
        answer
    }

    async fn is_valid(&self, line: &mut AsyncLine) -> Result<(), ExchangeError> {
        self.manager.is_valid(line).await
    }

    fn has_broken(&self, line: &mut AsyncLine) -> bool {
        self.manager.has_broken(line)
    }
}
