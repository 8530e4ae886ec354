//! What a sample tells: P8, P9, P14 and P17.

use std::time::Duration;

use adaptive_pool::{AdaptiveConfig, Sample};
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
        Case::new("mean_of_all_waits", "P9", mean_of_all_waits)
            .title("the mean wait of everybody, whatever he got")
            .paused()
            .points(0.5)
            .lesson("why-the-served-lie")
            .hints(&[
                "`window.ended` counts all whose wait has ended, `window.waited` is their waiting \
                 together. What is the mean of none?",
                "`Duration::checked_div` knows what to do with 0.",
            ]),
    ]
}

pub(crate) fn hard_cases() -> Vec<Case> {
    vec![
        Case::new("who_still_waits_counts", "P14", who_still_waits_counts)
            .title("who still waits counts with what he has waited so far")
            .paused()
            .hard()
            .points(0.5)
            .lesson("why-the-served-lie")
            .hints(&[
                "Nobody has been served since the sample before. Is all well?",
                "Each entry of `state.waiting` knows `since` when. Add what they have waited so far, \
                 and count them.",
                "They count again in the next sample, with more, for as long as they wait.",
            ]),
        Case::new("a_sample_forgets", "P17", a_sample_forgets)
            .title("what is over counts no more")
            .paused()
            .hard()
            .points(0.5)
            .lesson("a-sample-is-a-window")
            .hints(&[
                "What does your sum begin with, in each sample?",
                "`mem::replace(&mut state.window, …)` gives you what was there, and a fresh one to \
                 the pool. A smoothed average remembers for ever, if only a little.",
            ]),
    ]
}

