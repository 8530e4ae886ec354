//! Lending and taking back, whatever the priority: P1 to P4.

use std::num::NonZeroU32;
use std::time::Duration;

use fixtures::exchange::Exchange;
use harness::tasks::all_home;
use harness::{Case, clock, connections, fail};
use priority_pool::{Priority, PriorityConfig, PriorityError, PriorityPool};

use crate::desk::{BEGIN, Desk, SLACK, ms, story, up_to};
use crate::handover;
use crate::held::Held;
use crate::limits;
use crate::places;
use crate::words::{said, told, who};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new("refuses_bad_config", "P1", refuses_bad_config)
            .title("a configuration that cannot work is refused")
            .paused()
            .points(0.5)
            .lesson("two-queues")
            .hints(&[
                "Only one number makes a pool of no use: which?",
                "Look at `max_connections` before anything else in `new`. The other values are all \
                 fine: a queue of 0, a time-out of `Duration::MAX`. Reserve no memory for them, and \
                 open nothing.",
            ]),
        Case::new("lends_what_is_idle", "P2", lends_what_is_idle)
            .title("an idle connection goes out at once, else one is opened")
            .paused()
            .points(1.0)
            .lesson("two-queues")
            .hints(&[
                "Leave priorities aside: a list of idle connections, a number of places, one lock. \
                 What does `get` look at first?",
                "Take the place under the same lock under which you saw that there is one; connect \
                 with the lock free.",
            ]),
        Case::new("never_above_max", "P3", never_above_max)
            .title("never more than max_connections")
            .paused()
            .points(0.5)
            .lesson("check-then-act")
            .hints(&[
                "Count places, not connections: a place is taken before its connection is opened.",
                "Who waits, and gets a connection that came back, opens none.",
            ]),
        Case::new("a_return_serves_who_waits", "P4", a_return_serves_who_waits)
            .title("what comes back goes to a request that waits")
            .paused()
            .points(0.5)
            .lesson("hand-over")
            .hints(&[
                "What does `Drop` do with the connection, if somebody waits, and if nobody does?",
                "A `oneshot::Sender` in the queue, its receiver awaited in `get`: the sender takes \
                 the connection along.",
            ]),
    ]
}

const EITHER: [Priority; 2] = [Priority::Critical, Priority::Normal];

fn refuses_bad_config() {
    story(async || {
        let exchange = Exchange::for_tasks();
        let none = up_to(0);
        match PriorityPool::new(exchange.async_manager(), none) {
            Err(PriorityError::InvalidConfig(_)) => {}
            Err(other) => fail("InvalidConfig from max_connections 0", told(&other)),
            Ok(_) => fail("InvalidConfig from max_connections 0", "a pool"),
        }
    });
    let most = PriorityConfig {
        max_connections: u32::MAX,
        normal_queue: usize::MAX,
        connection_timeout: Duration::MAX,
        starvation_limit: Some(NonZeroU32::MAX),
    };
    let least = PriorityConfig {
        max_connections: 1,
        normal_queue: 0,
        connection_timeout: Duration::ZERO,
        starvation_limit: Some(NonZeroU32::MIN),
    };
    let short = PriorityConfig { connection_timeout: Duration::from_nanos(1), ..up_to(1) };
    let queues_end = PriorityConfig { normal_queue: usize::MAX, ..up_to(1) };
    for config in [most, least, short, queues_end, PriorityConfig::default()] {
        story(async || {
            let desk = Desk::open(config.clone()).await;
            desk.expect_attempts(0, &format!("after `new` with {}", said(&config)));
        });
    }
    limits::without_end();
    // The largest values serve, and one that 32 bits do not hold, where there are more.
    let large = usize::try_from(1_u64 << 32).unwrap_or(usize::MAX);
    for (max, normal_queue) in [(1, usize::MAX), (u32::MAX, usize::MAX), (1, large)] {
        let config = PriorityConfig {
            max_connections: max,
            normal_queue,
            connection_timeout: Duration::MAX,
            starvation_limit: Some(NonZeroU32::MAX),
        };
        story(async || {
            let desk = Desk::open(config.clone()).await;
            let why = format!("from a pool with {}", said(&config));
            let held = desk.need(Priority::Normal, &why).await;
            let traders = EITHER.map(|priority| {
                let why = why.clone();
                desk.trader("task A", async move |desk| {
                    drop(desk.need(priority, &why).await);
                })
            });
            desk.at(BEGIN + ms(50)).await;
            drop(held);
            all_home(traders).await;
        });
    }
}

