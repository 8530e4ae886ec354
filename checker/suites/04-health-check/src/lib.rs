//! The suite of task 04: what its README promises, and a case for each promise.
//!
//! `desk` is the trading desk that all cases are played at; the other modules hold the cases,
//! grouped by what they are about.

mod backoff;
mod borrowing;
mod cancel;
mod desk;
mod end;
pub mod graded;
mod held;
mod orders;
mod outage;
mod real;
mod reports;
mod restore;
mod rounds;
mod start;
mod watched;
mod words;

use harness::Suite;

/// What the task's README promises, word for word.
const PROMISES: &[(&str, &str)] = &[
    (
        "P1",
        "`Pool::new` answers a health configuration that cannot work (`interval`, `ping_timeout` \
         or `backoff_min` zero, or `backoff_min` above `backoff_max`) with `InvalidConfig`, and \
         opens nothing. Every other one it takes, however short or long its times are.",
    ),
    (
        "P2",
        "Each idle connection is pinged once every `interval`, for the first time one `interval` \
         after `Pool::new` at the latest; the time that a round itself takes may come on top, and \
         rounds that fell due meanwhile are not made up for.",
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
         works; no more are opened than are missing, also by several rounds at the same time.",
    ),
    (
        "P6",
        "A connection that is lent out is left alone: a round neither pings it nor waits for it, \
         even if all are lent out.",
    ),
    (
        "P7",
        "A `get` during a round takes what is idle, and opens one if there is room; if there is \
         none, it gets the first connection whose ping has ended, at once. Nobody waits while a \
         connection is being closed.",
    ),
    (
        "P8",
        "A connection that is being pinged keeps its place: it is lent to nobody meanwhile, no \
         round counts it as missing, and none is opened in its stead above `max_connections`.",
    ),
    (
        "P9",
        "A connection that broke while it was lent out is closed when it comes back, and the next \
         round restores the minimum.",
    ),
    (
        "P10",
        "`close` ends the checker: it returns when the pings under way have ended, after \
         `ping_timeout` at the latest, and waits for no connect and no pause; then no task of the \
         pool is left, nothing is pinged or opened any more, nothing is open but what is lent out, \
         and that is closed when it comes back. This holds right after `new` as well, for each of \
         two that close at the same time, and after a `close` that was dropped half-way. Whoever \
         waits or asks later gets `Closed`.",
    ),
    (
        "P11",
        "`check_once` does a round of its own, also while another one is under way, and returns \
         how many connections that round pinged, removed and opened; `last_check` gives the same \
         of the round that has ended last, the checker's own included, and `None` before the \
         first.",
    ),
    (
        "P12",
        "A ping has `ping_timeout` to be answered, also where `interval` is shorter; then it ends, \
         and its connection counts as dead.",
    ),
    (
        "P13",
        "A failure spares the others: a dead connection keeps no other from being pinged in the \
         same round, and a `connect` that fails, panics, or takes longer than \
         `connection_timeout` (each attempt has so long, and is given up then) stops neither the \
         rounds nor later attempts.",
    ),
    (
        "P14",
        "While connecting fails, by an error, a panic or a time-out, the checker pauses before it \
         tries again to restore a connection, whichever is missing: for at least `backoff_min` \
         from the end of the failed attempt, and ever longer, up to `backoff_max` and never above. \
         Once the minimum was restored, pauses begin with `backoff_min` again. An outage of a \
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
         at the same time; a place is free when its connection is closed, and not before.",
    ),
    (
        "P17",
        "A task that waits while a dead connection is removed is served at once when the \
         connection in its stead is open.",
    ),
    (
        "P18",
        "A pool that nobody closes ends when its last handle and its last guard are dropped, also \
         in a pause and right after `new`: within an `interval` and a round its connections are \
         closed and its tasks gone.",
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
        backoff::cases(),
        restore::hard_cases(),
        end::hard_cases(),
        cancel::cases(),
        orders::cases(),
        real::cases(),
    ];
    cases.into_iter().flatten().fold(suite, Suite::case)
}
