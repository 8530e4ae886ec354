//! What a dead server costs those who ask, and what they cost it: P10, P11.

use fault_tolerant_pool::{Breaker, ClusterConfig};
use harness::tasks::{all_home, home};
use harness::{Case, clock};

use crate::desk::{ATTEMPT, Desk, OPEN_FOR, SLACK, after, ms, order, story, usual};
use crate::words::outcome;

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new("a_hanging_server_costs_one_time_out", "P10", hanging)
            .title("a server that does not answer costs attempt_timeout")
            .paused()
            .points(0.5)
            .lesson("failing-over")
            .hints(&[
                "`tokio::time::timeout` around the attempt: opening and asking together, not one for \
                 each.",
                "An idle connection of a server that hangs does not look broken. Its question must \
                 have an end as well.",
            ]),
    ]
}

pub(crate) fn hard_cases() -> Vec<Case> {
    vec![
        Case::new("no_dialling_storm", "P11", no_storm)
            .title("three hundred readers and a dead server")
            .paused()
            .hard()
            .points(0.5)
            .lesson("dialling-storms")
            .hints(&[
                "They all looked at the breaker when it was closed, and then waited for a place. What \
                 do they know when they have it?",
                "Ask the breaker twice: before you wait for the place, and again when you have it. \
                 The second time is the one that counts.",
            ]),
    ]
}

fn hanging() {
    story(async || {
        for (on_idle, fresh) in [(false, false), (true, false), (false, true)] {
            let desk = Desk::open(1, usual()).await;
            if on_idle {
                drop(desk.must_read(0, "while it answers").await);
            }
            if fresh {
                // It opens, slowly; the question that follows, or the connect, is too slow together.
                desk.primary().connect_takes(ATTEMPT + ms(100));
            } else {
                desk.hangs(0);
            }
            for _ in 0..3 {
                let asked = desk.now();
                let by = asked + ATTEMPT + SLACK;
                drop(desk.must_read_by(1, by, "when the primary has not answered in time").await);
                if desk.now() < asked + ATTEMPT {
                    desk.fail("the primary to have the whole attempt_timeout", "it had less");
                }
                desk.expect_sessions(0, 0, "after an attempt that took too long").await;
            }
            desk.expect_breaker(0, Breaker::Open, "after three attempts that took too long");
            drop(desk.must_read(1, "while the primary's breaker is open").await);
        }
    });
    // An idle connection that fails late, and the new one in its place, share one time.
    story(async || {
        let desk = Desk::open(1, usual()).await;
        let held = desk.must_read(0, "while it answers").await;
        desk.primary().cut(held.id());
        drop(held);
        desk.primary().connect_takes(ms(400)).query_takes(ms(400));
        let by = desk.now() + ATTEMPT + SLACK;
        let why = "when the primary's idle connection failed after 400 ms, and a new one is slow";
        drop(desk.must_read_by(1, by, why).await);
    });
    // What is just quick enough is good; opening and asking share one time.
    story(async || {
        let desk = Desk::open(1, usual()).await;
        desk.primary().connect_takes(ms(450)).query_takes(ms(10));
        let by = desk.now() + ATTEMPT;
        drop(desk.must_read_by(0, by, "that is slow and in time").await);
        desk.expect_breaker(0, Breaker::Closed, "after a slow attempt in time");
        // The replica takes longer than its time, with its connect and its question together.
        let config = ClusterConfig { max_lag: Some(ms(100)), ..after(1) };
        let desk = Desk::open(1, config).await;
        desk.opens_by(1).await;
        desk.breaks_idle(1);
        desk.servers[1].connect_takes(ms(400)).query_takes(ms(400));
        let asked = desk.now();
        let result = desk.read().await;
        if result.is_ok() || desk.now() > asked + ATTEMPT + SLACK {
            desk.fail("opening and asking to share one attempt_timeout, 500 ms", outcome(&result));
        }
    });
}

