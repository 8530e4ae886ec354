//! When a sample is taken, and what it tells of the pool: P8.

use std::time::Duration;

use adaptive_pool::{Action, AdaptiveConfig, Decision, Sample};
use harness::tasks::all_home;
use harness::{Case, clock, fail};
use tokio::time::timeout;

use crate::desk::{Desk, SLACK, between, ms, steady, story};
use crate::words::sample_in_words;

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new("samples_each_time", "P8", samples_each_time)
            .title("a sample of the pool at each sample_every")
            .paused()
            .points(1.0)
            .lesson("a-sample-is-a-window")
            .hints(&[
                "Who takes a sample when nobody calls? `new` has to leave something running.",
                "`tokio::spawn` a loop that sleeps for `sample_every`, takes `state.window` out and \
                 puts a new one in its place. Keep the sample for `sample()`, which only looks.",
                "A new window does not begin with nothing: what is lent out at its beginning is in \
                 use in it, even if it never moves.",
            ]),
    ]
}

/// Fails unless the last sample is this one; `when` tells the moment.
pub(crate) fn expect_sample(desk: &Desk, expected: Sample, when: &str) {
    let sample = desk.sample();
    if sample != expected {
        fail(
            format!("`sample` to tell of {} {when}", sample_in_words(&expected)),
            sample_in_words(&sample),
        );
    }
}

fn samples_each_time() {
    story(async || {
        let desk = Desk::open(steady(4, 10)).await;
        let at_first = Sample { size: 4, in_use: 0, waiting: 0, mean_wait: ms(0) };
        expect_sample(&desk, at_first, "right after `new` with min 4");
        desk.at(ms(20)).await;
        let mut held = desk.need_all(3, "from a pool with four idle ones").await;
        expect_sample(&desk, at_first, "at 20 ms, before the first sample is taken at 100 ms");
        desk.at(ms(40)).await;
        // Looking changes nothing.
        desk.sample();
        drop(held.split_off(1));
        desk.at(ms(150)).await;
        let in_use = |in_use| Sample { in_use, ..at_first };
        let when = "at 150 ms: three were lent out from 20 to 40 ms, and one still is";
        expect_sample(&desk, in_use(3), when);
        desk.sample();
        desk.at(ms(250)).await;
        let when = "at 250 ms: one was lent out from 100 to 200 ms, all the time";
        expect_sample(&desk, in_use(1), when);
        drop(held);
        desk.at(ms(350)).await;
        let when = "at 350 ms: one was lent out from 200 to 250 ms, and none afterwards";
        expect_sample(&desk, in_use(1), when);
        desk.at(ms(450)).await;
        expect_sample(&desk, in_use(0), "at 450 ms: none was lent out from 300 to 400 ms");
    });
    // Those who wait, and the busiest moment of a pool that is busy all the time.
    story(async || {
        let desk = Desk::open(AdaptiveConfig { target_wait: Duration::MAX, ..between(2, 9) }).await;
        let traders = desk.traders(5, ms(180));
        desk.at(ms(130)).await;
        let Sample { size, in_use, waiting, .. } = desk.sample();
        if (size, in_use, waiting) != (2, 2, 3) {
            fail(
                "`sample` to tell of size 2, in_use 2, waiting 3 at 130 ms: five have asked for two \
                 connections",
                format!("size {size}, in_use {in_use}, waiting {waiting}"),
            );
        }
        all_home(traders).await;
    });
    an_empty_place_counts();
    told_while_it_grows();
    none_at_once();
    none_made_up_for();
    steadily();
}

/// A connection that has broken has left its place behind.
fn an_empty_place_counts() {
    story(async || {
        let desk = Desk::open(steady(3, 10)).await;
        let held = desk.need("from a pool with three idle ones").await;
        desk.exchange.kill(held.id());
        desk.at(ms(50)).await;
        drop(held);
        desk.at(ms(130)).await;
        let size = desk.sample().size;
        // That the pool itself keeps the place is another promise's.
        if size != 3 && desk.pool.status().size == 3 {
            fail(
                "`sample` to tell of size 3 at 130 ms: one of three connections has broken, and its place \
                 is empty since 50 ms",
                format!("size {size}"),
            );
        }
    });
}

