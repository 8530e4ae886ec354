//! Who comes to an end, or goes on, beside a probe, and must let it be the only one. Stories of P12.

use std::sync::Arc;

use fault_tolerant_pool::{Breaker, ClusterConfig};
use harness::tasks::home;

use crate::desk::{Desk, OPEN_FOR, SLACK, after, ms, poll_once, story};

/// A request that waited for a place, and goes on only now: the breaker has opened meanwhile, and somebody
/// else is the probe.
pub(crate) fn one_goes_on_late() {
    story(async || {
        let desk = Desk::open(1, ClusterConfig { max_connections: 2, ..after(1) }).await;
        let (one, other) = (desk.must_read(0, "one").await, desk.must_read(0, "two").await);
        let cluster = Arc::clone(&desk.cluster);
        let mut late = Box::pin(cluster.write());
        let _ = poll_once(&mut late).await;
        desk.dies(0);
        drop((one, other));
        desk.expect_breaker(0, Breaker::Open, "after a guard that broke, the threshold");
        desk.comes_back(0);
        desk.hangs(0);
        desk.at(desk.now() + OPEN_FOR + SLACK).await;
        let dials = desk.dials()[0];
        let probe = desk.trader("probe", async |desk| drop(desk.read().await));
        desk.at(desk.now() + ms(100)).await;
        desk.expect_breaker(0, Breaker::HalfOpen, "while a read is the probe");
        let _ = poll_once(&mut late).await;
        let what = "while a read is the probe, and a write goes on that had waited for a place";
        desk.expect_dialled(0, dials + 1, dials + 1, what);
        drop(late);
        home(probe).await;
    });
}

/// A request from before the breaker opened is dropped: it was not the probe, and ends none.
pub(crate) fn an_old_one_is_dropped() {
    story(async || {
        let config = ClusterConfig { attempt_timeout: ms(30_000), ..after(2) };
        let desk = Desk::open(1, config).await;
        desk.primary().connect_takes(ms(20_000));
        let old = desk.trader("old", async |desk| drop(desk.read().await));
        desk.at(ms(200)).await;
        desk.primary().connect_takes(ms(0)).refuse_next(2);
        desk.fails(2).await;
        desk.expect_breaker(0, Breaker::Open, "after two failures");
        desk.at(desk.now() + OPEN_FOR + SLACK).await;
        desk.primary().connect_takes(ms(400));
        let dials = desk.dials()[0];
        let probe = desk.trader("probe", async |desk| drop(desk.read().await));
        desk.at(desk.now() + ms(100)).await;
        old.abort();
        desk.at(desk.now() + ms(100)).await;
        let when = "during the probe, when a read from before the breaker opened was dropped";
        desk.expect_breaker(0, Breaker::HalfOpen, when);
        drop(desk.must_read(1, "while another request is the probe").await);
        desk.expect_dialled(0, dials + 1, dials + 1, when);
        home(probe).await;
        desk.expect_breaker(0, Breaker::Closed, "after a probe that succeeded");
    });
}
