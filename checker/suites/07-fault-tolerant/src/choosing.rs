//! What a cluster is made of, and which server serves whom: P1, P2, P4, P6.

use std::time::Duration;

use fault_tolerant_pool::{Breaker, Cluster, ClusterConfig, ClusterError};
use fixtures::exchange::Exchange;
use harness::tasks::all_home;
use harness::{Case, fail};

use crate::desk::{ATTEMPT, Desk, SLACK, after, largest, ms, story, usual};
use crate::words::{outcome, said};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new("refuses_configs_that_cannot_work", "P1", refuses_configs)
            .title("configurations that cannot work, and all others")
            .paused()
            .points(0.5)
            .lesson("a-breaker")
            .hints(&[
                "Write `new` first, and the fields that it needs: this case calls nothing else.",
                "Four numbers may not be zero. `max_lag` is none of them: `Some(0)` is a strict \
                 wish, and not a mistake.",
            ]),
        Case::new("the_primary_serves_while_it_lives", "P2", the_primary_serves)
            .title("reads and writes go to the primary, over connections that are used again")
            .paused()
            .points(1.0)
            .lesson("failing-over")
            .hints(&[
                "One `ServerPool` for each server. `place()`, `open()`, `ping()`, and the guard keeps \
                 the place.",
                "`place()` comes with an idle connection if there is one; `open()` opens one only \
                 if not. The connection goes back when the `Place` is dropped.",
            ]),
        Case::new("reads_fail_over", "P4", reads_fail_over)
            .title("reads go on when servers die, and spare those that are dead")
            .paused()
            .points(1.0)
            .lesson("failing-over")
            .hints(&[
                "An error of one server is not yet an error of the read: go on with the next one, in \
                 the same call.",
                "Ask the breaker before you ask the server. While it is open, pass the server over.",
            ]),
        Case::new("replicas_share_the_reads", "P6", replicas_share)
            .title("replicas share the reads that the primary cannot serve")
            .paused()
            .points(1.0)
            .lesson("failing-over")
            .hints(&[
                "Who begins with the first replica each time gives it all the work.",
                "A counter that each such read turns on by one says where it begins; from there, \
                 round in a circle, until each replica has been tried. Turn it on once for each read \
                 that needs a replica, and for no other.",
                "Turn it on when the read begins with a replica, and not when it has been served: \
                 else all that come meanwhile begin with the same one.",
            ]),
    ]
}

fn refuses_configs() {
    let zero = Duration::ZERO;
    let bad = [
        ClusterConfig { failure_threshold: 0, ..usual() },
        ClusterConfig { open_for: zero, ..usual() },
        ClusterConfig { attempt_timeout: zero, ..usual() },
        ClusterConfig { max_connections: 0, ..usual() },
    ];
    let large = largest();
    let small = ClusterConfig {
        failure_threshold: 1,
        open_for: Duration::from_nanos(1),
        attempt_timeout: Duration::from_nanos(1),
        max_lag: Some(zero),
        max_connections: 1,
    };
    story(async || {
        for config in &bad {
            let exchange = Exchange::for_tasks();
            let result = Cluster::new(exchange.async_manager(), Vec::new(), config.clone());
            if !matches!(result, Err(ClusterError::InvalidConfig(_))) {
                let got = result.map_or_else(|error| format!("{error:?}"), |_| "a cluster".into());
                fail(format!("`Cluster::new` to answer InvalidConfig to {}", said(config)), got);
            }
        }
        for config in [large.clone(), small.clone()] {
            for replicas in 0..2 {
                let desk = Desk::open(replicas, config.clone()).await;
                desk.expect_dials(&vec![0; desk.servers.len()], "when nobody has asked yet");
            }
        }
    });
}

fn the_primary_serves() {
    story(async || {
        let desk = Desk::open(2, ClusterConfig { max_connections: 2, ..usual() }).await;
        for _ in 0..3 {
            drop(desk.must_read(0, "while the primary lives").await);
            drop(desk.must_write("while the primary lives").await);
        }
        desk.expect_dials(&[1, 0, 0], "for six requests, one after the other");
        let one = desk.must_read(0, "from the idle one").await;
        let other = desk.must_write("beside one that is in use").await;
        if one.id() == other.id() {
            desk.fail("two guards to hold two connections", format!("both hold conn {}", one.id()));
        }
        desk.expect_dials(&[2, 0, 0], "for two guards at the same time");
        // A third one waits, and is served by the primary when a connection comes back.
        let waits = desk.trader("third", async move |desk| {
            desk.must_read_by(0, desk.now() + ms(200) + SLACK, "when another one has come back")
                .await
        });
        desk.at(desk.now() + ms(200)).await;
        drop(one);
        drop(all_home([waits]).await);
        drop(other);
        desk.expect_dials(&[2, 0, 0], "with max_connections 2");
        // Its idle connection breaks: another one is opened, and no one notices.
        for server in [2, 1] {
            desk.primary().kill(server);
        }
        drop(desk.must_read(0, "when its idle connections have broken").await);
        desk.expect_breaker(0, Breaker::Closed, "when only idle connections had broken");
    });
}

