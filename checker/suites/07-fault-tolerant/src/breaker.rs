//! When a breaker opens, and for how long: P3, P9, P13, P15.

use std::time::Duration;

use fault_tolerant_pool::{Breaker, ClusterConfig};
use harness::Case;

use crate::desk::{
    ALMOST, ATTEMPT, Desk, OPEN_FOR, SLACK, after, largest, ms, order, story, usual,
};
use crate::words::outcome;

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new("opens_at_the_threshold", "P3", opens_at_the_threshold)
            .title("a breaker opens with the failure that is one too many in a row")
            .paused()
            .points(1.0)
            .lesson("a-breaker")
            .hints(&[
                "With `failure_threshold` 3 the third failure opens it. Not the fourth, and not the \
                 third of a week in which a thousand attempts succeeded.",
                "Where do you set the count back to zero? And is there one count for each server?",
                "An `Instant` plus `Duration::MAX` is more than an `Instant` can hold. Remember when \
                 a breaker opened, and compare how long ago that was.",
                "An error, a time that runs out, a panic: all three are failures, of reads and of \
                 writes.",
            ]),
        Case::new("a_guard_that_breaks_counts", "P9", a_guard_that_breaks)
            .title("a connection that breaks in use is a failure of its server")
            .paused()
            .points(0.5)
            .lesson("a-breaker")
            .hints(&[
                "`ClusterConnection` needs a `Drop` that asks `place.has_broken()`.",
                "The guard knows its server; its `Drop` needs a way to that server's breaker. An \
                 `Arc`?",
            ]),
    ]
}

pub(crate) fn hard_cases() -> Vec<Case> {
    vec![
        Case::new("a_failed_probe_opens_anew", "P13", a_failed_probe)
            .title("a probe that fails opens the breaker for the whole time")
            .paused()
            .hard()
            .points(0.5)
            .lesson("one-probe")
            .hints(&[
                "After a probe that failed, from when on do you count `open_for`?",
                "A probe that hangs ends half a second after it began. The breaker is open from its \
                 end.",
            ]),
        Case::new("flapping_is_bounded", "P15", flapping)
            .title("a server that goes up and down all the time")
            .paused()
            .hard()
            .points(0.5)
            .lesson("flapping")
            .hints(&[
                "Each opening must last for the whole of `open_for`, however quickly the server was \
                 back.",
                "Who finds the server dead must go on to the next one in the same call: then flapping \
                 costs a reader a moment, and no error.",
            ]),
    ]
}

fn opens_at_the_threshold() {
    largest_values();
    for threshold in [1, 2, 3, 5] {
        story(async || {
            let desk = Desk::open(2, after(threshold)).await;
            desk.dies(0);
            for failure in 1..=threshold {
                let before = format!("after {} of {threshold} failures", failure - 1);
                desk.expect_breaker(0, Breaker::Closed, &before);
                if failure % 2 == 0 {
                    drop(desk.write().await);
                } else {
                    drop(desk.read().await);
                }
            }
            let when = format!("after {threshold} failures, the threshold");
            desk.expect_breaker(0, Breaker::Open, &when);
            desk.expect_breaker(1, Breaker::Closed, "when the primary has died");
            desk.expect_breaker(2, Breaker::Closed, "when the primary has died");
            desk.expect_dialled(0, threshold as usize, threshold as usize, &when);
        });
    }
    // A success in between begins the count anew, whichever way it came.
    story(async || {
        let desk = Desk::open(1, usual()).await;
        for round in 0..4 {
            desk.primary().refuse_next(2);
            desk.fails(2).await;
            desk.expect_breaker(0, Breaker::Closed, "after two failures in a row, of three");
            if round % 2 == 0 {
                let held = desk.must_read(0, "when it answers again").await;
                desk.primary().kill(held.id());
                // Broken: the first failure of the next row, so one refusal fewer.
                drop(held);
                drop(desk.must_write("after a guard that broke").await);
            } else {
                drop(desk.must_write("when it answers again").await);
            }
            // Idle ones would hide the refusals.
            desk.breaks_idle(0);
        }
        desk.primary().refuse_next(3);
        desk.fails(3).await;
        desk.expect_breaker(0, Breaker::Open, "after three failures in a row");
    });
    // Failures of each kind are worth the same; a replica's breaker is its own.
    story(async || {
        let desk = Desk::open(1, usual()).await;
        desk.primary().hang_next(1).refuse_next(1);
        drop(desk.write().await);
        drop(desk.write().await);
        desk.expect_breaker(
            0,
            Breaker::Closed,
            "after a connect that hung and one refused, of three",
        );
        let line = desk.must_read(0, "when it answers again").await;
        let id = line.id();
        drop(line);
        desk.hangs(0);
        for _ in 0..3 {
            desk.expect_breaker(0, Breaker::Closed, "before three questions without an answer");
            drop(desk.write().await);
        }
        let when = format!("after three attempts without an answer, the first on conn {id}");
        desk.expect_breaker(0, Breaker::Open, &when);
        desk.dies(1);
        for failure in 0..3 {
            let when = format!("after {failure} failures of its own, of three");
            desk.expect_breaker(1, Breaker::Closed, &when);
            drop(desk.read().await);
        }
        desk.expect_breaker(1, Breaker::Open, "after three failures of its own");
    });
    an_idle_one_answers();
}

/// An answer on a connection that was idle is a success as well.
fn an_idle_one_answers() {
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
    });
}

