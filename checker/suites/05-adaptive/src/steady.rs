//! A load that stays the same: how fast the pool comes up to it, and whether it comes to rest: P15 and
//! P16.

use std::time::Duration;

use adaptive_pool::{Action, AdaptiveConfig};
use harness::tasks::all_home;
use harness::{Case, clock, fail, open_connections};

use crate::desk::{Desk, between, ms, order, story};
use crate::model::{Load, Steered, Waits};
use crate::table::{Answer, config_in_words, drawn, expect, times};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new("grows_in_proportion", "P15", grows_in_proportion)
            .title("ten short is not ten samples")
            .paused()
            .hard()
            .points(0.5)
            .lesson("lag-and-overshoot")
            .hints(&[
                "One place at a time, however many wait: how long does it take until a hundred are \
                 served?",
                "`waiting` says how many are missing. All of them at once, half of them, or as many \
                 as there are already: each is in proportion.",
                "Connections take time to open, and the samples meanwhile look as bad as the ones \
                 before. What keeps you from asking for the same connections twice? It helps to wait \
                 for a growth to end before the next sample is taken.",
            ]),
        Case::new("settles", "P16", settles)
            .title("a constant load ends in Hold, at any level")
            .paused()
            .hard()
            .points(0.5)
            .lesson("hysteresis")
            .hints(&[
                "Which size does `Grow` lead to, and is a pool of that size idle? Which size does \
                 `Shrink` lead to, and is that one slow?",
                "Traders who come and go together are all gone at the moment of the sample. What \
                 matters is how many there were at the busiest moment.",
            ]),
    ]
}

fn grows_in_proportion() {
    for begin in [1, 2, 10, 50] {
        for (short, grows) in [(1, 2), (10, 5), (100, 8)] {
            for grow_after in [1, 3] {
                on_paper(begin, short, grows, grow_after);
            }
        }
    }
    when_it_is_over();
    slow_connects();
}

/// Those who waited long have been served or have gone. Few are in use now, however many places there
/// are.
fn when_it_is_over() {
    let config = AdaptiveConfig { grow_after: 2, ..between(2, 1_000) };
    for (size, in_use, waiting) in [(50, 1, 0), (100, 2, 0), (64, 20, 0), (40, 0, 0), (60, 2, 1)] {
        let lines = times(6, (size, in_use, waiting, ms(50), Answer::Free));
        let actions = expect(&config, &lines, "a slow one");
        let most = (in_use + waiting).max(1);
        for (index, action) in actions.iter().enumerate() {
            if matches!(action, Action::Grow(places) if *places > most) {
                fail(
                    format!(
                        "a `Grow` by {most} at most: {in_use} of {size} in use, {waiting} waiting ({})",
                        config_in_words(&config)
                    ),
                    format!("{action:?}\n{}", drawn(&lines, &actions[..=index])),
                );
            }
        }
    }
}

/// The pool is too small by `short` from one sample to the next.
fn on_paper(begin: u32, short: u32, most: u32, grow_after: u32) {
    let config = AdaptiveConfig { grow_after, ..between(1, 1_000) };
    let load = Load { wanted: begin + short, waits: Waits::WhenShort };
    let mut steered = Steered::new(&config, begin);
    let mut grows = 0;
    while steered.size < load.wanted {
        let (size, action) = (steered.size, steered.step(load));
        if let Action::Grow(places) = action {
            grows += 1;
            if places > load.wanted {
                steered.fail(
                    &format!(
                        "a `Grow` by {} at most: {size} in use, and {} waiting",
                        load.wanted,
                        load.wanted - size
                    ),
                    &format!("{action:?}"),
                );
            }
        }
        if grows >= most && steered.size < load.wanted {
            steered.fail(
                &format!(
                    "{most} `Grow` at most until a pool of {begin} has the {} that are wanted, \
                     {short} more",
                    load.wanted
                ),
                &format!("{} places after {grows}", steered.size),
            );
        }
    }
    // And no more than twice of it, whatever comes.
    for _ in 0..50 {
        steered.step(load);
        if steered.size > 2 * load.wanted {
            steered.fail(
                &format!("{} places at most, for a load of {}", 2 * load.wanted, load.wanted),
                &format!("{} places", steered.size),
            );
        }
    }
}

