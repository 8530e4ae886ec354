//! Getting and giving back while a round is under way: P7 to P9.

use crate::graded::Pool;
use harness::tasks::{all_home, home};
use harness::{Case, clock, fail};
use ledger::{Event, What};

use crate::desk::{BEGIN, Desk, SECOND, SLACK, between, by_hand, each_second, ms, story};
use crate::watched::{self, Watched};
use crate::{reports, rounds};

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = vec![
        Case::new("serves_during_a_ping", "P7", serves_during_a_ping)
            .title("a ping holds nobody up")
            .paused()
            .points(0.5)
            .lesson("a-lock-and-an-await")
            .hints(&[
                "A ping takes a tenth of a second here. Who has to stand in line meanwhile, and for \
                 what?",
                "No lock may be held across an `await`. Take the connection out, let go of the \
                 lock, ping, and give it back.",
                "Give each one back as soon as its own ping has ended, not when the round is over.",
                "Dropping a connection closes it: let go of the lock before that as well.",
            ]),
        Case::new("a_pinged_one_keeps_its_place", "P8", a_pinged_one_keeps_its_place)
            .title("a connection that is being pinged keeps its place")
            .paused()
            .points(0.5)
            .lesson("a-lock-and-an-await")
            .hints(&[
                "Out of the idle list, lent to nobody: is the connection still counted while it is \
                 being pinged?",
                "Its place stays taken. Then a `get` that finds none idle and no room waits until \
                 the ping has ended. `Place::holding` does not change `size`.",
            ]),
    ];
    cases.extend(rounds::more_cases());
    cases.extend(reports::cases());
    cases.push(
        Case::new("replaces_one_that_broke_in_use", "P9", replaces_one_that_broke_in_use)
            .title("a connection that broke while it was lent out is replaced")
            .paused()
            .points(0.5)
            .lesson("restoring-the-minimum")
            .hints(&[
                "No round has removed it: it was closed on its way back. Does your checker notice \
                 that one is missing?",
                "Ask at the end of each round how many there are, not how many this round removed.",
            ]),
    );
    cases
}

fn serves_during_a_ping() {
    // There is room for another one.
    story(async || {
        let desk = Desk::open(between(1, 2), by_hand()).await;
        desk.exchange.query_takes(ms(100));
        let round = desk.trader("the round", async |desk| desk.check().await);
        desk.at(BEGIN + ms(50)).await;
        let why = "while the only connection is being pinged and there is room for another";
        drop(desk.need_at(BEGIN + ms(50), why).await);
        home(round).await;
    });
    // There is none.
    story(async || {
        let desk = Desk::open(between(1, 1), by_hand()).await;
        desk.exchange.query_takes(ms(100));
        let round = desk.trader("the round", async |desk| desk.check().await);
        desk.at(BEGIN + ms(50)).await;
        drop(desk.need_at(BEGIN + ms(100), "when the ping of the only connection ended").await);
        home(round).await;
    });
    // One comes back while the other is being pinged.
    story(async || {
        let desk = Desk::open(between(2, 2), by_hand()).await;
        desk.exchange.query_takes(ms(100));
        let held = desk.need("from a pool with two idle ones").await;
        let round = desk.trader("the round", async |desk| desk.check().await);
        let waits = desk.trader("task A", async |desk| {
            desk.at(BEGIN + ms(20)).await;
            drop(desk.need_at(BEGIN + ms(50), "when one came back").await);
        });
        desk.at(BEGIN + ms(50)).await;
        drop(held);
        home(waits).await;
        home(round).await;
    });
    // Of several, the first whose ping has ended.
    story(async || {
        let desk = Desk::open(between(3, 3), by_hand()).await;
        desk.exchange.query_takes(ms(100));
        let round = desk.trader("the round", async |desk| desk.check().await);
        desk.at(BEGIN + ms(50)).await;
        drop(desk.need_at(BEGIN + ms(100), "when the first ping of the round ended").await);
        home(round).await;
    });
    // One that says nothing keeps the others from nobody.
    story(async || {
        let desk = Desk::open(between(3, 3), by_hand()).await;
        desk.exchange.query_takes(ms(100));
        desk.exchange.silence(2);
        let round = desk.trader("the round", async |desk| desk.check().await);
        desk.at(BEGIN + ms(50)).await;
        let held = desk.need("when the first ping of the round has ended").await;
        let ended = |event: &Event| matches!(event.what, What::Pinged { alive: true, .. });
        let first = desk.events().into_iter().find(|event| event.at >= BEGIN && ended(event));
        if let Some(Event { at, .. }) = first
            && desk.now() > at + SLACK
        {
            fail(
                format!("a connection at {}, when the first ping of the round ended", clock(at)),
                format!("one at {}: another connection says nothing", clock(desk.now())),
            );
        }
        drop((held, round));
    });
    nobody_waits_for_a_closing();
}