fn reads_fail_over() {
    story(async || {
        let desk = Desk::open(2, after(2)).await;
        let held = desk.must_read(0, "while all live").await;
        desk.dies(0);
        desk.dies(1);
        drop(held);
        for _ in 0..2 {
            drop(desk.must_read(2, "while only server 2 lives").await);
        }
        // By now both have failed twice (with the guard that broke): nobody asks them any more.
        drop(desk.must_read(2, "while only server 2 lives").await);
        drop(desk.must_read(2, "while only server 2 lives").await);
        let dials = desk.dials();
        for _ in 0..10 {
            drop(desk.must_read(2, "while the breakers of 0 and 1 are open").await);
        }
        desk.expect_dials(&dials, "while the breakers of servers 0 and 1 are open");
        // Server 2 is the last one, and it dies too; server 1 comes back.
        let held = desk.must_read(2, "before it dies").await;
        desk.dies(2);
        drop(held);
        desk.comes_back(1);
        desk.at(desk.now() + usual().open_for + SLACK).await;
        drop(desk.must_read(1, "that is back, when open_for is over").await);
    });
}

/// How many reads the replicas share.
const READS: u32 = 240;

fn replicas_share() {
    story(async || {
        for (replicas, dead) in [(2, None), (3, None), (3, Some(1)), (3, Some(3)), (4, Some(2))] {
            let desk = Desk::open(replicas, after(1)).await;
            drop(desk.must_read(0, "while the primary lives").await);
            desk.opens_by(1).await;
            if let Some(dead) = dead {
                desk.dies(dead);
                desk.fails(replicas).await;
            }
            let mut served = vec![0_u32; desk.servers.len()];
            for _ in 0..READS {
                match desk.read().await {
                    Ok(held) => served[held.server()] += 1,
                    other => desk.fail("a read to be served by a replica", outcome(&other)),
                }
            }
            let living = replicas - u32::from(dead.is_some());
            expect_shared(&desk, &served, dead, "one after the other");
            // Many at the same time, and none is done before the others begin.
            let mut held = Vec::new();
            for _ in 0..living * 2 {
                held.push(desk.read().await);
            }
            let most = (1..served.len())
                .map(|server| held.iter().flatten().filter(|one| one.server() == server).count());
            if most.max() == Some(held.len()) && living > 1 {
                desk.fail("replicas to share reads that are held", "one serves them all");
            }
        }
    });
    at_the_same_time();
    beside_a_primary_that_fails();
    // A read that hangs at its replica takes no one else's time.
    story(async || {
        let desk = Desk::open(2, after(1)).await;
        desk.opens_by(1).await;
        desk.hangs(1);
        let reads: Vec<_> = (0..2)
            .map(|number| {
                desk.trader(&format!("reader {number}"), async |desk| {
                    let by = desk.now() + ATTEMPT + SLACK;
                    desk.must_read_by(2, by, "when server 1 has not answered").await
                })
            })
            .collect();
        drop(all_home(reads).await);
    });
}

/// Fails unless each replica that lives has served half of an even share of the reads.
fn expect_shared(desk: &Desk, served: &[u32], dead: Option<usize>, how: &str) {
    let living: Vec<usize> = (1..served.len()).filter(|server| Some(*server) != dead).collect();
    let least = READS / u32::try_from(living.len()).unwrap_or(1) / 2;
    if let Some(server) = living.iter().find(|server| served[**server] < least) {
        desk.fail(
            format!(
                "server {server} to serve at least {least} of {READS} reads, {how}, that {} \
                 replicas share",
                living.len()
            ),
            format!("reads by server, the primary first: {served:?}"),
        );
    }
}

/// Reads that all come before the first of them is served.
fn at_the_same_time() {
    story(async || {
        let config = ClusterConfig { max_connections: READS, ..after(1) };
        let desk = Desk::open(3, config).await;
        desk.opens_by(1).await;
        for server in &desk.servers {
            server.connect_takes(ms(20));
        }
        let reads = (0..READS).map(|number| {
            let served = async |desk: Desk| desk.read().await.ok().map(|held| held.server());
            desk.trader(&format!("reader {number}"), served)
        });
        let mut served = vec![0_u32; desk.servers.len()];
        for server in all_home(reads.collect::<Vec<_>>()).await.into_iter().flatten() {
            served[server] += 1;
        }
        expect_shared(&desk, &served, None, "all at the same time");
    });
}

/// The primary fails each read, and its breaker is closed yet.
fn beside_a_primary_that_fails() {
    story(async || {
        for replicas in [2, 3] {
            let desk = Desk::open(replicas, after(u32::MAX)).await;
            desk.dies(0);
            let mut served = vec![0_u32; desk.servers.len()];
            for _ in 0..READS {
                if let Ok(held) = desk.read().await {
                    served[held.server()] += 1;
                }
            }
            let how = "each of which the primary has failed before";
            expect_shared(&desk, &served, None, how);
        }
    });
}
