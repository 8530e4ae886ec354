//! Waiting comes to an end: P9; and what the pool says of itself meanwhile: P11.

use std::time::Duration;

use harness::tasks::all_home;
use harness::{Case, clock, fail};
use priority_pool::{Priority, PriorityConfig, PriorityError, Status};
use tokio::task::JoinHandle;

use crate::desk::{BEGIN, Desk, SLACK, ms, story, up_to};
use crate::held::Held;
use crate::limits;
use crate::words::{outcome, priority, who};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new("gives_up_in_time", "P9", gives_up_in_time)
            .title("Timeout when the time is over, and not before")
            .paused()
            .points(0.5)
            .lesson("dropped-in-the-queue")
            .hints(&[
                "`tokio::time::timeout` around the waiting. Around the connecting as well?",
                "One time limit for both together, counted from the call: not one for the turn, and \
                 another for `connect`; and not a new one at each wake-up.",
            ]),
        Case::new("status_counts_who_waits", "P11", status_counts_who_waits)
            .title("status says who waits and what is there")
            .paused()
            .points(0.5)
            .lesson("two-queues")
            .hints(&[
                "All five numbers of one moment: under one lock.",
                "Whoever has given up, or has been served, does not wait. Is each of the two counted \
                 out in the same place in which its entry goes?",
            ]),
    ]
}

/// A pool with one connection and this time limit.
fn within(connection_timeout: Duration) -> PriorityConfig {
    PriorityConfig { connection_timeout, ..up_to(1) }
}

/// A trader who asks at this moment and must get `Timeout` at the other.
fn times_out(desk: &Desk, code: &'static str, asks: Duration, due: Duration) -> JoinHandle<()> {
    desk.trader(&who(code), async move |desk| {
        desk.at(asks).await;
        let result = desk.get(priority(code)).await;
        let now = desk.now();
        if !matches!(result, Err(PriorityError::Timeout)) || now < due || now > due + SLACK {
            fail(
                format!(
                    "Timeout at {} for {}, who asked at {}",
                    clock(due),
                    who(code),
                    clock(asks)
                ),
                format!("{} at {}", outcome(&result), clock(now)),
            );
        }
    })
}

fn gives_up_in_time() {
    // Each has its own time, whoever else comes and goes.
    story(async || {
        let desk = Desk::open(within(ms(100))).await;
        let held = desk.need_all(1, "from a new pool").await;
        let traders = [
            times_out(&desk, "N1", ms(110), ms(210)),
            times_out(&desk, "C1", ms(120), ms(220)),
            times_out(&desk, "N2", ms(130), ms(230)),
            times_out(&desk, "C2", ms(300), ms(400)),
        ];
        all_home(traders).await;
        drop(held);
        desk.expect_whole(1, "after four that gave up").await;
    });
    // Others are served before it, again and again.
    story(async || {
        let desk = Desk::open(within(ms(100))).await;
        let held = desk.need_all(1, "from a new pool").await;
        let waits = times_out(&desk, "N1", ms(110), ms(210));
        let keeps = [("C1", 20), ("C2", 20), ("C3", 20), ("C4", 110)];
        let others = keeps.map(|(code, keeps)| {
            desk.trader(&who(code), async move |desk| {
                desk.at(ms(120)).await;
                let got = desk.need(Priority::Critical, "within 100 ms").await;
                desk.at(desk.now() + ms(keeps)).await;
                drop(got);
            })
        });
        desk.at(ms(130)).await;
        drop(held);
        all_home(others).await;
        all_home([waits]).await;
    });
    // Connecting takes longer than that.
    story(async || {
        let desk = Desk::open(within(ms(100))).await;
        desk.exchange.connect_takes(ms(300));
        all_home([times_out(&desk, "N1", ms(110), ms(210))]).await;
        desk.exchange.connect_takes(ms(10));
        desk.expect_whole(1, "when a `get` has given up that was connecting").await;
    });
    // Waiting and connecting together do.
    story(async || {
        let desk = Desk::open(within(ms(100))).await;
        let held = desk.need_all(1, "from a new pool").await;
        desk.exchange.connect_takes(ms(70));
        let waits = times_out(&desk, "C1", ms(110), ms(210));
        desk.at(ms(160)).await;
        desk.exchange.kill(held[0].id());
        drop(held);
        all_home([waits]).await;
    });
    // In time is not too late.
    story(async || {
        let desk = Desk::open(within(ms(100))).await;
        let held = desk.need_all(1, "from a new pool").await;
        desk.exchange.connect_takes(ms(40));
        let waits = desk.trader("normal 1", async |desk| {
            desk.at(ms(110)).await;
            let why = "in the place of one that came back broken at 160 ms, opened within 40 ms";
            drop(desk.need_at(ms(200), Priority::Normal, why).await);
        });
        desk.at(ms(160)).await;
        desk.exchange.kill(held[0].id());
        drop(held);
        all_home([waits]).await;
    });
    // No time at all.
    story(async || {
        let desk = Desk::open(within(Duration::ZERO)).await;
        let first = desk.get(Priority::Normal).await;
        if !matches!(first, Ok(_) | Err(PriorityError::Timeout)) {
            fail("a connection, or Timeout, from a connection_timeout of zero", outcome(&first));
        }
        all_home(held_for(&desk, first)).await;
    });
    limits::tell();
}

/// With a time limit of zero: nobody waits while `first` is held, if it is a connection.
fn held_for(desk: &Desk, first: Result<Held, impl Send + 'static>) -> Vec<JoinHandle<()>> {
    let Ok(held) = first else { return Vec::new() };
    let traders = ["C1", "N1"].map(|code| times_out(desk, code, ms(110), ms(110)));
    let holder = desk.trader("the holder", async move |desk| {
        desk.at(ms(200)).await;
        drop(held);
        drop(desk.need_at(ms(200), Priority::Normal, "which is idle").await);
    });
    traders.into_iter().chain([holder]).collect()
}

