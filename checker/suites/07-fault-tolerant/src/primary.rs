//! Writes, and what is left when no server is: P5, P7.

use fault_tolerant_pool::{Breaker, ClusterError};
use harness::{Case, clock};

use crate::desk::{ATTEMPT, Desk, OPEN_FOR, SLACK, after, story, usual};
use crate::words::{outcome, told};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new("writes_go_to_the_primary_or_nowhere", "P5", writes_go_to_the_primary)
            .title("no write ever goes to a replica")
            .paused()
            .points(1.0)
            .lesson("split-brain")
            .hints(&[
                "`write` tries server 0, once, and knows no other.",
                "Two truths about one account are worse than none: a write on a replica is one that \
                 the primary never hears of.",
            ]),
        Case::new("a_write_is_refused_at_once", "P5", refused_at_once)
            .title("a write does not wait for a primary that is dead")
            .paused()
            .points(0.5)
            .lesson("split-brain")
            .hints(&[
                "While the breaker is open the answer is known: say it, without a dial.",
                "Half open counts as open, for all but the probe.",
            ]),
        Case::new("all_down_names_each", "P7", all_down)
            .title("an error that names each server's, in time")
            .paused()
            .points(0.5)
            .lesson("all-down")
            .hints(&[
                "Keep the error of each server that you tried, at the server's own place: the \
                 replicas take turns, and their errors do not.",
                "A server that is passed over has a text as well: that its breaker is open, and why \
                 it opened.",
                "The first error of a server is not the end of the read, and nor is the last.",
            ]),
    ]
}

fn writes_go_to_the_primary() {
    story(async || {
        let desk = Desk::open(2, usual()).await;
        for number in 0..3 {
            let mut held = desk.must_write("while the primary lives").await;
            if let Err(error) = held.write(&format!("BUY {number}")).await {
                desk.fail("the primary to take a write", error.to_string());
            }
        }
        desk.dies(0);
        for _ in 0..20 {
            let result = desk.write().await;
            if !matches!(result, Err(ClusterError::PrimaryUnavailable)) {
                desk.fail("PrimaryUnavailable for a write", outcome(&result));
            }
        }
        desk.expect_dials(&[4, 0, 0], "for writes: three worked, three attempts found it dead");
        desk.comes_back(0);
        desk.at(desk.now() + OPEN_FOR + SLACK).await;
        drop(desk.must_write("as the probe, when the primary is back and open_for is over").await);
        desk.expect_breaker(0, Breaker::Closed, "after a write as the probe");
    });
    // A primary without replicas, and one whose first attempt fails but not the second: a write makes one.
    story(async || {
        for replicas in [0, 2] {
            let desk = Desk::open(replicas, usual()).await;
            desk.primary().refuse_next(1);
            let result = desk.write().await;
            if !matches!(result, Err(ClusterError::PrimaryUnavailable)) {
                desk.fail(
                    "PrimaryUnavailable for a write whose one attempt was refused",
                    outcome(&result),
                );
            }
            desk.expect_dialled(0, 1, 1, "for one write");
            drop(desk.must_write("when the primary answers again").await);
        }
    });
}

fn refused_at_once() {
    story(async || {
        let desk = Desk::open(1, usual()).await;
        desk.hangs(0);
        for number in 1..=3 {
            let asked = desk.now();
            let result = desk.write().await;
            let took = desk.now().saturating_sub(asked);
            let on_time = took >= ATTEMPT && took <= ATTEMPT + SLACK;
            if !(on_time && matches!(result, Err(ClusterError::PrimaryUnavailable))) {
                desk.fail(
                    format!("PrimaryUnavailable after attempt_timeout, {}", clock(ATTEMPT)),
                    format!("{} after {} for write {number}", outcome(&result), clock(took)),
                );
            }
        }
        for _ in 0..10 {
            desk.must_refuse_write("while the primary's breaker is open").await;
        }
        // A probe hangs: to all others it is as good as open.
        desk.at(desk.now() + OPEN_FOR + SLACK).await;
        let probe = desk.trader("probe", async |desk| drop(desk.write().await));
        desk.at(desk.now() + ATTEMPT / 2).await;
        desk.expect_breaker(0, Breaker::HalfOpen, "while a write is the probe");
        desk.must_refuse_write("while another one is the probe").await;
        harness::tasks::home(probe).await;
        desk.must_refuse_write("when the probe has failed").await;
        desk.expect_dialled(1, 0, 0, "a replica, for writes");
    });
}

