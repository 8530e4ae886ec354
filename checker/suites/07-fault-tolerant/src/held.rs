//! A connection in a trader's hands.

use std::ops::{Deref, DerefMut};

use fault_tolerant_pool::ClusterConnection;
use fixtures::exchange::{AsyncLine, AsyncManager};
use ledger::{Conn, What};

use crate::desk::Desk;

/// A connection that a trader holds; letting go of it is written into the log.
pub(crate) struct Held {
    taken: Option<ClusterConnection<AsyncManager>>,
    conn: Conn,
    desk: Desk,
}

impl Held {
    pub(crate) fn new(taken: ClusterConnection<AsyncManager>, conn: Conn, desk: Desk) -> Self {
        Self { taken: Some(taken), conn, desk }
    }

    pub(crate) fn server(&self) -> usize {
        self.taken.as_ref().map_or(usize::MAX, ClusterConnection::server)
    }

    /// The number of the connection.
    pub(crate) fn id(&self) -> u32 {
        self.conn.0
    }

    /// Breaks, and comes back broken.
    pub(crate) fn breaks(self) {
        self.desk.servers[(self.id() / 1_000) as usize].kill(self.id());
    }
}

impl Deref for Held {
    type Target = AsyncLine;

    fn deref(&self) -> &AsyncLine {
        self.taken.as_ref().expect("held until it is dropped")
    }
}

impl DerefMut for Held {
    fn deref_mut(&mut self) -> &mut AsyncLine {
        self.taken.as_mut().expect("held until it is dropped")
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.desk.primary().write(What::Returned { conn: self.conn });
        drop(self.taken.take());
    }
}
