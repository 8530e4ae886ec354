//! How a pool begins: P1, P2 and P15.

use basic_pool::{Pool, PoolError};
use fixtures::exchange::{Exchange, ExchangeError};
use harness::{Case, fail};

use crate::desk::{Desk, between, told};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new("refuses_bad_config", "P1", refuses_bad_config)
            .title("a configuration that cannot work is refused")
            .points(0.5)
            .lesson("parameters")
            .hints(&[
                "Which two relations between min_connections and max_connections make no sense?",
                "Look at the configuration before anything else in `new`: once a connection is \
                 open, it is too late to refuse.",
            ]),
        Case::new("opens_min_at_once", "P2", opens_min_at_once)
            .title("min_connections are there from the start")
            .points(0.5)
            .lesson("parameters")
            .hints(&[
                "Who pays for opening a connection: the first trader of the day, or the pool \
                 before the market opens?",
                "`new` calls `manager.connect()` min_connections times, puts the connections where \
                 idle ones live, and returns then. `status` counts what is there.",
            ]),
    ]
}

/// P15 comes late in the order of cases: it is one of the hard ones.
pub(crate) fn hard_cases() -> Vec<Case> {
    vec![
        Case::new("failed_new_leaks_none", "P15", failed_new_leaks_none)
            .title("a pool that cannot start leaves no connection behind")
            .hard()
            .points(0.5)
            .lesson("when-connect-fails")
            .hints(&[
                "Where are the first connections at the moment when the next one fails, and who \
                 drops them?",
                "`?` leaves the function at once, and local values are dropped then. Is every open \
                 connection in a local value, and in nothing that lives on?",
            ]),
    ]
}

fn refuses_bad_config() {
    for (min, max) in [(0, 0), (3, 0), (3, 2), (21, 20), (u32::MAX, 20)] {
        let exchange = Exchange::new();
        harness::watch(exchange.log());
        match Pool::new(exchange.manager(), between(min, max)) {
            Err(PoolError::InvalidConfig(reason)) if !reason.trim().is_empty() => {}
            Err(PoolError::InvalidConfig(_)) => fail(
                format!("the reason why min_connections {min}, max_connections {max} cannot work"),
                "InvalidConfig with an empty text",
            ),
            other => fail(
                format!("InvalidConfig for min_connections {min}, max_connections {max}"),
                other.map_or_else(|error| told(&error), |_| "a pool".to_owned()),
            ),
        }
        if exchange.attempts() > 0 {
            fail(
                format!(
                    "nothing to be opened for min_connections {min}, max_connections {max}, which \
                     cannot work"
                ),
                format!("{} calls of connect before it was refused", exchange.attempts()),
            );
        }
    }
    for (min, max) in [(0, 1), (1, 1), (20, 20)] {
        drop(Desk::open(between(min, max)));
    }
}

fn opens_min_at_once() {
    let desk = Desk::open(between(3, 5));
    desk.expect_sessions(3, "after `Pool::new` with min_connections 3");
    desk.expect_status(3, 0, "after `Pool::new` with min_connections 3");

    let desk = Desk::open(between(0, 5));
    desk.expect_sessions(0, "after `Pool::new` with min_connections 0");
    desk.expect_status(0, 0, "after `Pool::new` with min_connections 0");
}

fn failed_new_leaks_none() {
    let exchange = Exchange::new();
    exchange.limit_sessions(2);
    harness::watch(exchange.log());
    match Pool::new(exchange.manager(), between(3, 5)) {
        Err(PoolError::Connect(ExchangeError::TooManySessions { .. })) => {}
        other => fail(
            "`Pool::new` to return Connect with the exchange's error when the third of three \
             connections is refused",
            other.map_or_else(|error| told(&error), |_| "a pool".to_owned()),
        ),
    }
    if exchange.sessions() > 0 {
        fail(
            "no connection left open after `Pool::new` failed",
            format!("{} still open", exchange.sessions()),
        );
    }
}