fn no_storm() {
    for (max, threshold, hangs) in
        [(4, 3, true), (4, 3, false), (10, 1, true), (2, 5, true), (1, 1, false)]
    {
        order(async || {
            let config = ClusterConfig { max_connections: max, ..after(threshold) };
            let desk = Desk::open(1, config).await;
            if hangs {
                desk.hangs(0);
            } else {
                desk.primary().connect_takes(ms(100));
                desk.dies(0);
            }
            let readers = (0..300_u64).map(|number| {
                desk.trader(&format!("reader {number}"), async move |desk| {
                    for _ in 0..3 {
                        desk.at(desk.now() + ms(number % 7)).await;
                        let asked = desk.now();
                        drop(desk.cluster.read().await);
                        if desk.now() > asked + ATTEMPT * 4 + SLACK {
                            desk.fail("a read to take four times attempt_timeout at most", "more");
                        }
                    }
                })
            });
            all_home(readers.collect::<Vec<_>>()).await;
            desk.expect_breaker(0, Breaker::Open, "when three hundred have found it dead");
            let most = (max + threshold) as usize;
            let when = format!(
                "by 300 readers, with max_connections {max} and failure_threshold {threshold}"
            );
            desk.expect_dialled(0, 1, most, &when);
            // A minute with a reader every 50 ms.
            let dials = desk.dials()[0];
            let until = desk.now() + ms(60_000);
            while desk.now() < until {
                let reader = desk.trader("reader", async |desk| drop(desk.cluster.read().await));
                desk.at(desk.now() + ms(50)).await;
                if desk.dials()[0] > dials + 7 {
                    break;
                }
                drop(reader);
            }
            let minute = "at most one more for each open_for of the minute after that";
            desk.expect_dialled(0, dials + 1, dials + 7, minute);
        });
    }
    // Those who wait for a place go on when they have it, and do not dial.
    story(async || {
        let config = ClusterConfig { max_connections: 3, ..usual() };
        let desk = Desk::open(1, config).await;
        let mut held = Vec::new();
        for _ in 0..3 {
            held.push(desk.must_read(0, "from a new cluster").await);
        }
        let (read_by, began) = (desk.now() + ms(200) + SLACK, desk.now());
        let waits = desk.trader("waits", async move |desk| {
            drop(desk.must_read_by(1, read_by, "when the breaker has opened meanwhile").await);
        });
        let writes = desk.trader("writes", async move |desk| desk.write().await.is_ok());
        desk.at(began + ms(200)).await;
        desk.dies(0);
        desk.comes_back(0);
        drop(held);
        desk.expect_breaker(0, Breaker::Open, "after three guards that broke");
        home(waits).await;
        if home(writes).await {
            desk.fail(
                "a write to be refused when the primary's breaker opened while it waited for a place",
                "it was served",
            );
        }
        desk.expect_dialled(0, 3, 3, "when the breaker opened while two waited for a place");
        desk.at(desk.now() + OPEN_FOR + SLACK).await;
        drop(desk.must_read(0, "when open_for is over").await);
    });
    // At a replica as well.
    story(async || {
        let desk = Desk::open(1, ClusterConfig { max_connections: 1, ..after(1) }).await;
        desk.opens_by(1).await;
        let held = desk.must_read(1, "while the primary's breaker is open").await;
        let began = desk.now();
        let waits = desk.trader("waits", async |desk| (desk.read().await, desk.now()));
        desk.at(began + ms(200)).await;
        held.breaks();
        desk.expect_breaker(1, Breaker::Open, "after a guard that broke, the threshold");
        let (result, ended) = home(waits).await;
        if result.is_ok() || ended > began + ms(200) + SLACK {
            desk.fail(
                "AllUnavailable at 300 ms for a read that waited for a place at server 1 when its \
                 breaker opened",
                format!("{} at {}", outcome(&result), clock(ended)),
            );
        }
        desk.expect_dialled(1, 1, 1, "when its breaker opened while a read waited for a place");
    });
}
