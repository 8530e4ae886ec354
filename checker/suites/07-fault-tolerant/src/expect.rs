//! What must be so at the desk, and what to say if it is not.

use std::time::Duration;

use fault_tolerant_pool::{Breaker, ClusterError};
use fixtures::exchange::Exchange;
use harness::clock;
use tokio::time::sleep;

use crate::desk::{Desk, Outcome, SLACK};
use crate::held::Held;
use crate::words::outcome;

impl Desk {
    /// Fails unless the breaker of this server is so; `when` tells the moment.
    pub(crate) fn expect_breaker(&self, server: usize, expected: Breaker, when: &str) {
        let states = self.look();
        let Some(&state) = states.get(server).filter(|_| states.len() == self.servers.len()) else {
            let expected = format!("states() to have {} breakers, {when}", self.servers.len());
            self.fail(expected, format!("{states:?}"));
        };
        if state != expected {
            let expected = format!("the breaker of server {server} to be {expected:?} {when}");
            self.fail(expected, format!("{state:?}"));
        }
    }

    /// A read that must be served by this server, at once; `why` continues "a connection of server 1".
    pub(crate) async fn must_read(&self, server: usize, why: &str) -> Held {
        self.must_read_by(server, self.now() + SLACK, why).await
    }

    /// As [`must_read`](Self::must_read), by this moment.
    pub(crate) async fn must_read_by(&self, server: usize, by: Duration, why: &str) -> Held {
        let result = self.read().await;
        self.judge("a read", result, server, by, why)
    }

    /// As [`must_read`](Self::must_read), for a write: the primary's.
    pub(crate) async fn must_write(&self, why: &str) -> Held {
        let by = self.now() + SLACK;
        let result = self.write().await;
        self.judge("a write", result, 0, by, why)
    }

    fn judge(
        &self,
        what: &str,
        result: Outcome<Held>,
        server: usize,
        by: Duration,
        why: &str,
    ) -> Held {
        let now = self.now();
        match result {
            Ok(held) if held.server() == server && now <= by => held,
            other => self.fail(
                format!("{what} to get a connection of server {server} by {}, {why}", clock(by)),
                format!("{} at {}", outcome(&other), clock(now)),
            ),
        }
    }

    /// A write that must be refused, at once and without a dial.
    pub(crate) async fn must_refuse_write(&self, why: &str) {
        let (asked, dials) = (self.now(), self.dials());
        let result = self.write().await;
        if !matches!(result, Err(ClusterError::PrimaryUnavailable)) || self.now() > asked + SLACK {
            self.fail(
                format!("a write to get PrimaryUnavailable at {}, {why}", clock(asked)),
                format!("{} at {}", outcome(&result), clock(self.now())),
            );
        }
        self.expect_dials(&dials, &format!("during a write, {why}"));
    }

    /// A read at a primary without replicas that must get `AllUnavailable`, with a text; `when` tells the
    /// moment.
    pub(crate) async fn must_name_one(&self, when: &str) {
        let result = self.read().await;
        match &result {
            Err(ClusterError::AllUnavailable(errors))
                if errors.len() == 1 && !errors[0].is_empty() => {}
            _ => self.fail(
                format!("AllUnavailable with one text, which is not empty, {when}"),
                outcome(&result),
            ),
        }
    }

    /// How often each server has been dialled.
    pub(crate) fn dials(&self) -> Vec<usize> {
        self.servers.iter().map(Exchange::attempts).collect()
    }

    /// Fails unless nobody has been dialled more often than this.
    pub(crate) fn expect_dials(&self, expected: &[usize], when: &str) {
        let dials = self.dials();
        for (server, (now, then)) in dials.iter().zip(expected).enumerate() {
            if now != then {
                self.fail(
                    format!("{then} dials in all at server {server} {when}"),
                    format!("{now} dials"),
                );
            }
        }
    }

    /// Fails unless a server has been dialled between so often and so often; `when` tells of what.
    pub(crate) fn expect_dialled(&self, server: usize, least: usize, most: usize, when: &str) {
        let dials = self.servers[server].attempts();
        if dials < least || dials > most {
            let range =
                if least == most { least.to_string() } else { format!("{least} to {most}") };
            self.fail(
                format!("{range} dials in all at server {server} {when}"),
                format!("{dials} dials"),
            );
        }
    }

    /// Fails unless a server counts so many sessions a moment later; `when` tells the moment.
    pub(crate) async fn expect_sessions(&self, server: usize, expected: usize, when: &str) {
        sleep(SLACK).await;
        let sessions = self.servers[server].sessions();
        if sessions != expected {
            self.fail(
                format!("{expected} open connections at server {server} {when}"),
                format!("{sessions}"),
            );
        }
    }

    /// Fails unless all places at a server can still be used, by so many requests at once.
    pub(crate) async fn expect_whole(&self, server: usize, max: u32, when: &str) {
        let mut held = Vec::new();
        for number in 1..=max {
            let why = format!("as number {number} of {max} at the same time {when}");
            held.push(self.must_read(server, &why).await);
        }
    }
}
