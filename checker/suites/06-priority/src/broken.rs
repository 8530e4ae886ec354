//! Connections that break: P17.

use std::time::Duration;

use harness::tasks::{all_home, home};
use harness::{Case, clock, fail};
use priority_pool::{Priority, PriorityConfig, PriorityError};

use crate::desk::{BEGIN, Desk, SLACK, ms, story, up_to};
use crate::handover;
use crate::places;
use crate::rush::{RETURN, Rush};
use crate::words::{outcome, priority, who};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new("a_broken_one_gives_its_place", "P17", a_broken_one_gives_its_place)
            .title("a broken one is closed, and its place goes to the next")
            .paused()
            .hard()
            .points(0.5)
            .lesson("the-place-and-the-connection")
            .hints(&[
                "It comes back broken, and nobody shall have it. But somebody waits, and there is room \
                 for one more now: who tells him?",
                "Ask `has_broken` when it comes back, when it goes out again, and when somebody has \
                 found it in the channel: between any two of these it may break.",
                "Several are idle and one is broken: who takes that one out has a place. What is in \
                 it? The other idle ones are as good as new.",
                "Close it first, then count its place as free: until then the server counts it as well.",
            ]),
    ]
}

fn a_broken_one_gives_its_place() {
    // It broke in use. The next in order opens one in its place.
    for (asking, order) in [("N1 N2", "N1 N2"), ("N1 C1 N2", "C1 N1 N2")] {
        story(async || {
            let mut rush = Rush::at_desk(up_to(1)).await;
            let held = rush.desk.need_all(1, "from a new pool").await;
            rush.ask(asking);
            rush.desk.exchange.kill(held[0].id());
            let desk = rush.desk.clone();
            rush.begin(held).await;
            rush.expect_steady(order, "after a connection that came back broken").await;
            desk.expect_attempts(2, "when one of one broke: one for those who wait");
            desk.expect_sessions(1, "when one broke and another was opened in its place").await;
        });
    }
    // Both come back broken, and both places go on, in the order of asking.
    story(async || {
        let mut rush = Rush::at_desk(up_to(2)).await;
        let mut held = rush.desk.need_all(2, "from a pool that may have 2").await;
        rush.ask("N1 C1 N2");
        rush.desk.exchange.go_offline();
        rush.desk.exchange.come_back();
        rush.desk.at(RETURN).await;
        held.pop();
        rush.desk.at(RETURN + ms(3)).await;
        held.pop();
        let desk = rush.desk.clone();
        rush.expect("C1 N1 N2", "after two connections that came back broken").await;
        desk.expect_peak(2, ", with max_connections 2");
    });
    // Nobody waits: its place is free.
    story(async || {
        let desk = Desk::open(up_to(1)).await;
        let held = desk.need_all(1, "from a new pool").await;
        desk.exchange.kill(held[0].id());
        drop(held);
        desk.expect_sessions(0, "when the only one has come back broken").await;
        let mut held = desk.need_at(desk.now(), Priority::Normal, "in a place that is free").await;
        held.order().await;
    });
    // The place of one that came back broken goes to a `get` that another task has polled before.
    for code in ["C1", "N1"] {
        story(async || handover::it_moves(code, true).await);
    }
    broke_while_idle();
    broke_on_its_way();
    broke_on_its_way_to_the_first();
    no_answer_after_it_broke_on_its_way();
    places::closed_before_its_place_is_free();
}

fn broke_while_idle() {
    // Of three idle ones, these break: the others are lent out at once.
    for broken in [&[1][..], &[2], &[3], &[1, 3], &[2, 3], &[1, 2, 3]] {
        for code in [Priority::Critical, Priority::Normal] {
            story(async || {
                let desk = Desk::open(up_to(3)).await;
                drop(desk.need_all(3, "from a pool that may have 3").await);
                desk.exchange.connect_takes(ms(20));
                for &line in broken {
                    desk.exchange.kill(line);
                }
                let due = if broken.len() == 3 { BEGIN + ms(20) } else { BEGIN };
                let which: Vec<String> = broken.iter().map(|line| format!("conn {line}")).collect();
                let which = which.join(" and ");
                let why = format!(
                    "from a pool with three idle ones, of which {which} broke: it takes a good one, \
                     if there is one"
                );
                let mut first = desk.need_at(due, code, &why).await;
                first.order().await;
                // A good idle one, or the place of one that broke.
                let due = desk.now() + ms(20);
                let rest = [(); 2].map(|()| {
                    let why = format!(
                        "from a pool that may have 3, with one of them lent out, after {which} broke \
                         while idle: was a place lost?"
                    );
                    desk.trader("task A", async move |desk| {
                        let mut got = desk.need_at(due, code, &why).await;
                        got.order().await;
                        desk.at(ms(200)).await;
                    })
                });
                all_home(rest).await;
                drop(first);
                desk.expect_attempts(3 + broken.len(), "for three, of which some broke");
                desk.expect_peak(3, ", with max_connections 3");
                desk.expect_whole(3, &format!("after {which} broke, of three idle ones")).await;
            });
        }
    }
}

