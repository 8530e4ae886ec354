//! Requests that are dropped: P20.

use std::sync::Arc;

use fault_tolerant_pool::{Breaker, ClusterConfig};
use harness::Case;

use crate::desk::{Desk, after, at_each_poll, ms};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new("a_dropped_request_leaves_nothing", "P20", dropped)
            .title("reads and writes that are dropped, after each of their polls")
            .paused()
            .hard()
            .points(0.5)
            .lesson("one-probe")
            .hints(&[
                "A place that is dropped goes back by itself. Is there anything else that you count up \
                 at the beginning and down at the end?",
                "An attempt that was dropped did not fail: nobody knows what would have come of it.",
            ]),
    ]
}

fn dropped() {
    for (writes, alive, idle) in [
        (false, true, false),
        (false, true, true),
        (true, true, false),
        (true, true, true),
        (false, false, false),
    ] {
        at_each_poll(async |cut| {
            let config = ClusterConfig { max_connections: 2, max_lag: Some(ms(1_000)), ..after(1) };
            let desk = Desk::open(1, config).await;
            if idle {
                drop(desk.must_read(0, "from a new cluster").await);
            }
            if !alive {
                // It hangs, so that a read is dropped in the middle, and never finds out.
                desk.hangs(0);
            }
            for server in &desk.servers {
                server.connect_takes(ms(50)).query_takes(ms(20));
            }
            let cluster = Arc::clone(&desk.cluster);
            let ended = if !alive {
                // Dropped before its time is over.
                let before = std::time::Duration::from_millis(300);
                let read = tokio::time::timeout(before, cluster.read());
                cut.apply(read).await.is_some()
            } else if writes {
                cut.apply(cluster.write()).await.is_some()
            } else {
                cut.apply(cluster.read()).await.is_some()
            };
            let when = format!("when a request was dropped, {cut}");
            desk.expect_breaker(0, Breaker::Closed, &when);
            if !alive {
                desk.comes_back(0);
            }
            for server in &desk.servers {
                server.connect_takes(ms(0)).query_takes(ms(0));
            }
            if desk.servers[0].sessions() > 1 {
                desk.fail(format!("no more than one idle connection {when}"), "two");
            }
            desk.expect_whole(0, 2, &when).await;
            desk.expect_breaker(0, Breaker::Closed, &when);
            ended
        });
    }
}
