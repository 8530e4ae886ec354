//! The desk that the cases are played at: a scripted pool, the student's metering over it, and
//! traders, each a thread with a name. What a trader does is written into the log, so that a
//! failing case can be drawn.

use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use harness::{clock, fail};
use ledger::{Conn, What};
use pool_metrics::{Metered, MeteredConnection, Snapshot};

use crate::script::{Answer, Fault, ScriptedPool};

/// A time-out that no story comes near.
pub(crate) const LONG: Duration = Duration::from_secs(30);

pub(crate) const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

pub(crate) const fn us(micros: u64) -> Duration {
    Duration::from_micros(micros)
}

/// A scripted pool and the metering under test. Clones share both.
#[derive(Clone)]
pub(crate) struct Desk {
    pub(crate) beneath: ScriptedPool,
    pub(crate) metered: Arc<Metered<ScriptedPool>>,
}

impl Desk {
    /// A desk over a pool of `max` connections.
    pub(crate) fn open(max: u32) -> Self {
        let beneath = ScriptedPool::new(max);
        harness::watch(beneath.log());
        let metered = Arc::new(Metered::new(beneath.clone()));
        Self { beneath, metered }
    }

    /// An attempt for which the pool beneath has this answer, after this time; the end of it.
    pub(crate) fn attempt(&self, after: Duration, answer: Answer) -> Result<Held, Fault> {
        self.beneath.then(after, answer);
        self.get_timeout(LONG)
    }

    /// As many such attempts one after the other; connections are given back at once.
    pub(crate) fn attempts(&self, count: u32, after: Duration, answer: Answer) {
        for _ in 0..count {
            drop(self.attempt(after, answer));
            // Takes a breath: for a thread that never does, simulated time begins to pass.
            thread::sleep(ms(1));
        }
    }

    /// Calls `get_timeout`, in the log.
    pub(crate) fn get_timeout(&self, timeout: Duration) -> Result<Held, Fault> {
        self.beneath.write(What::Asked);
        match self.metered.get_timeout(timeout) {
            Ok(taken) => {
                let conn = Conn(taken.number);
                self.beneath.write(What::Got { conn });
                Ok(Held { taken: Some(taken), conn, beneath: self.beneath.clone() })
            }
            Err(error) => {
                self.beneath.write(What::GaveUp { error: error.to_string() });
                Err(error)
            }
        }
    }

    /// A connection that the story needs to go on, at once.
    pub(crate) fn need(&self) -> Held {
        self.get_timeout(LONG).unwrap_or_else(|error| {
            fail("the connection that the pool beneath lends", error.to_string())
        })
    }

    /// Calls `snapshot`, which waits for nobody; `when` tells the moment.
    pub(crate) fn snapshot(&self, when: &str) -> Snapshot {
        let asked = self.now();
        let snapshot = self.metered.snapshot();
        self.at_once(asked, &format!("snapshot() {when}"));
        snapshot
    }

    /// Fails if what began at `asked` has taken time; less than a millisecond is none.
    pub(crate) fn at_once(&self, asked: Duration, what: &str) {
        let took = self.now().saturating_sub(asked);
        if took >= ms(1) {
            self.note(&format!("back from {what}"));
            fail(format!("no time to pass in {what}"), format!("{} of waiting", clock(took)));
        }
    }

    /// Writes down what the picture would not show.
    pub(crate) fn note(&self, text: &str) {
        self.beneath.write(What::Note { text: text.to_owned() });
    }

    /// Time since the desk opened.
    pub(crate) fn now(&self) -> Duration {
        self.beneath.elapsed()
    }

    /// Waits for a moment of the story.
    pub(crate) fn at(&self, moment: Duration) {
        thread::sleep(moment.saturating_sub(self.now()));
    }

    /// Starts a trader: a thread of this name, at work at the desk. A panic in it fails the case.
    pub(crate) fn trader<T: Send + 'static>(
        &self,
        name: &str,
        work: impl FnOnce(&Desk) -> T + Send + 'static,
    ) -> JoinHandle<T> {
        let desk = self.clone();
        thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || harness::guarded(|| work(&desk)))
            .expect("a thread can be started")
    }
}

/// A connection that a trader holds; letting go of it is written into the log.
pub(crate) struct Held {
    taken: Option<MeteredConnection<ScriptedPool>>,
    conn: Conn,
    beneath: ScriptedPool,
}

impl Held {
    pub(crate) fn connection(&mut self) -> &mut MeteredConnection<ScriptedPool> {
        self.taken.as_mut().expect("held until it is dropped")
    }

    /// Counts a query.
    pub(crate) fn record_query(&mut self) {
        self.connection().record_query();
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // The scripted pool keeps nothing idle, and the picture shows nothing idle.
        self.beneath.write(What::Closed { conn: self.conn });
        drop(self.taken.take());
    }
}

/// Waits for the traders to go home.
pub(crate) fn all_home<T>(traders: impl IntoIterator<Item = JoinHandle<T>>) -> Vec<T> {
    let home = |trader: JoinHandle<T>| {
        trader.join().expect("a trader's panic has failed the case already")
    };
    traders.into_iter().map(home).collect()
}

/// Fails unless the snapshot's field says so; `when` tells the moment.
pub(crate) fn expect(field: &str, got: impl Into<u64>, expected: u64, when: &str) {
    let got = got.into();
    if got != expected {
        fail(format!("{field} {expected} in a snapshot {when}"), format!("{field} {got}"));
    }
}
