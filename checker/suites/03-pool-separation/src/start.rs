//! How lanes are opened, or not: P1, P2 and P13.

use std::time::Duration;

use crate::graded::{Lane, Limits, TradingError, TradingPools};
use harness::Case;
use harness::tasks::{Patience, ends_in_real_time, nowhere_else};
use tokio::runtime::Builder;

use crate::desk::{Desk, SERVER_LIMIT, between, ms, on_each, outcome, told};
use crate::relay::{What, through_this_thread};
use crate::waits::PATIENCE;

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new("refuses_bad_limits", "P1", refuses_bad_limits)
            .title("limits that cannot work are refused")
            .real()
            .points(0.5)
            .lesson("how-large-is-a-lane")
            .hints(&[
                "Look at all three lanes before anything else in `connect`.",
                "`max` 0, or `min > max`: return `Err(TradingError::InvalidLimits(…))` with a \
                 sentence that names the lane. `Lane::ALL.iter().zip(&limits)` has both.",
            ]),
        Case::new("each_lane_has_its_limits", "P2", each_lane_has_its_limits)
            .title("three pools, each with its own limits")
            .real()
            .on_databases()
            .points(0.5)
            .lesson("three-pools")
            .hints(&[
                "A lane is a pool of sqlx: `AnyPoolOptions::new()…connect(url).await`. Which three \
                 of its options are the lane's limits?",
                "Before the first connection the drivers must be there: \
                 `sqlx::any::install_default_drivers()`. And `connect`, not `connect_lazy`: the \
                 minimum is to be open when you return.",
                "Do the limits go to the lane that they are meant for? Their order is \
                 `Lane::ALL`'s.",
            ]),
    ]
}

pub(crate) fn hard_cases() -> Vec<Case> {
    vec![
        Case::new("fits_the_server", "P13", fits_the_server)
            .title("three lanes do not ask for more than the server has")
            .real()
            .on_databases()
            .hard()
            .points(0.5)
            .lesson("how-large-is-a-lane")
            .hints(&[
                "Each lane may grow to its `max` at the same moment as the others.",
                "How large can the sum of three `u32` be? A sum that wraps around looks small; one \
                 in `u64` does not wrap.",
            ]),
    ]
}

/// What names no database at all: whoever looks at it first has another error to tell of.
const NO_URL: &str = "nowhere in particular";

fn refuses_bad_limits() {
    let bad = [
        ("max 0", between(0, 0)),
        ("min 3 and max 2", between(3, 2)),
        ("min 1 and max 0", between(1, 0)),
    ];
    for (what, limits) in bad {
        for (place, lane) in Lane::ALL.into_iter().enumerate() {
            let mut all = [between(1, 2); 3];
            all[place] = limits;
            refused(&format!("{what} in the {lane} lane"), all, SERVER_LIMIT);
            let what = format!("{what} in the {lane} lane, and a URL that is none");
            refused_by_url(NO_URL, &what, all, SERVER_LIMIT);
        }
    }
}

fn refused(what: &str, limits: [Limits; 3], server_limit: u32) {
    // Whoever opens it makes it.
    let file = std::env::temp_dir().join("nobody-opens-this.db");
    let url = format!("sqlite://{}?mode=rwc", file.display());
    refused_by_url(&url, what, limits, server_limit);
    if file.exists() {
        let expected = format!("InvalidLimits for {what}, before anything is opened");
        harness::fail(expected, "InvalidLimits, and the database was opened");
    }
}

fn refused_by_url(url: &str, what: &str, limits: [Limits; 3], server_limit: u32) {
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    let connect = async {
        let connect = Box::pin(TradingPools::connect(url, limits, server_limit));
        ends_in_real_time(Patience::new(PATIENCE), connect, &nowhere_else).await
    };
    let result = runtime.block_on(connect);
    runtime.shutdown_background();
    if !matches!(result, Ok(Err(TradingError::InvalidLimits(_)))) {
        let got = result
            .map_or_else(|late| late.to_string(), |result| outcome(&result.map(|_| "open lanes")));
        harness::fail(format!("InvalidLimits for {what}, before anything is opened"), got);
    }
}

