//! What a round says that it did: P11.

use crate::graded::CheckReport;
use harness::tasks::home;
use harness::{Case, clock, fail};

use crate::desk::{BEGIN, Desk, SLACK, between, by_hand, each_second, ms, story};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new("reports_its_rounds", "P11", reports_its_rounds)
            .title("a round says what it did")
            .paused()
            .points(0.5)
            .lesson("rounds-in-the-background")
            .hints(&[
                "Three numbers, each counted where it happens. Who remembers the last ones?",
                "A field of `Checker` behind a `Mutex`, written at the end of every round, also of \
                 those that nobody calls by hand.",
                "The end of a round is where nothing is left to ping or to open. A round in which \
                 there was nothing to do has an end as well.",
            ]),
    ]
}

fn reports_its_rounds() {
    by_hand_and_by_itself();
    story(async || counts_the_broken().await);
    story(async || two_at_once().await);
    story(async || told_at_the_end().await);
    story(async || the_last_to_end_counts().await);
}

fn by_hand_and_by_itself() {
    story(async || {
        let desk = Desk::open(between(3, 4), by_hand()).await;
        let pinged = |line| !desk.pings_of(line).is_empty();
        if let (Some(report), false) = (desk.pool.last_check(), (1..=3).any(pinged)) {
            fail("None from `last_check` before the first round", format!("Some({report:?})"));
        }
        desk.exchange.cut(1);
        let when = "one of three is dead, and min_connections is 3";
        expect_report(&desk, CheckReport { pinged: 3, removed: 1, opened: 1 }, when).await;
        expect_report(&desk, CheckReport { pinged: 3, removed: 0, opened: 0 }, "all are well")
            .await;
        let mut held = desk.need_all(1, "from a pool with three idle ones").await;
        let when = "two of three are idle, and well";
        expect_report(&desk, CheckReport { pinged: 2, removed: 0, opened: 0 }, when).await;
        held.extend(desk.need_all(2, "from a pool with two idle ones").await);
        let when = "all three are lent out";
        expect_report(&desk, CheckReport { pinged: 0, removed: 0, opened: 0 }, when).await;
    });
    story(async || {
        let desk = Desk::open(between(2, 4), by_hand()).await;
        desk.exchange.go_offline();
        let report = desk.check().await;
        if report.opened != 0 {
            let when = "when no connection could be opened";
            fail(format!("opened 0 from `check_once` {when}"), format!("{report:?}"));
        }
    });
    story(async || {
        let desk = Desk::open(between(2, 4), each_second()).await;
        let mut held = Vec::new();
        for (second, cut, lent, removed) in
            [(1, 0, 0, 0), (2, 1, 0, 1), (3, 0, 0, 0), (4, 0, 1, 0), (5, 0, 2, 0)]
        {
            desk.at(ms(1_000 * second - 500)).await;
            if cut > 0 {
                desk.exchange.cut(cut);
            }
            while held.len() < lent {
                held.push(desk.need("from a pool with an idle one").await);
            }
            desk.at(ms(1_000 * second + 250)).await;
            let last = desk.pool.last_check();
            // What is opened need not be opened by the round itself.
            let told = last.map(|report| (report.pinged, report.removed));
            let pinged = 2 - u32::try_from(lent).expect("two at most");
            if told != Some((pinged, removed)) {
                fail(
                    format!(
                        "pinged {pinged}, removed {removed} from `last_check` after the round of \
                         second {second}, with {lent} of 2 lent out"
                    ),
                    format!("{last:?}"),
                );
            }
        }
    });
}

/// A connection that is known to be broken counts as removed, like one that a ping finds dead.
async fn counts_the_broken() {
    let desk = Desk::open(between(2, 4), by_hand()).await;
    desk.exchange.kill(1);
    let report = desk.check().await;
    // Nobody need ping what is known to be broken.
    if (report.removed, report.opened) != (1, 1) {
        fail(
            "removed 1, opened 1 from `check_once` when one of two idle connections has broken",
            format!("{report:?}"),
        );
    }
}

/// A round that is begun while another one is under way is a round.
async fn two_at_once() {
    let desk = Desk::open(between(2, 2), by_hand()).await;
    desk.exchange.query_takes(ms(180));
    let held = desk.need("from a pool with two idle ones").await;
    let line = held.id();
    let first = desk.trader("the first round", async |desk| desk.check().await);
    desk.at(BEGIN + ms(20)).await;
    desk.exchange.cut(line);
    drop(held);
    desk.at(BEGIN + ms(50)).await;
    let report = desk.check().await;
    let closed =
        |event: &ledger::Event| event.what == ledger::What::Closed { conn: ledger::Conn(line) };
    if !desk.events().iter().any(closed) {
        fail(
            format!(
                "a round of its own from `check_once`, called at 150 ms while another round is \
                 under way: conn {line}, which came back dead at 120 ms, is closed when it returns"
            ),
            format!("{report:?} at {}, and conn {line} still open", clock(desk.now())),
        );
    }
    home(first).await;
}

/// A round has not ended while it opens connections.
async fn told_at_the_end() {
    let desk = Desk::open(between(2, 2), by_hand()).await;
    let before = desk.pool.last_check();
    desk.exchange.connect_takes(ms(100)).cut(1);
    let round = desk.trader("the round", async |desk| desk.check().await);
    desk.at(BEGIN + ms(50)).await;
    let meanwhile = desk.pool.last_check();
    if meanwhile != before {
        fail(
            format!(
                "{before:?} from `last_check` as long as the round has not ended: it opens a \
                 connection from 100 ms to 200 ms"
            ),
            format!("{meanwhile:?} at 150 ms"),
        );
    }
    let report = home(round).await;
    let last = desk.pool.last_check();
    if last != Some(report) {
        fail(format!("{:?} from `last_check` after that round", Some(report)), format!("{last:?}"));
    }
}

/// Of two rounds, the one that ends last is the last.
async fn the_last_to_end_counts() {
    let desk = Desk::open(between(2, 2), by_hand()).await;
    desk.exchange.query_takes(ms(180));
    let held = desk.need("from a pool with two idle ones").await;
    desk.exchange.cut(3 - held.id());
    let round = async |desk: Desk| (desk.check().await, desk.now());
    let long = desk.trader("the long round", round);
    desk.at(BEGIN + ms(50)).await;
    drop(held);
    desk.exchange.query_takes(ms(20));
    desk.at(BEGIN + ms(100)).await;
    let short = desk.trader("the short round", round);
    let mut rounds = [home(long).await, home(short).await];
    rounds.sort_by_key(|(_, ended)| *ended);
    let [(first, ended_first), (second, ended)] = rounds;
    let last = desk.pool.last_check();
    // Where rounds exclude each other, the one that began last ends last as well.
    if ended > ended_first + SLACK && last != Some(second) {
        fail(
            format!(
                "{second:?} from `last_check`: that round ended at {}, the other one, which said \
                 {first:?}, at {}",
                clock(ended),
                clock(ended_first)
            ),
            format!("{last:?}"),
        );
    }
}

async fn expect_report(desk: &Desk, expected: CheckReport, when: &str) {
    let report = desk.check().await;
    if report != expected {
        fail(format!("{expected:?} from `check_once` when {when}"), format!("{report:?}"));
    }
    let last = desk.pool.last_check();
    if last != Some(expected) {
        fail(
            format!("{:?} from `last_check` after a round when {when}", Some(expected)),
            format!("{last:?}"),
        );
    }
    desk.at(desk.now() + ms(10)).await;
}