/// A growth follows on a sample, and that one is told before it ends.
fn told_while_it_grows() {
    story(async || {
        let desk = Desk::open(between(2, 9)).await;
        let held = desk.need_all(2, "from a pool with two idle ones").await;
        desk.exchange.connect_takes(ms(1_030));
        let early = desk.traders(3, ms(5));
        desk.at(ms(150)).await;
        let late = desk.traders(1, ms(5));
        desk.at(ms(250)).await;
        let Sample { size, in_use, waiting, .. } = desk.sample();
        // When a growth comes, and when it is told, is another promise's.
        let grows = desk.decisions().first().is_some_and(|decision| decision.at >= ms(200));
        if grows && (size, in_use, waiting) != (2, 2, 4) {
            fail(
                format!(
                    "`sample` to tell of size 2, in_use 2, waiting 4 at 250 ms, as it was at 200 ms; \
                     `decisions` tells of {}, and a connection takes 1030 ms to open",
                    desk.decided()
                ),
                format!("size {size}, in_use {in_use}, waiting {waiting}"),
            );
        }
        drop(held);
        all_home(early).await;
        all_home(late).await;
    });
}

/// The first is not taken before its time, not even of what happens right after `new`.
fn none_at_once() {
    story(async || {
        let desk = Desk::open(steady(3, 10)).await;
        let held = desk.need_all(2, "from a pool with three idle ones").await;
        desk.at(ms(50)).await;
        let nobody = Sample { size: 3, in_use: 0, waiting: 0, mean_wait: ms(0) };
        expect_sample(
            &desk,
            nobody,
            "at 50 ms: two are lent out, and the first sample is due at 100 ms",
        );
        drop(held);
    });
}

/// A growth that takes longer than ten samples is not followed by ten at once, of no time at all.
fn none_made_up_for() {
    story(async || {
        let desk = Desk::open(between(1, 20)).await;
        let held = desk.need("from a pool with an idle one").await;
        desk.exchange.connect_takes(ms(1_030));
        // Served at 60 and at 160 ms; the others go when the pool grows.
        let patient = desk.traders(2, ms(100));
        let impatient = async |desk: Desk| timeout(ms(220), desk.pool.get()).await.is_err();
        desk.at(ms(2)).await;
        let gone: Vec<_> = (1..=3).map(|_| desk.trader("a task", impatient)).collect();
        desk.at(ms(60)).await;
        drop(held);
        all_home(gone).await;
        all_home(patient).await;
        desk.at(ms(1_230) + ms(50)).await;
        // A pool whose samples go on meanwhile may shrink at one of them, at 1200 or 1300 ms.
        let decisions = desk.decisions();
        let at_once = |decision: &&Decision| {
            matches!(decision.action, Action::Shrink(_)) && decision.at > ms(1_200) + SLACK
        };
        if let Some(early) = decisions.iter().find(at_once) {
            fail(
                "no `Shrink` between the samples of 1200 and 1300 ms, with a shrink_after of 3: a growth \
                 that began at 200 ms has ended at 1230 ms, and what fell due meanwhile is not made up \
                 for",
                format!("{:?} at {}", early.action, clock(early.at)),
            );
        }
    });
}

/// Samples go on for long, none too early and none left out.
fn steadily() {
    story(async || {
        let desk = Desk::open(steady(1, 10)).await;
        for number in 1..=40_u32 {
            // In every other window one is lent out.
            let begin = ms(100) * (number - 1);
            desk.at(begin + ms(50)).await;
            if number % 2 == 1 {
                drop(desk.need("from a pool with an idle one").await);
            }
            desk.at(begin + ms(100) + SLACK).await;
            let (in_use, expected) = (desk.sample().in_use, number % 2);
            if in_use != expected {
                fail(
                    format!(
                        "a sample every 100 ms: in_use {expected} at {}, for the time from {} to {}",
                        clock(desk.now()),
                        clock(begin),
                        clock(begin + ms(100))
                    ),
                    format!("in_use {in_use}: is it of another time?"),
                );
            }
        }
    });
}