/// Connections that take longer to open than ten samples.
fn slow_connects() {
    for traders in [4, 12] {
        story(async || {
            let desk = Desk::open(between(2, 60)).await;
            desk.exchange.connect_takes(ms(1_030));
            let traders_home = desk.traders(traders, Duration::from_secs(30));
            desk.at(Duration::from_secs(25)).await;
            let waiting = desk.pool.status().waiting;
            if waiting > 0 {
                fail(
                    format!("all {traders} who have asked at 0 ms to be served by 25 s"),
                    format!("{waiting} still wait; `decisions` tells of {}", desk.decided()),
                );
            }
            desk.expect_peak(
                2 * traders,
                &format!(", for {traders} who want one, though a connection takes 1030 ms to open"),
            );
            all_home(traders_home).await;
        });
    }
}

fn settles() {
    let config = AdaptiveConfig { grow_after: 2, shrink_after: 4, ..between(2, 60) };
    for waits in [Waits::WhenShort, Waits::WhenFull] {
        for wanted in (0..=70).chain([200]) {
            for begin in [2, 17, 60] {
                rests_on_paper(&config, Load { wanted, waits }, begin);
            }
        }
    }
    for traders in [1, 3, 8, 20] {
        in_step(traders);
        out_of_step(traders);
    }
}

/// After so many samples that the pool could have grown or shrunk one by one, nothing is decided.
fn rests_on_paper(config: &AdaptiveConfig, load: Load, begin: u32) {
    let mut steered = Steered::new(config, begin);
    for _ in 0..300 {
        steered.step(load);
    }
    let told = format!("a load of {}, from {begin} places", load.wanted);
    for _ in 0..60 {
        let action = steered.step(load);
        if action != Action::Hold {
            let expected = format!("nothing but `Hold` once there were 300 samples of {told}");
            steered.fail(&expected, &format!("{action:?} at a size of {}", steered.size));
        }
    }
    let needs = load.needs().min(config.max);
    let most = (2 * needs).max(config.min);
    if !(needs..=most).contains(&steered.size) {
        steered.fail(
            &format!("{needs} to {most} places, after 300 samples of {told}"),
            &format!("{} places", steered.size),
        );
    }
}

/// Traders who come together at the beginning of each window, and have all gone before it ends.
fn in_step(traders: u32) {
    order(async || {
        let desk = Desk::open(between(2, 40)).await;
        let working: Vec<_> = (1..=traders)
            .map(|number| {
                desk.trader(&format!("task {number}"), async |desk| {
                    for window in 0.. {
                        let begin = ms(100 * window + 10);
                        if begin > Duration::from_secs(15) {
                            break;
                        }
                        // One that was late leaves a window out.
                        if desk.now() <= begin {
                            desk.at(begin).await;
                            let held = desk.pool.get().await;
                            desk.at(desk.now() + ms(40)).await;
                            drop(held);
                        }
                    }
                })
            })
            .collect();
        let told =
            format!("{traders} traders who take a connection for 40 ms of each 100 ms, together");
        expect_rest(&desk, traders, &told).await;
        all_home(working).await;
    });
}

/// Traders who go on as soon as they can, each at a pace of his own.
fn out_of_step(traders: u32) {
    order(async || {
        let desk = Desk::open(between(2, 40)).await;
        let working: Vec<_> = (1..=traders)
            .map(|number| {
                desk.trader(&format!("task {number}"), async move |desk| {
                    while desk.now() < Duration::from_secs(15) {
                        let held = desk.pool.get().await;
                        desk.at(desk.now() + ms(31)).await;
                        drop(held);
                        desk.at(desk.now() + ms(u64::from(7 + number))).await;
                    }
                })
            })
            .collect();
        let told = format!("{traders} traders who take a connection for 31 ms, over and over");
        expect_rest(&desk, traders, &told).await;
        all_home(working).await;
    });
}

/// Fails unless nothing is decided from 10 to 15 s, and the pool is as large as it should be.
async fn expect_rest(desk: &Desk, traders: u32, told: &str) {
    desk.at(ms(10_050)).await;
    let before = desk.decisions();
    desk.at(ms(14_950)).await;
    let after = desk.decisions();
    if after != before {
        let last = after.last().map_or(Duration::ZERO, |decision| decision.at);
        fail(
            format!("no decision from 10 s to 15 s of the same load: {told}"),
            format!("one at {}; `decisions` tells of {}", clock(last), desk.decided()),
        );
    }
    let (open, most) = (desk.exchange.sessions(), (2 * traders).max(2) as usize);
    if open > most {
        fail(format!("{} at most for {told}", open_connections(most)), open_connections(open));
    }
}
