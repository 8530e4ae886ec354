//! The suite of task 06: what its README promises, and a case for each promise.
//!
//! `desk` is the trading desk that all cases are played at, `rush` many traders at once; the other
//! modules hold the cases, grouped by what they are about.

mod barging;
mod broken;
mod busy;
mod connecting;
mod crowd;
mod desk;
mod duels;
mod end;
mod gate;
mod handover;
mod held;
mod leaving;
mod lending;
mod limits;
mod model;
mod orders;
mod places;
mod queue;
mod real;
mod rows;
mod rush;
mod serving;
mod times;
mod wakers;
mod watched;
mod words;

use harness::Suite;

/// What the task's README promises, word for word.
const PROMISES: &[(&str, &str)] = &[
    (
        "P1",
        "`PriorityPool::new` answers `max_connections` 0 with `InvalidConfig`. It takes every \
         other configuration, however small or large its values are, and opens nothing.",
    ),
    (
        "P2",
        "`get` takes an idle connection if there is a good one, at once, whatever the priority; \
         with none idle and fewer than `max_connections` there, it opens one, and only one. No \
         two guards hold the same connection.",
    ),
    (
        "P3",
        "There are never more than `max_connections` connections, those being opened or \
         closed included, and those whose connect is being given up.",
    ),
    (
        "P4",
        "A connection that comes back goes at once to a request that waits, and stays open \
         and idle if none does. A task that panics frees the place of what it holds as well. \
         A request may be polled first by one task and go on in another.",
    ),
    (
        "P5",
        "While critical and normal requests wait, a critical one is served first, whoever asked \
         before.",
    ),
    ("P6", "Requests of the same priority are served in the order in which they asked."),
    (
        "P7",
        "A normal request that would have to wait while `normal_queue` normal ones wait already \
         gets `QueueFull`, at once; one fewer, and it may wait. If there is a connection for \
         it, or room to open one, the queue does not matter. With `normal_queue` 0 none ever \
         waits.",
    ),
    (
        "P8",
        "A critical request may always wait, however many others do, and takes no normal one's \
         place in the queue.",
    ),
    (
        "P9",
        "`get` gives up with `Timeout` when `connection_timeout` is over, counted from its \
         first poll, whether it waits or connects, and not before.",
    ),
    (
        "P10",
        "A normal request that gives up, or whose future is dropped, frees its place in the \
         queue at once.",
    ),
    (
        "P11",
        "`status` says at each moment how many requests of either priority wait, and what the \
         connections do: `size` is `idle` and `in_use` together, and never above \
         `max_connections`.",
    ),
    (
        "P12",
        "Opening or closing a connection holds nobody up: meanwhile others get, give back and \
         ask for the `status`.",
    ),
    (
        "P13",
        "The starvation limit is exact, for connections and for their places alike: when so \
         many critical requests in a row were served while a normal one waited, the next to \
         be served is normal, and then the count begins anew. Those that were served while no \
         normal one waited do not count. With `None`, a critical one always goes first.",
    ),
    (
        "P14",
        "A `get` that is dropped, after whichever of its polls, loses nothing: not its place in \
         the order for the others, not a connection, not the place of one. What it had been \
         given already, woken or not, goes at once to the next in order; so does the place in \
         which it was opening a connection.",
    ),
    (
        "P15",
        "The same when its time runs out at the moment at which its turn comes: it takes what \
         it was given, or the next in order gets it.",
    ),
    (
        "P16",
        "Nobody barges: whoever asks while others wait takes its place in the order, also in \
         the very instant in which a connection comes back.",
    ),
    (
        "P17",
        "A connection that `has_broken` is never handed out, whether it broke in use, while \
         it was idle, or on its way to the next in order. It is closed; then its place is \
         free, and not before: the next in order gets it at once and opens a new one. If it \
         broke on its way, that is the one to whom it was on its way.",
    ),
    (
        "P18",
        "A `connect` that fails, panics, or takes too long tells its caller, with `Connect`, \
         the panic, or `Timeout`, and nobody else; its place goes to the next in order, who \
         tries in its turn.",
    ),
    (
        "P19",
        "`close` ends all waiting with `Closed`: nobody waits from then on, and later \
         requests get it as well, whatever their queue; it closes what is idle, and nothing \
         begins to connect any more. A guard works on, also when all handles are gone, and \
         its connection is closed when the pool is closed and the guard comes back, or when \
         it was the last guard and no handle is left. Closing again does nothing.",
    ),
    (
        "P20",
        "Nobody is woken for others: a request that waits is polled a handful of times, \
         however many are served before it, or ask and give up behind it. And nobody is woken \
         while the pool holds a lock: the waker may ask for the `status` at once.",
    ),
    (
        "P21",
        "With thousands that wait, asking, giving up and giving back cost about as much as with \
         a few: nothing looks through the queue.",
    ),
    (
        "P22",
        "All of this holds in whatever order requests, returns, cancellations, connects and \
         `close` come.",
    ),
    (
        "P23",
        "It holds on a real runtime with several threads as well, for 1,000 tasks that share 8 \
         connections.",
    ),
];

/// The suite: its promises and its cases, in the order in which a student meets them.
pub fn suite() -> Suite {
    let cases = [
        lending::cases(),
        serving::cases(),
        queue::cases(),
        times::cases(),
        busy::cases(),
        serving::hard_cases(),
        leaving::cases(),
        barging::cases(),
        broken::cases(),
        connecting::cases(),
        end::cases(),
        crowd::cases(),
        orders::cases(),
        real::cases(),
    ];
    cases.into_iter().flatten().fold(Suite::new(PROMISES), Suite::case)
}

harness::main!(suite);
