//! What `Shrink` does to the pool: P11 and P20.

use adaptive_pool::{Action, AdaptiveConfig, Decision, Status};
use harness::tasks::all_home;
use harness::{Case, clock, fail, open_connections};

use crate::closing;
use crate::desk::{Desk, EVERY, SLACK, between, ms, order, story};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new("shrinks_what_is_idle", "P11", shrinks_what_is_idle)
            .title("the pool shrinks, and nobody notices")
            .paused()
            .points(0.5)
            .lesson("a-place-more-a-place-less")
            .hints(&[
                "Which connections may be closed, and where are they?",
                "One place less is one less in `places`, and in `taken` if it had a connection in it. \
                 A connection that has broken has left an empty place: that can go as well.",
                "Dropping a connection closes it, which takes as long as it takes: let go of the lock \
                 before.",
            ]),
    ]
}

pub(crate) fn hard_cases() -> Vec<Case> {
    vec![
        Case::new("a_rush_in_a_shrink", "P20", a_rush_in_a_shrink)
            .title("a rush that comes while the pool shrinks")
            .paused()
            .hard()
            .points(0.5)
            .lesson("hysteresis")
            .hints(&[
                "The pool has decided to close ten, and has closed five when the rush comes. What \
                 does it do with the other five?",
                "Close at once what is idle at the moment of the decision, and remember nothing of it.",
                "The first slow sample ends the count of idle ones.",
            ]),
    ]
}

/// Waits for the next decision to shrink, after so many that there are already; its number. It is in
/// the middle of the time between two samples before, and 5 ms after a sample afterwards.
async fn next_shrink(desk: &Desk, samples: u32, when: &str) -> u32 {
    let before = desk.decisions().len();
    let until = desk.now() + EVERY / 2 + SLACK;
    for sample in 0..=samples {
        desk.at(until + EVERY * sample).await;
        let decisions = desk.decisions();
        if let Some(Decision { action: Action::Shrink(places), .. }) = decisions.get(before) {
            return *places;
        }
    }
    fail(format!("a `Shrink` by {}, {when}", clock(desk.now())), desk.decided())
}

fn shrinks_what_is_idle() {
    // All of it is idle.
    story(async || {
        let desk = Desk::open(between(2, 12)).await;
        desk.fill(12).await;
        let places =
            next_shrink(&desk, 4, "three idle samples after twelve connections came home").await;
        let left = 12_u32.saturating_sub(places);
        let expected = Status { size: left, idle: left, in_use: 0, waiting: 0 };
        desk.expect_status(
            expected,
            &format!("right after a `Shrink({places})` of twelve idle ones"),
        )
        .await;
        desk.expect_sessions(left, &format!("right after a `Shrink({places})` of twelve")).await;
        desk.expect_whole(left, &format!("after a `Shrink({places})` of twelve")).await;
        // Ten places, if it is one at a time.
        desk.at(desk.now() + 40 * EVERY).await;
        desk.expect_sessions(2, "after more than forty idle samples, with min 2").await;
        desk.expect_whole(2, "after the pool has shrunk to min 2").await;
    });
    // Some are lent out.
    story(async || {
        let desk = Desk::open(between(1, 12)).await;
        desk.fill(12).await;
        let mut held = desk.need_all(3, "from a pool with twelve idle ones").await;
        next_shrink(&desk, 4, "with three of twelve lent out").await;
        desk.at(desk.now() + 40 * EVERY).await;
        for one in &mut held {
            one.order().await;
        }
        let open = desk.exchange.sessions();
        if !(3..=6).contains(&open) {
            fail(
                "between three and six connections after forty samples in which three were lent out",
                format!("{}; `decisions` tells of {}", open_connections(open), desk.decided()),
            );
        }
        drop(held);
        let open = u32::try_from(open).unwrap_or(u32::MAX);
        desk.expect_whole(open, "when three that were lent out during a shrink have come back")
            .await;
        desk.at(desk.now() + 40 * EVERY).await;
        desk.expect_sessions(1, "after forty more samples in which nobody came, with min 1").await;
    });
    // Some places are empty.
    story(async || {
        let desk = Desk::open(between(2, 10)).await;
        desk.fill(10).await;
        let held = desk.need_all(6, "from a pool with ten idle ones").await;
        for one in &held {
            desk.exchange.kill(one.id());
        }
        drop(held);
        let places =
            next_shrink(&desk, 5, "with six of ten connections broken, and nobody there").await;
        let size = desk.pool.status().size;
        if size != 10_u32.saturating_sub(places) {
            fail(
                format!(
                    "`status` to say size {} right after a `Shrink({places})` of ten places, six of \
                     them empty",
                    10_u32.saturating_sub(places)
                ),
                format!("size {size}"),
            );
        }
        desk.at(desk.now() + 40 * EVERY).await;
        let peak = desk.exchange.sessions();
        if peak > 2 {
            fail(
                "2 connections at most, after forty idle samples with min 2",
                open_connections(peak),
            );
        }
        desk.expect_whole(2, "after the pool has shrunk to min 2, and some had broken").await;
    });
    many_at_once();
    closing::nobody_waits();
}

/// However many they are.
fn many_at_once() {
    order(async || {
        let config = AdaptiveConfig { grow_after: 1, ..between(100, 180) };
        let desk = Desk::open(config).await;
        desk.fill(180).await;
        let places = next_shrink(&desk, 4, "three idle samples after 180 came home").await;
        let left = 180_u32.saturating_sub(places);
        let when = format!("right after a `Shrink({places})` of 180 idle ones");
        desk.expect_sessions(left, &when).await;
    });
}

fn a_rush_in_a_shrink() {
    story(async || {
        let desk = Desk::open(between(2, 20)).await;
        desk.fill(20).await;
        let places = next_shrink(&desk, 4, "three idle samples after twenty came home").await;
        let left = 20_u32.saturating_sub(places);
        // Two idle samples more, and the third would make it shrink again.
        let shrunk = desk.now().saturating_sub(SLACK);
        desk.at(shrunk + 2 * EVERY + ms(10)).await;
        let decided = desk.decisions().len();
        let left = left.min(desk.pool.status().size);
        let traders = desk.traders(30, ms(20_000));
        desk.at(shrunk + 3 * EVERY + SLACK).await;
        if let Some(decision) = desk.decisions().get(decided)
            && matches!(decision.action, Action::Shrink(_))
        {
            fail(
                "no `Shrink` after a sample in which thirty have asked for a connection",
                format!("`decisions` tells of {}", desk.decided()),
            );
        }
        let served = desk.pool.status().in_use;
        if served < left {
            fail(
                format!("{left} of thirty to be served at once, by the {left} that were left"),
                format!("{served} are in use, {} open", desk.exchange.sessions()),
            );
        }
        desk.at(shrunk + 4 * EVERY + SLACK).await;
        let grown = desk.decisions().get(decided).map(|decision| decision.action);
        if !matches!(grown, Some(Action::Grow(_))) {
            fail(
                "a `Grow` after two slow samples, as ever: thirty have asked while the pool shrank",
                format!("`decisions` tells of {}", desk.decided()),
            );
        }
        desk.at(shrunk + 24 * EVERY).await;
        desk.expect_sessions(20, "two seconds after thirty have asked, with max 20").await;
        let Status { idle, waiting, .. } = desk.pool.status();
        if (idle, waiting) != (0, 10) {
            fail(
                "20 of thirty to be served by a pool of 20, and 10 to wait",
                format!("{idle} idle, {waiting} waiting"),
            );
        }
        all_home(traders).await;
    });
}
