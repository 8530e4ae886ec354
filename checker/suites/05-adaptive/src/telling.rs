//! What the pool tells of its decisions: P12.

use std::time::Duration;

use adaptive_pool::{Action, AdaptiveConfig, Controller, Decision};
use harness::{Case, clock, fail};

use crate::closing;
use crate::desk::{Desk, EVERY, SLACK, between, ms, story};
use crate::words::{decisions_in_words, sample_in_words};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new("tells_its_decisions", "P12", tells_its_decisions)
            .title("each decision is told: when, what, and why")
            .paused()
            .points(1.0)
            .lesson("a-diary")
            .hints(&[
                "Write it down where the answer of `observe` is known, before anything is done about \
                 it: what was decided, not what came of it.",
                "A `VecDeque` with 100 at most: `pop_front` before the 101st.",
                "`at` counts from `new`: remember that moment, by tokio's clock.",
            ]),
    ]
}

fn tells_its_decisions() {
    story(async || {
        let desk = Desk::open(between(2, 12)).await;
        expect_none(&desk, "right after `new`");
        desk.fill(12).await;
        desk.at(desk.now() + 20 * EVERY).await;
        // Nothing has changed for some time.
        let told = desk.decisions();
        expect_well_told(&told);
        let has = |kind: fn(&Action) -> bool| told.iter().any(|decision| kind(&decision.action));
        if !has(|action| matches!(action, Action::Grow(_)))
            || !has(|action| matches!(action, Action::Shrink(_)))
        {
            fail(
                "`decisions` to tell of a `Grow` and of a `Shrink`, for a pool that has grown from 2 to \
                 12 and has been idle since",
                decisions_in_words(&told),
            );
        }
    });
    as_its_controller();
    also_if_nothing_comes_of_it();
    closing::told_meanwhile();
    the_last_hundred();
}

fn expect_none(desk: &Desk, when: &str) {
    if !desk.decisions().is_empty() {
        fail(format!("no decision {when}"), format!("`decisions` tells of {}", desk.decided()));
    }
}

/// Fails if a decision is a `Hold`, is out of order, or has no reason.
fn expect_well_told(told: &[Decision]) {
    for Decision { at, action, reason } in told {
        if *action == Action::Hold {
            fail("no `Hold` among the decisions", format!("one at {}", clock(*at)));
        }
        if reason.trim().is_empty() {
            fail(
                "a reason in words for each decision",
                format!("none for {action:?} at {}", clock(*at)),
            );
        }
    }
    if let Some(two) = told.windows(2).find(|two| two[0].at > two[1].at) {
        fail("the latest decision at the end", decisions_in_words(two));
    }
}

/// A second controller that is told of the same samples comes to the same decisions at the same time.
fn as_its_controller() {
    story(async || {
        let config = between(2, 12);
        let exchange = fixtures::exchange::Exchange::for_tasks();
        harness::watch(exchange.log());
        // Time is counted from `new`, not from the exchange's opening.
        tokio::time::sleep(ms(1_030)).await;
        // Nor from its call, which opens two.
        exchange.connect_takes(ms(70));
        let desk = Desk::over(exchange, config.clone()).await;
        desk.exchange.connect_takes(ms(0));
        let began = desk.now();
        let mut controller = Controller::new(config);
        let mut expected: Vec<(Duration, Action)> = Vec::new();
        let mut traders = Vec::new();
        for number in 1..=60_u32 {
            let at = EVERY * number;
            if let 3 | 20 | 21 | 40 = number {
                traders.extend(desk.traders(9, ms(330)));
            }
            desk.at(began + at + SLACK).await;
            let sample = desk.sample();
            let action = controller.observe(&sample);
            if action != Action::Hold {
                expected.push((at, action));
            }
            let told = desk.decisions();
            let same = told.len() == expected.len()
                && told.iter().zip(&expected).all(|(told, (at, action))| {
                    told.action == *action && told.at >= *at && told.at <= *at + SLACK
                });
            if !same {
                let last = expected.last().map_or("nothing".to_owned(), |(at, action)| {
                    format!("{action:?} at {}", clock(*at))
                });
                fail(
                    format!(
                        "`decisions` to end with {last} after `new`, as a second controller answers, \
                         told of the same {number} samples; the last one: {}",
                        sample_in_words(&sample)
                    ),
                    format!("{} decisions: {}", told.len(), desk.decided()),
                );
            }
        }
        expect_well_told(&desk.decisions());
        harness::tasks::all_home(traders).await;
    });
}

/// The exchange refuses: what was decided was decided all the same.
fn also_if_nothing_comes_of_it() {
    story(async || {
        let desk = Desk::open(between(1, 9)).await;
        desk.exchange.connect_takes(ms(50)).limit_sessions(1);
        let held = desk.need("from a pool with an idle one").await;
        let traders: Vec<_> = (1..=3)
            .map(|_| {
                desk.trader("a task", async |desk| {
                    let held = desk.pool.get().await;
                    desk.at(desk.now() + ms(100)).await;
                    drop(held);
                })
            })
            .collect();
        desk.at(ms(60)).await;
        drop(held);
        desk.at(ms(200) + SLACK).await;
        let told = desk.decisions();
        if !matches!(told.first(), Some(Decision { action: Action::Grow(_), .. })) {
            fail(
                "`decisions` to tell of a `Grow` at 200 ms, as soon as it is decided, though the exchange \
                 will refuse every connection",
                format!("`decisions` tells of {}", desk.decided()),
            );
        }
        harness::tasks::all_home(traders).await;
    });
}

/// One place more, one place less, over and over.
fn the_last_hundred() {
    story(async || {
        let config = AdaptiveConfig { grow_after: 1, shrink_after: 1, ..between(1, 2) };
        let desk = Desk::open(config).await;
        let mut all: Vec<Decision> = Vec::new();
        for round in 0..70_u32 {
            let begin = 4 * EVERY * round;
            desk.at(begin + ms(20)).await;
            let traders = desk.traders(2, ms(85));
            for sample in 1..=4 {
                desk.at(begin + EVERY * sample + SLACK).await;
                let latest = all.last().map_or(Duration::ZERO, |decision| decision.at);
                all.extend(desk.decisions().into_iter().filter(|decision| decision.at > latest));
            }
            harness::tasks::all_home(traders).await;
            if all.len() > 130 {
                break;
            }
        }
        if all.len() < 110 {
            fail(
                "a pool of one place that two want for a moment, every 400 ms, to grow and to shrink \
                 again, 110 times in all, with a grow_after and a shrink_after of 1",
                format!("{} decisions: {}", all.len(), decisions_in_words(&all)),
            );
        }
        let told = desk.decisions();
        let last = &all[all.len() - 100..];
        if told != last {
            let first = |told: &[Decision]| {
                told.first().map_or("none".to_owned(), |decision| clock(decision.at))
            };
            fail(
                format!(
                    "`decisions` to tell of the last 100 of {}, the first of them at {}",
                    all.len(),
                    first(last)
                ),
                format!("{}, the first of them at {}", told.len(), first(&told)),
            );
        }
    });
}
