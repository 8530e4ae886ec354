//! A `get` that is dropped after each of its polls, while the pool is resized: a part of P19.

use harness::tasks::{Cut, all_home, home};

use crate::desk::{Desk, at_each_poll, between, ms, steady};

/// Tells each story once for each way to drop the `get` in it.
pub(crate) fn at_each_poll_of_a_get() {
    for get in [Get::Idle, Get::Waits, Get::Grown, Get::Refused] {
        at_each_poll(async |cut| get.tell(cut).await);
    }
}

/// In which situation a `get` is dropped, after each of its polls.
#[derive(Clone, Copy, Debug)]
enum Get {
    Idle,
    Waits,
    /// It is served by a growth.
    Grown,
    /// The growth fails.
    Refused,
}

impl Get {
    fn told(self) -> &'static str {
        match self {
            Self::Idle => "that finds an idle connection",
            Self::Waits => "that waits for one to come back",
            Self::Grown => "that waits while the pool grows",
            Self::Refused => "that waits while the pool grows, which the exchange refuses",
        }
    }

    async fn tell(self, cut: Cut) -> bool {
        let grows = matches!(self, Self::Grown | Self::Refused);
        let config = if grows { between(2, 3) } else { steady(2, 3) };
        let desk = Desk::open(config).await;
        desk.exchange.connect_takes(ms(30));
        if matches!(self, Self::Refused) {
            desk.exchange.limit_sessions(2);
        }
        let mut held = Vec::new();
        if !matches!(self, Self::Idle) {
            held = desk.need_all(2, "from a pool with two idle ones").await;
        }
        let cancelled =
            desk.trader("task A", async move |desk| cut.apply(desk.get()).await.is_some());
        let other = desk.trader("task B", async |desk| {
            desk.at(ms(20)).await;
            let held = desk.need("however long it takes").await;
            desk.at(ms(1_030)).await;
            drop(held);
        });
        desk.at(ms(if grows { 1_000 } else { 50 }) + ms(15)).await;
        drop(held);
        let done = home(cancelled).await;
        all_home([other]).await;
        desk.exchange.limit_sessions(usize::MAX);
        desk.at(ms(1_050)).await;
        let when = format!("after a `get` {} was dropped {cut}", self.told());
        desk.expect_peak(3, &format!(", {when}"));
        let size = desk.pool.status().size;
        desk.expect_whole(size, &when).await;
        done
    }
}
