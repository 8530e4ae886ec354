//! What `Grow` does to the pool: P10 and P18.

use std::sync::Arc;
use std::time::Duration;

use adaptive_pool::{Action, AdaptiveConfig, Decision, PoolError};
use fixtures::exchange::Exchange;
use harness::tasks::{all_home, home};
use harness::{Case, clock, connections, fail, open_connections};
use ledger::What;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{sleep, timeout};

use crate::desk::{Desk, SLACK, between, ms, story};
use crate::fickle;
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
    some_of_them();
    all_of_them();
    too_late();
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
    sooner_than_the_others();
}

/// One is refused while the others are still under way.
fn sooner_than_the_others() {
    story(async || {
        let exchange = Exchange::for_tasks();
        harness::watch(exchange.log());
        let pool = fickle::open(&exchange, between(4, 30)).await;
        let mut rush = JoinSet::new();
        for _ in 0..12 {
            let pool = Arc::clone(&pool);
            rush.spawn(async move {
                let held = pool.get().await;
                sleep(Duration::from_secs(5)).await;
                drop(held);
            });
        }
        // `new` has opened four, 30 ms each, and the samples begin then.
        sleep(ms(200) + ms(30) + SLACK).await;
        let number = pool.decisions().iter().find_map(|decision| match decision.action {
            Action::Grow(places) => Some(places as usize),
            _ => None,
        });
        let open = exchange.sessions();
        if let Some(number) = number
            && open != 4 + number - 1
        {
            fail(
                format!(
                    "{} at 235 ms after `new`: four, and {} of a `Grow({number})` at 200 ms, which take \
                     30 ms; one attempt was refused after 5 ms",
                    open_connections(4 + number - 1),
                    number - 1
                ),
                open_connections(open),
            );
        }
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