/// The largest values are there to be used.
fn largest_values() {
    story(async || {
        let desk = Desk::open(1, ClusterConfig { failure_threshold: 1, ..largest() }).await;
        drop(desk.must_read(0, "with the largest values").await);
        desk.opens_by(1).await;
        drop(desk.must_read(1, "while the primary's breaker is open for ever").await);
        desk.at(Duration::from_hours(24)).await;
        desk.comes_back(0);
        drop(desk.must_read(1, "a day later, while open_for is endless").await);
        let desk = Desk::open(0, largest()).await;
        desk.dies(0);
        desk.fails(100).await;
        desk.expect_breaker(0, Breaker::Closed, "with failure_threshold u32::MAX");
    });
}

fn a_guard_that_breaks() {
    story(async || {
        let desk = Desk::open(1, usual()).await;
        let mut held = Vec::new();
        for _ in 0..4 {
            held.push(desk.must_read(0, "from a new cluster").await);
        }
        let well = held.remove(3);
        for (count, one) in held.into_iter().enumerate() {
            let when = format!("after {count} guards that broke, of three");
            desk.expect_breaker(0, Breaker::Closed, &when);
            one.breaks();
        }
        desk.expect_breaker(0, Breaker::Open, "after three guards that broke");
        drop(well);
        desk.expect_breaker(0, Breaker::Open, "when a guard has come back well");
        desk.expect_sessions(0, 1, "when three of four have broken").await;
        drop(desk.must_read(1, "while the primary's breaker is open").await);
    });
    story(async || {
        // A guard that comes back well says nothing: the row of failures goes on.
        let desk = Desk::open(1, after(2)).await;
        let (well, first) = (desk.must_read(0, "one").await, desk.must_read(0, "two").await);
        let second = desk.must_read(0, "three").await;
        first.breaks();
        drop(well);
        second.breaks();
        desk.expect_breaker(0, Breaker::Open, "after two guards that broke, one well between them");
        // A replica's guard counts against the replica.
        let one = desk.must_read(1, "while the primary's breaker is open").await;
        let other = desk.must_read(1, "while the primary's breaker is open").await;
        one.breaks();
        other.breaks();
        desk.expect_breaker(1, Breaker::Open, "after two of its guards broke");
    });
}

fn a_failed_probe() {
    story(async || {
        for (hangs, threshold) in [(false, 3), (true, 3), (false, 1)] {
            let desk = Desk::open(1, after(threshold)).await;
            desk.opens_by(threshold).await;
            let mut opened = desk.now();
            if hangs {
                desk.comes_back(0);
                desk.hangs(0);
            }
            for _ in 0..3 {
                desk.at(opened + OPEN_FOR + SLACK).await;
                let dials = desk.dials()[0];
                let took = if hangs { ATTEMPT } else { Duration::ZERO };
                let by = desk.now() + took + SLACK;
                drop(desk.must_read_by(1, by, "when the probe has failed").await);
                opened = desk.now();
                desk.expect_breaker(0, Breaker::Open, "after a probe that failed");
                desk.expect_dialled(0, dials + 1, dials + 1, "with the probe");
                for wait in [ms(1_000), OPEN_FOR / 2, ALMOST] {
                    desk.at(opened + wait).await;
                    let why = "before the whole open_for is over that began when a probe failed";
                    drop(desk.must_read(1, why).await);
                    desk.must_refuse_write(why).await;
                }
            }
            desk.comes_back(0);
            desk.at(opened + OPEN_FOR + SLACK).await;
            drop(desk.must_read(0, "when open_for is over and it is back").await);
            desk.expect_breaker(0, Breaker::Closed, "after a probe that succeeded");
            // And the count begins at zero.
            desk.dies(0);
            for failure in 0..threshold {
                let when = format!("with {failure} of {threshold} failures since it came back");
                desk.expect_breaker(0, Breaker::Closed, &when);
                drop(desk.read().await);
            }
            desk.expect_breaker(0, Breaker::Open, "after as many failures as the threshold");
        }
    });
}

fn flapping() {
    for period in [ms(300), ms(1_100), ms(10_400), ms(26_000)] {
        order(async || {
            let config = ClusterConfig { max_connections: 2, ..after(2) };
            let desk = Desk::open(1, config).await;
            let minutes = ms(120_000);
            let (mut up, mut next, mut openings, mut was) = (true, period, 0, Breaker::Closed);
            while desk.now() < minutes {
                if desk.now() >= next {
                    next += period;
                    up = !up;
                    if up { desk.comes_back(0) } else { desk.dies(0) }
                }
                let asked = desk.now();
                let result = desk.read().await;
                if result.is_err() || desk.now() > asked + SLACK {
                    desk.fail("each read to be served at once, by one server", outcome(&result));
                }
                drop(result);
                let state = desk.look()[0];
                openings += u32::from(state == Breaker::Open && was != Breaker::Open);
                was = state;
                desk.at(asked + ms(50)).await;
            }
            let bound = 1 + u32::try_from(minutes.as_millis() / OPEN_FOR.as_millis()).unwrap_or(0);
            if openings > bound {
                desk.fail(
                    format!("at most {bound} openings in two minutes with open_for 10 s"),
                    format!("{openings}, of a server that goes up or down every {period:?}"),
                );
            }
            // Each opening costs two failures; meanwhile a few lines are opened, where all have broken.
            if period == ms(300) {
                desk.expect_dialled(0, 1, 60, "in two minutes of going up and down each 300 ms");
            }
        });
    }
}