/// It is good when it comes back and goes to the next in order; before that one can run, it breaks.
fn broke_on_its_way() {
    story(async || {
        let desk = Desk::open(up_to(2)).await;
        let mut held = desk.need_all(2, "from a pool that may have 2").await;
        let waits = desk.trader("normal 1", async |desk| {
            let why = "when one came back, and broke before anybody could use it";
            let mut got = desk.need_at(ms(200), Priority::Normal, why).await;
            got.order().await;
        });
        desk.at(ms(200)).await;
        if let Some(one) = held.pop() {
            let line = one.id();
            drop(one);
            desk.exchange.kill(line);
        }
        home(waits).await;
        drop(held);
        desk.expect_peak(2, ", with max_connections 2");
        desk.expect_whole(2, "after one broke on its way").await;
    });
}

/// The same, with others behind: whom it was on its way to opens one in its place, before they do.
fn broke_on_its_way_to_the_first() {
    for (asking, order) in [("N1 N2 N3", "N1 N2 N3"), ("N1 C1 N2 C2", "C1 C2 N1 N2")] {
        story(async || {
            let mut rush = Rush::at_desk(up_to(1)).await;
            let mut held = rush.desk.need_all(1, "from a new pool").await;
            rush.ask(asking);
            rush.desk.exchange.connect_takes(CONNECT);
            rush.desk.at(RETURN).await;
            let desk = rush.desk.clone();
            if let Some(one) = held.pop() {
                let line = one.id();
                drop(one);
                desk.exchange.kill(line);
            }
            let first = &order[..2];
            let why = format!(
                "after a connection that broke on its way to {}, who opens another one in its place",
                who(first)
            );
            rush.expect(order, &why).await;
            desk.expect_attempts(2, &why);
            desk.expect_peak(1, ", with max_connections 1");
        });
    }
}

const LIMIT: Duration = ms(100);
const CONNECT: Duration = ms(20);

/// It broke on its way, and the connect in its place does not answer: the time limit holds there too.
fn no_answer_after_it_broke_on_its_way() {
    for code in ["C1", "N1"] {
        story(async || {
            let desk = Desk::open(PriorityConfig { connection_timeout: LIMIT, ..up_to(1) }).await;
            let mut held = desk.need_all(1, "from a new pool").await;
            desk.exchange.connect_takes(CONNECT).hang_next(1);
            let waits = desk.trader(&who(code), async move |desk| {
                desk.at(ms(110)).await;
                let result = desk.get(priority(code)).await;
                let (now, due) = (desk.now(), ms(110) + LIMIT);
                if !matches!(result, Err(PriorityError::Timeout)) || now > due + SLACK {
                    fail(
                        format!(
                            "Timeout at {} for {}, who asked at 110 ms, was given a connection that \
                             broke on its way, and got no answer to the connect in its place",
                            clock(due),
                            who(code)
                        ),
                        format!("{} at {}", outcome(&result), clock(now)),
                    );
                }
            });
            let next = desk.trader("normal 2", async move |desk| {
                desk.at(ms(150)).await;
                let why = format!(
                    "when the time of {} was over at {}, whose connect, in the place of one that \
                     broke on its way, did not answer",
                    who(code),
                    clock(ms(110) + LIMIT)
                );
                drop(desk.need_at(ms(110) + LIMIT + CONNECT, Priority::Normal, &why).await);
            });
            desk.at(ms(160)).await;
            if let Some(one) = held.pop() {
                let line = one.id();
                drop(one);
                desk.exchange.kill(line);
            }
            all_home([waits, next]).await;
            desk.expect_peak(1, ", with max_connections 1");
        });
    }
}
