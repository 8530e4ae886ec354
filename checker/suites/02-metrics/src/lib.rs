//! The suite of task 02: what its README promises, and a case for each promise.
//!
//! `desk` is where the cases are played, over the pool of `script`, which does as it is told;
//! `day` makes snapshots by hand, for the cases that only calculate; `watch` tells whether
//! snapshots add up. The other modules hold the cases, grouped by what they are about.

mod counting;
mod day;
mod desk;
mod exposition;
mod judging;
mod script;
mod tail;
mod text;
mod threads;
mod waiting;
mod watch;

use harness::Suite;

/// What the task's README promises, word for word.
const PROMISES: &[(&str, &str)] = &[
    (
        "P1",
        "`get_timeout` asks the pool beneath once, with the caller's time-out as it is, and hands \
         on its answer: a guard that derefs to the connection that was lent, or the very error.",
    ),
    (
        "P2",
        "Every attempt that gets a connection counts once in `acquired`, and no other attempt does.",
    ),
    (
        "P3",
        "Dropping a guard counts once in `released` and gives the connection back to the pool \
         beneath at once, also when the `Metered` is gone; `in_use` is how many guards are out.",
    ),
    (
        "P4",
        "Every attempt that ends with an error that `P::refusal` calls `Timeout` counts once in \
         `timeouts`, and no other attempt does.",
    ),
    (
        "P5",
        "Every attempt that ends with an error that `P::refusal` calls `Connect` counts once in \
         `connect_errors`, and no other attempt does.",
    ),
    (
        "P6",
        "Every `record_query` counts once in `queries`, on whichever guard, and still counts when \
         the guard is gone.",
    ),
    (
        "P7",
        "An attempt takes as long as the pool beneath needs for its answer, whatever the answer \
         is. `wait_total` is the sum over all attempts that have ended and `mean_wait` their \
         average, to the microsecond; zero if there was none.",
    ),
    (
        "P8",
        "`utilisation` is `in_use` divided by `max`, and `max` is what the pool beneath says: 0.0 \
         when nothing is in use, 1.0 when all is, 0.0 for a pool that may have no connection.",
    ),
    (
        "P9",
        "`health` is `Healthy` when less than 1 % of all attempts failed, time-outs and connect \
         errors together, and `mean_wait` is less than 100 ms; otherwise, and at exactly 1 % or \
         100 ms, it is `Degraded`.",
    ),
    (
        "P10",
        "A pool from which nobody gets a connection is `Degraded`, however quickly it says no.",
    ),
    ("P11", "`health` is `NoTraffic` when no attempt has ended, whoever waits, and only then."),
    (
        "P12",
        "Every attempt is in one bucket, whatever came of it: the first whose bound is not below \
         the time it took, or the last bucket if there is none. So Prometheus can read the \
         snapshot's text, and finds these numbers in it.",
    ),
    (
        "P13",
        "`pending` is the number of threads whose attempt has not ended, and falls however an \
         attempt ends: with a connection, a time-out, an error, or a panic of the pool beneath. \
         While it lasts, and while a connection is being given back, everybody else gets, gives \
         back, records queries and takes snapshots at once.",
    ),
    (
        "P14",
        "A snapshot is one moment, whatever the threads do at the same time: `released` is never \
         above `acquired`, `in_use` is the difference and never above `max`, and the buckets hold \
         as many attempts as `acquired`, `timeouts` and `connect_errors` together; `wait_total` is \
         the time of just these, and `queries` holds all that were recorded on connections that \
         are released, and none of a connection that is not acquired. No count is lost, and none \
         goes back.",
    ),
    (
        "P15",
        "A thread that panics while it holds a connection gives it back, and that counts like any \
         other return. What a destructor asks for while the thread unwinds counts like any other \
         attempt.",
    ),
    (
        "P16",
        "`quantile(q)` sorts the n attempts by the time they took and finds the one of rank ⌈q·n⌉, \
         the first for 0.0: the answer is the bound of its bucket, `Duration::MAX` if it is in the \
         last bucket, `None` if there was no attempt.",
    ),
    (
        "P17",
        "`later.since(&earlier)` holds what happened in between: the differences of the counters, \
         the buckets and `wait_total`, with `in_use`, `pending` and `max` of `later`. Its \
         `mean_wait`, `quantile` and `health` know nothing of what was before. The wrong way \
         round, in `earlier.since(&later)`, nothing happened.",
    ),
    (
        "P18",
        "The buckets keep what an average hides: when 98 of 100 attempts are served at once and \
         two after 1.5 s, `health` is `Healthy` with a mean of 30 ms, and `quantile(0.99)` is 2 s.",
    ),
    (
        "P19",
        "Ten years at 10,000 attempts a second spoil nothing: `mean_wait`, `quantile`, `health` and \
         `since` are as right for 3,000,000,000,000 attempts as for three.",
    ),
    (
        "P20",
        "All of this holds on real threads: what 8 threads do 10,000 times each is counted to the \
         last one.",
    ),
];

/// The suite: its promises and its cases, in the order in which a student meets them.
pub fn suite() -> Suite {
    let cases = [
        counting::cases(),
        judging::cases(),
        text::cases(),
        waiting::cases(),
        threads::cases(),
        tail::cases(),
        threads::real_cases(),
    ];
    cases.into_iter().flatten().fold(Suite::new(PROMISES), Suite::case)
}

harness::main!(suite);