/// Fails unless `status` says so; `when` tells the moment.
fn expect_status(desk: &Desk, expected: Status, when: &str) {
    let got = desk.pool.status();
    if got != expected {
        fail(format!("{} {when}", said(expected)), said(got));
    }
}

fn said(status: Status) -> String {
    let Status { size, idle, in_use, waiting_critical, waiting_normal } = status;
    format!(
        "size {size}, idle {idle}, in_use {in_use}, waiting_critical {waiting_critical}, \
         waiting_normal {waiting_normal}"
    )
}

fn status_counts_who_waits() {
    let status = |size, idle, waiting_critical, waiting_normal| Status {
        size,
        idle,
        in_use: size - idle,
        waiting_critical,
        waiting_normal,
    };
    story(async || {
        let config = PriorityConfig { connection_timeout: ms(200), ..up_to(3) };
        let desk = Desk::open(config).await;
        expect_status(&desk, status(0, 0, 0, 0), "of a new pool");
        let mut held = desk.need_all(1, "from a new pool").await;
        expect_status(&desk, status(1, 0, 0, 0), "when one is lent out");
        held.extend(desk.need_all(2, "from a pool that may have 3").await);
        held.pop();
        desk.at(BEGIN + ms(10)).await;
        expect_status(&desk, status(3, 1, 0, 0), "when two of three are lent out");
        held.extend(desk.need_all(1, "that is idle").await);
        // Five wait: two critical, three normal ones, of which two will have given up at 330 ms.
        let mut traders = Vec::new();
        for (code, asks, keeps) in
            [("N1", 115, 0), ("C1", 120, 30), ("N2", 125, 0), ("C2", 150, 30), ("N3", 155, 30)]
        {
            traders.push(desk.trader(&who(code), async move |desk| {
                desk.at(ms(asks)).await;
                let result = desk.get(priority(code)).await;
                match result {
                    Ok(held) => {
                        desk.at(desk.now() + ms(keeps)).await;
                        drop(held);
                    }
                    Err(PriorityError::Timeout) if keeps == 0 => {}
                    other => fail(format!("a connection for {}", who(code)), outcome(&other)),
                }
            }));
        }
        desk.at(ms(140)).await;
        expect_status(&desk, status(3, 0, 1, 2), "when one critical and two normal ones wait");
        expect_clone_agrees(&desk);
        desk.at(ms(160)).await;
        expect_status(&desk, status(3, 0, 2, 3), "when two critical and three normal ones wait");
        desk.at(ms(200)).await;
        held.pop();
        desk.at(ms(210)).await;
        expect_status(&desk, status(3, 0, 1, 3), "when the first critical one has been served");
        // At 230 ms the second one gets it.
        desk.at(ms(240)).await;
        expect_status(&desk, status(3, 0, 0, 3), "when both critical ones have been served");
        // At 260 ms normal 1, who keeps nothing, then 2, then 3, until 290 ms.
        desk.at(ms(270)).await;
        expect_status(&desk, status(3, 0, 0, 0), "when all have been served");
        desk.at(ms(300)).await;
        expect_status(&desk, status(3, 1, 0, 0), "when all who waited have gone home");
        all_home(traders).await;
        drop(held);
        desk.at(ms(320)).await;
        expect_status(&desk, status(3, 3, 0, 0), "when all three have come back");
    });
    // Those who give up are counted out.
    story(async || {
        let config = PriorityConfig { connection_timeout: ms(100), ..up_to(1) };
        let desk = Desk::open(config).await;
        let held = desk.need_all(1, "from a new pool").await;
        let traders = [("N1", 110), ("C1", 130), ("N2", 150)]
            .map(|(code, asks)| times_out(&desk, code, ms(asks), ms(asks + 100)));
        for (at, critical, normal) in [(200, 1, 2), (220, 1, 1), (240, 0, 1), (270, 0, 0)] {
            desk.at(ms(at)).await;
            let when = format!("at {at} ms, when time-outs are at 210, 230 and 250 ms");
            expect_status(&desk, status(1, 0, critical, normal), &when);
        }
        all_home(traders).await;
        // A broken one is closed when it comes back, and takes no place.
        desk.exchange.kill(held[0].id());
        drop(held);
        desk.at(ms(300)).await;
        expect_status(&desk, status(0, 0, 0, 0), "when the only one has come back broken");
    });
    // Nor is what could not be opened counted, and never more than there may be.
    story(async || {
        let desk = Desk::open(up_to(2)).await;
        desk.exchange.connect_takes(ms(50)).refuse_next(1);
        let traders = ["N1", "N2", "N3", "C1"].map(|code| {
            desk.trader(&who(code), async move |desk| {
                let result = desk.get(priority(code)).await;
                desk.at(ms(300)).await;
                drop(result);
            })
        });
        for at in [120, 170, 220] {
            desk.at(ms(at)).await;
            let got @ Status { size, idle, in_use, .. } = desk.pool.status();
            if size > 2 || size != idle + in_use {
                fail("size to be idle and in_use together, and at most 2", said(got));
            }
        }
        all_home(traders).await;
        desk.at(ms(320)).await;
        let got = desk.pool.status();
        let Status { size, idle, .. } = got;
        if (size, idle) != (2, 2) {
            fail("size 2, idle 2 when all have come back, one of four refused", said(got));
        }
    });
}

fn expect_clone_agrees(desk: &Desk) {
    let (one, other) = (desk.pool.status(), desk.pool.clone().status());
    if one != other {
        fail(format!("a clone to say the same: {}", said(one)), said(other));
    }
}
