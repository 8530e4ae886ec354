//! The way back, and the one who finds it: P8, P12.

use std::sync::Arc;
use std::time::Duration;

use fault_tolerant_pool::{Breaker, ClusterConfig};
use harness::tasks::{all_home, home};
use harness::{Case, clock};

use crate::beside_the_probe;
use crate::desk::{ATTEMPT, Desk, OPEN_FOR, SLACK, after, at_each_poll, ms, story, usual};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new("fails_back_by_itself", "P8", fails_back)
            .title("when open_for is over, the next request is the probe")
            .paused()
            .points(1.0)
            .lesson("one-probe")
            .hints(&[
                "Remember when the breaker opened. Once `open_for` has passed, let one request try.",
                "While it tries, the breaker is `HalfOpen`. When it succeeds, the breaker is closed, \
                 the count is zero, and the request has its connection.",
            ]),
    ]
}

pub(crate) fn hard_cases() -> Vec<Case> {
    vec![
        Case::new("one_probe_at_a_time", "P12", one_probe)
            .title("one probe, all others pass the server over")
            .paused()
            .hard()
            .points(0.5)
            .lesson("one-probe")
            .hints(&[
                "Between the look \"open_for is over\" and the step \"I am the probe\" nobody else may \
                 look: both under one lock.",
                "Whoever finds the breaker half open goes on at once.",
            ]),
        Case::new("a_dropped_probe_makes_way", "P12", dropped_probe)
            .title("a probe whose caller goes away")
            .paused()
            .hard()
            .points(0.5)
            .lesson("one-probe")
            .hints(&[
                "A future that is dropped runs no more of its code: not the line that says \
                 \"the probe has ended\". Only a `Drop` runs.",
                "Give the probe a value whose `Drop` puts the breaker back to open, with `open_for` \
                 already over, unless the probe has said how it ended.",
            ]),
    ]
}

fn fails_back() {
    for open_for in [OPEN_FOR, ms(2_500)] {
        story(async || fails_back_after(open_for).await);
    }
    counts_from_zero();
    // A replica comes back as well; and long after its time, the first request is the probe.
    story(async || {
        let desk = Desk::open(2, after(1)).await;
        desk.opens_by(1).await;
        desk.dies(1);
        desk.fails(2).await;
        desk.expect_breaker(1, Breaker::Open, "after one failure, the threshold");
        desk.at(ms(100_000)).await;
        desk.comes_back(1);
        let mut seen = false;
        for _ in 0..4 {
            if let Ok(held) = desk.read().await {
                seen |= held.server() == 1;
            }
        }
        if !seen {
            desk.fail("server 1 to serve some of four reads when it is back", "it serves none");
        }
        desk.expect_breaker(1, Breaker::Closed, "after a probe that succeeded");
    });
}

async fn fails_back_after(open_for: Duration) {
    let desk = Desk::open(1, ClusterConfig { open_for, ..usual() }).await;
    desk.opens_by(3).await;
    let opened = desk.now();
    desk.comes_back(0);
    let early = format!("before open_for, {}, is over", clock(open_for));
    for moment in [ms(10), open_for / 2, open_for.saturating_sub(ms(10))] {
        desk.at(opened + moment).await;
        drop(desk.must_read(1, &early).await);
        desk.must_refuse_write(&early).await;
        desk.expect_breaker(0, Breaker::Open, &early);
    }
    desk.primary().connect_takes(ms(100));
    desk.at(opened + open_for + SLACK).await;
    let by = desk.now() + ms(100) + SLACK;
    let probe = desk.trader("probe", async move |desk| {
        drop(desk.must_read_by(0, by, "as the probe, which takes 100 ms").await);
    });
    desk.at(desk.now() + ms(50)).await;
    desk.expect_breaker(0, Breaker::HalfOpen, "while the probe is under way");
    home(probe).await;
    desk.expect_breaker(0, Breaker::Closed, "after a probe that succeeded");
    for _ in 0..5 {
        drop(desk.must_read(0, "that is back").await);
        drop(desk.must_write("when the primary is back").await);
    }
}

/// After a probe that succeeded the count of failures begins at zero.
fn counts_from_zero() {
    story(async || {
        let desk = Desk::open(1, usual()).await;
        desk.opens_by(3).await;
        desk.comes_back(0);
        desk.at(desk.now() + OPEN_FOR + SLACK).await;
        drop(desk.must_read(0, "as the probe").await);
        desk.dies(0);
        for failures in ["no failure", "one failure", "two failures"] {
            let when = format!("after {failures} since its probe succeeded, of three");
            desk.expect_breaker(0, Breaker::Closed, &when);
            desk.fails(1).await;
        }
        desk.expect_breaker(0, Breaker::Open, "after three failures since its probe succeeded");
    });
}

