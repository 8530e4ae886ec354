//! The suite of task 01: what its README promises, and a case for each promise.
//!
//! `desk` is the trading desk that all cases are played at; the other modules hold the cases,
//! grouped by what they are about.

mod borrow;
mod closing;
mod desk;
mod ending;
mod faults;
mod lifetimes;
mod limits;
mod load;
mod start;
mod waiting;

use harness::Suite;

/// What the task's README promises, word for word.
const PROMISES: &[(&str, &str)] = &[
    (
        "P1",
        "`Pool::new` answers a configuration that cannot work (`max_connections` 0, or \
         `min_connections` above `max_connections`) with `InvalidConfig`, and opens nothing.",
    ),
    (
        "P2",
        "When `Pool::new` returns, `min_connections` connections are open and idle, and no more.",
    ),
    ("P3", "A guard derefs to its connection, and no two guards hold the same connection."),
    ("P4", "Dropping a guard makes its connection idle again; it stays open."),
    ("P5", "`get` takes an idle connection if there is one, before it thinks of opening another."),
    (
        "P6",
        "With none idle and fewer than `max_connections` there, `get` opens one at once, and only \
         one.",
    ),
    (
        "P7",
        "When all connections are in use, `get_timeout` gives up with `Timeout` as soon as its \
         time is over, counted from the call, and not before; `get` does so after \
         `connection_timeout`. Who opens a connection gets it, even if that takes longer.",
    ),
    (
        "P8",
        "A time-out of zero never waits: an idle connection comes at once, and when all are in use \
         so does `Timeout`.",
    ),
    (
        "P9",
        "There are never more than `max_connections` connections, those being opened or closed \
         included, whatever the threads do at the same time.",
    ),
    (
        "P10",
        "A connection that comes back goes to a waiting thread at once: nobody sleeps while a \
         connection is idle.",
    ),
    (
        "P11",
        "A connection that `has_broken` reports is closed and never handed out, whether it broke \
         in use or while it was idle; a good one takes its place.",
    ),
    ("P12", "A thread that panics while it holds a connection gives it back like any other."),
    (
        "P13",
        "When a connection is closed, for whatever reason, its place is free as soon as that is \
         done, not before, and a waiting thread opens a new one there.",
    ),
    (
        "P14",
        "A `connect` that fails, or panics, costs nobody but its caller anything: the caller gets \
         `Connect` (or the panic), the place is free again, and a waiting thread tries in its \
         turn.",
    ),
    (
        "P15",
        "If `Pool::new` cannot open all of its first connections, it returns `Connect` and closes \
         those that it has opened.",
    ),
    (
        "P16",
        "Opening or closing a connection blocks nobody else: connections are opened at the same \
         time, and meanwhile others get, give back and ask for the `status`.",
    ),
    (
        "P17",
        "A waiting thread whose time-out falls together with a returning connection takes it or \
         leaves it; in neither case is the connection lost to the others.",
    ),
    (
        "P18",
        "A connection older than `max_lifetime` is not handed out. `reap` closes those of them \
         that are idle, and connections idle for longer than `idle_timeout` while more than \
         `min_connections` remain, those in use included; it opens none, and returns how many it \
         closed.",
    ),
    (
        "P19",
        "`close` ends the waiting with `Closed` and closes what is idle; later calls get `Closed`. \
         Dropping the last `Pool` closes it as well. A guard works on after either, and its \
         connection is closed when the guard is dropped.",
    ),
    (
        "P20",
        "All of this holds on real threads: 64 threads that share 8 connections are all served, \
         and in the end all 8 can be had at once.",
    ),
];

/// The suite: its promises and its cases, in the order in which a student meets them.
pub fn suite() -> Suite {
    let cases = [
        start::cases(),
        borrow::cases(),
        limits::cases(),
        waiting::cases(),
        faults::cases(),
        lifetimes::cases(),
        ending::cases(),
        load::cases(),
    ];
    cases.into_iter().flatten().fold(Suite::new(PROMISES), Suite::case)
}

harness::main!(suite);
