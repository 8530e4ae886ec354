//! Who is served first: P5, P6, and the starvation limit, P13.

use std::num::NonZeroU32;
use std::time::Duration;

use harness::Case;
use priority_pool::PriorityConfig;

use crate::desk::{ms, story, up_to};
use crate::rows;
use crate::rush::{HOLD, RETURN, Rush, queue_for_one};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new("critical_goes_first", "P5", critical_goes_first)
            .title("critical requests are served before normal ones")
            .paused()
            .points(1.5)
            .lesson("two-queues")
            .hints(&[
                "Two kinds wait, and one connection comes back. Which queue does `Drop` look into \
                 first?",
                "Two queues, not one that is sorted now and then: take from the critical one while \
                 it holds anybody.",
                "A critical request also overtakes those normal ones that came long before it, each \
                 time anew.",
            ]),
        Case::new("first_come_first_served", "P6", first_come_first_served)
            .title("equals are served in the order of asking")
            .paused()
            .points(1.5)
            .lesson("first-come-first-served")
            .hints(&[
                "Which end of each queue do you add to, and which do you take from?",
                "The order is that of asking, not that of waking: put the request into its queue \
                 with the first poll, and give the connection to a certain one.",
            ]),
    ]
}

pub(crate) fn hard_cases() -> Vec<Case> {
    vec![
        Case::new("nobody_starves", "P13", nobody_starves)
            .title("after so many critical ones in a row, a normal one")
            .paused()
            .hard()
            .points(1.0)
            .lesson("starvation")
            .hints(&[
                "Count critical ones that are served from the queue. When is the count set back to \
                 0, and which of them do not count?",
                "A critical one counts if a normal one waits at the moment at which it is served. \
                 With limit 2 the third is normal, not the second and not the fourth.",
                "Every normal one that is served sets the count back, also one that was served \
                 because no critical one waited.",
            ]),
    ]
}

fn critical_goes_first() {
    let rushes = [
        ("N1 C1", "C1 N1"),
        ("C1 N1", "C1 N1"),
        ("N1 N2 C1 N3 C2", "C1 C2 N1 N2 N3"),
        ("N1 C1 N2 C2 N3 C3 N4 C4 N5 C5", "C1 C2 C3 C4 C5 N1 N2 N3 N4 N5"),
    ];
    for (asking, order) in rushes {
        story(async || {
            queue_for_one(up_to(1), asking, order, "critical ones first").await;
        });
    }
    // A critical one that comes later, while normal ones are being served.
    story(async || {
        let mut rush = Rush::at_desk(up_to(1)).await;
        let held = rush.desk.need_all(1, "from a new pool").await;
        rush.ask("N1 N2 N3 N4");
        rush.asks(RETURN + HOLD + ms(5), "C1");
        rush.begin(held).await;
        let why = "with critical 1 asking while normal 2 has the connection";
        rush.expect_steady("N1 N2 C1 N3 N4", why).await;
    });
    // With several connections.
    story(async || {
        let mut rush = Rush::at_desk(up_to(3)).await;
        let mut held = rush.desk.need_all(3, "from a pool that may have 3").await;
        rush.ask("N1 N2 N3 C1 C2");
        // One by one, so that the order can be seen.
        for count in 0..3 {
            rush.desk.at(RETURN + ms(3) * count).await;
            held.pop();
        }
        rush.expect("C1 C2 N1 N2 N3", "with 3 connections that came back one by one").await;
    });
    // Long before: it has waited for hours, and still goes second.
    story(async || {
        let config = PriorityConfig { connection_timeout: Duration::from_mins(2), ..up_to(1) };
        let mut rush = Rush::at_desk(config).await;
        let held = rush.desk.need_all(1, "from a new pool").await;
        rush.ask("N1");
        rush.asks(ms(60_000), "C1");
        rush.desk.at(ms(60_100)).await;
        drop(held);
        rush.expect("C1 N1", "also after a minute of waiting").await;
    });
}

fn first_come_first_served() {
    let rushes = [
        ("N1 N2 N3 N4 N5 N6 N7 N8", "N1 N2 N3 N4 N5 N6 N7 N8"),
        ("C1 C2 C3 C4 C5 C6 C7 C8", "C1 C2 C3 C4 C5 C6 C7 C8"),
        ("N1 C1 C2 N2 N3 C3", "C1 C2 C3 N1 N2 N3"),
    ];
    for (asking, order) in rushes {
        story(async || {
            queue_for_one(up_to(1), asking, order, "equals in the order of asking").await;
        });
    }
    // Some come while others are served.
    story(async || {
        let mut rush = Rush::at_desk(up_to(1)).await;
        let held = rush.desk.need_all(1, "from a new pool").await;
        rush.ask("N1 N2 N3");
        for (code, later) in [("N4", 5), ("N5", 15), ("N6", 25), ("N7", 35)] {
            rush.asks(RETURN + ms(later), code);
        }
        rush.begin(held).await;
        rush.expect_steady("N1 N2 N3 N4 N5 N6 N7", "whoever comes later queues up behind").await;
    });
    // Two connections in the same instant go to the first two.
    story(async || {
        let mut rush = Rush::at_desk(up_to(2)).await;
        let held = rush.desk.need_all(2, "from a pool that may have 2").await;
        rush.ask("N1 N2 N3 N4");
        rush.desk.at(RETURN).await;
        drop(held);
        rush.desk.at(RETURN + ms(5)).await;
        let waiting = rush.desk.pool.status().waiting_normal;
        if waiting != 2 {
            harness::fail(
                "2 of 4 to wait when two connections have come back",
                format!("{waiting} that wait"),
            );
        }
        drop(rush);
    });
}

