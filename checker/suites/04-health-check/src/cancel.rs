//! Futures that are dropped half-way: P19.

use harness::Case;
use harness::tasks::{Cut, home};

use crate::desk::{BEGIN, Desk, SECOND, at_each_poll, between, by_hand, ms};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new("cancelling_loses_nothing", "P19", cancelling_loses_nothing)
            .title("a get or a round that is cancelled loses nothing")
            .paused()
            .hard()
            .points(0.5)
            .lesson("dropped-half-way")
            .hints(&[
                "A future can be dropped at each of its awaits, and nothing after that await is \
                 ever run. What does your round hold in its hands there?",
                "Whatever must happen in any case belongs into a `Drop`. A `Place` in a local \
                 variable goes back when the future is dropped; a bare connection, or a number that \
                 was counted up, does not.",
            ]),
    ]
}

fn cancelling_loses_nothing() {
    let story = [Get::Idle, Get::Opens, Get::Waits, Get::Pinged, Get::Replaced];
    for story in story {
        at_each_poll(async |cut| story.tell(cut).await);
    }
    for story in [Round::Healthy, Round::Dead, Round::Silent, Round::Restores] {
        at_each_poll(async |cut| story.tell(cut).await);
    }
}

/// In which situation a `get` is cancelled.
#[derive(Clone, Copy, Debug)]
enum Get {
    Idle,
    Opens,
    Waits,
    Pinged,
    Replaced,
}

impl Get {
    fn told(self) -> &'static str {
        match self {
            Self::Idle => "that finds an idle connection",
            Self::Opens => "that opens a connection",
            Self::Waits => "that waits for one to come back",
            Self::Pinged => "that waits for one that is being pinged",
            Self::Replaced => "that waits while dead ones are replaced",
        }
    }

    async fn tell(self, cut: Cut) -> bool {
        let min = if matches!(self, Self::Opens) { 0 } else { 2 };
        let desk = Desk::open(between(min, 2), by_hand()).await;
        desk.exchange.connect_takes(ms(10)).query_takes(ms(100));
        let mut held = Vec::new();
        let mut round = None;
        match self {
            Self::Idle | Self::Opens => {}
            Self::Waits => held = desk.need_all(2, "from a pool with two idle ones").await,
            Self::Pinged | Self::Replaced => {
                if matches!(self, Self::Replaced) {
                    desk.exchange.cut(1);
                    desk.exchange.cut(2);
                }
                round = Some(desk.trader("the round", async |desk| desk.check().await));
            }
        }
        let cancelled = desk.trader("task A", async move |desk| {
            desk.at(BEGIN + ms(20)).await;
            cut.apply(desk.get()).await.is_some()
        });
        desk.at(BEGIN + ms(50)).await;
        drop(held);
        let done = home(cancelled).await;
        if let Some(round) = round {
            home(round).await;
        }
        let when = format!("after a `get` {} was dropped {}", self.told(), cut);
        whole_again(&desk, min, 2, &when).await;
        done
    }
}

/// In which situation a round is cancelled.
#[derive(Clone, Copy, Debug)]
enum Round {
    Healthy,
    Dead,
    Silent,
    Restores,
}

impl Round {
    fn told(self) -> &'static str {
        match self {
            Self::Healthy => "in which all three answer",
            Self::Dead => "in which one of three is dead",
            Self::Silent => "in which one of three does not answer",
            Self::Restores => "in which two of three are dead and replaced",
        }
    }

    async fn tell(self, cut: Cut) -> bool {
        let min = if matches!(self, Self::Dead) { 1 } else { 3 };
        let desk = Desk::open(between(min, 3), by_hand()).await;
        drop(desk.need_all(3, "from a pool that may have 3").await);
        desk.exchange.connect_takes(ms(10)).query_takes(ms(100));
        match self {
            Self::Healthy => {}
            Self::Dead => desk.exchange.cut(2),
            Self::Silent => desk.exchange.silence(2),
            Self::Restores => {
                desk.exchange.cut(1);
                desk.exchange.cut(3);
            }
        }
        let cancelled = desk.trader("the round", async move |desk| {
            cut.apply(desk.pool.check_once()).await.is_some()
        });
        let done = home(cancelled).await;
        let when = format!("after a `check_once` {} was dropped {}", self.told(), cut);
        whole_again(&desk, min, 3, &when).await;
        done
    }
}

/// Fails unless the pool is as good as new after one more round.
async fn whole_again(desk: &Desk, min: u32, max: u32, when: &str) {
    desk.at(desk.now() + SECOND).await;
    desk.check().await;
    let sessions = u32::try_from(desk.exchange.sessions()).unwrap_or(u32::MAX);
    desk.expect_idle(sessions.max(min), &format!("{when}, and one more round")).await;
    desk.expect_whole(max, when).await;
    desk.expect_peak(max as usize, &format!(" {when}"));
    desk.expect_none_pinged_while_held();
}
