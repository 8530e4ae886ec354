//! The suite of task 08: what its README promises, and a case for each promise.
//!
//! `bank` is the database that all cases measure, `desk` what they say of a report; the other modules
//! hold the cases, grouped by what they are about.

mod bank;
mod desk;
mod failing;
mod figures;
mod oracle;
mod real;
mod resources;
mod strategies;

use harness::Suite;

/// What the task's README promises, word for word.
const PROMISES: &[(&str, &str)] = &[
    (
        "P1",
        "`quantile` is the nearest rank: the smallest of the sorted values that at least the \
         share `q` of all do not exceed. A `q` of 0 or less gives the first, of 1 or more the \
         last; without values it is `None`.",
    ),
    (
        "P2",
        "Without requests nothing is counted: everything in the report is 0 but `opened`, \
         which is what a pool opened beforehand. No figure is ever NaN or infinite: where no \
         time passed, `throughput` is 0.",
    ),
    (
        "P3",
        "Each request sends `sql`, word for word, once, whatever comes of it. Nothing else is \
         asked of the server: `is_valid` is not called, for its round trip would be measured.",
    ),
    (
        "P4",
        "With `PerRequest` each request opens a connection of its own, and closes it when it \
         has its answer; `opened` says how many.",
    ),
    (
        "P5",
        "A pool never has more than `max` connections at the same time, and uses them again: \
         `opened` is at most `max`, unless some break or their requests panic. No two \
         requests use one connection at the same time.",
    ),
    (
        "P6",
        "A pool's `min` connections are opened before the clock starts, and counted in \
         `opened`; never more of them than `max`.",
    ),
    (
        "P7",
        "`makespan` is the time from the common start to the end of the last request, failed \
         ones included.",
    ),
    (
        "P8",
        "`latency` is that of the answered requests: its `mean`, and `p50`, `p90`, `p99` and \
         `max` as `quantile` has them; all zero if none was answered.",
    ),
    (
        "P9",
        "A latency runs from the common start to the request's answer: the wait for a \
         connection and its opening count.",
    ),
    ("P10", "`throughput` is the number of answered requests in a second of the makespan."),
    (
        "P11",
        "All requests are released together: none waits for another one's answer, nor for \
         another one's connection to open, unless the pool has no place left.",
    ),
    (
        "P12",
        "A stall of the server, however long, is in the latency of all whom it held up, those \
         that waited for a connection included: no request is given up.",
    ),
    (
        "P13",
        "`ok` counts the requests that were answered, `failed` those that came to nothing: \
         refused a connection, answered with an error, or panicked. None tries again; \
         together they are `parallel`. A connection that was refused is not in `opened`, one \
         whose request failed is.",
    ),
    (
        "P14",
        "A request that fails or panics frees its place, and whoever waits goes on at once. A \
         connection that `has_broken`, be it after an error or after an answer, is closed and \
         never used again; one whose query failed and that has not broken is used on.",
    ),
    (
        "P15",
        "A connection that cannot be opened beforehand, because `connect` fails or panics, is \
         done without: the others are opened, and its place can be used later. A `max` of 0 \
         counts as 1.",
    ),
    (
        "P16",
        "A `run` or `compare` whose future is dropped ends its requests and closes all \
         connections, at once or when its tasks next have their turn. When a `run` has ended, \
         all are closed already.",
    ),
    (
        "P17",
        "`compare` makes the lesson's nine measurements one after the other, whatever they \
         find, in this order: `PerRequest`, a pool of 1 to 10, a pool of 5 to 50; each with \
         100, then 1,000, then 10,000 requests.",
    ),
    (
        "P18",
        "Ten thousand requests need no threads of their own. Memory and tasks grow with the \
         requests and with the open connections, not with `max`.",
    ),
    (
        "P19",
        "With a pool of m, all opened beforehand, and N requests that the server answers in s \
         each, the makespan is N/m, rounded up, times s, and where m divides N the mean is s \
         × (N/m + 1) / 2: exactly.",
    ),
    (
        "P20",
        "In real time, too, there is one clock for all, and it starts before the first \
         request begins, however late a task of the others has its turn. Several threads \
         change nothing.",
    ),
];

/// The suite: its promises and its cases, in the order in which a student meets them.
pub fn suite() -> Suite {
    let cases = [
        figures::cases(),
        strategies::cases(),
        figures::hard_cases(),
        failing::cases(),
        strategies::hard_cases(),
        resources::cases(),
        oracle::cases(),
        real::cases(),
    ];
    cases.into_iter().flatten().fold(Suite::new(PROMISES), Suite::case)
}

harness::main!(suite);
