//! The suite of task 07: what its README promises, and a case for each promise.
//!
//! `desk` is the trading desk that all cases are played at, `expect` what must be so there, `chart` the
//! picture of a failing case; the other modules hold the cases, grouped by what they are about.

mod beside_the_probe;
mod breaker;
mod busy;
mod chart;
mod choosing;
mod desk;
mod end;
mod expect;
mod held;
mod lag;
mod late;
mod leaving;
mod model;
mod orders;
mod panics;
mod primary;
mod probe;
mod real;
mod stale;
mod storm;
mod words;

use harness::Suite;

/// What the task's README promises, word for word.
const PROMISES: &[(&str, &str)] = &[
    (
        "P1",
        "`Cluster::new` answers with `InvalidConfig` if `failure_threshold`, `open_for`, \
         `attempt_timeout` or `max_connections` is zero. It takes every other configuration, \
         however large its values are, and a primary without replicas; it opens nothing, and \
         all breakers are `Closed`.",
    ),
    (
        "P2",
        "While the primary answers, reads and writes get a connection of the primary: an idle \
         one, if the one that is taken answers, and else a new one. There are never more than \
         `max_connections` to any one server.",
    ),
    (
        "P3",
        "A server's breaker opens with the failure that is number `failure_threshold` in a \
         row, and not before; an attempt that succeeds in between begins the count anew. Each \
         server has a breaker of its own.",
    ),
    (
        "P4",
        "A read at whose server something fails goes on to the next server at once, and so do \
         reads after it; a server whose breaker is open is not asked for anything.",
    ),
    (
        "P5",
        "A write goes to the primary or nowhere: `PrimaryUnavailable`, at once and without an \
         attempt while its breaker is open or half open, and otherwise when its one attempt \
         comes to nothing. When `open_for` is over, a write can be the probe as well as a \
         read (P8).",
    ),
    (
        "P6",
        "Replicas share the reads that the primary cannot serve, also those that come at the \
         same time: each that answers gets at least half of an even share, also when others \
         are dead, up to half of all.",
    ),
    (
        "P7",
        "A read that no server can serve gets `AllUnavailable` within servers × \
         `attempt_timeout`, beside what it waits for places, with one text for each server, \
         the primary's first: the error of its attempt; and of a server at which there was \
         none, because its breaker is open or half open or no place became free, not an empty \
         text.",
    ),
    (
        "P8",
        "The cluster fails back by itself: when a breaker has been open for `open_for`, and \
         not before, the next request that comes to this server makes an attempt, the probe; \
         meanwhile the breaker is `HalfOpen`. If the probe succeeds, the breaker is `Closed`, \
         and the request has its connection.",
    ),
    (
        "P9",
        "A connection that has broken by the time at which its guard is dropped is a failure \
         of its server, like one of an attempt; it is closed. One that has not goes back into \
         the pool, and says nothing of the server.",
    ),
    (
        "P10",
        "A server that does not answer costs a request `attempt_timeout` and no more, beside \
         the wait for a place, whether it is the connect that hangs or the question, and \
         leaves no session behind.",
    ),
    (
        "P11",
        "There is no dialling storm. While a breaker is open no attempt begins but the probe, \
         also none of those who were waiting for a place at that server when it opened: they \
         go on as soon as they have the place, or sooner. However many requests there are, a \
         dead server is dialled at most `max_connections` + `failure_threshold` times until \
         its breaker opens, and once in each `open_for` after that, unless a probe is \
         dropped.",
    ),
    (
        "P12",
        "There is one probe at a time; all others pass the server over at once. A probe that \
         is dropped, after whichever of its polls, neither opens nor closes anything: the \
         next request is the probe, at once.",
    ),
    (
        "P13",
        "A probe that fails opens the breaker anew, with this one failure and for the whole \
         `open_for`, counted from the probe's end.",
    ),
    (
        "P14",
        "What began before a breaker last opened or closed counts no more: a late failure \
         does not keep an open breaker open for longer, and neither it nor an old guard that \
         broke counts against a server that has come back; a late success closes no breaker \
         that is open or half open, and begins no count anew. The probe's own guard is the \
         first of the new time: if it breaks, that counts.",
    ),
    (
        "P15",
        "A server that goes up and down all the time opens its breaker at most once in each \
         `open_for`, and meanwhile each read is served by another one.",
    ),
    (
        "P16",
        "A replica that is more than `max_lag` behind, or cannot say, serves no reads; one \
         that is exactly so far behind does. That is no failure; not to answer the question \
         is one. With `max_lag` `None` nobody asks, and the primary is never asked.",
    ),
    (
        "P17",
        "A busy server is not a dead one: neither a place that does not become free within \
         `attempt_timeout` nor the error of a server that `is_full` is a failure; a read goes \
         on to the next server, a write gets `PrimaryUnavailable`. Waiting for a place takes \
         nothing from the time of the attempt.",
    ),
    (
        "P18",
        "An idle connection that answers with an error is no failure of the server: it is \
         closed, and the same attempt opens a new one.",
    ),
    (
        "P19",
        "A panic in one server's `connect` is a failure of that server and spares the others: \
         a read goes on to the next, a write gets `PrimaryUnavailable`.",
    ),
    (
        "P20",
        "A `read` or `write` that is dropped, after whichever of its polls, leaves nothing \
         behind: no session, no place, no failure.",
    ),
    (
        "P21",
        "`close` ends each request under way with `Closed`, at once, also one that waits for \
         a place or hangs in a connect or a question, and every later one; it closes what is \
         idle, and nothing dials any more. A guard works on when the cluster is closed or \
         gone. Its connection is closed when it is dropped; if nobody has closed the cluster, \
         at the latest when the last guard is. Closing again does nothing.",
    ),
    (
        "P22",
        "All of this holds in whatever order reads, writes, cancelled ones, broken \
         connections, a death and a return come.",
    ),
];

/// The suite: its promises and its cases, in the order in which a student meets them.
pub fn suite() -> Suite {
    let cases = [
        choosing::cases(),
        breaker::cases(),
        primary::cases(),
        probe::cases(),
        storm::cases(),
        probe::hard_cases(),
        storm::hard_cases(),
        breaker::hard_cases(),
        late::cases(),
        lag::cases(),
        busy::cases(),
        stale::cases(),
        panics::cases(),
        leaving::cases(),
        end::cases(),
        orders::cases(),
        real::cases(),
    ];
    let suite = Suite::new(PROMISES).with_databases(fixtures::db::hand_over);
    cases.into_iter().flatten().fold(suite, Suite::case)
}

harness::main!(suite);
