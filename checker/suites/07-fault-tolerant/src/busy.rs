//! What looks like a dead server, and is none: P17.

use std::sync::Arc;

use fault_tolerant_pool::{Breaker, ClusterConfig, ClusterError};
use harness::Case;
use harness::tasks::home;

use crate::desk::{ATTEMPT, Desk, OPEN_FOR, SLACK, after, ms, poll_once, story, usual};
use crate::words::outcome;

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new("busy_is_not_dead", "P17", busy)
            .title("a full pool, and a server without a session left")
            .paused()
            .hard()
            .points(0.5)
            .lesson("busy-or-dead")
            .hints(&[
                "Two things can take too long: the wait for a place, and the attempt. Which of them \
                 says something about the server?",
                "Give each a time of its own. `is_full` tells a server that refuses because it is \
                 full from one that is ill.",
            ]),
    ]
}

fn busy() {
    // A full pool: all wait in vain, and nobody concludes anything.
    story(async || {
        let desk = Desk::open(1, ClusterConfig { max_connections: 1, ..after(1) }).await;
        let held = desk.must_read(0, "from a new cluster").await;
        for _ in 0..3 {
            let asked = desk.now();
            drop(desk.must_read_by(1, asked + ATTEMPT + SLACK, "when the primary is busy").await);
            if desk.now() < asked + ATTEMPT {
                desk.fail(
                    "a read to wait attempt_timeout for a place at the primary",
                    "it did not",
                );
            }
            let asked = desk.now();
            let result = desk.write().await;
            let on_time = desk.now() >= asked + ATTEMPT && desk.now() <= asked + ATTEMPT + SLACK;
            if !(on_time && matches!(result, Err(ClusterError::PrimaryUnavailable))) {
                desk.fail(
                    "PrimaryUnavailable for a write after attempt_timeout, when the primary is busy",
                    outcome(&result),
                );
            }
            desk.expect_breaker(0, Breaker::Closed, "when it is busy, and nothing has failed");
        }
        drop(held);
        drop(desk.must_read(0, "which is no longer busy").await);
        desk.expect_dialled(0, 1, 1, "when it was busy");
    });
    // It has a text among the errors.
    story(async || {
        let desk = Desk::open(0, ClusterConfig { max_connections: 1, ..usual() }).await;
        let held = desk.must_read(0, "from a new cluster").await;
        desk.must_name_one("when no place became free").await;
        drop(held);
    });
    // Waiting takes nothing from the attempt's own time.
    story(async || {
        let config = ClusterConfig { max_connections: 1, ..after(2) };
        let desk = Desk::open(1, config).await;
        let held = desk.must_read(0, "from a new cluster").await;
        desk.primary().connect_takes(ms(450));
        let by = desk.now() + ATTEMPT + ATTEMPT + SLACK;
        let waits = desk.trader("waits", async move |desk| {
            drop(desk.must_read_by(0, by, "which was busy for 400 ms, and then slow").await);
        });
        desk.at(desk.now() + ms(400)).await;
        held.breaks();
        home(waits).await;
        desk.expect_breaker(0, Breaker::Closed, "when it was busy and slow");
    });
    // At a replica as well.
    story(async || {
        let desk = Desk::open(1, ClusterConfig { max_connections: 1, ..after(2) }).await;
        desk.opens_by(2).await;
        let held = desk.must_read(1, "while the primary's breaker is open").await;
        desk.servers[1].connect_takes(ms(450));
        let by = desk.now() + ATTEMPT + ATTEMPT + SLACK;
        let waits = desk.trader("waits", async move |desk| {
            drop(desk.must_read_by(1, by, "which was busy for 400 ms, and then slow").await);
        });
        desk.at(desk.now() + ms(400)).await;
        held.breaks();
        home(waits).await;
    });
    full();
    no_place_for_the_probe();
    // Who waits in vain for a place when open_for is over is no probe that others wait for.
    story(async || {
        let desk = Desk::open(1, ClusterConfig { max_connections: 1, ..after(1) }).await;
        let first = desk.must_read(0, "before it breaks").await;
        first.breaks();
        desk.comes_back(0);
        desk.at(desk.now() + OPEN_FOR + SLACK).await;
        let keeps = desk.must_read(0, "as the probe, and keeps it").await;
        desk.expect_breaker(0, Breaker::Closed, "after a probe that succeeded");
        let asked = desk.now();
        drop(desk.must_read_by(1, asked + ATTEMPT + SLACK, "when the primary is busy").await);
        drop(keeps);
        drop(desk.must_read(0, "which is no longer busy").await);
    });
}

/// The server has no session left.
fn full() {
    // The server is full, and says so.
    story(async || {
        let desk = Desk::open(1, after(1)).await;
        desk.primary().limit_sessions(0);
        for _ in 0..3 {
            drop(desk.must_read(1, "when the primary has no session left").await);
            let result = desk.write().await;
            if !matches!(result, Err(ClusterError::PrimaryUnavailable)) {
                let expected =
                    "PrimaryUnavailable for a write when the primary has no session left";
                desk.fail(expected, outcome(&result));
            }
            desk.expect_breaker(0, Breaker::Closed, "when it is full, and says so");
        }
        desk.primary().limit_sessions(1);
        drop(desk.must_read(0, "which has a session again").await);
        // A probe that hears it is not stuck.
        desk.opens_by(1).await;
        desk.comes_back(0);
        desk.primary().limit_sessions(0);
        desk.at(desk.now() + OPEN_FOR + SLACK).await;
        drop(desk.must_read(1, "when the probe finds the primary full").await);
        desk.primary().limit_sessions(1);
        drop(
            desk.must_read(0, "which has a session again, after a probe that found it full").await,
        );
    });
    // It is full when a new connection is to take the place of an idle one that died unseen.
    story(async || {
        let desk = Desk::open(1, after(1)).await;
        let held = desk.must_read(0, "from a new cluster").await;
        desk.primary().cut(held.id());
        drop(held);
        desk.primary().limit_sessions(0);
        drop(desk.must_read(1, "when the primary has no session left").await);
        let when = "when an idle connection had died, and the server has no session for a new one";
        desk.expect_breaker(0, Breaker::Closed, when);
    });
}

/// The only place belongs to a request that has not gone on yet. Who would be the probe waits for it in
/// vain: the server has not failed.
fn no_place_for_the_probe() {
    story(async || {
        let desk = Desk::open(1, ClusterConfig { max_connections: 1, ..after(1) }).await;
        let held = desk.must_read(0, "before it breaks").await;
        let cluster = Arc::clone(&desk.cluster);
        let mut late = Box::pin(cluster.write());
        let _ = poll_once(&mut late).await;
        held.breaks();
        desk.expect_breaker(0, Breaker::Open, "after a guard that broke, the threshold");
        desk.at(desk.now() + OPEN_FOR + SLACK).await;
        let by = desk.now() + ATTEMPT + SLACK;
        drop(desk.must_read_by(1, by, "when no place became free for the probe").await);
        drop(late);
        drop(desk.must_write("as the probe, when the one before it had got no place").await);
    });
}