/// Fails unless the last sample is this one; `when` tells the moment.
fn expect_sample(desk: &Desk, expected: Sample, when: &str) {
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
    none_at_once();
    steadily();
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

fn expect_mean(desk: &Desk, expected: Duration, when: &str) {
    let mean_wait = desk.sample().mean_wait;
    if mean_wait.abs_diff(expected) > ms(1) {
        fail(
            format!("a mean_wait of {} {when}", clock(expected)),
            format!("{} ({})", clock(mean_wait), sample_in_words(&desk.sample())),
        );
    }
}

fn mean_of_all_waits() {
    // Three at once, and one who waits for 40 ms.
    story(async || {
        let desk = Desk::open(steady(3, 10)).await;
        let mut held = desk.need_all(3, "from a pool with three idle ones").await;
        let fourth = desk.traders(1, ms(5));
        desk.at(ms(40)).await;
        drop(held.pop());
        all_home(fourth).await;
        desk.at(ms(130)).await;
        let when = "of three who got a connection at once, and one who waited for 40 ms";
        expect_mean(&desk, ms(10), when);
    });
    // One whose time was over, and one who gave up.
    story(async || {
        let config = AdaptiveConfig { connection_timeout: ms(30), ..steady(1, 10) };
        let desk = Desk::open(config).await;
        let held = desk.need("from a pool with an idle one").await;
        let late = desk.trader("task A", async |desk| desk.get().await.is_err());
        all_home([late]).await;
        desk.at(ms(130)).await;
        expect_mean(
            &desk,
            ms(15),
            "of one who got a connection at once, and one who waited 30 ms \
             until his time was over",
        );
        desk.at(ms(150)).await;
        let gone = desk.trader("task B", async |desk| timeout(ms(20), desk.get()).await.is_err());
        all_home([gone]).await;
        desk.at(ms(230)).await;
        expect_mean(&desk, ms(20), "of one who waited 20 ms and gave up: his `get` was dropped");
        drop(held);
        desk.at(ms(330)).await;
        expect_mean(&desk, ms(0), "of nobody at all");
    });
    // More than a sample_every, all of which counts in the window in which it ended.
    story(async || {
        let desk = Desk::open(steady(1, 10)).await;
        let held = desk.need("from a pool with an idle one").await;
        let second = desk.traders(1, ms(5));
        desk.at(ms(250)).await;
        drop(held);
        all_home(second).await;
        desk.at(ms(330)).await;
        expect_mean(
            &desk,
            ms(250),
            "of one who has waited from 0 to 250 ms, in the sample of 300 ms",
        );
    });
}

fn who_still_waits_counts() {
    story(async || {
        let desk = Desk::open(steady(2, 10)).await;
        let held = desk.need_all(2, "from a pool with two idle ones").await;
        let traders = desk.traders(3, ms(5));
        desk.at(ms(150)).await;
        let when = "at 100 ms, of two who got a connection at once, and three who wait since 0 ms";
        expect_mean(&desk, ms(60), when);
        desk.at(ms(250)).await;
        expect_mean(&desk, ms(200), "at 200 ms, of three who wait since 0 ms, and nobody else");
        desk.at(ms(350)).await;
        expect_mean(&desk, ms(300), "at 300 ms, of three who wait since 0 ms, and nobody else");
        drop(held);
        all_home(traders).await;
    });
    // One who waits does not hide behind many who are served.
    story(async || {
        let desk = Desk::open(steady(2, 10)).await;
        let held = desk.need_all(2, "from a pool with two idle ones").await;
        let late = desk.traders(1, ms(400));
        desk.at(ms(110)).await;
        drop(held);
        let early = all_home(late);
        desk.at(ms(120)).await;
        for _ in 0..9 {
            drop(desk.need("from a pool with an idle one").await);
        }
        desk.at(ms(250)).await;
        let when = "at 200 ms, of one who was served after 110 ms, and nine at once";
        expect_mean(&desk, ms(11), when);
        early.await;
    });
    // Everything is stuck.
    story(async || {
        let desk = Desk::open(between(2, 10)).await;
        let stuck = desk.need_all(2, "from a pool with two idle ones").await;
        let traders = desk.traders(4, ms(5));
        desk.at(ms(450)).await;
        if desk.exchange.sessions() <= 2 {
            fail(
                "a pool of two, both of them stuck, to grow by 450 ms: four wait since 0 ms, and \
                 grow_after is 2 samples of 100 ms",
                format!(
                    "2 connections still; the last sample: {}",
                    sample_in_words(&desk.sample())
                ),
            );
        }
        drop(stuck);
        all_home(traders).await;
    });
}

fn a_sample_forgets() {
    story(async || {
        let desk = Desk::open(steady(1, 10)).await;
        let held = desk.need("from a pool with an idle one").await;
        let late = desk.traders(3, ms(1));
        desk.at(ms(850)).await;
        drop(held);
        all_home(late).await;
        desk.at(ms(930)).await;
        if desk.sample().mean_wait < ms(800) {
            expect_mean(&desk, ms(851), "at 900 ms, of three who waited since 0 ms");
        }
        drop(desk.need("from a pool with an idle one").await);
        desk.at(ms(1_030)).await;
        expect_mean(
            &desk,
            ms(0),
            "at 1 s, of one who got a connection at once: that three waited \
             for 850 ms is over since the sample before",
        );
        desk.at(ms(1_130)).await;
        let nobody = Sample { size: 1, in_use: 0, waiting: 0, mean_wait: ms(0) };
        expect_sample(&desk, nobody, "at 1100 ms, of a time in which nobody came");
    });
    // One bad minute does not make a pool grow that is good again.
    story(async || {
        let desk = Desk::open(AdaptiveConfig { grow_after: 3, ..between(1, 10) }).await;
        let held = desk.need("from a pool with an idle one").await;
        let late = desk.traders(4, ms(2));
        desk.at(ms(150)).await;
        drop(held);
        all_home(late).await;
        for moment in 2..20 {
            desk.at(ms(50 + 100 * moment)).await;
            drop(desk.need("from a pool with an idle one").await);
        }
        if desk.exchange.sessions() != 1 {
            fail(
                "a pool of one not to grow: two samples were slow, grow_after is 3, and from 200 ms \
                 on nobody has waited",
                format!(
                    "{} connections; `decisions` tells of {}",
                    desk.exchange.sessions(),
                    desk.decided()
                ),
            );
        }
    });
}