fn all_down() {
    story(async || {
        for replicas in [0, 1, 3] {
            // Twice, for the replicas take turns and their errors do not.
            let desk = Desk::open(replicas, after(3)).await;
            let all = replicas as usize + 1;
            for server in 0..all {
                if server % 2 == 1 { desk.hangs(server) } else { desk.dies(server) }
            }
            for round in 1..=5 {
                let asked = desk.now();
                let result = desk.read().await;
                let (took, hanging) =
                    (desk.now().saturating_sub(asked), u32::from(round <= 3) * (replicas + 1) / 2);
                let Err(ClusterError::AllUnavailable(errors)) = &result else {
                    desk.fail("AllUnavailable when all servers are down", outcome(&result))
                };
                let bound = ATTEMPT * hanging + SLACK;
                if took > bound {
                    desk.fail(
                        format!("AllUnavailable within {}: {hanging} servers hang", clock(bound)),
                        format!("it came after {}", clock(took)),
                    );
                }
                if errors.len() != all || errors.iter().any(String::is_empty) {
                    desk.fail(format!("{all} texts, one for each server"), format!("{errors:?}"));
                }
                for (server, error) in errors.iter().enumerate() {
                    let refused = error.contains("refused the connection");
                    if round <= 3 && refused != (server % 2 == 0) {
                        desk.fail(
                            "the text of server 0, 2, … to say that it refused the connection, and \
                             that of server 1, 3, … that it did not answer",
                            format!("for server {server}: {error:?}"),
                        );
                    }
                }
            }
            desk.expect_dialled(0, 3, 3, "until its breaker opened");
        }
    });
    whoever_was_first();
    a_text_without_an_attempt();
}

/// The texts stand in the order of the servers, whichever replica has its turn.
fn whoever_was_first() {
    story(async || {
        for served in 0..3 {
            let desk = Desk::open(3, after(100)).await;
            desk.dies(0);
            for _ in 0..served {
                if let Err(error) = desk.read().await {
                    desk.fail("a read to be served by a replica", told(&error));
                }
            }
            for server in [1, 3] {
                // All have to dial.
                desk.breaks_idle(server);
                desk.hangs(server);
            }
            desk.dies(2);
            let result = desk.read().await;
            let Err(ClusterError::AllUnavailable(errors)) = &result else {
                desk.fail("AllUnavailable when all servers are down", outcome(&result))
            };
            let refused: Vec<bool> =
                errors.iter().map(|error| error.contains("refused the connection")).collect();
            if refused != [true, false, true, false] {
                desk.fail(
                    format!(
                        "the texts of servers 0 and 2, and of no others, to say that it refused the \
                         connection, after {served} reads that a replica served"
                    ),
                    format!("{errors:?}"),
                );
            }
        }
    });
}

/// A server that another request is probing has a text as well.
fn a_text_without_an_attempt() {
    story(async || {
        let desk = Desk::open(0, usual()).await;
        desk.opens_by(3).await;
        desk.comes_back(0);
        desk.hangs(0);
        desk.at(desk.now() + OPEN_FOR + SLACK).await;
        let probe = desk.trader("probe", async |desk| drop(desk.read().await));
        desk.at(desk.now() + ATTEMPT / 2).await;
        desk.must_name_one("while another request is the probe").await;
        harness::tasks::home(probe).await;
    });
}
