//! What goes wrong while the pool grows: P18.

use std::sync::Arc;
use std::time::Duration;

use adaptive_pool::{Action, AdaptiveConfig, PoolError};
use fixtures::exchange::Exchange;
use harness::tasks::{all_home, home, known_as};
use harness::{Case, clock, fail, open_connections};
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::desk::{Desk, SLACK, between, ms, story};
use crate::fickle::{self, Odd};
use crate::growing::first_growth;
use crate::words::told;

pub(crate) fn cases() -> Vec<Case> {
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
    sooner_than_the_others("refused", |exchange| {
        exchange.refuse_next(1);
    });
    sooner_than_the_others("a panic", |exchange| {
        exchange.panic_next(1);
    });
}

/// One goes wrong while the others are still under way.
fn sooner_than_the_others(how: &str, spoil: fn(&Exchange)) {
    story(async || {
        let exchange = Exchange::for_tasks();
        harness::watch(exchange.log());
        let odd = Odd { after: ms(5), spoil };
        let pool = fickle::open(&exchange, between(4, 30), odd).await;
        let mut rush = JoinSet::new();
        for number in 0..12 {
            let pool = Arc::clone(&pool);
            let works = async move {
                let held = pool.get().await;
                sleep(Duration::from_secs(5)).await;
                drop(held);
            };
            rush.spawn(known_as(&format!("task {number}"), works));
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
                     30 ms; one attempt was {how} after 5 ms",
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
                format!(
                    "{} at {}; `decisions` tells of {}",
                    told(&error),
                    clock(desk.now()),
                    desk.decided()
                ),
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
                     well but for one connect at 200 ms, which was {how}, with a connection_timeout of 2 s",
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
