//! Trades that are recorded one by one: P3, P4 and P12.

use crate::graded::{TradingError, TradingPools};
use fixtures::db::{NewTrade, Rows, Side};
use harness::Case;

use crate::desk::{Desk, between, buy, on_each, outcome};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new("records_a_trade", "P3", records_a_trade)
            .title("a trade and its position, and the trade's id")
            .real()
            .on_databases()
            .points(0.5)
            .lesson("a-trade-is-two-rows")
            .hints(&[
                "Two `INSERT`s: the trade as it is, the position with `side.signed(quantity)`.",
                "Placeholders are `$1`, `$2`, …, each with a `.bind(…)`, in order. The side goes in \
                 as text: `side.as_str()`.",
                "The id comes from the `INSERT` itself: `… RETURNING id`, with \
                 `sqlx::query_scalar(…).fetch_one(…)`. The highest id in the table may be \
                 somebody else's.",
            ]),
        Case::new("a_trade_is_whole", "P4", a_trade_is_whole)
            .title("both rows or neither, when one of them fails")
            .real()
            .on_databases()
            .points(0.5)
            .lesson("a-trade-is-two-rows")
            .hints(&[
                "What is in the first table when the second `INSERT` fails?",
                "`pool.begin().await?` gives a transaction; run both on `&mut *transaction`, and \
                 `commit` at the end. A transaction that is dropped before is rolled back.",
                "Every error ends it: hand each one on with `?`. PostgreSQL takes a COMMIT after an \
                 error for a ROLLBACK, and says nothing.",
            ]),
        Case::new("one_connection_is_enough", "P12", one_connection_is_enough)
            .title("every request works in a lane of one connection")
            .real()
            .on_databases()
            .points(0.5)
            .lesson("one-at-a-time")
            .hints(&[
                "Who holds a connection and asks the same pool for another may wait for himself.",
                "Inside a transaction everything runs on the transaction: `&mut *transaction`, not \
                 `self.pool(…)`.",
            ]),
    ]
}

const TRADES: &str = "SELECT id, symbol, price, quantity, side, timestamp FROM trades \
                      WHERE symbol <> 'OTHER' ORDER BY timestamp";
const POSITIONS: &str = "SELECT symbol, quantity FROM positions ORDER BY symbol";

fn records_a_trade() {
    on_each(&async |desk: &Desk| {
        // A row of somebody else's, with a high number.
        desk.execute("INSERT INTO trades VALUES (99, 'OTHER', 1, 1, 'BUY', 5)").await;
        let pools = desk.open([between(1, 2); 3]).await;
        // In single precision it would be another quantity, and in cents another price.
        let bought = buy("AAPL", 120.1, 264.750_625, 5_000_000_001);
        let sold = NewTrade { side: Side::Sell, ..buy("MSFT", 12.5, 392.6, 5_000_000_002) };
        let first = desk.need("`record_trade` of a purchase", pools.record_trade(&bought)).await;
        let second = desk.need("`record_trade` of a sale", pools.record_trade(&sold)).await;
        let row = |id: i64, trade: &NewTrade| {
            let NewTrade { symbol, price, quantity, side, timestamp } = trade;
            [
                id.to_string(),
                symbol.clone(),
                price.to_string(),
                quantity.to_string(),
                side.to_string(),
                timestamp.to_string(),
            ]
        };
        let columns = ["id", "symbol", "price", "qty", "side", "time"];
        let rows = Rows::new(columns, [row(first, &bought), row(second, &sold)]);
        desk.expect_rows(TRADES, &rows, "the two trades, with the ids that were returned").await;
        let rows = Rows::new(["symbol", "quantity"], [["AAPL", "120.1"], ["MSFT", "-12.5"]]);
        desk.expect_rows(POSITIONS, &rows, "120.1 bought, 12.5 sold").await;
        let nothing = buy("NVDA", 0.0, 180.5, 5_000_000_003);
        let third = desk.need("`record_trade` of nothing", pools.record_trade(&nothing)).await;
        let rows =
            Rows::new(columns, [row(first, &bought), row(second, &sold), row(third, &nothing)]);
        desk.expect_rows(TRADES, &rows, "and a trade of nothing").await;
        let rows = Rows::new(
            ["symbol", "quantity"],
            [["AAPL", "120.1"], ["MSFT", "-12.5"], ["NVDA", "0"]],
        );
        desk.expect_rows(POSITIONS, &rows, "a trade of nothing has its row as well").await;
    });
}