fn lends_what_is_idle() {
    for priority in EITHER {
        // None is idle: one is opened, and lent again when it has come back.
        story(async || {
            let desk = Desk::open(up_to(3)).await;
            desk.exchange.connect_takes(ms(20));
            let why = "opened in a pool that had none, which takes 20 ms";
            let mut first = desk.need_at(BEGIN + ms(20), priority, why).await;
            first.order().await;
            desk.expect_sessions(1, "after the first `get`: it opens one, and only one").await;
            let id = first.id();
            drop(first);
            desk.at(BEGIN + ms(100)).await;
            let again =
                desk.need_at(BEGIN + ms(100), priority, "from a pool with an idle one").await;
            if again.id() != id {
                fail(format!("conn {id}, which is idle"), format!("conn {}", again.id()));
            }
            desk.expect_attempts(1, "by two `get`s, one after the other");
        });
        // One is lent out, and there is room: nobody waits for it.
        story(async || {
            let desk = Desk::open(up_to(3)).await;
            let held = desk.need_all(2, "from a pool that may have 3").await;
            let third = desk.need_at(BEGIN, priority, "with 2 of 3 lent out").await;
            if held.iter().any(|other| other.id() == third.id()) {
                fail("no two guards to hold the same connection", format!("conn {}", third.id()));
            }
            desk.expect_sessions(3, "while 3 are lent out").await;
        });
    }
    // Several are idle: each goes out once.
    story(async || {
        let desk = Desk::open(up_to(3)).await;
        drop(desk.need_all(3, "from a pool that may have 3").await);
        let held = desk.need_all(3, "from a pool with 3 idle ones").await;
        let mut ids: Vec<u32> = held.iter().map(Held::id).collect();
        ids.sort_unstable();
        if ids != [1, 2, 3] {
            fail("conn 1, conn 2 and conn 3 to be lent out, which were idle", format!("{ids:?}"));
        }
    });
    // A clone is the same pool.
    story(async || {
        let desk = Desk::open(up_to(1)).await;
        let clone = desk.clone();
        drop(desk.need(Priority::Normal, "from a new pool").await);
        let held = clone.need(Priority::Critical, "from a clone of a pool with an idle one").await;
        desk.expect_sessions(1, "by a pool and its clone").await;
        drop((clone, held));
        desk.need_at(desk.now(), Priority::Normal, "after a clone was dropped").await;
    });
}

fn never_above_max() {
    // All ask at once, and connecting takes time.
    story(async || {
        let desk = Desk::open(up_to(3)).await;
        desk.exchange.connect_takes(ms(30));
        let codes = ["N1", "C1", "N2", "C2", "N3", "C3", "N4"];
        let traders = codes.map(|code| {
            desk.trader(&who(code), async move |desk| {
                let priority = crate::words::priority(code);
                let held = desk.need(priority, "when one has come back").await;
                desk.at(desk.now() + ms(10)).await;
                drop(held);
            })
        });
        all_home(traders).await;
        desk.expect_peak(3, ", with max_connections 3, when 7 asked at once");
        desk.expect_sessions(3, "when all have gone home: what came back stays open").await;
        let late = desk.now();
        if late > BEGIN + ms(30 + 3 * 10) + 3 * SLACK {
            fail(
                "7 requests with 10 ms of work each to be over after 30 ms of work on 3 connections, \
                 which are all opened at the same time, within 30 ms",
                format!("the last one was at {}, begun at {}", clock(late), clock(BEGIN)),
            );
        }
    });
    // Somebody asks while the only place is being opened.
    story(async || {
        let desk = Desk::open(up_to(1)).await;
        desk.exchange.connect_takes(ms(30));
        let first = desk.trader("normal 1", async |desk| {
            drop(desk.need(Priority::Normal, "opened in a pool that had none").await);
        });
        let second = desk.trader("critical 1", async |desk| {
            desk.at(BEGIN + ms(10)).await;
            let why = "when the first one came back";
            drop(desk.need_at(BEGIN + ms(30), Priority::Critical, why).await);
        });
        all_home([first, second]).await;
        desk.expect_attempts(1, "with max_connections 1, whoever asks");
        desk.expect_peak(1, ", with max_connections 1");
    });
    places::given_up_before_its_place_is_free();
}

fn a_return_serves_who_waits() {
    for priority in EITHER {
        story(async || {
            let desk = Desk::open(up_to(2)).await;
            let mut held = desk.need_all(2, "from a pool that may have 2").await;
            let traders = [(150, 200), (210, 250)].map(|(asks, due)| {
                desk.trader("task A", async move |desk| {
                    desk.at(ms(asks)).await;
                    let mut got = desk.need_at(ms(due), priority, "when one came back").await;
                    got.order().await;
                    desk.at(ms(400)).await;
                    drop(got);
                })
            });
            desk.at(ms(200)).await;
            held.pop();
            desk.at(ms(250)).await;
            held.pop();
            all_home(traders).await;
            desk.expect_attempts(2, "by four requests for 2 connections");
            desk.expect_sessions(2, "when all have come back: they stay open").await;
            let idle = desk.pool.status().idle;
            if idle != 2 {
                fail(
                    "2 to be idle when both have come back and nobody waits",
                    format!("{} idle", connections(idle as usize)),
                );
            }
        });
    }
    handover::tell();
    // Two that come back in the same instant serve two.
    story(async || {
        let desk = Desk::open(up_to(2)).await;
        let held = desk.need_all(2, "from a pool that may have 2").await;
        let traders = EITHER.map(|priority| {
            desk.trader("task A", async move |desk| {
                let why = "when two came back for two that waited";
                let got = desk.need_at(ms(200), priority, why).await;
                desk.at(ms(300)).await;
                drop(got);
            })
        });
        desk.at(ms(200)).await;
        drop(held);
        all_home(traders).await;
    });
}
