//! A connection in a trader's hands.

use std::ops::{Deref, DerefMut};

use crate::graded::PooledConnection;
use fixtures::exchange::{AsyncLine, AsyncManager, Exchange};
use harness::fail;
use harness::tasks::ends;
use ledger::{Conn, What};

/// What the pool handed out.
type Taken = PooledConnection<AsyncManager>;

/// A connection that a trader holds; letting go of it is written into the log.
pub(crate) struct Held {
    taken: Option<Taken>,
    conn: Conn,
    exchange: Exchange,
}

impl Held {
    pub(crate) fn new(taken: Taken, conn: Conn, exchange: Exchange) -> Self {
        Self { taken: Some(taken), conn, exchange }
    }

    /// The number of the connection.
    pub(crate) fn id(&self) -> u32 {
        self.conn.0
    }

    /// Sends an order down the line; it must work.
    pub(crate) async fn order(&mut self) {
        let id = self.id();
        if let Err(error) = ends("an order", self.query("BUY 100 AAPL")).await {
            fail(format!("conn {id} to carry an order"), error.to_string());
        }
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
        self.exchange.write(What::Returned { conn: self.conn });
        drop(self.taken.take());
    }
}