fn a_trade_is_whole() {
    on_each(&async |desk: &Desk| {
        let pools = desk.open([between(1, 1), between(1, 2), between(1, 2)]).await;
        for (number, table) in ["positions", "trades"].into_iter().enumerate() {
            desk.execute(&format!("ALTER TABLE {table} RENAME TO not_now")).await;
            let trade = buy("AAPL", 10.0, 264.75, 1);
            let without = format!("`record_trade` while there are no {table}");
            let result = desk.ends(&without, pools.record_trade(&trade)).await;
            if !matches!(result, Err(TradingError::Database(_))) {
                desk.fail(format!("Database from {without}"), outcome(&result)).await;
            }
            let there_again = format!("ALTER TABLE not_now RENAME TO {table}");
            desk.execute_when(&there_again, &format!(" by a row that failed in {table}")).await;
            let why = format!("nothing of a trade whose row in {table} could not be written");
            desk.expect_recorded(number, &why).await;
            recorded_again(desk, &pools, table).await;
            desk.expect_recorded(number + 1, "and the next trade, which could").await;
        }
        let [refuse, relent] = at_the_commit(desk.is_postgres());
        desk.execute(refuse).await;
        let what = "`record_trade` of a trade that the database refuses at the COMMIT";
        let result = desk.ends(what, pools.record_trade(&buy("AAPL", 10.0, 264.75, 1))).await;
        if !matches!(result, Err(TradingError::Database(_))) {
            desk.fail(format!("Database from {what}"), outcome(&result)).await;
        }
        desk.execute_when(relent, " by the COMMIT that failed").await;
        desk.expect_recorded(2, "nothing of a trade that was refused at the COMMIT").await;
        recorded_again(desk, &pools, "the COMMIT").await;
        desk.expect_recorded(3, "and the next trade, which was not").await;
    });
}

/// How the database comes to refuse new trades, but only when they are committed; and no more.
fn at_the_commit(is_postgres: bool) -> [&'static str; 2] {
    if is_postgres {
        [
            "ALTER TABLE trades ADD CONSTRAINT is_known FOREIGN KEY (symbol)
             REFERENCES risk_limits (symbol) DEFERRABLE INITIALLY DEFERRED NOT VALID",
            "ALTER TABLE trades DROP CONSTRAINT is_known",
        ]
    } else {
        [
            "CREATE TABLE known (symbol TEXT PRIMARY KEY);
             CREATE TABLE traded
                 (symbol TEXT REFERENCES known (symbol) DEFERRABLE INITIALLY DEFERRED);
             CREATE TRIGGER is_known AFTER INSERT ON trades
                 BEGIN INSERT INTO traded VALUES (new.symbol); END",
            "DROP TRIGGER is_known",
        ]
    }
}

async fn recorded_again(desk: &Desk, pools: &TradingPools, table: &str) {
    let what = format!("`record_trade` after one that failed on {table}, on the same connection");
    desk.need(&what, pools.record_trade(&buy("MSFT", 10.0, 392.5, 2))).await;
}

fn one_connection_is_enough() {
    on_each(&async |desk: &Desk| {
        desk.execute("INSERT INTO risk_limits VALUES ('AAPL', 100)").await;
        let pools = desk.open([between(1, 1); 3]).await;
        let trade = buy("AAPL", 10.0, 264.75, 1);
        desk.need("`record_trade` in a lane of one connection", pools.record_trade(&trade)).await;
        let what = "`get_latest_price` in a lane of one connection";
        desk.need(what, pools.get_latest_price("AAPL")).await;
        let what = "`get_recent_trades` in a lane of one connection";
        desk.need(what, pools.get_recent_trades("AAPL", 10)).await;
        let what = "`check_position_limit` in a lane of one connection";
        desk.need(what, pools.check_position_limit("AAPL", 10.0)).await;
    });
}
