//! What `Grow` does to the pool: P10.

use std::sync::Arc;
use std::time::Duration;

use adaptive_pool::{Action, AdaptiveConfig, Decision};
use fixtures::exchange::Exchange;
use harness::tasks::{all_home, known_as};
use harness::{Case, clock, connections, fail};
use ledger::What;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{sleep, timeout};

use crate::desk::{Desk, SLACK, between, ms, order, story};
use crate::fickle::{self, Odd};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new("grows_for_those_who_wait", "P10", grows_for_those_who_wait)
            .title("the pool grows, and those who wait are served")
            .paused()
            .points(1.0)
            .lesson("a-place-more-a-place-less")
            .hints(&[
                "`observe` has answered `Grow(3)`. Who calls `grow`, how often, and does the second \
                 call have to wait for the first one's connection?",
                "One more place is one more in `places` and in `taken`. Then \
                 `Place::holding(&shared, conn)` is the place, and dropping it gives the connection \
                 to whoever has waited longest.",
                "A `JoinSet` opens all of them at the same time.",
            ]),
    ]
}

/// The first `Grow` that the pool tells of, and its number.
pub(crate) fn first_growth(desk: &Desk, when: &str) -> (Duration, u32) {
    let decisions = desk.decisions();
    let growth = decisions.iter().find_map(|Decision { at, action, .. }| match action {
        Action::Grow(places) => Some((*at, *places)),
        _ => None,
    });
    growth.unwrap_or_else(|| {
        fail(
            format!("`decisions` to tell of a `Grow` {when}"),
            format!("{}; {} calls of connect so far", desk.decided(), desk.attempts().len()),
        )
    })
}

fn grows_for_those_who_wait() {
    some_of_them();
    all_of_them();
    too_late();
    many_at_once();
    one_is_slow();
    // To `max`, and not above.
    story(async || {
        let desk = Desk::open(between(2, 5)).await;
        desk.exchange.connect_takes(ms(30));
        desk.fill(5).await;
        desk.expect_peak(5, ", with max 5 and 15 who want a connection");
        desk.expect_whole(5, "after the pool has grown to max 5").await;
    });
}

/// Two connections, and twelve who wait for one, one after the other; two of them are served before the
/// pool grows. So both samples are slow, whoever counts in them.
async fn twelve_wait(max: u32) -> (Desk, Vec<JoinHandle<Duration>>) {
    let desk = Desk::open(between(2, max)).await;
    let mut held = desk.need_all(2, "from a pool with two idle ones").await;
    desk.exchange.connect_takes(ms(30));
    let late = async |desk: Desk| {
        let held = desk.need("when the pool has grown").await;
        let at = desk.now();
        // To the end of the story.
        desk.at(Duration::from_secs(10)).await;
        drop(held);
        at
    };
    let mut traders = Vec::new();
    for number in 1..=12 {
        desk.at(ms(10 + number)).await;
        traders.push(desk.trader(&format!("task {number}"), late));
    }
    for moment in [60, 160] {
        desk.at(ms(moment)).await;
        held.pop();
    }
    desk.at(ms(200) + SLACK).await;
    (desk, traders)
}

/// The number of the `Grow` that is due at 200 ms. Fails unless as many connects have begun.
fn expect_growth(desk: &Desk) -> u32 {
    let when = "at 200 ms, with two slow samples and a grow_after of 2";
    let (_, number) = first_growth(desk, when);
    let begun = desk.attempts().iter().filter(|at| **at >= ms(200)).count();
    if begun != number as usize {
        fail(
            format!(
                "{} to be opened at the same time, at 200 ms, for a `Grow({number})`",
                connections(number as usize)
            ),
            format!("{begun} by {}", clock(desk.now())),
        );
    }
    number
}

/// There is room for a few of them only.
fn some_of_them() {
    story(async || {
        let (desk, traders) = twelve_wait(6).await;
        let number = expect_growth(&desk);
        desk.at(ms(230) + SLACK).await;
        expect_first_served(&desk, 2 + number, number);
        // In a pool whose samples wait for a growth, this one may be due 100 ms after its end.
        desk.at(ms(330) + SLACK).await;
        let size = desk.sample().size;
        if size != 2 + number {
            fail(
                format!(
                    "the sample after a `Grow({number})` of two places to tell of size {}",
                    2 + number
                ),
                format!("size {size}"),
            );
        }
        drop(traders);
    });
}

fn all_of_them() {
    story(async || {
        let (desk, traders) = twelve_wait(40).await;
        expect_growth(&desk);
        for (index, at) in all_home(traders).await.into_iter().enumerate() {
            // One place at a time would be enough here: how many they are is another promise's.
            let most = Duration::from_secs(5);
            if at > most {
                fail(
                    format!(
                        "a connection for each of twelve who wait since 22 ms, by {}",
                        clock(most)
                    ),
                    format!("one for task {} at {}; {}", index + 1, clock(at), desk.decided()),
                );
            }
        }
    });
}

