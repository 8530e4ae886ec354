//! Rounds of pings, and what they do to the connections: P2 to P4, and P6.

use crate::graded::{CheckReport, HealthConfig};
use harness::tasks::all_home;
use harness::{Case, clock, fail, times};

use crate::desk::{BEGIN, Desk, SECOND, SLACK, between, by_hand, each_second, ms, story};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new("pings_each_interval", "P2", pings_each_interval)
            .title("every idle connection is pinged, again and again")
            .paused()
            .points(0.5)
            .lesson("rounds-in-the-background")
            .hints(&[
                "Who calls the checker when nobody calls it? `new` has to leave something running.",
                "`tokio::spawn` a loop that sleeps for `interval` and then does what `check_once` \
                 does. Its clock must be tokio's: `std::time::Instant` stands still here.",
                "Each idle connection, once: does your loop perhaps take the same one out again and \
                 again, because it was put back on top?",
                "A `tokio::time::interval` makes up for what it has missed, unless it is told \
                 another `MissedTickBehavior`.",
            ]),
        Case::new("healthy_ones_stay", "P3", healthy_ones_stay)
            .title("a connection that answers stays")
            .paused()
            .points(0.5)
            .lesson("rounds-in-the-background")
            .hints(&[
                "Where is a connection after its ping, and who puts it there?",
                "Dropping a `Place` gives its connection back. A connection that was taken out of \
                 `idle` and is dropped bare is closed, and its place is never free again.",
            ]),
        Case::new("removes_the_dead", "P4", removes_the_dead)
            .title("a connection that does not answer is closed")
            .paused()
            .points(0.5)
            .lesson("rounds-in-the-background")
            .hints(&[
                "The line was cut on its way; `has_broken` says no. Who can tell?",
                "Only `is_valid` asks the other side. When it returns an error, `place.close()` and \
                 drop the place.",
            ]),
    ]
}

/// Core as well, and told after those about borrowing.
pub(crate) fn more_cases() -> Vec<Case> {
    vec![
        Case::new("leaves_lent_ones_alone", "P6", leaves_lent_ones_alone)
            .title("a connection that is lent out is left alone")
            .paused()
            .points(0.5)
            .lesson("rounds-in-the-background")
            .hints(&[
                "Does your checker stand in the queue, like a trader, for a connection to ping?",
                "Take what is in `idle` at that moment, under the lock, and nothing else: whoever \
                 has borrowed a connection finds out by himself when it is dead.",
            ]),
    ]
}

fn pings_each_interval() {
    story(async || {
        let desk = Desk::open(between(9, 10), each_second()).await;
        desk.exchange.query_takes(ms(5));
        desk.at(10 * SECOND + ms(500)).await;
        for line in 1..=9 {
            expect_pinged_each_second(&desk, line);
        }
    });
    // One handle of several is dropped.
    story(async || {
        let desk = Desk::open(between(2, 2), each_second()).await;
        desk.at(ms(500)).await;
        drop(desk.pool.clone());
        desk.at(3 * SECOND + ms(500)).await;
        let when = "when one clone of the pool was dropped, and another one is there";
        desk.expect_pinged_after(1, ms(2_500), when);
    });
    after_a_slow_round();
}

/// A round that took more than five intervals: it is followed by one, not by five.
fn after_a_slow_round() {
    story(async || {
        let health = HealthConfig { ping_timeout: 20 * SECOND, ..each_second() };
        let desk = Desk::open(between(2, 2), health).await;
        desk.at(ms(500)).await;
        desk.exchange.query_takes(ms(5_500));
        desk.at(ms(1_500)).await;
        desk.exchange.query_takes(ms(0));
        desk.at(9 * SECOND + ms(250)).await;
        for line in 1..=2 {
            let pings = desk.pings_of(line);
            // The slow round itself, the one that follows it at once, and the next.
            let together = pings.windows(4).find(|four| four[3].saturating_sub(four[0]) < ms(900));
            if let Some(four) = together {
                fail(
                    "a round each second; those that fell due during a slow one are not made up for",
                    format!(
                        "conn {line} pinged four times and more from {} to {}",
                        clock(four[0]),
                        clock(four[3])
                    ),
                );
            }
            desk.expect_pinged_after(line, 8 * SECOND, "after one that took 5.5 s");
        }
    });
}