fn each_lane_has_its_limits() {
    on_each(&async |desk: &Desk| {
        let limits = [
            Limits { min: 2, max: 4, acquire_timeout: Duration::from_millis(5_100) },
            Limits { min: 3, max: 3, acquire_timeout: Duration::from_millis(5_200) },
            Limits { min: 1, max: 2, acquire_timeout: Duration::from_millis(5_300) },
        ];
        let pools = desk.open(limits).await;
        let mut all = Vec::new();
        for (lane, limits) in Lane::ALL.into_iter().zip(limits) {
            let (pool, Limits { min, max, acquire_timeout }) = (pools.pool(lane), limits);
            if pool.size() < min {
                let open = format!("{min} connections open in the {lane} lane after `connect`");
                desk.fail(open, pool.size().to_string()).await;
            }
            let has = pool.options().get_acquire_timeout();
            if has != acquire_timeout {
                let own = format!("acquire_timeout {acquire_timeout:?} in the {lane} lane");
                desk.fail(own, format!("{has:?}")).await;
            }
            let has = pool.options().get_max_connections();
            if has != max {
                let own = format!("max {max} in the {lane} lane");
                desk.fail(own, has.to_string()).await;
            }
            let has = pool.options().get_min_connections();
            if has != min {
                let own = format!("min {min} in the {lane} lane: to be kept, not only opened");
                desk.fail(own, has.to_string()).await;
            }
            all.push(desk.take(&pools, lane, max).await);
        }
        // Each has what it may have, and no more.
        for (lane, taken) in Lane::ALL.into_iter().zip(&all) {
            if pools.pool(lane).try_acquire().is_some() {
                let most = format!("at most {} connections from the {lane} lane", taken.len());
                desk.fail(most, "one more").await;
            }
        }
        if desk.is_postgres() {
            is_open_when_connect_returns(desk).await;
        }
    });
}

/// Stops a connection of the minimum on its way to the server: as long as it is not open, `connect`
/// must not return.
async fn is_open_when_connect_returns(desk: &Desk) {
    let folder = tempfile::tempdir().expect("a folder for a socket");
    let Ok(relay) = through_this_thread(desk.database.url(), &folder) else { return };
    // The lane's second one is the second of all if the lanes are opened one after the other, and
    // the last of all if they are opened side by side.
    for number in [2, 4] {
        relay.stop_at(What::Connection, number);
        let connecting = {
            let url = relay.url.clone();
            let limits = [between(2, 2), between(1, 1), between(1, 1)];
            harness::tasks::spawn(
                async move { TradingPools::connect(&url, limits, SERVER_LIMIT).await },
            )
        };
        let all = "`connect` to open 2 + 1 + 1 connections";
        desk.ends(&format!("{all} before it returns: for that"), relay.arrived()).await;
        desk.waits_a_while_for(ms(40), || connecting.is_finished()).await;
        let early = connecting.is_finished();
        relay.go_on();
        match desk.home("`connect`", connecting).await {
            Err(error) => desk.fail(format!("{all} and to succeed"), told(&error)).await,
            Ok(_) if early => {
                let got = format!("it returned while connection {number} of 4 was being opened");
                desk.fail(format!("{all} before it returns"), got).await;
            }
            Ok(pools) => desk.ends("`close`", pools.close()).await,
        }
    }
}

fn fits_the_server() {
    let lane = |max| between(0, max);
    let many = u32::MAX;
    let too_many = [
        ("4 + 4 + 3 connections on a server that takes 10", [4, 4, 3], 10),
        ("1 + 1 + 1 connections on a server that takes 2", [1, 1, 1], 2),
        ("4294967295 + 1 + 1 connections on a server that takes 100", [many, 1, 1], 100),
        ("1 + 4294967295 + 4 connections on a server that takes 10", [1, many, 4], 10),
        ("three times 4294967295 connections on a server that takes as many", [many; 3], many),
    ];
    for (what, max, server_limit) in too_many {
        // Whoever lets the largest of these through is to get an error, and not to make room for them.
        if max.contains(&many) {
            let what = format!("{what}, and a URL that is none");
            refused_by_url(NO_URL, &what, max.map(lane), server_limit);
        } else {
            refused(what, max.map(lane), server_limit);
        }
    }
    on_each(&async |desk: &Desk| {
        let limits = [lane(2), lane(3), lane(1)];
        let connect = TradingPools::connect(desk.database.url(), limits, 6);
        desk.need(
            "`connect` with 2 + 3 + 1 connections on a server that takes 6",
            Box::pin(connect),
        )
        .await;
    });
}
