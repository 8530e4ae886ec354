//! Nobody stands in line while a connection is opened or closed: P12.

use harness::Case;
use harness::tasks::{all_home, ends, home};
use priority_pool::Priority;

use crate::desk::{BEGIN, Desk, ms, order, story, up_to};
use crate::watched::{self, Watched};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new("holds_nobody_up", "P12", holds_nobody_up)
            .title("opening and closing hold nobody up")
            .paused()
            .points(0.5)
            .lesson("never-wait-under-the-lock")
            .hints(&[
                "Connecting takes a tenth of a second here. Who has to stand in line meanwhile, and \
                 for what?",
                "No lock may be held across an `await`: take the place, let go of the lock, connect.",
                "Dropping a connection closes it, and that takes its time as well: `mem::take` what is \
                 to be closed, let go of the lock, and drop it then. Where does `vec.clear()`, or an \
                 assignment, close something under your lock?",
            ]),
    ]
}

fn holds_nobody_up() {
    // Three open theirs at the same time, and one comes back meanwhile.
    story(async || {
        let desk = Desk::open(up_to(4)).await;
        let held = desk.need_all(1, "from a new pool").await;
        desk.exchange.connect_takes(ms(100));
        let traders = [0u64, 10, 20].map(|later| {
            desk.trader("task A", async move |desk| {
                desk.at(BEGIN + ms(later)).await;
                let why = "opened within 100 ms, while others open theirs";
                let got = desk.need_at(BEGIN + ms(later + 100), Priority::Normal, why).await;
                desk.at(ms(500)).await;
                drop(got);
            })
        });
        desk.at(BEGIN + ms(50)).await;
        desk.pool.status();
        drop(held);
        let why = "which came back while three others were being opened";
        let held = desk.need_at(BEGIN + ms(50), Priority::Critical, why).await;
        // It goes to one that waits while the others are still being opened.
        let waits = desk.trader("task B", async |desk| {
            desk.at(BEGIN + ms(60)).await;
            let why = "which came back while three others were being opened";
            drop(desk.need_at(BEGIN + ms(80), Priority::Critical, why).await);
        });
        desk.at(BEGIN + ms(80)).await;
        drop(held);
        home(waits).await;
        all_home(traders).await;
    });
    nobody_waits_for_a_closing();
}

/// A connection that is being closed takes as long as it takes.
fn nobody_waits_for_a_closing() {
    // One that broke in use, one that broke while it was idle, and the end.
    for act in [watched::looks, watched::asks_once, watched::closes] {
        let (what, act) = act();
        order(async || {
            let (exchange, manager) = Watched::exchange();
            let pool = watched::open(&manager, up_to(3));
            let held = watched::need_all(&pool, 3).await;
            exchange.kill(1);
            let closing = "three come back, of which one is broken";
            manager.glancing(&pool, what, closing, act, async { drop(held) }).await;
        });
        order(async || {
            let (exchange, manager) = Watched::exchange();
            let pool = watched::open(&manager, up_to(2));
            drop(watched::need_all(&pool, 2).await);
            exchange.kill(1);
            exchange.kill(2);
            // Whether it comes to a connection is no matter here: one of them closes the pool.
            let part = async { drop(ends("`get`", pool.get(Priority::Normal)).await) };
            let closing = "a `get` finds two idle ones, which are broken";
            manager.glancing(&pool, what, closing, act, part).await;
        });
        order(async || {
            let (_, manager) = Watched::exchange();
            let pool = watched::open(&manager, up_to(3));
            let mut held = watched::need_all(&pool, 3).await;
            drop(held.split_off(1));
            let part = async {
                pool.close();
                drop(held);
            };
            let closing = "`close` closes two idle ones, and a third comes back then";
            manager.glancing(&pool, what, closing, act, part).await;
        });
    }
}