/// Critical ones in a row before a normal one has its turn.
fn limit(limit: u32) -> PriorityConfig {
    PriorityConfig { starvation_limit: NonZeroU32::new(limit), ..up_to(1) }
}

fn nobody_starves() {
    let rushes = [
        (1, "N1 N2 C1 C2 C3", "C1 N1 C2 N2 C3"),
        (2, "N1 C1 C2 C3 C4 C5 N2", "C1 C2 N1 C3 C4 N2 C5"),
        (3, "N1 N2 N3 C1 C2 C3 C4 C5 C6 C7", "C1 C2 C3 N1 C4 C5 C6 N2 C7 N3"),
        (3, "C1 C2 C3 C4 N1 N2", "C1 C2 C3 N1 C4 N2"),
        (5, "C1 N1 C2 C3 C4", "C1 C2 C3 C4 N1"),
    ];
    for (number, asking, order) in rushes {
        story(async || {
            let why = format!("with starvation_limit {number} and {asking} in the order of asking");
            queue_for_one(limit(number), asking, order, &why).await;
        });
    }
    let never = "N1 C1 C2 C3 C4 C5 C6 C7 C8 C9 C10 C11 C12";
    let last = "C1 C2 C3 C4 C5 C6 C7 C8 C9 C10 C11 C12 N1";
    for starvation_limit in [None, Some(NonZeroU32::MAX)] {
        let config = PriorityConfig { starvation_limit, ..up_to(1) };
        story(async || {
            let number = starvation_limit.map_or("None".to_owned(), |number| number.to_string());
            let why = format!("with starvation_limit {number}");
            queue_for_one(config.clone(), never, last, &why).await;
        });
    }
    // Those that were served before any normal one waited do not count.
    story(async || {
        let mut rush = Rush::at_desk(limit(2)).await;
        let held = rush.desk.need_all(1, "from a new pool").await;
        rush.ask("C1 C2 C3 C4 C5 C6");
        rush.asks(RETURN + HOLD * 2 + ms(5), "N1");
        rush.begin(held).await;
        let why = "with starvation_limit 2 and normal 1 asking after critical 3 was served";
        rush.expect_steady("C1 C2 C3 C4 C5 N1 C6", why).await;
    });
    // Nor do those that found a connection idle.
    story(async || {
        let mut rush = Rush::at_desk(limit(2)).await;
        for code in ["C1", "C2", "C3"] {
            let why = format!("for {code} from a pool with no queue");
            drop(rush.desk.need(crate::words::priority(code), &why).await);
        }
        let held = rush.desk.need_all(1, "that is idle").await;
        rush.ask("N1 C4 C5 C6");
        rush.begin(held).await;
        let why = "with starvation_limit 2, after three critical ones that did not wait";
        rush.expect_steady("C4 C5 N1 C6", why).await;
    });
    // A normal one that is served for want of critical ones sets the count back.
    story(async || {
        let mut rush = Rush::at_desk(limit(2)).await;
        let held = rush.desk.need_all(1, "from a new pool").await;
        rush.ask("N1 N2 C1");
        for (code, later) in [("C2", 15), ("C3", 16), ("C4", 17)] {
            rush.asks(RETURN + ms(later), code);
        }
        rush.begin(held).await;
        let why = "with starvation_limit 2: the count begins anew with normal 1, which was served \
                   when no critical one waited";
        rush.expect_steady("C1 N1 C2 C3 N2 C4", why).await;
    });
    // In a row, whether or not the critical queue ran empty in between.
    story(async || {
        let mut rush = Rush::at_desk(limit(2)).await;
        let held = rush.desk.need_all(1, "from a new pool").await;
        rush.ask("N1 N2 C1");
        for (code, later) in [("C2", 5), ("C3", 6), ("C4", 7)] {
            rush.asks(RETURN + ms(later), code);
        }
        rush.begin(held).await;
        let why = "with starvation_limit 2: critical 1 was served alone, the others came before it \
                   gave back";
        rush.expect_steady("C1 C2 N1 C3 C4 N2", why).await;
    });
    // One count for all connections.
    story(async || {
        let config = PriorityConfig { max_connections: 2, ..limit(2) };
        let mut rush = Rush::at_desk(config).await;
        let mut held = rush.desk.need_all(2, "from a pool that may have 2").await;
        rush.ask("N1 N2 C1 C2 C3 C4 C5");
        rush.desk.at(RETURN).await;
        held.pop();
        rush.desk.at(RETURN + ms(5)).await;
        held.pop();
        let why = "with starvation_limit 2 and 2 connections";
        rush.expect("C1 C2 N1 C3 C4 N2 C5", why).await;
    });
    rows::tell();
}
