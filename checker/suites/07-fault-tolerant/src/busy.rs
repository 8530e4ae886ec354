//! What looks like a dead server, and is none; and what a panic costs: P17, P18, P19.

use fault_tolerant_pool::{Breaker, ClusterConfig, ClusterError};
use harness::Case;
use harness::tasks::home;

use crate::desk::{ATTEMPT, Desk, OPEN_FOR, SLACK, after, ms, story, usual};
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
        Case::new("a_stale_idle_connection_is_no_failure", "P18", stale)
            .title("an idle connection that died unseen")
            .paused()
            .hard()
            .points(0.5)
            .lesson("busy-or-dead")
            .hints(&[
                "After a `ping` that failed the place is empty. `open` it, and ask once more.",
                "Only a connection that was idle deserves that: one that was opened in this very \
                 attempt and does not answer is a failure.",
            ]),
        Case::new("a_panic_spares_the_others", "P19", panics)
            .title("a connect that panics")
            .paused()
            .hard()
            .points(0.5)
            .lesson("a-breaker")
            .hints(&[
                "A panic goes through an `await` like through a call. What stops it is a task of its \
                 own (`JoinSet`), or `catch_unwind` around each poll.",
                "Behind the panic: is the failure counted, is the place given back, is the probe over?",
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

fn stale() {
    story(async || {
        let desk = Desk::open(1, after(1)).await;
        let idle: Vec<_> = [
            desk.must_read(0, "one").await,
            desk.must_read(0, "two").await,
            desk.must_read(0, "three").await,
        ]
        .into();
        for line in &idle {
            desk.primary().cut(line.id());
        }
        drop(idle);
        for request in 0..4 {
            if request % 2 == 0 {
                drop(desk.must_read(0, "whose idle connections died unseen").await);
            } else {
                drop(desk.must_write("when idle connections died unseen").await);
            }
            desk.expect_breaker(0, Breaker::Closed, "when only idle connections had died");
        }
        desk.expect_dialled(0, 4, 6, "three died, and new ones took their places");
    });
    // A replica, asked how far it is behind.
    story(async || {
        let desk = Desk::open(1, ClusterConfig { max_lag: Some(ms(1_000)), ..after(1) }).await;
        desk.opens_by(1).await;
        let held = desk.must_read(1, "from a new cluster").await;
        desk.servers[1].cut(held.id());
        drop(held);
        drop(desk.must_read(1, "whose idle connection died unseen").await);
        desk.expect_breaker(1, Breaker::Closed, "when only an idle connection had died");
    });
    // Behind the idle one that is dead the server is dead: one failure, not two.
    story(async || {
        let desk = Desk::open(1, after(2)).await;
        let held = desk.must_read(0, "from a new cluster").await;
        desk.primary().cut(held.id());
        drop(held);
        desk.primary().refuse_next(1);
        drop(desk.must_read(1, "when the primary refuses").await);
        desk.expect_breaker(0, Breaker::Closed, "after one attempt that failed, of two");
        desk.expect_dialled(0, 2, 2, "with one dial for the attempt");
    });
}

fn panics() {
    story(async || {
        let desk = Desk::open(2, ClusterConfig { max_connections: 1, ..usual() }).await;
        desk.primary().panic_next(3);
        if !desk.read().await.is_ok_and(|held| held.server() > 0) {
            desk.fail(
                "a read to go on to a replica when the primary's connect panics",
                "it did not",
            );
        }
        let result = desk.write().await;
        if !matches!(result, Err(ClusterError::PrimaryUnavailable)) {
            desk.fail("PrimaryUnavailable for a write whose connect panics", outcome(&result));
        }
        desk.expect_breaker(0, Breaker::Closed, "after two panics, of three");
        if desk.read().await.is_err() {
            desk.fail("a read to be served by a replica", "an error");
        }
        desk.expect_breaker(0, Breaker::Open, "after three panics");
        // The probe panics as well: open anew, and not stuck.
        desk.primary().panic_next(1);
        desk.at(desk.now() + OPEN_FOR + SLACK).await;
        if !desk.read().await.is_ok_and(|held| held.server() > 0) {
            desk.fail("a read to go on to a replica when the probe panics", "it did not");
        }
        desk.expect_breaker(0, Breaker::Open, "after a probe that panicked");
        desk.at(desk.now() + OPEN_FOR + SLACK).await;
        drop(desk.must_read(0, "when it no longer panics").await);
        // All panic: an error with a text for each.
        desk.dies(0);
        desk.servers[1].panic_next(1);
        desk.breaks_idle(1);
        desk.dies(2);
        match desk.read().await {
            Err(ClusterError::AllUnavailable(errors))
                if errors.len() == 3 && !errors.iter().any(String::is_empty) => {}
            other => desk.fail("AllUnavailable with three texts", outcome(&other)),
        }
    });
}
