//! What began before a breaker changed: P14.

use fault_tolerant_pool::{Breaker, ClusterConfig};
use harness::Case;
use harness::tasks::home;
use tokio::task::JoinHandle;

use crate::desk::{Desk, OPEN_FOR, SLACK, after, ms, story};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new("what_began_before_counts_no_more", "P14", what_began_before)
            .title("late failures, late successes, and old guards")
            .paused()
            .hard()
            .points(0.5)
            .lesson("news-of-yesterday")
            .hints(&[
                "An attempt knows when it began. Does the breaker, when it hears of its end, know as \
                 well?",
                "Count the changes of a breaker. An attempt and a guard carry the number under which \
                 they began; what comes with another number is news of yesterday.",
            ]),
    ]
}

/// The attempt of the slow one: it begins, and its answer comes so long after.
const SLOW: std::time::Duration = ms(8_000);

fn config() -> ClusterConfig {
    ClusterConfig { attempt_timeout: ms(30_000), open_for: OPEN_FOR, ..after(2) }
}

fn what_began_before() {
    // A late failure does not keep an open breaker open for longer.
    story(async || {
        let desk = Desk::open(1, config()).await;
        desk.primary().connect_takes(SLOW);
        desk.dies(0);
        let slow = desk.trader("slow", async |desk| drop(desk.read().await));
        desk.at(ms(200)).await;
        desk.primary().connect_takes(ms(0));
        desk.fails(2).await;
        let opened = desk.now();
        home(slow).await;
        desk.expect_breaker(0, Breaker::Open, "after a late failure");
        desk.comes_back(0);
        desk.at(opened + OPEN_FOR + SLACK).await;
        let why = "when open_for is over since the breaker opened; a late failure in between";
        drop(desk.must_read(0, why).await);
    });
    // A late failure does not count against a server that has come back, nor end somebody's probe.
    story(async || {
        for during_the_probe in [false, true] {
            let desk = Desk::open(1, ClusterConfig { open_for: ms(3_000), ..config() }).await;
            desk.primary().connect_takes(SLOW);
            desk.dies(0);
            let slow = [
                desk.trader("slow 1", async |desk| drop(desk.read().await)),
                desk.trader("slow 2", async |desk| drop(desk.read().await)),
            ];
            desk.at(ms(200)).await;
            desk.primary().connect_takes(ms(0));
            desk.fails(2).await;
            desk.expect_breaker(0, Breaker::Open, "after two failures");
            desk.comes_back(0);
            desk.at(if during_the_probe { ms(8_000) } else { ms(5_000) }).await;
            desk.primary().connect_takes(ms(400));
            let by = desk.now() + ms(400) + SLACK;
            let probe = desk.trader("probe", async move |desk| {
                drop(desk.must_read_by(0, by, "as the probe").await);
            });
            for slow in slow {
                home(slow).await;
            }
            if during_the_probe {
                let when = "during the probe, after late failures";
                desk.expect_breaker(0, Breaker::HalfOpen, when);
            }
            home(probe).await;
            desk.expect_breaker(
                0,
                Breaker::Closed,
                "after a probe that succeeded, and late failures",
            );
            drop(desk.must_write("when the primary is back").await);
        }
    });
    // A late success does not close it.
    story(async || {
        let desk = Desk::open(1, config()).await;
        let slow = slow_and_opened(&desk).await;
        home(slow).await;
        desk.expect_breaker(0, Breaker::Open, "after a late success");
        drop(desk.must_read(1, "after a late success").await);
    });
    late_successes();
    old_guards();
}

/// A slow attempt succeeds when the breaker has opened meanwhile, and somebody is or was the probe.
fn late_successes() {
    // It does not end the probe.
    story(async || {
        let desk = Desk::open(1, ClusterConfig { open_for: ms(3_000), ..config() }).await;
        let slow = slow_and_opened(&desk).await;
        desk.at(ms(8_000)).await;
        desk.primary().connect_takes(ms(400));
        let probe = desk.trader("probe", async |desk| drop(desk.read().await));
        home(slow).await;
        desk.expect_breaker(0, Breaker::HalfOpen, "during the probe, after a late success");
        drop(desk.must_read(1, "during the probe, after a late success").await);
        home(probe).await;
        desk.expect_breaker(0, Breaker::Closed, "after a probe that succeeded");
    });
    // Nor does it interrupt a row of failures of the new time.
    story(async || {
        let desk = Desk::open(1, ClusterConfig { open_for: ms(3_000), ..config() }).await;
        let slow = slow_and_opened(&desk).await;
        desk.at(ms(5_000)).await;
        drop(desk.must_read(0, "as the probe").await);
        let one = desk.must_read(0, "that is back").await;
        let other = desk.must_read(0, "that is back").await;
        one.breaks();
        desk.expect_breaker(0, Breaker::Closed, "after one guard that broke, of two");
        home(slow).await;
        other.breaks();
        let when = "after two guards that broke since it is back; a late success came between them";
        desk.expect_breaker(0, Breaker::Open, when);
    });
}

/// One read dials slowly, and two others are refused meanwhile.
async fn slow_and_opened(desk: &Desk) -> JoinHandle<()> {
    desk.primary().connect_takes(SLOW);
    let slow = desk.trader("slow", async |desk| drop(desk.read().await));
    desk.at(ms(200)).await;
    desk.primary().connect_takes(ms(0)).refuse_next(2);
    desk.fails(2).await;
    desk.expect_breaker(0, Breaker::Open, "after two failures");
    slow
}

fn old_guards() {
    // Old guards: of a breaker that has opened, and of one that has closed again.
    story(async || {
        for closed_again in [false, true] {
            let desk = Desk::open(1, config()).await;
            let mut held = Vec::new();
            for _ in 0..4 {
                held.push(desk.must_read(0, "before it dies").await);
            }
            desk.dies(0);
            held.drain(..2).for_each(drop);
            desk.expect_breaker(0, Breaker::Open, "after two guards that broke");
            let opened = desk.now();
            desk.at(opened + ms(1_000)).await;
            desk.comes_back(0);
            if closed_again {
                desk.at(opened + OPEN_FOR + SLACK).await;
                drop(desk.must_read(0, "as the probe").await);
                drop(held);
                let when = "when two guards from before its death have come back broken";
                desk.expect_breaker(0, Breaker::Closed, when);
                // Guards of this time count as ever.
                for _ in 0..2 {
                    let one = desk.must_read(0, "that is back").await;
                    desk.expect_breaker(0, Breaker::Closed, "before a second failure of this time");
                    let other = desk.must_read(0, "that is back").await;
                    if desk.primary().sessions() == 2 {
                        one.breaks();
                        other.breaks();
                        break;
                    }
                }
                desk.expect_breaker(
                    0,
                    Breaker::Open,
                    "after two guards that broke since it is back",
                );
            } else {
                desk.at(opened + OPEN_FOR / 2).await;
                drop(held);
                desk.at(opened + OPEN_FOR + SLACK).await;
                let why = "when open_for is over; old guards came back broken meanwhile";
                drop(desk.must_read(0, why).await);
            }
        }
    });
    // The guard of a probe is of the new time.
    story(async || {
        let desk = Desk::open(1, after(1)).await;
        desk.opens_by(1).await;
        desk.comes_back(0);
        desk.at(desk.now() + OPEN_FOR + SLACK).await;
        let probe = desk.must_read(0, "as the probe").await;
        desk.expect_breaker(0, Breaker::Closed, "after a probe that succeeded");
        probe.breaks();
        desk.expect_breaker(0, Breaker::Open, "when the probe's own connection broke in use");
    });
}
