//! Whether snapshots add up: with themselves, with each other, and with what threads did.

use harness::fail;
use pool_metrics::Snapshot;

use crate::desk::expect;
use crate::script::Fault;

/// What the attempts of a thread came to.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) acquired: u64,
    pub(crate) timeouts: u64,
    pub(crate) connect_errors: u64,
}

impl Tally {
    pub(crate) fn count(&mut self, answer: Result<(), Fault>) {
        match answer {
            Ok(()) => self.acquired += 1,
            Err(Fault::Timeout(_)) => self.timeouts += 1,
            Err(Fault::Refused(_)) => self.connect_errors += 1,
        }
    }

    /// Fails unless the snapshot holds exactly what the threads did.
    pub(crate) fn expect(tallies: &[Self], snapshot: &Snapshot, when: &str) {
        let sum = |field: fn(&Self) -> u64| tallies.iter().map(field).sum::<u64>();
        let acquired = sum(|tally| tally.acquired);
        for (field, got, expected) in [
            ("acquired", snapshot.acquired, acquired),
            ("released", snapshot.released, acquired),
            ("timeouts", snapshot.timeouts, sum(|tally| tally.timeouts)),
            ("connect_errors", snapshot.connect_errors, sum(|tally| tally.connect_errors)),
            ("queries", snapshot.queries, acquired), // each connection carried one
        ] {
            if got != expected {
                let off = match got.abs_diff(expected) {
                    off if got < expected => format!("{off} of them happened and were not counted"),
                    off => format!("{off} of them were counted and did not happen"),
                };
                fail(
                    format!("{field} {expected} in a snapshot {when}"),
                    format!("{field} {got}: {off}"),
                );
            }
        }
        expect("in_use", snapshot.in_use, 0, when);
        expect("pending", snapshot.pending, 0, when);
    }
}

/// Somebody who looks at one snapshot after the other.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    before: Snapshot,
}

impl Watch {
    /// Fails unless the snapshot adds up and nothing has gone back since the last look.
    pub(crate) fn look(&mut self, now: &Snapshot) {
        let Snapshot { acquired, released, in_use, max, .. } = *now;
        if released > acquired {
            fail(
                "a snapshot in which released is not above acquired",
                format!("released {released}, acquired {acquired}"),
            );
        }
        if u64::from(in_use) != acquired - released {
            fail(
                format!(
                    "in_use {} with acquired {acquired}, released {released}",
                    acquired - released
                ),
                format!("in_use {in_use}"),
            );
        }
        if in_use > max {
            fail(
                format!("in_use not above max, which is {max}"),
                format!(
                    "in_use {in_use}: a connection was in use again before it was released, or the \
                     snapshot read the two at different moments"
                ),
            );
        }
        let ended = now.acquired + now.timeouts + now.connect_errors;
        let in_buckets: u64 = now.buckets.iter().sum();
        if in_buckets != ended {
            fail(
                format!(
                    "{ended} attempts in the buckets of a snapshot with acquired {}, timeouts {}, \
                     connect_errors {}",
                    now.acquired, now.timeouts, now.connect_errors
                ),
                match in_buckets.abs_diff(ended) {
                    off if in_buckets < ended => format!(
                        "{in_buckets}: {off} in no bucket, or the two are of different moments"
                    ),
                    off => format!(
                        "{in_buckets}: {off} of them in none of the three counters, or the two are \
                         of different moments"
                    ),
                },
            );
        }
        let before = &self.before;
        for (field, before, now) in [
            ("acquired", before.acquired, now.acquired),
            ("released", before.released, now.released),
            ("timeouts", before.timeouts, now.timeouts),
            ("connect_errors", before.connect_errors, now.connect_errors),
            ("queries", before.queries, now.queries),
        ] {
            if now < before {
                fail(
                    format!("{field} not below {before}, as an earlier snapshot had it"),
                    format!("{field} {now}"),
                );
            }
        }
        self.before = now.clone();
    }
}

/// Fails unless the queries are of the snapshot's moment, when each connection carries one, which
/// is recorded before it is given back.
pub(crate) fn each_carries_a_query(now: &Snapshot) {
    let Snapshot { acquired, released, queries, .. } = *now;
    if !(released..=acquired).contains(&queries) {
        let fitting = if released == acquired {
            format!("queries {released}")
        } else {
            format!("queries {released} to {acquired}")
        };
        fail(
            format!(
                "{fitting} in a snapshot with acquired {acquired}, released {released}, when each \
                 connection carries one before it is given back"
            ),
            format!("queries {queries}: it is of a different moment"),
        );
    }
}
