//! What ends a row of failures: a success on an idle connection, and a probe that succeeds. Stories of P3.

use fault_tolerant_pool::Breaker;

use crate::desk::{Desk, OPEN_FOR, SLACK, story, usual};

/// An answer on a connection that was idle is a success as well.
pub(crate) fn an_idle_one_answers() {
    story(async || {
        let desk = Desk::open(1, usual()).await;
        let mut held = desk.must_read(0, "from a new cluster").await;
        for _ in 0..3 {
            // It is held meanwhile, so that others have to dial.
            desk.primary().refuse_next(2);
            desk.fails(2).await;
            let when =
                "after two failures in a row, of three; before them one that was idle answered";
            desk.expect_breaker(0, Breaker::Closed, when);
            drop(held);
            held = desk.must_read(0, "which answers on an idle connection").await;
        }
        desk.primary().refuse_next(3);
        desk.fails(3).await;
        desk.expect_breaker(0, Breaker::Open, "after three failures in a row");
    });
}

/// After a probe that succeeded the count begins at zero.
pub(crate) fn a_probe_succeeds() {
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
