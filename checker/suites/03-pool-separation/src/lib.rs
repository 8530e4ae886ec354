//! The suite of task 03: what its README promises, and a case for each promise.
//!
//! `desk` is the trading desk that all cases are played at; the other modules hold the cases,
//! grouped by what they are about.

mod cancel;
mod desk;
mod end;
pub mod graded;
mod lanes;
mod load;
mod outage;
mod reading;
mod relay;
mod snapshot;
mod start;
mod trades;
mod waits;

use harness::Suite;

/// What the task's README promises, word for word.
const PROMISES: &[(&str, &str)] = &[
    (
        "P1",
        "`connect` answers limits that cannot work (a lane's `max` 0, or its `min` above \
         its `max`) with `InvalidLimits`, whatever the URL, and opens nothing.",
    ),
    (
        "P2",
        "`connect` makes three pools, each with its own limits: when it returns, each lane \
         has its `min` open; it never has more than its `max`, and it lets nobody wait \
         longer than its own `acquire_timeout`. `pool(lane)` is the pool that the lane's \
         work goes through.",
    ),
    (
        "P3",
        "`record_trade` writes one row into `trades`, as it was given, and one into \
         `positions`, positive for a purchase and negative for a sale; it returns the id of \
         the row in `trades`.",
    ),
    (
        "P4",
        "Both rows are written or neither: if one of them fails, or the database refuses \
         the `COMMIT` of both, `record_trade` returns `Database`, nothing is left of \
         either, and the connection serves the next trade.",
    ),
    (
        "P5",
        "`get_latest_price` returns the symbol's price in `market_data` with the latest \
         timestamp, and `None` for a symbol that has none. What the database refuses is \
         `Database`, here as in P6 and P7.",
    ),
    (
        "P6",
        "`get_recent_trades` returns the symbol's last trades, `limit` at most, newest \
         first: by timestamp, and of those with the same timestamp the higher id first.",
    ),
    (
        "P7",
        "`check_position_limit` is true if the sum of the symbol's `positions` (0 if there \
         are none) and the new quantity together are at most its `max_position`, and false \
         if they are more, or if the symbol has no row in `risk_limits`; all of it as it \
         stands when it is asked.",
    ),
    (
        "P8",
        "A symbol is data: whatever characters it has (but for `\\0`, which PostgreSQL \
         stores in no text), it is stored and found as it is, it changes no statement, and \
         it matches no other symbol.",
    ),
    (
        "P9",
        "A flood stays in its lane: while all connections of one lane are in use and others \
         wait for them, the work of the other two lanes goes on.",
    ),
    (
        "P10",
        "Who waits for a connection of a lane for the whole of its `acquire_timeout` gets \
         `Timeout` with the name of that lane, and no connection of another.",
    ),
    (
        "P11",
        "`stats` tells of each lane, in the order of `Lane::ALL`, how many connections it \
         has and how many of them are idle.",
    ),
    (
        "P12",
        "Every request gets by with one connection at a time: it works in a lane whose \
         `max` is 1.",
    ),
    (
        "P13",
        "If the lanes' `max` together are more than `server_limit`, `connect` answers \
         `InvalidLimits` and opens nothing, however large the numbers; exactly as many is \
         fine.",
    ),
    (
        "P14",
        "A thousand trades at once, with time enough, are all recorded: a thousand rows in \
         each table, and each caller has the id of its own row.",
    ),
    (
        "P15",
        "In a lane that is too slow for its load, `Timeout` means that nothing was written \
         and `Ok` that it was; `acquire_timeout` limits the waiting for a connection only, \
         never the work on one.",
    ),
    (
        "P16",
        "`check_position_limit` sees position and limit of one moment, even if both are \
         changed in one transaction at the same time.",
    ),
    (
        "P17",
        "A `record_trade` that is dropped half-way, at whichever of its awaits, leaves \
         nothing half done: both rows are there or neither, no transaction stays open, and \
         its connection serves the next trade.",
    ),
    (
        "P18",
        "If the database cannot be reached, `connect` says so, with `Database` or \
         `Timeout`, also if every `min` is 0, and keeps nothing open. If it goes away \
         later, requests that wait for a connection fail within their lane's \
         `acquire_timeout`, and no trade is written twice, whenever its connection breaks; \
         when sessions were ended, or the database is back, requests work again without \
         anybody's help.",
    ),
    (
        "P19",
        "No connection of the history lane can write, not one that was opened later either; \
         those of the trades lane can.",
    ),
    (
        "P20",
        "`close` closes all lanes at once: from then on everybody gets `Closed`, whoever \
         already waits for a connection that is in use as well, also from a lane that is \
         idle while another still waits for a connection to come back; when it returns, or \
         a second one that is called meanwhile, no connection is open.",
    ),
];

/// The suite: every case of the task, in the order in which they are shown.
pub fn suite() -> Suite {
    let core = [start::cases(), trades::cases(), reading::cases(), lanes::cases()];
    let hard = [
        start::hard_cases(),
        load::cases(),
        snapshot::cases(),
        cancel::cases(),
        outage::cases(),
        end::cases(),
    ];
    let suite = Suite::new(PROMISES).with_databases(fixtures::db::hand_over);
    core.into_iter().chain(hard).flatten().fold(suite, Suite::case)
}
