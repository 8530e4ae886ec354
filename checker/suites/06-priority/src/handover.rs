//! Who gives a connection back, and where the request is that it goes to: P4.

use std::panic;

use harness::tasks::home;
use priority_pool::Priority;

use crate::desk::{BEGIN, Desk, ms, order, poll_once, story, up_to};
use crate::words::{outcome, priority, who};

pub(crate) fn tell() {
    for code in ["C1", "N1"] {
        story(async || its_holder_panics(code).await);
        story(async || it_moves(code, false).await);
    }
    order(async || {
        let desk = Desk::open(up_to(1)).await;
        for _ in 0..3 {
            panics(&desk).await;
        }
        let why = "after three tasks that panicked with a connection in their hands";
        drop(desk.need_at(desk.now(), Priority::Normal, why).await);
    });
}

/// A task that takes a connection, and panics at 200 ms.
async fn panics(desk: &Desk) {
    let holder = desk.trader("the holder", async |desk| {
        let _held = desk.need(Priority::Normal, "from a pool with room for one").await;
        desk.at(ms(200)).await;
        // Raised without a panic hook's message: it is the story's panic, not the student's.
        panic::resume_unwind(Box::new("the holder panics"));
    });
    let _ = harness::tasks::ends("a task that panics", holder).await;
}

/// Whether its connection is lent on, or closed and another one opened: somebody is served at once.
async fn its_holder_panics(code: &'static str) {
    let desk = Desk::open(up_to(1)).await;
    let waits = desk.trader(&who(code), async move |desk| {
        desk.at(BEGIN + ms(20)).await;
        let why = "when the task that held the only one panicked";
        desk.need_at(ms(200), priority(code), why).await.order().await;
    });
    panics(&desk).await;
    home(waits).await;
}

/// Its `get` is polled once by one task, then goes on in another: whose waker is it that counts?
pub(crate) async fn it_moves(code: &'static str, broken: bool) {
    let desk = Desk::open(up_to(1)).await;
    let held = desk.need_all(1, "from a new pool").await;
    let asks = desk.clone();
    let why = "when the only one came back: its `get` was polled by another task before";
    let mut get = Box::pin(async move { asks.need_at(ms(200), priority(code), why).await });
    if let Some(early) = poll_once(&mut get).await {
        let got = outcome(&Ok(early));
        harness::fail("a `get` to wait while the only connection is lent out", got);
    }
    desk.at(BEGIN + ms(20)).await;
    let waits = desk.trader(&who(code), async move |_| get.await.order().await);
    desk.at(ms(200)).await;
    if broken {
        desk.exchange.kill(held[0].id());
    }
    drop(held);
    home(waits).await;
}
