//! What counts for the starvation limit, and what does not: P13.

use std::num::NonZeroU32;

use harness::fail;
use priority_pool::{Priority, PriorityConfig};
use tokio::time::timeout;

use crate::desk::{BEGIN, ms, order, story, up_to};
use crate::rush::{HOLD, RETURN, Rush};

pub(crate) fn tell() {
    // One by one: the critical queue is empty in between, and it is a row all the same.
    story(async || {
        let mut rush = Rush::at_desk(limit(2)).await;
        let held = rush.desk.need_all(1, "from a new pool").await;
        rush.ask("N1 C1");
        for (code, later) in [("C2", 5), ("C3", 15), ("C4", 25)] {
            rush.asks(RETURN + ms(later), code);
        }
        rush.begin(held).await;
        let why =
            "with starvation_limit 2 and normal 1 waiting while critical ones come one by one";
        rush.expect_steady("C1 C2 N1 C3 C4", why).await;
    });
    // Another normal one comes in the middle of a row, or leaves.
    for leaves in [false, true] {
        story(async || {
            let mut rush = Rush::at_desk(limit(2)).await;
            let held = rush.desk.need_all(1, "from a new pool").await;
            rush.ask("N1 C1 C2 C3 C4");
            let when = if leaves {
                drop(rush.desk.trader("normal 9", async |desk| {
                    desk.at(BEGIN + ms(50)).await;
                    drop(timeout(ms(55), desk.get(Priority::Normal)).await);
                }));
                "normal 9 giving up"
            } else {
                rush.asks(RETURN + ms(5), "N2");
                "normal 2 asking"
            };
            rush.begin(held).await;
            let why = format!(
                "with starvation_limit 2, and {when} after critical 1 was served, while normal 1 waits"
            );
            let order = if leaves { "C1 C2 N1 C3 C4" } else { "C1 C2 N1 C3 C4 N2" };
            rush.expect_steady(order, &why).await;
        });
    }
    // What they are served with is a place: each comes back broken.
    for (asking, order) in [
        ("N1 N2 C1 C2 C3 C4 C5", "C1 C2 N1 C3 C4 N2 C5"),
        ("C1 C2 C3 N1 C4 N2", "C1 C2 N1 C3 C4 N2"),
    ] {
        story(async || {
            let mut rush = Rush::at_desk(limit(2)).await;
            let held = rush.desk.need_all(1, "from a new pool").await;
            rush.all_break();
            rush.ask(asking);
            rush.desk.exchange.kill(held[0].id());
            rush.begin(held).await;
            let why = "with starvation_limit 2, when each connection comes back broken and the next \
                       in order opens one in its place";
            rush.expect_steady(order, why).await;
        });
    }
    order(many);
}

fn limit(limit: u32) -> PriorityConfig {
    PriorityConfig { starvation_limit: NonZeroU32::new(limit), ..up_to(1) }
}

/// A limit that no byte holds.
async fn many() {
    let row: usize = 300;
    let mut rush = Rush::at_desk(limit(300)).await;
    let held = rush.desk.need_all(1, "from a new pool").await;
    rush.ask("N1");
    for number in 0..row + 2 {
        rush.asks(BEGIN + ms(50), &format!("C{}", number + 1));
    }
    rush.begin(held).await;
    let served = rush.over().await;
    let before = served.iter().take_while(|(code, _)| code != "N1").count();
    if before != row {
        fail(
            format!(
                "{row} critical ones to be served before normal 1, with starvation_limit {row} and \
                 {} critical ones that wait",
                row + 2
            ),
            format!("{before} were, each for {}", harness::clock(HOLD)),
        );
    }
}