fn expect_pinged_each_second(desk: &Desk, line: u32) {
    let pings = desk.pings_of(line);
    let expected = "each of nine idle connections to be pinged once a second";
    let Some(&first) = pings.first() else {
        fail(expected, format!("no ping of conn {line} in 10.5 s"));
    };
    // Nine pings of 5 ms, one after the other, are a round as well; first in one, last in the next.
    let most = SECOND + 2 * ms(45) + SLACK;
    if first > most {
        fail(expected, format!("conn {line} pinged for the first time at {}", clock(first)));
    }
    for pair in pings.windows(2) {
        let gap = pair[1].saturating_sub(pair[0]);
        if gap > most || gap < ms(900) {
            fail(
                expected,
                format!("conn {line} pinged at {} and at {}", clock(pair[0]), clock(pair[1])),
            );
        }
    }
    if !(9..=11).contains(&pings.len()) {
        fail(expected, format!("conn {line} pinged {} in 10.5 s", times(pings.len())));
    }
}

fn healthy_ones_stay() {
    story(async || {
        let desk = Desk::open(between(2, 4), each_second()).await;
        desk.exchange.query_takes(ms(10));
        drop(desk.need_all(4, "from a pool that may have 4").await);
        desk.at(5 * SECOND + ms(500)).await;
        desk.expect_idle(4, "after five rounds in which all four answered").await;
        for held in desk.need_all(4, "after five rounds in which all four answered").await {
            if held.id() > 4 {
                fail(
                    "the four connections that answered to stay",
                    format!("conn {} opened anew", held.id()),
                );
            }
        }
        if let attempts @ 5.. = desk.exchange.attempts() {
            fail("no connection to be opened beside the four", format!("{attempts} attempts"));
        }
    });
}

fn removes_the_dead() {
    story(async || {
        let desk = Desk::open(between(0, 3), each_second()).await;
        drop(desk.need_all(3, "from a pool that may have 3").await);
        desk.at(ms(500)).await;
        desk.exchange.cut(2);
        desk.at(SECOND + ms(500)).await;
        if desk.pings_of(2).iter().all(|&ping| ping < ms(500)) {
            let late = "no ping of it by 1500 ms, with a round each second";
            fail("conn 2, which was cut at 500 ms, to be pinged by the next round", late);
        }
        desk.expect_sessions(2, "after a round in which one of three did not answer").await;
        for mut held in desk.need_all(3, "after one of three was removed").await {
            if held.id() == 2 {
                fail("conn 2, which did not answer its ping, to be gone", "conn 2 handed out");
            }
            held.order().await;
        }
        // A round that finds every one of them dead.
        for line in [1, 3, 4] {
            desk.exchange.cut(line);
        }
        desk.at(2 * SECOND + ms(500)).await;
        desk.expect_idle(0, "after a round in which none of three answered").await;
    });
}

fn leaves_lent_ones_alone() {
    story(async || {
        let desk = Desk::open(between(2, 2), by_hand()).await;
        desk.exchange.query_takes(ms(10));
        let mut first = desk.need("from a pool with two idle ones").await;
        let why = "one connection is idle, and its ping takes 10 ms";
        expect_pinged(desk.check_by(BEGIN + ms(10), why).await, 1, "while one of two is lent out");
        let mut second = desk.need("from a pool with an idle one").await;
        let now = desk.now();
        expect_pinged(
            desk.check_by(now, "no connection is idle").await,
            0,
            "while both are lent out",
        );
        first.order().await;
        second.order().await;
        desk.expect_none_pinged_while_held();
    });
    // The checker does not stand in the queue either.
    story(async || {
        let desk = Desk::open(between(1, 1), each_second()).await;
        let held = desk.need("from a pool with an idle one").await;
        let waits = desk.trader("task A", async |desk| {
            drop(desk.need_at(ms(3_500), "when the only connection came back").await);
        });
        desk.at(ms(3_500)).await;
        drop(held);
        all_home([waits]).await;
        desk.expect_none_pinged_while_held();
        desk.at(ms(6_500)).await;
        desk.expect_pinged_after(
            1,
            ms(3_600),
            "when one that was lent out for three has come back",
        );
    });
}

fn expect_pinged(report: CheckReport, expected: u32, when: &str) {
    if report.pinged != expected {
        fail(
            format!("`check_once` to ping {expected} {when}"),
            format!("it says pinged {}", report.pinged),
        );
    }
}