/// A connection that is being closed takes as long as it takes.
fn nobody_waits_for_a_closing() {
    story(async || {
        let (exchange, manager) = Watched::exchange();
        let pool = watched::open(&manager, between(2, 2)).await;
        let glance = |pool: &Pool<Watched>| {
            pool.status();
        };
        let part = async {
            exchange.cut(1);
            pool.check_once().await;
            exchange.kill(2);
            pool.check_once().await;
            pool.close().await;
        };
        manager.glancing(&pool, "`status`, called from another thread,", glance, part).await;
    });
}

fn a_pinged_one_keeps_its_place() {
    story(async || {
        let desk = Desk::open(between(2, 2), by_hand()).await;
        desk.exchange.query_takes(ms(100));
        let round = desk.trader("the round", async |desk| desk.check().await);
        desk.at(BEGIN + ms(50)).await;
        let traders = ["task A", "task B", "task C"].map(|name| {
            desk.trader(name, async |desk| {
                let held = desk.need("when a ping has ended").await;
                desk.at(desk.now() + ms(20)).await;
                drop(held);
            })
        });
        all_home(traders).await;
        home(round).await;
        desk.expect_peak(
            2,
            ", with max_connections 2: while connections were being pinged, others were opened in \
             their places",
        );
        desk.expect_none_pinged_while_held();
        desk.expect_idle(2, "when all have gone home").await;
    });
    // A round finds nothing idle, because another one pings it.
    story(async || {
        let desk = Desk::open(between(2, 6), by_hand()).await;
        desk.exchange.query_takes(ms(150));
        let round = desk.trader("the first round", async |desk| desk.check().await);
        desk.at(BEGIN + ms(50)).await;
        let second = desk.check().await;
        home(round).await;
        if second.opened > 0 || desk.exchange.sessions() > 2 {
            fail(
                "nothing to be opened by a second round at 150 ms, while the first one pings both \
                 connections, and min_connections is 2",
                format!(
                    "{second:?} from the second round; {} connections in the end",
                    desk.exchange.sessions()
                ),
            );
        }
        desk.expect_idle(2, "after two rounds at the same time").await;
    });
}

fn replaces_one_that_broke_in_use() {
    story(async || {
        let desk = Desk::open(between(2, 3), each_second()).await;
        let held = desk.need("from a pool with two idle ones").await;
        let broken = held.id();
        desk.exchange.kill(broken);
        drop(held);
        desk.expect_closed(broken, "it broke while it was lent out, and came back").await;
        desk.at(SECOND + ms(500)).await;
        desk.expect_idle(2, "after the next round, with min_connections 2").await;
    });
    // It was the only one: the round finds nothing to ping.
    story(async || {
        let desk = Desk::open(between(1, 3), each_second()).await;
        let held = desk.need("from a pool with an idle one").await;
        desk.exchange.kill(held.id());
        drop(held);
        desk.at(SECOND + ms(500)).await;
        let when = "after the next round, with min_connections 1, which found nothing idle";
        desk.expect_idle(1, when).await;
    });
    // Nothing is idle: two are lent out, and one broke in use.
    story(async || {
        let desk = Desk::open(between(3, 5), each_second()).await;
        let mut held = desk.need_all(3, "from a pool with three idle ones").await;
        if let Some(broken) = held.pop() {
            desk.exchange.kill(broken.id());
        }
        desk.at(SECOND + ms(500)).await;
        let when = "after a round that found nothing idle, with 2 lent out and min_connections 3";
        desk.expect_sessions(3, when).await;
    });
    // Whoever waits gets its place, and does not wait for a round.
    story(async || {
        let desk = Desk::open(between(1, 1), each_second()).await;
        let held = desk.need("from a pool with an idle one").await;
        let waits = desk.trader("task A", async |desk| {
            desk.at(ms(200)).await;
            desk.need_at(ms(300), "in the place of one that came back broken").await.order().await;
        });
        desk.at(ms(300)).await;
        desk.exchange.kill(held.id());
        drop(held);
        home(waits).await;
        desk.at(ms(300) + SLACK).await;
        desk.expect_idle(1, "when all have gone home").await;
    });
    // It broke, and nobody knows yet.
    story(async || {
        let desk = Desk::open(between(2, 3), each_second()).await;
        let held = desk.need("from a pool with two idle ones").await;
        desk.exchange.cut(held.id());
        drop(held);
        desk.at(SECOND + ms(500)).await;
        desk.expect_idle(2, "after the next round, with min_connections 2").await;
        for mut held in desk.need_all(2, "after the dead one was replaced").await {
            held.order().await;
        }
    });
}
