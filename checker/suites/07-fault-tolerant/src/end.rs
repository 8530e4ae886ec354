//! The end: P21.

use std::sync::Arc;

use fault_tolerant_pool::{Breaker, ClusterConfig, ClusterError};
use harness::tasks::{all_home, ends, home};
use harness::{Case, clock};

use crate::desk::{ATTEMPT, Desk, OPEN_FOR, Outcome, SLACK, after, ms, poll_once, story, usual};
use crate::held::Held;
use crate::words::outcome;

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new("close_ends_all", "P21", close_ends_all)
            .title("close, twice, under way, and guards that outlive it")
            .paused()
            .hard()
            .points(0.5)
            .lesson("the-end-of-a-cluster")
            .hints(&[
                "`ServerPool::close` ends those who wait for a place. Who ends those who hang in a \
                 connect?",
                "Something that all requests wait for beside their own work: `tokio::select!`, and a \
                 signal that stays given. A semaphore without permits that is closed is one.",
            ]),
    ]
}

fn expect_closed(desk: &Desk, what: &str, result: &Outcome<Held>) {
    if !matches!(result, Err(ClusterError::Closed)) {
        desk.fail(format!("Closed for {what}"), outcome(result));
    }
}

fn close_ends_all() {
    story(async || {
        let desk = Desk::open(1, ClusterConfig { max_connections: 2, ..after(3) }).await;
        let (mut held, idle) = (desk.must_read(0, "one").await, desk.must_read(0, "two").await);
        drop(idle);
        desk.expect_sessions(0, 2, "one in use and one idle").await;
        ends("`close`", desk.cluster.close()).await;
        desk.expect_sessions(0, 1, "when the cluster is closed, and one guard left").await;
        expect_closed(&desk, "a read after `close`", &desk.read().await);
        expect_closed(&desk, "a write after `close`", &desk.write().await);
        ends("a second `close`", desk.cluster.close()).await;
        if let Err(error) = held.query("BUY 100 AAPL").await {
            desk.fail("a guard to work on in a closed cluster", error.to_string());
        }
        drop(held);
        desk.expect_sessions(0, 0, "when the last guard has come back to a closed cluster").await;
        desk.expect_dials(&[2, 0], "in all");
    });
    // Requests under way: one hangs in a connect, one waits for a place, one is the probe.
    story(async || {
        let desk = Desk::open(1, ClusterConfig { max_connections: 1, ..after(3) }).await;
        desk.hangs(0);
        desk.hangs(1);
        let names = ["hangs", "waits", "waits too"];
        let all: Vec<_> = names
            .into_iter()
            .map(|name| {
                desk.trader(name, async move |desk| {
                    let result =
                        if name == "waits" { desk.write().await } else { desk.read().await };
                    expect_closed(&desk, &format!("the one that {name}"), &result);
                    desk.now()
                })
            })
            .collect();
        let closes = desk.now() + ATTEMPT / 2;
        desk.at(closes).await;
        let dials = desk.dials();
        let (one, other) = tokio::join!(
            ends("`close`", desk.cluster.close()),
            ends("a `close` beside another", desk.cluster.close()),
        );
        let ((), ()) = (one, other);
        for ended in all_home(all).await {
            if ended > closes + SLACK {
                desk.fail("Closed at once for requests under way", format!("at {ended:?}"));
            }
        }
        desk.expect_sessions(0, 0, "when the cluster is closed").await;
        desk.comes_back(0);
        desk.at(desk.now() + OPEN_FOR * 2).await;
        desk.expect_dials(&dials, "when the cluster is closed");
    });
    under_way();
    // A close that is dropped, and a request polled for the first time behind it.
    story(async || {
        let desk = Desk::open(1, after(3)).await;
        drop(desk.must_read(0, "one").await);
        let cluster = Arc::clone(&desk.cluster);
        let late = desk.cluster.read();
        let mut close = Box::pin(cluster.close());
        let _ = poll_once(&mut close).await;
        drop(close);
        ends("a `close` after one that was dropped", desk.cluster.close()).await;
        if !matches!(late.await, Err(ClusterError::Closed)) {
            desk.fail("Closed for a read that is polled after `close`", "something else");
        }
        desk.expect_sessions(0, 0, "when the cluster is closed").await;
    });
    // Open breakers change nothing; all down neither.
    story(async || {
        let desk = Desk::open(1, after(1)).await;
        desk.opens_by(1).await;
        ends("`close`", desk.cluster.close()).await;
        expect_closed(&desk, "a write after `close`, with an open breaker", &desk.write().await);
        expect_closed(&desk, "a read after `close`, with an open breaker", &desk.read().await);
    });
    // A guard outlives a cluster that nobody has closed.
    story(async || {
        let desk = Desk::open(0, after(1)).await;
        let cluster = Arc::clone(&desk.cluster);
        let exchange = desk.primary().clone();
        let guard = cluster.read().await;
        let probe = desk.trader("idle", async |desk| drop(desk.read().await));
        home(probe).await;
        desk.expect_breaker(0, Breaker::Closed, "in the end");
        drop((desk, cluster));
        let Ok(mut guard) = guard else { harness::fail("a connection", "none") };
        if let Err(error) = guard.query("BUY 100 AAPL").await {
            harness::fail("a guard to work on when the cluster is gone", error.to_string());
        }
        drop(guard);
        tokio::time::sleep(ms(5)).await;
        if exchange.sessions() > 0 {
            harness::fail(
                "no open connection when cluster and guards are gone",
                format!("{}", exchange.sessions()),
            );
        }
    });
}

