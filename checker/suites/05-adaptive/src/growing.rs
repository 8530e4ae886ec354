//! What `Grow` does to the pool: P10 and P18.

use std::time::Duration;

use adaptive_pool::{Action, AdaptiveConfig, Decision, PoolError};
use harness::tasks::{all_home, home};
use harness::{Case, clock, connections, fail};
use ledger::What;
use tokio::time::timeout;

use crate::desk::{Desk, SLACK, between, ms, story};
use crate::words::told;

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

pub(crate) fn hard_cases() -> Vec<Case> {
    vec![
        Case::new("a_failed_connect_costs_nothing", "P18", a_failed_connect_costs_nothing)
            .title("a connect that fails while the pool grows costs nothing")
            .paused()
            .hard()
            .points(0.5)
            .lesson("when-growing-fails")
            .hints(&[
                "The place is made before the connection is there, or after. What has to be undone, in \
                 either case, when the connection does not come?",
                "A `Place` without a connection goes to a task that waits; it tries to connect as \
                 well, and gets the error. Open first, and make the place for what is there.",
                "A connect may hang, and it may panic: a time limit, and a task of its own. From a \
                 `JoinSet`, a panic comes back as an `Err`.",
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
    growth
        .unwrap_or_else(|| fail(format!("`decisions` to tell of a `Grow` {when}"), desk.decided()))
}

fn grows_for_those_who_wait() {
    // One after the other, they wait for connections that nobody gives back.
    story(async || {
        let desk = Desk::open(between(2, 40)).await;
        let stuck = desk.need_all(2, "from a pool with two idle ones").await;
        desk.exchange.connect_takes(ms(30));
        let mut traders = Vec::new();
        for number in 1..=12 {
            desk.at(ms(10 + number)).await;
            let late = async |desk: Desk| {
                let held = desk.need("when the pool has grown").await;
                let at = desk.now();
                // To the end of the story.
                desk.at(Duration::from_secs(10)).await;
                drop(held);
                at
            };
            traders.push(desk.trader(&format!("task {number}"), late));
        }
        desk.at(ms(200) + SLACK).await;
        let when = "at 200 ms, with two slow samples and a grow_after of 2";
        let (_, number) = first_growth(&desk, when);
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
        desk.at(ms(230) + SLACK).await;
        expect_first_served(&desk, number);
        for (index, at) in all_home(traders).await.into_iter().enumerate() {
            // Five times, as P15 has it, and each takes two samples and 30 ms.
            let most = ms(5 * (200 + 30) + 100);
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
        drop(stuck);
    });
    // Nobody waits any more when the connections come.
    story(async || {
        let desk = Desk::open(between(1, 20)).await;
        let held = desk.need("from a pool with an idle one").await;
        desk.exchange.connect_takes(ms(60));
        let impatient = async |desk: Desk| timeout(ms(220), desk.pool.get()).await.is_err();
        let traders: Vec<_> = (1..=4).map(|_| desk.trader("a task", impatient)).collect();
        all_home(traders).await;
        desk.at(ms(200) + ms(60) + SLACK).await;
        let (_, number) = first_growth(&desk, "at 200 ms, with four who wait since 0 ms");
        let idle = desk.pool.status().idle;
        if idle != number {
            fail(
                format!(
                    "{number} idle connections at {}, opened for a `Grow({number})` whose waiters have \
                     gone meanwhile",
                    clock(desk.now())
                ),
                format!("{idle} idle; `decisions` tells of {}", desk.decided()),
            );
        }
        drop(held);
        desk.expect_whole(1 + number, "after a growth that nobody waited for").await;
    });
    // To `max`, and not above.
    story(async || {
        let desk = Desk::open(between(2, 5)).await;
        desk.exchange.connect_takes(ms(30));
        desk.fill(5).await;
        desk.expect_peak(5, ", with max 5 and 15 who want a connection");
        desk.expect_whole(5, "after the pool has grown to max 5").await;
    });
}

/// Fails unless exactly those are served that have asked first.
fn expect_first_served(desk: &Desk, number: u32) {
    let events = desk.events();
    let served = |trader: &str| {
        let got = |what: &What| matches!(what, What::Got { .. });
        events.iter().any(|event| event.thread == trader && got(&event.what))
    };
    for place in 1..=12 {
        let trader = format!("task {place}");
        let expected = place <= number;
        if served(&trader) != expected {
            fail(
                format!(
                    "the first {} of twelve who wait to be served at 230 ms, as soon as the {} of a \
                     `Grow({number})` at 200 ms are open, which takes 30 ms",
                    number.min(12),
                    connections(number as usize)
                ),
                if expected {
                    format!("{trader} still waits at {}", clock(desk.now()))
                } else {
                    format!("{trader} is served as well at {}", clock(desk.now()))
                },
            );
        }
    }
}

fn a_failed_connect_costs_nothing() {
    refused();
    one_of_several("refused", |desk| {
        desk.exchange.refuse_next(1);
    });
    one_of_several("a panic", |desk| {
        desk.exchange.panic_next(1);
    });
    one_of_several(HANGS, |desk| {
        desk.exchange.hang_next(1);
    });
}

/// The exchange has no session left, for a while.
fn refused() {
    story(async || {
        let desk = Desk::open(between(2, 9)).await;
        let mut stuck = desk.need_all(2, "from a pool with two idle ones").await;
        desk.exchange.connect_takes(ms(10)).limit_sessions(2);
        let wait = async |desk: Desk| {
            let asked = desk.now();
            match desk.get().await {
                Ok(held) => drop(held),
                Err(error) => fail(
                    "nobody who waits to be told of a connect that failed while the pool grew",
                    format!("{} for a task that asked at {}", told(&error), clock(asked)),
                ),
            }
        };
        let traders: Vec<_> =
            (1..=6).map(|number| desk.trader(&format!("task {number}"), wait)).collect();
        desk.at(ms(3_050)).await;
        expect_attempts(&desk, 2);
        let size = desk.pool.status().size;
        if size != 2 {
            fail(
                "size 2 at 3050 ms: every attempt to open another connection was refused",
                format!("size {size}; `decisions` tells of {}", desk.decided()),
            );
        }
        // Those who wait are served by the two that there are.
        drop(stuck.pop());
        desk.at(ms(3_050) + SLACK).await;
        all_home(traders).await;
        drop(stuck);
        desk.exchange.limit_sessions(usize::MAX);
        desk.at(ms(3_250)).await;
        desk.fill(9).await;
        desk.expect_peak(9, ", with max 9, after some attempts were refused");
        desk.expect_whole(9, "after the pool has grown to max 9, and some attempts were refused")
            .await;
    });
}

/// Fails if there were more attempts to connect than `new` and the decisions ask for.
fn expect_attempts(desk: &Desk, min: usize) {
    let asked: usize = desk
        .decisions()
        .iter()
        .map(|decision| match decision.action {
            Action::Grow(places) => places as usize,
            _ => 0,
        })
        .sum();
    let attempts = desk.attempts().len() - min;
    if attempts > asked {
        fail(
            format!(
                "{asked} attempts to connect by {}, for all `Grow` together, while each is refused",
                clock(desk.now())
            ),
            format!("{attempts} attempts; `decisions` tells of {}", desk.decided()),
        );
    }
}

/// How the worst of all goes wrong.
const HANGS: &str = "never answered";

/// Of several that are opened at the same time, one goes wrong.
fn one_of_several(how: &'static str, spoil: fn(&Desk)) {
    story(async || {
        let config = AdaptiveConfig { connection_timeout: ms(2_000), ..between(4, 30) };
        let desk = Desk::open(config).await;
        let stuck = desk.need_all(4, "from a pool with four idle ones").await;
        desk.exchange.connect_takes(ms(10));
        spoil(&desk);
        let hold = async move |desk: Desk| match desk.get().await {
            Ok(held) => {
                let at = desk.now();
                desk.at(Duration::from_secs(12)).await;
                drop(held);
                at
            }
            // Samples may wait for what never comes, as long as it may take.
            Err(PoolError::Timeout) if how == HANGS => desk.now(),
            Err(error) => fail(
                format!("a connection for each of eight who wait, though one attempt was {how}"),
                told(&error),
            ),
        };
        let traders: Vec<_> =
            (1..=8).map(|number| desk.trader(&format!("task {number}"), hold)).collect();
        desk.at(ms(230)).await;
        let (_, number) = first_growth(&desk, "at 200 ms, with eight who wait since 0 ms");
        let waiting = desk.pool.status().waiting;
        let expected = 8_u32.saturating_sub(number - 1);
        if waiting > expected {
            fail(
                format!(
                    "{expected} of eight who still wait at 230 ms: one connect of a `Grow({number})` at \
                     200 ms was {how}, the others took 10 ms"
                ),
                format!("{waiting} who wait"),
            );
        }
        // Longer than connection_timeout: the samples go on.
        let late = desk.trader("task 9", async |desk| {
            desk.at(ms(2_350)).await;
            desk.traders(6, ms(10));
            desk.at(ms(4_000)).await;
        });
        home(late).await;
        let waiting = desk.pool.status().waiting;
        if waiting > 0 {
            fail(
                format!(
                    "nobody to wait any more at {}: the last have asked at 2350 ms, and all of it went \
                     well but for one connect at 200 ms, which was {how}",
                    clock(desk.now())
                ),
                format!("{waiting} who wait; `decisions` tells of {}", desk.decided()),
            );
        }
        all_home(traders).await;
        drop(stuck);
        let open = u32::try_from(desk.exchange.sessions()).unwrap_or(u32::MAX);
        desk.expect_whole(open, &format!("after one connect was {how}")).await;
    });
}
