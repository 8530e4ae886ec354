//! Position and limit of one moment: P16.

use std::cell::Cell;

use crate::graded::TradingPools;
use harness::Case;

use crate::desk::{Desk, between, on_each};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new("sees_one_moment", "P16", sees_one_moment)
            .title("the position and the limit of one moment")
            .real()
            .on_databases()
            .hard()
            .points(0.5)
            .lesson("one-snapshot")
            .hints(&[
                "Between two statements anything can happen. What do you compare if position and \
                 limit are both changed there?",
                "One statement sees one moment, also if it reads two tables: a sub-select for the \
                 sum, or a join.",
                "A transaction alone is not enough on PostgreSQL: by default each statement in it \
                 sees its own moment.",
            ]),
    ]
}

/// 100 held of at most 100, or 200 held of at most 200: in both 50 more are too many. Only 100
/// held of at most 200, which never was, would permit them.
const SMALL: &str =
    "UPDATE positions SET quantity = 100; UPDATE risk_limits SET max_position = 100";
const LARGE: &str =
    "UPDATE positions SET quantity = 200; UPDATE risk_limits SET max_position = 200";
const MORE: f64 = 50.0;

/// How many checks are made while both are changed, and how many changes.
const CHECKS: u32 = 200;
const CHANGES: u32 = 200;

fn sees_one_moment() {
    on_each(&async |desk: &Desk| {
        desk.execute("INSERT INTO risk_limits VALUES ('AAPL', 100)").await;
        desk.execute("INSERT INTO positions (symbol, quantity) VALUES ('AAPL', 100)").await;
        let pools = desk.open([between(1, 1); 3]).await;
        check(desk, &pools).await;
        if desk.is_postgres() {
            // Whichever is read second, this waits right before it.
            for table in ["risk_limits", "positions"] {
                for (before, after) in [(SMALL, LARGE), (LARGE, SMALL)] {
                    desk.execute(&format!("BEGIN; {before}; COMMIT")).await;
                    changed_meanwhile(desk, &pools, table, after).await;
                }
            }
        } else {
            // Readers wait for nobody here; so both are changed all the time.
            changed_all_the_time(desk, &pools).await;
        }
    });
}

/// Asks while another transaction has locked a table, and lets it go on, changed, when the check
/// waits for it.
async fn changed_meanwhile(desk: &Desk, pools: &TradingPools, table: &str, change: &str) {
    let statements = format!("LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE; {change}");
    let changed = desk.database.transaction(&statements);
    let other = match desk.ends("the suite's own transaction", changed).await {
        Ok(other) => other,
        Err(error) => desk.fail("the suite to change both", error.to_string()).await,
    };
    let asked = async {
        check(desk, pools).await;
    };
    let let_go = async {
        desk.becomes("`check_position_limit` to look at both tables", async || {
            let sessions = desk.database.sessions().await.unwrap_or_default();
            if sessions.iter().any(|session| session.waits) {
                return Ok(());
            }
            Err(format!("it does not look at {table}"))
        })
        .await;
        if let Err(error) = other.commit().await {
            desk.fail("the suite to change both", error.to_string()).await;
        }
    };
    tokio::join!(asked, let_go);
}

async fn changed_all_the_time(desk: &Desk, pools: &TradingPools) {
    // Nothing here must outlast a loss of power.
    desk.execute("PRAGMA synchronous = OFF").await;
    let (checks, changes) = (Cell::new(0), Cell::new(0));
    let over = || checks.get() >= CHECKS && changes.get() >= CHANGES;
    let asks = async {
        while !over() {
            check(desk, pools).await;
            checks.set(checks.get() + 1);
        }
    };
    let change = async {
        while !over() {
            let next = if changes.get() % 2 == 0 { LARGE } else { SMALL };
            desk.execute(&format!("BEGIN IMMEDIATE; {next}; COMMIT")).await;
            changes.set(changes.get() + 1);
        }
    };
    tokio::join!(asks, change);
}

async fn check(desk: &Desk, pools: &TradingPools) {
    desk.expect(
        &format!("`check_position_limit` of AAPL and {MORE}"),
        pools.check_position_limit("AAPL", MORE),
        false,
        "it was always 100 held and a limit of 100, or 200 held and a limit of 200, both changed \
         in one transaction",
    )
    .await;
}