/// Requests that would have gone on, or waited, for long.
fn under_way() {
    // At their connects, and at their questions.
    story(async || {
        for idle in [false, true] {
            let desk =
                Desk::open(1, ClusterConfig { attempt_timeout: ms(60_000), ..usual() }).await;
            if idle {
                drop((desk.must_read(0, "one").await, desk.must_read(0, "two").await));
            }
            desk.hangs(0);
            let names = ["a read", "a write"];
            let all = names.map(|name| {
                desk.trader(name, async move |desk| {
                    let result =
                        if name == "a write" { desk.write().await } else { desk.read().await };
                    (name, result, desk.now())
                })
            });
            let closes = desk.now() + ms(100);
            desk.at(closes).await;
            ends("`close`", desk.cluster.close()).await;
            let at = if idle { "its question" } else { "its connect" };
            for (name, result, ended) in all_home(all).await {
                expect_closed(&desk, &format!("{name} that hung at {at}"), &result);
                if ended > closes + SLACK {
                    desk.fail(
                        format!("Closed at {} for {name} that hung at {at}", clock(closes)),
                        format!("at {}", clock(ended)),
                    );
                }
            }
            desk.expect_sessions(0, 0, "when the cluster is closed").await;
        }
    });
    not_gone_on_yet();
}

/// What a request waited for is there when the cluster is closed, and the request has not gone on yet.
fn not_gone_on_yet() {
    story(async || {
        let desk = Desk::open(1, ClusterConfig { max_connections: 1, ..after(3) }).await;
        let held = desk.must_read(0, "one").await;
        let cluster = Arc::clone(&desk.cluster);
        let mut waits = Box::pin(cluster.write());
        let _ = poll_once(&mut waits).await;
        drop(held);
        ends("`close`", desk.cluster.close()).await;
        let result = poll_once(&mut waits).await;
        desk.expect_dials(&[1, 0], "when a write got its place just before `close`");
        if !matches!(result, Some(Err(ClusterError::Closed))) {
            desk.fail("Closed for a write that got its place just before `close`", "it goes on");
        }
    });
    story(async || {
        let desk = Desk::open(1, after(3)).await;
        let held = desk.must_read(0, "one").await;
        desk.primary().cut(held.id());
        drop(held);
        desk.primary().query_takes(ms(100));
        let cluster = Arc::clone(&desk.cluster);
        let mut asks = Box::pin(cluster.write());
        let _ = poll_once(&mut asks).await;
        desk.at(desk.now() + ms(150)).await;
        let dials = desk.dials();
        ends("`close`", desk.cluster.close()).await;
        let result = poll_once(&mut asks).await;
        let when = "when a write's idle connection failed just before `close`";
        desk.expect_dials(&dials, when);
        if !matches!(result, Some(Err(ClusterError::Closed))) {
            desk.fail(format!("Closed for a write, {when}"), "it goes on");
        }
    });
}
