//! Replicas that are behind: P16.

use std::time::Duration;

use fault_tolerant_pool::{Breaker, ClusterConfig, ClusterError};
use harness::Case;
use harness::tasks::home;
use ledger::What;

use crate::desk::{ATTEMPT, Desk, OPEN_FOR, SLACK, after, ms, story};
use crate::words::outcome;

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new("a_lagging_replica_serves_no_reads", "P16", lagging)
            .title("replicas that are too far behind, or cannot say")
            .paused()
            .hard()
            .points(0.5)
            .lesson("lag")
            .hints(&[
                "Ask with `place.lag()` on the connection that you would hand out, each time.",
                "`Ok(None)`: it answers and does not know. Is that \"not behind\", or \"who knows\"?",
                "Its answer is an answer: the server lives. Only `Err`, or no answer, is a failure.",
            ]),
    ]
}

/// Each failure opens a breaker at once: what is none must not.
fn strict(max: Duration) -> ClusterConfig {
    ClusterConfig { max_lag: Some(max), ..after(1) }
}

fn config(max: Duration) -> ClusterConfig {
    ClusterConfig { max_lag: Some(max), ..after(2) }
}

fn lagging() {
    story(async || {
        for max in [Duration::ZERO, ms(1_000), Duration::MAX] {
            let said =
                if max == Duration::MAX { "Duration::MAX".to_owned() } else { format!("{max:?}") };
            let just_over = max.saturating_add(Duration::from_nanos(1));
            let rows = [
                (Some(Duration::ZERO), true),
                (Some(max), true),
                (Some(just_over), just_over == max),
                (Some(max.saturating_add(ms(60_000))), just_over == max),
                (Some(Duration::MAX), just_over == max),
                (None, false),
            ];
            for (lag, serves) in rows {
                let desk = Desk::open(2, strict(max)).await;
                desk.opens_by(1).await;
                desk.servers[1].lags(lag);
                let mut by_it = 0;
                for _ in 0..8 {
                    match desk.read().await {
                        Ok(held) => by_it += u32::from(held.server() == 1),
                        other => desk.fail("a read to be served by a replica", outcome(&other)),
                    }
                }
                if (by_it > 0) != serves {
                    desk.fail(
                        format!(
                            "server 1 to serve {} with max_lag {said}, when lag() says {lag:?}",
                            if serves { "reads" } else { "no reads" }
                        ),
                        format!("it served {by_it} of 8"),
                    );
                }
                desk.expect_breaker(
                    1,
                    Breaker::Closed,
                    "when it has answered how far it is behind",
                );
                // It catches up, or falls behind: each read asks anew.
                desk.servers[1].lags(if serves { None } else { Some(Duration::ZERO) });
                let mut by_it = 0;
                for _ in 0..8 {
                    by_it += u32::from(desk.read().await.is_ok_and(|held| held.server() == 1));
                }
                if (by_it > 0) == serves {
                    desk.fail(
                        format!(
                            "server 1 to be judged by what lag() says now, not before, with \
                             max_lag {said}"
                        ),
                        format!("it served {by_it} of 8 reads, when it first said {lag:?}"),
                    );
                }
            }
        }
    });
    all_behind();
    back_and_behind();
    behind_on_a_new_one();
    no_answer();
}

/// A replica that is back, and behind: its probe serves no read, and is not the last one.
fn back_and_behind() {
    story(async || {
        let desk = Desk::open(1, strict(ms(1_000))).await;
        desk.opens_by(1).await;
        desk.dies(1);
        desk.fails(2).await;
        desk.expect_breaker(1, Breaker::Open, "after one failure, the threshold");
        desk.comes_back(1);
        desk.servers[1].lags(Some(ms(60_000)));
        desk.at(desk.now() + OPEN_FOR + SLACK).await;
        let result = desk.read().await;
        if result.is_ok() {
            desk.fail(
                "AllUnavailable for the probe of a replica that is back, and 60 s behind",
                outcome(&result),
            );
        }
        desk.servers[1].lags(Some(Duration::ZERO));
        desk.at(desk.now() + OPEN_FOR + SLACK).await;
        drop(desk.must_read(1, "that has caught up since a probe found it behind").await);
    });
}

