//! Bringing the minimum back: P5, P16 and P17.

use harness::tasks::{all_home, home};
use harness::{Case, fail};

use crate::desk::{BEGIN, Desk, SECOND, SLACK, between, by_hand, each_second, ms, story};
use crate::watched::{self, Watched};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new("restores_the_minimum", "P5", restores_the_minimum)
            .title("the minimum is restored, and no more")
            .paused()
            .points(0.5)
            .lesson("restoring-the-minimum")
            .hints(&[
                "How many places are taken after the dead have gone, and how many should be?",
                "`place_below(min)` gives an empty place as long as fewer than `min` are taken: open \
                 a connection there, and drop the place to make the connection idle.",
            ]),
    ]
}

pub(crate) fn hard_cases() -> Vec<Case> {
    vec![
        Case::new("restoring_respects_max", "P16", restoring_respects_max)
            .title("restoring never leads above max_connections")
            .paused()
            .hard()
            .points(0.5)
            .lesson("restoring-the-minimum")
            .hints(&[
                "Opening takes a tenth of a second here. Who else may see the same gap in that \
                 time?",
                "Take the place under the lock under which you saw that it is free, and open \
                 afterwards: as `get` does it, and with the same counter.",
            ]),
        Case::new("a_waiter_gets_the_replacement", "P17", a_waiter_gets_the_replacement)
            .title("a waiting task gets what replaces a dead connection")
            .paused()
            .hard()
            .points(0.5)
            .lesson("restoring-the-minimum")
            .hints(&[
                "A task waits, the only connection is found dead, and a new one is opened. How does \
                 the task learn of it?",
                "What frees a place or brings a connection must go the same way as a return does: \
                 first to whoever waits, then to the idle ones. Dropping a `Place` does that.",
            ]),
    ]
}

fn restores_the_minimum() {
    for dead in [1..=1, 1..=2, 1..=3] {
        story(async || {
            let desk = Desk::open(between(3, 5), each_second()).await;
            desk.at(ms(500)).await;
            dead.clone().for_each(|line| desk.exchange.cut(line));
            desk.at(SECOND + ms(500)).await;
            let when = format!("after a round that found {} of 3 dead", dead.end());
            desk.expect_idle(3, &when).await;
            for mut held in desk.need_all(3, &when).await {
                held.order().await;
            }
        });
    }
    // Nothing is left to ping, and the first attempt fails: a later round succeeds.
    story(async || {
        let desk = Desk::open(between(2, 3), each_second()).await;
        desk.at(ms(500)).await;
        (1..=2).for_each(|line| desk.exchange.cut(line));
        desk.exchange.refuse_next(1);
        desk.at(4 * SECOND + ms(500)).await;
        let when = "at 4500 ms, three rounds after one that found both dead and could open none";
        desk.expect_idle(2, when).await;
    });
    // Five were open: of three dead, one is missing to the minimum.
    story(async || {
        let desk = Desk::open(between(3, 5), each_second()).await;
        drop(desk.need_all(5, "from a pool that may have 5").await);
        desk.at(ms(500)).await;
        (1..=3).for_each(|line| desk.exchange.cut(line));
        desk.at(SECOND + ms(500)).await;
        desk.expect_idle(3, "after a round that found 3 of 5 dead, with min_connections 3").await;
    });
    // Those that are lent out count as well.
    story(async || {
        let desk = Desk::open(between(3, 5), each_second()).await;
        let held = desk.need_all(3, "from a pool with three idle ones").await;
        desk.at(SECOND + ms(500)).await;
        desk.expect_sessions(3, "after a round while all three are lent out").await;
        drop(held);
    });
    // Two rounds at the same time see the same gap.
    story(async || {
        let desk = Desk::open(between(2, 6), by_hand()).await;
        desk.exchange.connect_takes(ms(100));
        (1..=2).for_each(|line| desk.exchange.cut(line));
        let round = desk.trader("the first round", async |desk| desk.check().await);
        desk.at(BEGIN + ms(50)).await;
        desk.check().await;
        home(round).await;
        // One of the two may leave to the other what that is just opening.
        desk.at(BEGIN + SECOND).await;
        let when = "after two rounds at the same time, begun at 100 ms and 150 ms, that found 2 of \
                    2 dead";
        desk.expect_idle(2, when).await;
    });
}

