//! The suite of task 04: what its README promises, and a case for each promise.
//!
//! `desk` is the trading desk that all cases are played at; the other modules hold the cases,
//! grouped by what they are about.

mod borrowing;
mod cancel;
mod desk;
mod end;
mod orders;
mod outage;
mod real;
mod restore;
mod rounds;
mod start;
mod words;

use harness::Suite;

/// What the task's README promises, word for word.
const PROMISES: &[(&str, &str)] = &[
    (
        "P1",
        "`Pool::new` answers a health configuration that cannot work (`interval`, `ping_timeout` \
         or `backoff_min` zero, or `backoff_min` above `backoff_max`) with `InvalidConfig`, and \
         opens nothing.",
    ),
    (
        "P2",
        "Each idle connection is pinged once every `interval`, for the first time one `interval` \
         after `Pool::new` at the latest; the time that a round itself takes may come on top.",
    ),
    (
        "P3",
        "A connection that answers stays as it is: open, idle, and lent out again, also above \
         `min_connections`.",
    ),
    (
        "P4",
        "A connection whose ping fails is closed in the same round, and never handed out again.",
    ),
    (
        "P5",
        "When a round has ended, there are `min_connections` connections again, if connecting \
         works; no more are opened than are missing.",
    ),
    (
        "P6",
        "A connection that is lent out is left alone: a round neither pings it nor waits for it, \
         even if all are lent out.",
    ),
    (
        "P7",
        "A `get` during a round takes what is idle, and opens one if there is room; if there is \
         none, it gets the first connection whose ping has ended, at once.",
    ),
    (
        "P8",
        "A connection that is being pinged keeps its place: it is lent to nobody meanwhile, and \
         none is opened in its stead above `max_connections`.",
    ),
    (
        "P9",
        "A connection that broke while it was lent out is closed when it comes back, and the next \
         round restores the minimum.",
    ),
    (
        "P10",
        "`close` ends the checker: it returns when the pings under way have ended, after \
         `ping_timeout` at the latest; then no task of the pool is left, nothing is pinged or \
         opened any more, nothing is open but what is lent out, and that is closed when it comes \
         back. Whoever waits or asks later gets `Closed`.",
    ),
    (
        "P11",
        "`check_once` returns how many connections its round pinged, removed and opened; \
         `last_check` gives the same of the last round that has ended, the checker's own \
         included, and `None` before the first.",
    ),
    (
        "P12",
        "A ping that is not answered ends after `ping_timeout`, and its connection counts as \
         dead.",
    ),
    (
        "P13",
        "A failure spares the others: a dead connection keeps no other from being pinged in the \
         same round, and a `connect` that fails, panics, or takes longer than \
         `connection_timeout` (it is given up then) stops neither the rounds nor later attempts.",
    ),
    (
        "P14",
        "While connecting fails, the checker pauses for at least `backoff_min` between two \
         attempts to restore a connection, and ever longer, up to `backoff_max`: an outage of a \
         minute sees at most 40 attempts for one missing connection, with pauses from 100 ms to 5 \
         s.",
    ),
    (
        "P15",
        "Once connecting works again, the minimum is restored without anybody's help, after \
         `backoff_max`, an `interval` and the time that connecting takes at the latest.",
    ),
    (
        "P16",
        "Restoring never leads above `max_connections`, whichever rounds and gets are under way \
         at the same time.",
    ),
    (
        "P17",
        "A task that waits while a dead connection is removed is served at once when the \
         connection in its stead is open.",
    ),
    (
        "P18",
        "A pool that nobody closes ends when its last handle and its last guard are dropped: \
         within an `interval` and a round its connections are closed and its tasks gone.",
    ),
    (
        "P19",
        "A `get` or a `check_once` that is dropped half-way, at whichever of its awaits, loses \
         nothing: after one more round every place can be used, and the minimum is there.",
    ),
    (
        "P20",
        "All of this holds in whatever order pings, connects, returns and `close` begin and end.",
    ),
    (
        "P21",
        "It holds against a real server as well: when PostgreSQL ends sessions, or lets nobody in \
         for a while, the minimum is there again before long. (Worth no points; skipped where \
         there is no PostgreSQL.)",
    ),
];

/// The suite: its promises and its cases, in the order in which a student meets them.
pub fn suite() -> Suite {
    let suite = Suite::new(PROMISES).with_databases(fixtures::db::hand_over);
    let cases = [
        start::cases(),
        rounds::cases(),
        restore::cases(),
        borrowing::cases(),
        end::cases(),
        outage::cases(),
        restore::hard_cases(),
        end::hard_cases(),
        cancel::cases(),
        orders::cases(),
        real::cases(),
    ];
    cases.into_iter().flatten().fold(suite, Suite::case)
}
