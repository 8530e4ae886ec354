//! A database that is not there, or goes away: P18.

use std::time::Duration;

use harness::Case;
use pool_separation::{Lane, TradingError, TradingPools};

use crate::desk::{Desk, SERVER_LIMIT, between, on_each, outcome, told, waiting};
use crate::lanes::work;

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
        } else {
            let nowhere = format!("{}-is-not-here", desk.database.url());
            not_there(desk, &nowhere, "a file that is not there").await;
        }
    });
}

async fn not_there(desk: &Desk, url: &str, what: &str) {
    let lanes = [waiting(1, Duration::from_secs(1)); 3];
    let connect = TradingPools::connect(url, lanes, SERVER_LIMIT);
    match desk.ends("`connect`", connect).await {
        Err(TradingError::Database(_) | TradingError::Timeout(_)) => {}
        other => {
            let expected = format!("Database or Timeout from `connect` to {what}");
            desk.fail(expected, outcome(&other.map(|_| "open lanes"))).await;
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
    let lanes = [waiting(1, Duration::from_secs(2)); 3];
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
}

async fn works(desk: &Desk, pools: &TradingPools, when: &str) {
    for (name, task) in Lane::ALL.into_iter().flat_map(|lane| work(pools, lane)) {
        let what = format!("`{name}`, {when},");
        if let Err(error) = desk.home(&what, task).await {
            desk.fail(format!("{what} to succeed"), told(&error)).await;
        }
    }
}