/// Its idle connection died unseen; the new one tells how far it is behind.
fn behind_on_a_new_one() {
    story(async || {
        let desk = Desk::open(1, strict(ms(1_000))).await;
        desk.opens_by(1).await;
        let held = desk.must_read(1, "while it is not behind").await;
        desk.servers[1].cut(held.id());
        drop(held);
        desk.servers[1].lags(Some(ms(60_000)));
        let result = desk.read().await;
        if result.is_ok() {
            desk.fail(
                "AllUnavailable, when the replica's idle connection died unseen and it is 60 s behind",
                outcome(&result),
            );
        }
        desk.expect_breaker(1, Breaker::Closed, "when it has answered how far it is behind");
    });
}

fn all_behind() {
    // All are behind: an error for each, and no failures. The primary is not asked, and nobody is
    // without max_lag.
    story(async || {
        let desk = Desk::open(2, strict(ms(1_000))).await;
        desk.primary().lags(None);
        drop(desk.must_read(0, "which is not asked how far it is behind").await);
        desk.opens_by(1).await;
        desk.servers[1].lags(None);
        desk.servers[2].lags(Some(ms(5_000)));
        for _ in 0..5 {
            let result = desk.read().await;
            match &result {
                Err(ClusterError::AllUnavailable(errors))
                    if errors.len() == 3 && !errors.iter().any(String::is_empty) => {}
                _ => desk.fail("AllUnavailable with three texts", outcome(&result)),
            }
        }
        for server in [1, 2] {
            desk.expect_breaker(server, Breaker::Closed, "when it answers, and is behind");
            desk.expect_dialled(server, 1, 1, "when its connection was good and went back");
        }
        let desk = Desk::open(1, after(1)).await;
        desk.opens_by(1).await;
        desk.servers[1].lags(None);
        drop(desk.must_read(1, "with max_lag None").await);
    });
}

fn no_answer() {
    // It does not answer the question: that is a failure.
    story(async || {
        let desk = Desk::open(1, config(ms(1_000))).await;
        desk.opens_by(2).await;
        drop(desk.must_read(1, "while it answers").await);
        desk.hangs(1);
        for _ in 0..2 {
            desk.expect_breaker(1, Breaker::Closed, "before a second question without an answer");
            let asked = desk.now();
            let result = desk.read().await;
            if result.is_ok() || desk.now() > asked + ATTEMPT + SLACK {
                desk.fail("an error after attempt_timeout when lag() hangs", outcome(&result));
            }
        }
        desk.expect_breaker(1, Breaker::Open, "after two questions without an answer");
    });
    story(async || {
        let desk = Desk::open(1, config(ms(1_000))).await;
        desk.opens_by(2).await;
        desk.breaks_idle(1);
        desk.servers[1].query_takes(ms(100));
        for round in 1..=2 {
            desk.expect_breaker(1, Breaker::Closed, "before a second question that failed, of two");
            let asked = desk.now();
            let read = desk.trader("reader", async |desk| desk.read().await.is_err());
            desk.at(asked + ms(50)).await;
            // The connect has worked; the line is dead by the time of the answer.
            desk.servers[1].cut(last_line(&desk, 1));
            if !home(read).await {
                desk.fail("a read to fail whose only replica did not answer", "it was served");
            }
            desk.expect_dialled(1, 1 + round, 1 + round, "with one attempt for each read");
        }
        desk.expect_breaker(1, Breaker::Open, "after two questions that failed");
    });
}

/// The number of the line that was opened last at a server.
fn last_line(desk: &Desk, server: u32) -> u32 {
    let events = desk.primary().log().events();
    let opened = events.iter().rev().find_map(|event| match event.what {
        What::Opened { conn } if conn.0 / 1_000 == server => Some(conn.0),
        _ => None,
    });
    opened.unwrap_or_default()
}
