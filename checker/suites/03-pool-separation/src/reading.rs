//! What is read: P5 to P8.

use crate::graded::{TradingError, TradingPools};
use fixtures::db::{Rows, Side, Trade, literal, side_by_side};
use harness::Case;

use crate::desk::{Desk, between, buy, on_each, outcome};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new("finds_the_latest_price", "P5", finds_the_latest_price)
            .title("the price of the latest timestamp, or none")
            .real()
            .on_databases()
            .points(0.5)
            .lesson("reading")
            .hints(&[
                "A price that was delayed has a higher id than one that is newer. What makes a \
                 price the latest?",
                "`ORDER BY timestamp DESC LIMIT 1`, with `query_scalar` and `fetch_optional`: no \
                 row is no error.",
            ]),
        Case::new("newest_trades_first", "P6", newest_trades_first)
            .title("the last trades, newest first")
            .real()
            .on_databases()
            .points(0.5)
            .lesson("reading")
            .hints(&[
                "Two trades can have the same microsecond: name a second column to order by.",
                "`sqlx::query_as` reads a `Trade` from a row that has all of its columns.",
                "Bind the limit as an `i64`: there are `u32` that are no `i32`.",
            ]),
        Case::new("up_to_the_limit", "P7", up_to_the_limit)
            .title("the sum of the positions and the new one, up to the limit")
            .real()
            .on_databases()
            .points(0.5)
            .lesson("what-any-does")
            .hints(&[
                "What is held is the sum of many rows, sold ones negative. And of no rows?",
                "A sum of no rows is NULL: an `Option<f64>` in Rust, or `COALESCE(SUM(quantity), \
                 0.0)`. With `0` it is an integer on SQLite, which is no `f64`.",
                "Compare in Rust: a comparison in SQL is a `bool` on PostgreSQL and an integer on \
                 SQLite. And exactly at the limit is permitted.",
            ]),
        Case::new("symbols_are_data", "P8", symbols_are_data)
            .title("a symbol with quotes, or with SQL in it, is a symbol")
            .real()
            .on_databases()
            .points(0.5)
            .lesson("symbols-are-data")
            .hints(&[
                "Does any text that a caller gave become part of a statement?",
                "`.bind(symbol)` in all four. And compare with `=`: `LIKE` gives `%` and `_` a \
                 meaning.",
            ]),
    ]
}

async fn quote(desk: &Desk, symbol: &str, price: f64, timestamp: i64) {
    let symbol = literal(symbol);
    desk.execute(&format!(
        "INSERT INTO market_data (symbol, bid, ask, price, volume, timestamp)
         VALUES ({symbol}, 1, 2, {price}, 100, {timestamp})"
    ))
    .await;
}

fn finds_the_latest_price() {
    on_each(&async |desk: &Desk| {
        let pools = desk.open([between(1, 2); 3]).await;
        let what = "`get_latest_price`";
        let price = |symbol| pools.get_latest_price(symbol);
        desk.expect(what, price("AAPL"), None, "no symbol has a price yet").await;
        for (price, timestamp) in [(264.5, 1_000), (270.25, 3_000), (250.0, 2_000)] {
            quote(desk, "AAPL", price, timestamp).await;
        }
        quote(desk, "MSFT", 392.75, 9_000).await;
        let late = "264.5 at 1 ms, 270.25 at 3 ms, and then, delayed, 250 of 2 ms";
        desk.expect(what, price("AAPL"), Some(270.25), late).await;
        desk.expect(what, price("MSFT"), Some(392.75), "the only one of its symbol").await;
        desk.expect(what, price("IBM"), None, "it has no price").await;
        quote(desk, "AAPL", 249.0, 4_000).await;
        desk.expect(what, price("AAPL"), Some(249.0), "a new price, lower than the others").await;
        // Oil, on 20 April 2020: whoever took a barrel was paid for it.
        for (price, timestamp) in [(0.01, 10_000), (0.0, 11_000), (-37.63, 12_000)] {
            quote(desk, "CL", price, timestamp).await;
            let newest = "the newest price, which is no more than nothing";
            desk.expect(what, pools.get_latest_price("CL"), Some(price), newest).await;
        }
        refuses(desk, what, "market_data", price("AAPL")).await;
        desk.expect(what, price("AAPL"), Some(249.0), "market_data is there again").await;
    });
}

/// Fails unless a request is told when a table that it needs is not there.
async fn refuses<T: std::fmt::Debug>(
    desk: &Desk,
    what: &str,
    table: &str,
    request: impl Future<Output = Result<T, TradingError>>,
) {
    desk.execute(&format!("ALTER TABLE {table} RENAME TO not_now")).await;
    let result = desk.ends(what, request).await;
    if !matches!(result, Err(TradingError::Database(_))) {
        let expected = format!("Database from {what}, as there is no {table} at the moment");
        desk.fail(expected, outcome(&result)).await;
    }
    desk.execute(&format!("ALTER TABLE not_now RENAME TO {table}")).await;
}