fn one_probe() {
    story(async || {
        for dead in [false, true] {
            let desk = Desk::open(1, usual()).await;
            desk.opens_by(3).await;
            let opened = desk.now();
            desk.comes_back(0);
            if dead {
                desk.hangs(0);
            }
            desk.primary().connect_takes(ms(200));
            desk.at(opened + OPEN_FOR + SLACK).await;
            let dials = desk.dials()[0];
            let probe = desk.trader("probe", async |desk| drop(desk.read().await));
            tokio::task::yield_now().await;
            let others = (0..10).map(|number| {
                let name = format!("other {number}");
                desk.trader(&name, async |desk| {
                    drop(desk.must_read(1, "while another request is the probe").await);
                })
            });
            all_home(others.collect::<Vec<_>>()).await;
            desk.at(desk.now() + ms(100)).await;
            drop(desk.must_read(1, "while another request is the probe").await);
            desk.must_refuse_write("while a read is the probe").await;
            desk.expect_dialled(0, dials + 1, dials + 1, "while one probe is under way");
            home(probe).await;
            if !dead {
                drop(desk.must_read(0, "after a probe that succeeded").await);
            }
        }
    });
    // All at the same moment: one of them is the probe.
    story(async || {
        let desk = Desk::open(1, usual()).await;
        desk.opens_by(3).await;
        desk.comes_back(0);
        desk.primary().connect_takes(ms(200));
        desk.at(desk.now() + OPEN_FOR + SLACK).await;
        let dials = desk.dials()[0];
        let all = (0..20).map(|number| {
            desk.trader(&format!("reader {number}"), async |desk| {
                desk.read().await.is_ok_and(|held| held.server() == 0)
            })
        });
        let all = all_home(all.collect::<Vec<_>>()).await;
        desk.expect_dialled(0, dials + 1, dials + 1, "when twenty ask as open_for is over");
        let by_the_primary = all.into_iter().filter(|served| *served).count();
        if by_the_primary != 1 {
            let got = format!("{by_the_primary} were");
            desk.fail("one of twenty to be served by the primary, the probe", got);
        }
    });
    beside_the_probe::one_goes_on_late();
    beside_the_probe::an_old_one_is_dropped();
}

fn dropped_probe() {
    for back in [true, false] {
        at_each_poll(async |cut| {
            let desk = Desk::open(1, after(2)).await;
            desk.opens_by(2).await;
            if back {
                desk.comes_back(0);
            }
            desk.primary().connect_takes(ms(100)).query_takes(ms(20));
            desk.at(desk.now() + OPEN_FOR + SLACK).await;
            let cluster = Arc::clone(&desk.cluster);
            let ended = cut.apply(cluster.read()).await.is_some();
            if ended {
                return true;
            }
            let when = format!("when the probe has been dropped, {cut}");
            desk.look();
            if back {
                let by = desk.now() + ms(120) + SLACK;
                drop(desk.must_read_by(0, by, &format!("as the next probe, {when}")).await);
                desk.expect_breaker(0, Breaker::Closed, "after the next probe, which succeeded");
            } else {
                let dials = desk.dials()[0];
                let by = desk.now() + ms(100) + SLACK;
                drop(desk.must_read_by(1, by, &format!("after the next probe, {when}")).await);
                let what = format!("with the next probe, {when}");
                // After its last poll the first one may have failed already: then it is open anew.
                if desk.dials()[0] == dials {
                    return false;
                }
                desk.expect_dialled(0, dials + 1, dials + 1, &what);
                desk.expect_breaker(0, Breaker::Open, "after the next probe, which failed");
            }
            desk.expect_sessions(0, usize::from(back), &when).await;
            false
        });
    }
    // It is dropped in the middle, again and again, by tasks that are aborted.
    story(async || {
        let desk = Desk::open(1, after(1)).await;
        desk.opens_by(1).await;
        desk.comes_back(0);
        desk.hangs(0);
        desk.at(desk.now() + OPEN_FOR + SLACK).await;
        for round in 1..=5 {
            let dials = desk.dials()[0];
            let probe = desk.trader("probe", async |desk| drop(desk.write().await));
            desk.at(desk.now() + ATTEMPT / 2).await;
            let what = format!("with probe {round}; the one before was dropped in the middle");
            desk.expect_dialled(0, dials + 1, dials + 1, &what);
            desk.expect_breaker(0, Breaker::HalfOpen, "while the probe is under way");
            probe.abort();
            desk.at(desk.now() + SLACK).await;
        }
        desk.comes_back(0);
        drop(desk.must_write("as the probe, when five others were dropped").await);
    });
}
