//! What a sample tells of those who wait: P9, P14 and P17.

use std::time::Duration;

use adaptive_pool::{AdaptiveConfig, Sample};
use harness::tasks::all_home;
use harness::{Case, clock, fail};
use tokio::time::timeout;

use crate::desk::{Desk, between, ms, steady, story};
use crate::samples::expect_sample;
use crate::words::sample_in_words;

pub(crate) fn cases() -> Vec<Case> {
    vec![
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
    // Less than a millisecond each, and more than nothing.
    story(async || {
        let desk = Desk::open(steady(3, 10)).await;
        let mut held = desk.need_all(3, "from a pool with three idle ones").await;
        let fourth = desk.traders(1, ms(5));
        desk.at(ms(2)).await;
        drop(held.pop());
        all_home(fourth).await;
        desk.at(ms(130)).await;
        let (mean_wait, half) = (desk.sample().mean_wait, Duration::from_micros(500));
        if mean_wait.abs_diff(half) > Duration::from_micros(20) {
            fail(
                "a mean_wait of 0.5 ms of three who got a connection at once, and one who waited for 2 ms",
                clock(mean_wait),
            );
        }
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
