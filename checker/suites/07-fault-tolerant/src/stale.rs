//! An idle connection that died unseen: P18.

use fault_tolerant_pool::{Breaker, ClusterConfig, ClusterError};
use harness::Case;

use crate::desk::{Desk, OPEN_FOR, SLACK, after, ms, story, usual};
use crate::words::outcome;

pub(crate) fn cases() -> Vec<Case> {
    vec![
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
    ]
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
        for max_lag in [None, Some(ms(1_000))] {
            let desk = Desk::open(1, ClusterConfig { max_lag, ..after(1) }).await;
            desk.opens_by(1).await;
            let held = desk.must_read(1, "from a new cluster").await;
            desk.servers[1].cut(held.id());
            drop(held);
            let mut held = desk.must_read(1, "whose idle connection died unseen").await;
            if let Err(error) = held.query("BUY 100 AAPL").await {
                let expected = "a connection of server 1 that works, as its idle one died unseen";
                desk.fail(format!("{expected}, with max_lag {max_lag:?}"), error.to_string());
            }
            desk.expect_breaker(1, Breaker::Closed, "when only an idle connection had died");
        }
    });
    // The probe finds one.
    story(async || {
        let desk = Desk::open(1, after(1)).await;
        let (idle, breaks) = (desk.must_read(0, "one").await, desk.must_read(0, "two").await);
        desk.primary().cut(idle.id());
        drop(idle);
        breaks.breaks();
        desk.expect_breaker(0, Breaker::Open, "after a guard that broke, the threshold");
        desk.at(desk.now() + OPEN_FOR + SLACK).await;
        drop(desk.must_read(0, "as the probe, whose idle connection had died unseen").await);
        desk.expect_breaker(0, Breaker::Closed, "after a probe that succeeded");
    });
    // The error of the attempt is that of the new connection.
    story(async || {
        let desk = Desk::open(0, usual()).await;
        let held = desk.must_read(0, "from a new cluster").await;
        desk.primary().cut(held.id());
        drop(held);
        desk.primary().refuse_next(1);
        let result = desk.read().await;
        match &result {
            Err(ClusterError::AllUnavailable(errors))
                if errors.iter().any(|error| error.contains("refused the connection")) => {}
            _ => desk.fail(
                "AllUnavailable with the text that the primary refused the connection, which was \
                 to take the place of an idle one that died unseen",
                outcome(&result),
            ),
        }
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