/// However many they are.
fn many_at_once() {
    order(async || {
        // One who waits makes the mean of forty who need not slow.
        let config = AdaptiveConfig { target_wait: ms(1), ..between(40, 400) };
        let desk = Desk::open(config).await;
        let mut held = desk.need_all(40, "from a pool with forty idle ones").await;
        desk.exchange.connect_takes(ms(30));
        let mut traders = desk.traders(160, Duration::from_secs(5));
        // One comes back, and more come than can have it.
        for moment in [60, 160] {
            desk.at(ms(moment)).await;
            held.pop();
            traders.extend(desk.traders(20, Duration::from_secs(5)));
        }
        desk.at(ms(200) + SLACK).await;
        let number = expect_growth(&desk);
        desk.at(ms(230)).await;
        let told =
            format!("when a `Grow({number})` at 200 ms, which takes 30 ms, was added to forty");
        desk.expect_sessions(40 + number, &told).await;
        drop(traders);
    });
}

/// One connection takes longer than the others: nobody waits for it who could have another one.
fn one_is_slow() {
    story(async || {
        let exchange = Exchange::for_tasks();
        harness::watch(exchange.log());
        let odd = Odd { after: ms(1_030), spoil: |_| {} };
        let pool = fickle::open(&exchange, between(4, 30), odd).await;
        let mut rush = JoinSet::new();
        for number in 0..12 {
            let pool = Arc::clone(&pool);
            let works = async move {
                let held = pool.get().await;
                // Two of the first come back, one before each sample.
                sleep(if number < 2 { ms(60 + 100 * number) } else { ms(5_000) }).await;
                drop(held);
            };
            rush.spawn(known_as(&format!("task {number}"), works));
        }
        sleep(ms(200) + ms(30) + SLACK).await;
        let number = pool.decisions().iter().find_map(|decision| match decision.action {
            Action::Grow(places) => Some(places),
            _ => None,
        });
        let waiting = pool.status().waiting;
        // Four by those that there were, two by what came back.
        if let Some(number) = number
            && waiting > 6_u32.saturating_sub(number - 1)
        {
            fail(
                format!(
                    "{} of twelve to wait at 235 ms: six were served before, one connection of a \
                     `Grow({number})` at 200 ms takes 1030 ms to open, and the others took 30 ms",
                    6_u32.saturating_sub(number - 1)
                ),
                format!("{waiting}"),
            );
        }
    });
}

/// Nobody waits any more when the connections come.
fn too_late() {
    story(async || {
        let desk = Desk::open(between(1, 20)).await;
        let held = desk.need("from a pool with an idle one").await;
        desk.exchange.connect_takes(ms(60));
        // Served at 60 and at 160 ms.
        let patient = desk.traders(2, ms(100));
        let impatient = async |desk: Desk| timeout(ms(220), desk.pool.get()).await.is_err();
        desk.at(ms(2)).await;
        let traders: Vec<_> = (1..=3).map(|_| desk.trader("a task", impatient)).collect();
        desk.at(ms(60)).await;
        drop(held);
        all_home(traders).await;
        desk.at(ms(200) + ms(60) + SLACK).await;
        all_home(patient).await;
        let (_, number) = first_growth(&desk, "at 200 ms, with three who wait since 2 ms");
        let idle = desk.pool.status().idle;
        if idle != 1 + number {
            fail(
                format!(
                    "{} idle connections at {}, {number} of them opened for a `Grow({number})` whose \
                     waiters have gone meanwhile",
                    1 + number,
                    clock(desk.now())
                ),
                format!("{idle} idle; `decisions` tells of {}", desk.decided()),
            );
        }
        desk.expect_whole(1 + number, "after a growth that nobody waited for").await;
    });
}

/// Fails unless exactly so many are served, those that have asked first.
fn expect_first_served(desk: &Desk, served: u32, number: u32) {
    let events = desk.events();
    let is_served = |trader: &str| {
        let got = |what: &What| matches!(what, What::Got { .. });
        events.iter().any(|event| event.thread == trader && got(&event.what))
    };
    for place in 1..=12 {
        let trader = format!("task {place}");
        if is_served(&trader) != (place <= served) {
            fail(
                format!(
                    "the first {served} of twelve to be served by 230 ms: two by connections that came \
                     back, and {number} by a `Grow({number})` at 200 ms, which takes 30 ms"
                ),
                if place <= served {
                    format!("{trader} still waits at {}", clock(desk.now()))
                } else {
                    format!("{trader} is served as well at {}", clock(desk.now()))
                },
            );
        }
    }
}
