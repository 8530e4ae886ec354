//! A rush at the desk: traders who ask for the same few connections, each at his moment, and the
//! order in which they were served.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use harness::tasks::all_home;
use harness::{clock, fail};
use priority_pool::PriorityConfig;
use tokio::task::JoinHandle;

use crate::desk::{BEGIN, Desk, SLACK, ms};
use crate::held::Held;
use crate::words::{in_order, outcome, priority, who};

/// How long a trader keeps what he got.
pub(crate) const HOLD: Duration = ms(10);

/// When the first connection comes back in a rush that begins with all of them lent out.
pub(crate) const RETURN: Duration = ms(200);

/// Who was served, and when.
pub(crate) type Served = Vec<(String, Duration)>;

/// A rush under way.
pub(crate) struct Rush {
    pub(crate) desk: Desk,
    served: Arc<Mutex<Served>>,
    traders: Vec<JoinHandle<()>>,
    breaks: bool,
}

impl Rush {
    /// A rush at a desk with this pool, in which nobody asks yet.
    pub(crate) async fn at_desk(config: PriorityConfig) -> Self {
        Self::at(&Desk::open(config).await)
    }

    /// A rush at this desk, in which nobody asks yet.
    pub(crate) fn at(desk: &Desk) -> Self {
        Self { desk: desk.clone(), served: Arc::default(), traders: Vec::new(), breaks: false }
    }

    /// What those get who ask from now on breaks in their hands.
    pub(crate) fn all_break(&mut self) {
        self.breaks = true;
    }

    /// Traders who ask, one two milliseconds after the other from [`BEGIN`] on: `C1 N1` is critical 1,
    /// then normal 1.
    pub(crate) fn ask(&mut self, codes: &str) {
        for (place, code) in (1..).zip(codes.split_whitespace()) {
            self.asks(BEGIN + ms(2) * place, code);
        }
    }

    /// A trader who asks at this moment, must be served, keeps what he got for [`HOLD`] and goes home.
    pub(crate) fn asks(&mut self, at: Duration, code: &str) {
        let (served, code, breaks) = (Arc::clone(&self.served), code.to_owned(), self.breaks);
        let trader = self.desk.trader(&who(&code), async move |desk| {
            desk.at(at).await;
            match desk.get(priority(&code)).await {
                Ok(held) => {
                    let now = desk.now();
                    served.lock().unwrap_or_else(PoisonError::into_inner).push((code, now));
                    desk.at(now + HOLD).await;
                    if breaks {
                        desk.exchange.kill(held.id());
                    }
                    drop(held);
                }
                result => fail(
                    format!("a connection for {}, who asked at {}", who(&code), clock(at)),
                    format!("{} at {}", outcome(&result), clock(desk.now())),
                ),
            }
        });
        self.traders.push(trader);
    }

    /// Gives these back at [`RETURN`], which begins the serving.
    pub(crate) async fn begin(&self, held: Vec<Held>) {
        self.desk.at(RETURN).await;
        drop(held);
    }

    /// Waits for all traders to go home: who was served, and when.
    pub(crate) async fn over(self) -> Served {
        all_home(self.traders).await;
        self.served.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits for all traders to go home; fails unless they were served in this order. The moment at
    /// which the last of them was.
    pub(crate) async fn expect(self, order: &str, why: &str) -> Duration {
        let served = self.over().await;
        let expected: Vec<&str> = order.split_whitespace().collect();
        let got: Vec<&str> = served.iter().map(|(code, _)| code.as_str()).collect();
        if got != expected {
            fail(
                format!("to be served in this order, {why}: {}", in_order(expected)),
                format!("this order: {}", in_order(got)),
            );
        }
        served.last().map_or(Duration::ZERO, |(_, at)| *at)
    }

    /// As [`expect`](Self::expect), with one connection, which is never idle from [`RETURN`] on.
    pub(crate) async fn expect_steady(self, order: &str, why: &str) {
        let last = self.expect(order, why).await;
        let count = u32::try_from(order.split_whitespace().count()).unwrap_or(u32::MAX);
        let due = RETURN + HOLD * count.saturating_sub(1);
        if last > due + SLACK * count {
            fail(
                format!(
                    "the last of {count} to be served at {}: each of them gives back after {}, and \
                     the next one gets it at once",
                    clock(due),
                    clock(HOLD)
                ),
                format!("it was served at {}", clock(last)),
            );
        }
    }
}

/// A rush for the only connection, which is lent out until [`RETURN`]: those who ask, in the order of
/// asking, and the order in which they must be served, one after the other without a pause.
pub(crate) async fn queue_for_one(config: PriorityConfig, asking: &str, order: &str, why: &str) {
    let mut rush = Rush::at_desk(config).await;
    let held = rush.desk.need_all(1, "from a new pool").await;
    rush.ask(asking);
    rush.begin(held).await;
    rush.expect_steady(order, why).await;
}
