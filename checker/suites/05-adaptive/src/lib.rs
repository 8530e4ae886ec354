//! The suite of task 05: what its README promises, and a case for each promise.
//!
//! `desk` is the trading desk that most cases are played at, `table` and `model` put the controller to
//! the question without one, `traffic` plays whole days; the other modules hold the cases, grouped by
//! what they are about.

pub mod chart;
mod closing;
mod control;
mod desk;
mod dropped;
mod end;
mod failing;
mod fickle;
mod gone;
mod growing;
mod held;
mod model;
pub mod mornings;
mod orders;
mod samples;
mod shrinking;
mod start;
mod steady;
mod table;
mod telling;
pub mod traffic;
mod under_way;
mod waits;
mod watched;
mod words;

use harness::Suite;

/// What the task's README promises, word for word.
const PROMISES: &[(&str, &str)] = &[
    (
        "P1",
        "`AdaptivePool::new` answers a configuration that cannot work (`min`, `sample_every`, \
         `grow_after`, `shrink_after` or `connection_timeout` zero, or `min` above `max`) with \
         `InvalidConfig`, and opens nothing. Every other one it takes, however large its \
         numbers and long its times are.",
    ),
    (
        "P2",
        "`observe` answers `Grow` to the sample that makes `grow_after` slow ones in a row, if \
         there are fewer than `max` places. While more slow ones follow it does so again, after \
         `grow_after` more at the latest.",
    ),
    (
        "P3",
        "A spike is no reason to grow: `observe` answers `Hold` to fewer than `grow_after` slow \
         samples in a row. A sample that is not slow begins the count anew.",
    ),
    (
        "P4",
        "`observe` answers `Shrink` to the sample that makes `shrink_after` idle ones in a row, \
         and not before, if there are more than `min` places. While more idle ones follow it \
         does so again, after `shrink_after` more at the latest. A sample that is not idle \
         begins the count anew.",
    ),
    (
        "P5",
        "`observe` answers `Hold` to every sample that is fine: a wait of exactly `target_wait` \
         is not slow, a pool of which exactly half is in use is not idle, and neither is one \
         for which somebody waits.",
    ),
    (
        "P6",
        "An answer keeps to the bounds: `Grow` and `Shrink` have a number of at least 1, `Grow` \
         leads to `max` at most, and `Shrink` neither below `min` nor below what was in use. At \
         `max` no sample makes it grow, at `min` none makes it shrink. This holds for the \
         largest numbers and times as well.",
    ),
    (
        "P7",
        "`new` opens `min` connections, and the pool has as many places. `get` takes what is \
         idle, and opens nothing while every place is taken, up to `max` or not: it waits in \
         the queue, at most `connection_timeout`. Only `Grow` makes a place. If one of the \
         first connections cannot be opened, `new` answers `Connect` or `Timeout`, and the \
         others are closed again.",
    ),
    (
        "P8",
        "Every `sample_every`, for the first time one `sample_every` after `new`, the pool \
         takes a sample and does what its controller makes of it; `sample` gives the one that \
         was taken last. `size` and `waiting` are of that moment, `in_use` is the most at one \
         moment since the sample before. Before the first, `sample` tells of `min` places and \
         of nobody. To look at it changes nothing. Samples that fell due during a growth are \
         not made up for.",
    ),
    (
        "P9",
        "`mean_wait` is the mean over everybody whose wait has ended since the sample before, \
         each with all that he waited: those who got a connection at once, with zero; those who \
         got one later; and those who got none, because their time was over or they gave up.",
    ),
    (
        "P10",
        "`Grow` with a number opens that many connections, all at the same time, and each of \
         them goes to the task that has waited longest as soon as it is open; if nobody waits, \
         it is idle.",
    ),
    (
        "P11",
        "`Shrink` with a number closes that many idle connections at once, or as many as are \
         idle. What is lent out is left alone, and comes back as ever. Nobody waits while a \
         connection is being closed.",
    ),
    (
        "P12",
        "`decisions` tells of each `Grow` and each `Shrink`, and of no `Hold`, as soon as it is \
         decided: when, since `new`; what, as the controller answered it; and why, in words. \
         The latest is the last, and the last 100 are kept.",
    ),
    (
        "P13",
        "`close` ends the sampling: when it returns, no task of the pool is left, nothing is \
         opened any more, and nothing is open but what is lent out, which is closed when it \
         comes back. It waits for no connect. This holds right after `new` as well, while the \
         pool grows, for each of two that close at the same time, and for one that follows on a \
         `close` that was dropped half-way. Whoever waits when a `close` begins, or asks later, \
         gets `Closed`, even if that `close` is dropped half-way.",
    ),
    (
        "P14",
        "Who still waits counts in `mean_wait` with what he has waited so far, in every sample \
         until he waits no longer. So a pool that serves nobody at all grows.",
    ),
    (
        "P15",
        "`Grow` is in proportion: when ten more tasks want a connection than there are places, \
         and go on wanting it, five `Grow` at most make up for it, and eight when it is a \
         hundred. None has a number above `in_use` and `waiting` together, or 1 if both are 0. \
         Where always the same number of tasks want a connection, the pool never grows to more \
         than twice that number, also where connecting takes longer than many samples.",
    ),
    (
        "P16",
        "It settles: under a load that stays the same, whatever its level and whatever the size \
         to begin with, a time comes from which on nothing is decided any more. The pool is \
         then as large as the load needs, as far as `max` permits, and at most twice that, or \
         `min`.",
    ),
    (
        "P17",
        "A sample forgets: nothing that ended before the sample before it counts, however bad \
         it was. Only what still goes on does, a wait or a loan.",
    ),
    (
        "P18",
        "When a connect fails, hangs or panics while the pool grows, its place is not made: \
         nobody who waits is told, the others of the same `Grow` come all the same, and the \
         samples go on, after `connection_timeout` at the latest. There are never more attempts \
         than the numbers of all `Grow` together.",
    ),
    (
        "P19",
        "All of this holds in whatever order returns, gets, dropped gets, `Grow`, `Shrink`, \
         connects and `close` come: never above `max`, with what is just being opened or \
         closed, never below `min`, no place is lost, and nobody waits while one is free.",
    ),
    (
        "P20",
        "A rush that comes while the pool shrinks is a rush like any other: what is left serves \
         it at once, no sample of it counts as idle, after `grow_after` slow ones the pool \
         grows, and no connection is lost to a shrink that was decided before: if that found \
         fewer idle ones than it wanted, it closes no others later.",
    ),
    (
        "P21",
        "A pool that nobody closes ends when its last handle and its last guard are dropped: \
         within a `sample_every`, and a `connection_timeout` if it is growing, its connections \
         are closed and its tasks gone.",
    ),
    (
        "P22",
        "On the script *step* nobody waits longer than 1 s, the mean wait is 20 ms at most, \
         connections × time come to 3,300 s at most, and the pool is resized 20 times at most.",
    ),
    (
        "P23",
        "On the script *saw-tooth* nobody waits longer than 600 ms, the mean wait is 40 ms at \
         most, connections × time come to 3,300 s at most, and the pool is resized 90 times at \
         most.",
    ),
    (
        "P24",
        "On the script *night* nobody waits longer than 1.2 s, the mean wait is 30 ms at most, \
         connections × time come to 8,500 s at most, and the pool is resized 90 times at most.",
    ),
    (
        "P25",
        "On the script *spike every minute* nobody waits longer than 600 ms, the mean wait is \
         40 ms at most, connections × time come to 8,000 s at most, and the pool is resized 100 \
         times at most.",
    ),
];

/// The suite: its promises and its cases, in the order in which a student meets them.
pub fn suite() -> Suite {
    let suite = Suite::new(PROMISES);
    let cases = [
        start::cases(),
        control::cases(),
        samples::cases(),
        waits::cases(),
        growing::cases(),
        shrinking::cases(),
        telling::cases(),
        end::cases(),
        waits::hard_cases(),
        steady::cases(),
        failing::cases(),
        orders::cases(),
        shrinking::hard_cases(),
        gone::cases(),
        mornings::cases(),
    ];
    cases.into_iter().flatten().fold(suite, Suite::case)
}

harness::main!(suite);