fn restoring_respects_max() {
    story(async || {
        let desk = Desk::open(between(2, 2), by_hand()).await;
        desk.exchange.query_takes(ms(10)).connect_takes(ms(100));
        desk.exchange.cut(1);
        desk.exchange.cut(2);
        let rounds = [0, 30].map(|late| {
            desk.trader("a round", async move |desk| {
                desk.at(BEGIN + ms(late)).await;
                desk.check().await;
            })
        });
        let traders = [("task A", 5), ("task B", 20), ("task C", 45)].map(|(name, late)| {
            desk.trader(name, async move |desk| {
                desk.at(BEGIN + ms(late)).await;
                drop(desk.need("from a pool whose two dead ones are replaced").await);
            })
        });
        all_home(rounds).await;
        all_home(traders).await;
        desk.expect_peak(2, ", with max_connections 2");
        desk.expect_idle(2, "when both dead ones have been replaced and all have gone home").await;
    });
    // While the checker restores, a trader takes the last place.
    story(async || {
        let desk = Desk::open(between(2, 3), by_hand()).await;
        desk.exchange.connect_takes(ms(100));
        desk.exchange.cut(1);
        desk.exchange.cut(2);
        let round = desk.trader("the round", async |desk| desk.check().await);
        let traders = ["task A", "task B"].map(|name| {
            desk.trader(name, async |desk| {
                desk.at(BEGIN + ms(50)).await;
                let held = desk.need("from a pool that may have 3").await;
                desk.at(BEGIN + SECOND).await;
                drop(held);
            })
        });
        home(round).await;
        all_home(traders).await;
        desk.expect_peak(3, ", with max_connections 3");
    });
    // A place is taken as long as its connection is being closed.
    story(async || {
        let (exchange, manager) = Watched::exchange();
        let pool = watched::open(&manager, between(1, 1)).await;
        let part = async {
            exchange.cut(1);
            pool.check_once().await;
            exchange.kill(2);
            pool.check_once().await;
        };
        manager.glancing(&pool, "a `get` that is polled once", watched::asks_once, part).await;
        if exchange.peak_sessions() > 1 {
            fail(
                "at most 1 connection open at any moment, with max_connections 1",
                format!(
                    "{} at once: a `get` opened one while a dead one was still being closed",
                    exchange.peak_sessions()
                ),
            );
        }
    });
}

fn a_waiter_gets_the_replacement() {
    story(async || {
        let desk = Desk::open(between(1, 1), by_hand()).await;
        desk.exchange.query_takes(ms(100)).connect_takes(ms(20));
        desk.exchange.cut(1);
        let round = desk.trader("the round", async |desk| desk.check().await);
        desk.at(BEGIN + ms(50)).await;
        let why = "20 ms of opening after the ping of the only connection failed, at 200 ms";
        let held = desk.need_at(BEGIN + ms(120), why).await;
        if held.id() == 1 {
            fail("a new connection in the place of conn 1, which is dead", "conn 1");
        }
        drop(held);
        home(round).await;
        desk.expect_peak(1, ", with max_connections 1");
        desk.expect_idle(1, "when all have gone home").await;
    });
    // Nothing has to be restored: the place itself is what he waits for.
    story(async || {
        let desk = Desk::open(between(0, 1), by_hand()).await;
        drop(desk.need("from an empty pool").await);
        desk.exchange.query_takes(ms(100)).connect_takes(ms(20));
        desk.exchange.cut(1);
        let round = desk.trader("the round", async |desk| desk.check().await);
        desk.at(BEGIN + ms(50)).await;
        let why = "20 ms of opening after the ping of the only connection failed, at 200 ms";
        drop(desk.need_at(BEGIN + ms(120), why).await);
        home(round).await;
    });
    // He comes when the replacement is just being opened.
    story(async || {
        let desk = Desk::open(between(1, 1), by_hand()).await;
        desk.exchange.connect_takes(ms(100));
        desk.exchange.cut(1);
        let round = desk.trader("the round", async |desk| desk.check().await);
        desk.at(BEGIN + ms(50)).await;
        let why = "when the replacement, asked for at 100 ms, was open";
        drop(desk.need_at(BEGIN + ms(100), why).await);
        home(round).await;
        desk.at(BEGIN + ms(100) + SLACK).await;
        desk.expect_idle(1, "when all have gone home").await;
    });
    // Two wait for two.
    story(async || {
        let desk = Desk::open(between(2, 2), by_hand()).await;
        desk.exchange.query_takes(ms(100));
        desk.exchange.cut(1);
        desk.exchange.cut(2);
        let round = desk.trader("the round", async |desk| desk.check().await);
        desk.at(BEGIN + ms(50)).await;
        let traders = ["task A", "task B"].map(|name| {
            desk.trader(name, async |desk| {
                // Two pings, one after the other, are a round as well.
                let why = "when the pings of both dead connections had failed";
                let held = desk.need_at(BEGIN + ms(200), why).await;
                desk.at(BEGIN + SECOND).await;
                drop(held);
            })
        });
        home(round).await;
        all_home(traders).await;
        desk.expect_idle(2, "when all have gone home").await;
    });
}