/// More trades than anybody would show at once.
const MANY: u32 = 1_234;

fn newest_trades_first() {
    on_each(&async |desk: &Desk| {
        let pools = desk.open([between(1, 2); 3]).await;
        expect_trades(desk, &pools, "AAPL", 10, &[], "there are no trades yet").await;
        desk.execute(
            "INSERT INTO trades (id, symbol, price, quantity, side, timestamp) VALUES
             (1, 'AAPL', 264.5, 10, 'BUY', 5000), (2, 'AAPL', 264.75, 20, 'SELL', 7000),
             (3, 'MSFT', 392.5, 30, 'BUY', 9000), (4, 'AAPL', 265, 40, 'BUY', 7000),
             (5, 'AAPL', 265.25, 50.5, 'BUY', 2000)",
        )
        .await;
        let trade = |id, price, quantity, side, timestamp| Trade {
            id,
            symbol: "AAPL".to_owned(),
            price,
            quantity,
            side,
            timestamp,
        };
        let all = [
            trade(4, 265.0, 40.0, Side::Buy, 7_000),
            trade(2, 264.75, 20.0, Side::Sell, 7_000),
            trade(1, 264.5, 10.0, Side::Buy, 5_000),
            trade(5, 265.25, 50.5, Side::Buy, 2_000),
        ];
        let newest = "the newest first; of two with one timestamp the higher id first";
        expect_trades(desk, &pools, "AAPL", 10, &all, newest).await;
        expect_trades(desk, &pools, "AAPL", 3, &all[..3], newest).await;
        expect_trades(desk, &pools, "AAPL", 1, &all[..1], newest).await;
        expect_trades(desk, &pools, "AAPL", 0, &[], "0 at most").await;
        let many = "4294967295 at most, and there are 4";
        expect_trades(desk, &pools, "AAPL", u32::MAX, &all, many).await;
        expect_trades(desk, &pools, "IBM", 10, &[], "it has none").await;
        let what = "`get_recent_trades`";
        refuses(desk, what, "trades", pools.get_recent_trades("AAPL", 10)).await;
        desk.execute(&format!(
            "WITH RECURSIVE numbers (number) AS
                 (SELECT 1 UNION ALL SELECT number + 1 FROM numbers WHERE number < {MANY})
             INSERT INTO trades (id, symbol, price, quantity, side, timestamp)
                 SELECT 100 + number, 'NVDA', 180, number, 'BUY', number FROM numbers"
        ))
        .await;
        for limit in [MANY - 1, MANY, MANY + 1] {
            let trades = desk.need(what, pools.get_recent_trades("NVDA", limit)).await;
            let last = limit.min(MANY);
            if trades.len() != last as usize || trades[0].timestamp != i64::from(MANY) {
                let expected = format!("the last {last} of {MANY} trades with limit {limit}");
                desk.fail(expected, format!("{} trades", trades.len())).await;
            }
        }
    });
}

async fn expect_trades(
    desk: &Desk,
    pools: &TradingPools,
    symbol: &str,
    limit: u32,
    expected: &[Trade],
    why: &str,
) {
    let what = format!("`get_recent_trades` of {symbol:?} with limit {limit}");
    let got = desk.need(&what, pools.get_recent_trades(symbol, limit)).await;
    if got != expected {
        let count = expected.len();
        let table = side_by_side(&rows(expected), &rows(&got));
        desk.fail(format!("{count} trades from {what}: {why}"), table.trim_end()).await;
    }
}

fn rows(trades: &[Trade]) -> Rows {
    Rows::new(
        ["id", "symbol", "price", "qty", "side", "time"],
        trades.iter().map(|Trade { id, symbol, price, quantity, side, timestamp }| {
            [
                id.to_string(),
                symbol.clone(),
                price.to_string(),
                quantity.to_string(),
                side.to_string(),
                timestamp.to_string(),
            ]
        }),
    )
}

