//! Connections that break: P17.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Waker};

use harness::tasks::{all_home, home};
use harness::{Case, fail};
use priority_pool::{Priority, PriorityPool};

use crate::desk::{BEGIN, Desk, ms, order, story, up_to};
use crate::rush::{RETURN, Rush};
use crate::watched::{self, Watched};

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
    broke_while_idle();
    broke_on_its_way();
    closed_before_its_place_is_free();
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
                let why = format!("from a pool with three idle ones, of which {broken:?} broke");
                let mut first = desk.need_at(due, code, &why).await;
                first.order().await;
                let rest = [(); 2].map(|()| {
                    desk.trader("task A", async move |desk| {
                        let why = "from a pool that may have 3, with one of them lent out";
                        let mut got = desk.need(code, why).await;
                        got.order().await;
                        desk.at(ms(200)).await;
                    })
                });
                all_home(rest).await;
                drop(first);
                desk.expect_attempts(3 + broken.len(), "for three, of which some broke");
                desk.expect_peak(3, ", with max_connections 3");
                desk.expect_whole(3, &format!("after {broken:?} of three idle ones broke")).await;
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

/// The future of one that waits, to be polled while a connection is being closed.
type Waiting = Arc<Mutex<Option<Pin<Box<dyn Future<Output = ()> + Send>>>>>;

/// Whoever has the place while the broken one is still being closed opens one too many.
fn closed_before_its_place_is_free() {
    for waits in [false, true] {
        order(async || {
            let (exchange, manager) = Watched::exchange();
            let pool = watched::open(&manager, up_to(1));
            let held = watched::need_all(&pool, 1).await;
            let waiting: Waiting = Arc::default();
            if waits {
                let pool = pool.clone();
                let get = Box::pin(async move { drop(pool.get(Priority::Normal).await) });
                *waiting.lock().expect("nobody panics with it") = Some(get);
                poll(&waiting);
            }
            exchange.kill(1);
            let polled = Arc::clone(&waiting);
            let act = move |pool: &PriorityPool<Watched>| {
                if waits {
                    poll(&polled);
                } else {
                    watched::asks_once().1(pool);
                }
            };
            let what = "a `get`, from another thread,";
            manager.glancing(&pool, what, act, async { drop(held) }).await;
            let peak = exchange.peak_sessions();
            if peak > 1 {
                fail(
                    "no place to be free before its broken connection is closed, with \
                     max_connections 1",
                    format!("{peak} connections at once: a `get` had the place meanwhile"),
                );
            }
            drop(waiting.lock().expect("nobody panics with it").take());
        });
    }
}

/// Polls the one that waits, unless somebody does so already.
fn poll(waiting: &Waiting) {
    if let Ok(mut waiting) = waiting.try_lock()
        && let Some(get) = waiting.as_mut()
        && get.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready()
    {
        *waiting = None;
    }
}
