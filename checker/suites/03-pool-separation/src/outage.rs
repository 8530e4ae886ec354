//! A database that is not there, or goes away: P18.

use std::time::Duration;

use crate::graded::{Lane, Limits, TradingError, TradingPools};
use harness::Case;

use crate::cancel::expect_pairs;
use crate::desk::{Desk, SERVER_LIMIT, between, buy, ms, on_each, outcome, told, waiting};
use crate::lanes::work;
use crate::relay::{Relay, What, through_this_thread};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new("outlives_the_server", "P18", outlives_the_server)
            .title("a database that is not there, goes away, and comes back")
            .real()
            .on_databases()
            .hard()
            .points(0.5)
            .deadline(Duration::from_secs(30))
            .lesson("a-server-that-goes-away")
            .hints(&[
                "`connect` is the place to notice that there is no database, not the first order.",
                "Who finds out that a connection has died while it was idle: your pool, or the \
                 request that got it? sqlx has an option for it, and its default is the careful \
                 one.",
            ]),
    ]
}

fn outlives_the_server() {
    on_each(&async |desk: &Desk| {
        if desk.is_postgres() {
            sessions_end(desk).await;
            goes_and_comes_back(desk).await;
            let folder = tempfile::tempdir().expect("a folder for a socket");
            if let Ok(relay) = through_this_thread(desk.database.url(), &folder) {
                breaks_off(desk, &relay).await;
                not_all_can_be_opened(desk, &relay).await;
            }
        } else {
            let nowhere = format!("{}-is-not-here", desk.database.url());
            not_there(desk, &nowhere, "a file that is not there").await;
        }
    });
}

/// How long the lanes let one wait for a server that is not there: whoever tries again and again may
/// use all of it, before anybody's patience is over.
const UNREACHABLE: Duration = Duration::from_secs(1);

async fn not_there(desk: &Desk, url: &str, what: &str) {
    for min in [1, 0] {
        let lanes = [Limits { min, ..waiting(1, UNREACHABLE) }; 3];
        let connect = Box::pin(TradingPools::connect(url, lanes, SERVER_LIMIT));
        match desk.ends("`connect`", connect).await {
            Err(TradingError::Database(_) | TradingError::Timeout(_)) => {}
            other => {
                let expected =
                    format!("Database or Timeout from `connect` to {what}, with min {min}");
                desk.fail(expected, outcome(&other.map(|_| "open lanes"))).await;
            }
        }
    }
}

async fn sessions_end(desk: &Desk) {
    let pools = desk.open([between(1, 1); 3]).await;
    if let Err(error) = desk.database.end_sessions().await {
        return harness::left_out(format!("ending sessions: {error}"));
    }
    works(desk, &pools, "after an administrator had ended the lanes' sessions").await;
    pools.close().await;
}

async fn goes_and_comes_back(desk: &Desk) {
    let lanes = [waiting(1, UNREACHABLE); 3];
    let pools = desk.open_in_time(lanes).await;
    if let Err(error) = desk.database.go_offline().await {
        return harness::left_out(format!("a server that lets nobody in: {error}"));
    }
    not_there(desk, desk.database.url(), "a server that lets nobody in").await;
    for (name, task) in Lane::ALL.into_iter().flat_map(|lane| work(&pools, lane)) {
        let what = format!("`{name}` while the server lets nobody in");
        if desk.home(&what, task).await.is_ok() {
            desk.fail(format!("an error from {what}"), "Ok").await;
        }
    }
    if let Err(error) = desk.database.come_back().await {
        desk.fail("the suite to let connections in again", error.to_string()).await;
    }
    works(desk, &pools, "when the server lets connections in again").await;
    desk.ends("`close`", pools.close()).await;
}

/// More answers than recording a trade should take.
const MOST_ANSWERS: u32 = 100;

/// Loses one answer of the server after the other, and the connection with it. The last one is that to
/// the COMMIT: nobody can tell then whether the trade is there, and whoever writes it again has it
/// twice.
async fn breaks_off(desk: &Desk, relay: &Relay) {
    let pools = desk.open_at(&relay.url, [between(1, 1), between(0, 1), between(0, 1)]).await;
    for answer in 1..=MOST_ANSWERS {
        desk.execute("DELETE FROM trades; DELETE FROM positions").await;
        // One that is still on its way back has an answer of its own to wait for.
        desk.waits_a_while_for(ms(500), || pools.pool(Lane::Trades).num_idle() > 0).await;
        relay.hang_up_at(What::Answer, answer);
        let trade = buy("AAPL", 10.0, 264.5, i64::from(answer));
        let recorded = pools.record_trade(&trade);
        let result = desk.ends("`record_trade` whose connection breaks", recorded).await;
        let done = relay.let_all_through();
        // Whatever is still under way is over when the lane's only connection has come back.
        drop(desk.take(&pools, Lane::Trades, 1).await);
        let when = format!("when the connection broke before answer {answer} to `record_trade`");
        expect_pairs(desk, &when).await;
        let count = desk.database.count("trades").await.unwrap_or_default();
        if count > 1 || (result.is_ok() && count == 0) {
            let rows = if result.is_ok() { "one row" } else { "one row at most" };
            let expected = format!("{rows} in trades {when} and it returned {}", outcome(&result));
            desk.fail(expected, format!("{count} rows")).await;
        }
        if done {
            works(desk, &pools, "after its connections had broken").await;
            return desk.ends("`close`", pools.close()).await;
        }
    }
    let most = format!("`record_trade` to come to an end within {MOST_ANSWERS} answers");
    desk.fail(most, "it did not").await;
}

/// Lets two connections through, and hangs up at all others.
async fn not_all_can_be_opened(desk: &Desk, relay: &Relay) {
    let gone = async || match desk.database.sessions().await.map(|sessions| sessions.len()) {
        Ok(0) => Ok(()),
        Ok(left) => Err(format!("{left} are open")),
        Err(error) => Err(error.to_string()),
    };
    desk.becomes("no connection to be open after `close`", gone).await;
    relay.hang_up_at(What::Connection, 3);
    not_there(desk, &relay.url, "a server that hangs up at the third connection").await;
    desk.becomes("those that `connect` had opened to be closed when it has failed", gone).await;
    let _ = relay.let_all_through();
}

async fn works(desk: &Desk, pools: &TradingPools, when: &str) {
    for (name, task) in Lane::ALL.into_iter().flat_map(|lane| work(pools, lane)) {
        let what = format!("`{name}`, {when},");
        if let Err(error) = desk.home(&what, task).await {
            desk.fail(format!("{what} to succeed"), told(&error)).await;
        }
    }
}