fn up_to_the_limit() {
    on_each(&async |desk: &Desk| {
        desk.execute(
            "INSERT INTO risk_limits (symbol, max_position) VALUES
             ('AAPL', 100), ('MSFT', 50), ('NVDA', 100), ('AMD', 10)",
        )
        .await;
        desk.execute(
            "INSERT INTO positions (symbol, quantity) VALUES
             ('AAPL', 100), ('AAPL', -30), ('NVDA', -200), ('TSLA', 10), ('AMD', 20)",
        )
        .await;
        let pools = desk.open([between(1, 2); 3]).await;
        let story = [
            ("AAPL", 30.0, true, "70 held, the limit is 100: exactly at it"),
            ("AAPL", 30.5, false, "70 held, the limit is 100"),
            ("AAPL", 30.000_000_1, false, "70 held, the limit is 100"),
            ("AAPL", -500.0, true, "70 held, a sale of 500 and a limit of 100"),
            ("MSFT", 50.0, true, "no positions, the limit is 50: exactly at it"),
            ("MSFT", 51.0, false, "no positions, the limit is 50"),
            ("NVDA", 300.0, true, "200 sold that were not held, the limit is 100: exactly at it"),
            ("NVDA", 301.0, false, "200 sold that were not held, the limit is 100"),
            ("TSLA", -5.0, false, "it has no row in risk_limits"),
            ("TSLA", 0.0, false, "it has no row in risk_limits"),
            ("IBM", 1.0, false, "nobody has heard of it"),
            ("IBM", 0.0, false, "nobody has heard of it"),
            ("AMD", -5.0, false, "20 held, the limit is 10, and a sale of 5 leaves too many"),
            ("AMD", 0.0, false, "20 held, the limit is 10"),
            ("AMD", -10.0, true, "20 held, the limit is 10: a sale of 10 comes down to it"),
        ];
        for (symbol, quantity, expected, why) in story {
            let what = format!("`check_position_limit` of {symbol} and {quantity}");
            let check = pools.check_position_limit(symbol, quantity);
            desk.expect(&what, check, expected, why).await;
        }
        desk.need("`record_trade`", pools.record_trade(&buy("AAPL", 20.0, 264.5, 1))).await;
        let what = "`check_position_limit` of AAPL and 11";
        let why = "90 held after a purchase of 20, the limit is 100";
        desk.expect(what, pools.check_position_limit("AAPL", 11.0), false, why).await;
        for (limit, expected) in [(101, true), (100, false)] {
            desk.execute(&format!("UPDATE risk_limits SET max_position = {limit}")).await;
            let why = format!("90 held, and the limit has just been changed to {limit}");
            desk.expect(what, pools.check_position_limit("AAPL", 11.0), expected, &why).await;
        }
        for table in ["risk_limits", "positions"] {
            refuses(desk, what, table, pools.check_position_limit("AAPL", 11.0)).await;
        }
    });
}

fn symbols_are_data() {
    let long = "LONG".repeat(80);
    let symbols = [
        long.as_str(),
        "AAPL",
        "aapl",
        " AAPL",
        "O'NEIL",
        "\"AAPL\"",
        "x'); DROP TABLE trades; --",
        "' OR '1'='1",
        "A%",
        "_APL",
        "$1",
        "?",
        "A\\'PL",
        "株式 Ünïcode",
        "",
    ];
    on_each(&async |desk: &Desk| {
        let pools = desk.open([between(1, 2); 3]).await;
        for (number, symbol) in (1_u32..).zip(symbols) {
            let (price, timestamp) = (f64::from(number), i64::from(number));
            quote(desk, symbol, price, timestamp).await;
            let limit = 10 + number;
            let sql = format!("INSERT INTO risk_limits VALUES ({}, {limit})", literal(symbol));
            desk.execute(&sql).await;
            let trade = buy(symbol, 10.0, price, timestamp);
            let what = format!("`record_trade` of {symbol:?}");
            desk.need(&what, pools.record_trade(&trade)).await;
        }
        for (number, symbol) in (1_u32..).zip(symbols) {
            let what = format!("`get_recent_trades` of {symbol:?}");
            let trades = desk.need(&what, pools.get_recent_trades(symbol, 100)).await;
            let own = trades.len() == 1 && trades[0].symbol == symbol;
            if !own || trades[0].timestamp != i64::from(number) {
                let found: Vec<&str> = trades.iter().map(|trade| trade.symbol.as_str()).collect();
                let one = format!("the one trade of {symbol:?} from `get_recent_trades`");
                desk.fail(one, format!("trades of {found:?}")).await;
            }
            let what = format!("`get_latest_price` of {symbol:?}");
            let price = pools.get_latest_price(symbol);
            desk.expect(&what, price, Some(f64::from(number)), "its only price").await;
            for (quantity, allowed) in [(number, true), (number + 1, false)] {
                let what = format!("`check_position_limit` of {symbol:?} and {quantity}");
                let why = format!("10 held, and the limit is {}", 10 + number);
                let check = pools.check_position_limit(symbol, f64::from(quantity));
                desk.expect(&what, check, allowed, &why).await;
            }
        }
    });
}
