//! A connect that panics: P19.

use fault_tolerant_pool::{Breaker, ClusterConfig, ClusterError};
use harness::Case;

use crate::desk::{Desk, OPEN_FOR, SLACK, story, usual};
use crate::words::outcome;

pub(crate) fn cases() -> Vec<Case> {
    vec![
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
        let dials = desk.dials()[0];
        drop(desk.read().await);
        let when = "before the whole open_for is over that began when a probe panicked";
        desk.expect_dialled(0, dials, dials, when);
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
