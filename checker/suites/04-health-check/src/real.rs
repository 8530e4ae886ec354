//! A real server, whose sessions are ended: P21.

use std::time::{Duration, Instant};

use crate::graded::{HealthConfig, Pool};
use fixtures::db::{Contents, Database, Kind, Lines, servers};
use harness::{Case, fail};
use tokio::runtime::Builder;
use tokio::time::{sleep, timeout};

use crate::desk::{between, ms};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new("heals_on_a_real_server", "P21", heals_on_a_real_server)
            .title("PostgreSQL ends the sessions, the pool opens others")
            .real()
            .on_databases()
            .hard()
            .uses("postgres")
            .deadline(Duration::from_secs(30))
            .lesson("a-real-server")
            .hints(&[
                "Does everything else pass? Then look for a clock that is not tokio's, or for \
                 something that works only because nothing takes time.",
                "A session that was ended still looks well from here: only the ping tells.",
            ]),
    ]
}

/// How long a busy machine may take for what should take a tenth of a second.
const PATIENCE: Duration = Duration::from_secs(8);

const MIN: u32 = 3;

fn heals_on_a_real_server() {
    let told = servers();
    let Some(server) = told.run.into_iter().find(|server| server.kind() == Kind::Postgres) else {
        harness::skip(told.skipped.unwrap_or_else(|| "no PostgreSQL".to_owned()));
    };
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let database = match server.database(Contents::Empty).await {
            Ok(database) => database,
            Err(error) => harness::skip(format!("PostgreSQL is there and of no use: {error}")),
        };
        harness::ran_on(database.server());
        heals(&database).await;
        // A database that stays is swept up by whoever makes the next one.
        let _ = database.remove().await;
    });
}

async fn heals(database: &Database) {
    let health = HealthConfig {
        interval: ms(100),
        ping_timeout: Duration::from_secs(2),
        backoff_min: ms(20),
        backoff_max: ms(200),
    };
    let pool = match Pool::new(Lines::to(database.url()), between(MIN, 5), health).await {
        Ok(pool) => pool,
        Err(error) => fail("`Pool::new` to succeed on PostgreSQL", error.to_string()),
    };
    let mut dead = Vec::new();
    expect_sessions(database, &dead, "after `Pool::new`").await;

    let first = sessions(database).await.first().copied();
    dead.extend(first);
    end(database, first).await;
    expect_sessions(database, &dead, "after an administrator had ended one of them").await;

    dead.extend(sessions(database).await);
    end(database, None).await;
    expect_sessions(database, &dead, "after an administrator had ended all of them").await;

    dead.extend(sessions(database).await);
    if let Err(error) = database.go_offline().await {
        harness::skip(format!("the server cannot be told to turn connections away: {error}"));
    }
    sleep(ms(500)).await; // not to wait for anything: so long nobody is let in
    if let Err(error) = database.come_back().await {
        harness::skip(format!("the server cannot be told to let connections in again: {error}"));
    }
    expect_sessions(database, &dead, "after half a second in which the server let nobody in").await;
    expect_work(&pool).await;

    if timeout(PATIENCE, pool.close()).await.is_err() {
        fail("`close` to come to an end", "it was still waiting after 8 s");
    }
    let began = Instant::now();
    while let left @ 1.. = sessions(database).await.len() {
        if began.elapsed() > PATIENCE {
            fail("no session on the server after `close`", format!("{left} after 8 s"));
        }
        sleep(ms(10)).await;
    }
}

/// The sessions that the server has with the pool.
async fn sessions(database: &Database) -> Vec<i32> {
    match database.sessions().await {
        Ok(sessions) => sessions.iter().map(|session| session.id).collect(),
        Err(error) => harness::skip(format!("the server does not tell its sessions: {error}")),
    }
}

/// Ends one session, or all.
async fn end(database: &Database, session: Option<i32>) {
    let ended = match session {
        Some(session) => database.end_session(session).await.map(|_| ()),
        None => database.end_sessions().await.map(|_| ()),
    };
    if let Err(error) = ended {
        harness::skip(format!("sessions on the server cannot be ended: {error}"));
    }
}

/// Fails unless the minimum is there before long, and nobody of it among the dead.
async fn expect_sessions(database: &Database, dead: &[i32], when: &str) {
    let began = Instant::now();
    loop {
        let alive = sessions(database).await;
        if alive.len() == MIN as usize && !alive.iter().any(|session| dead.contains(session)) {
            return;
        }
        if began.elapsed() > PATIENCE {
            fail(
                format!("{MIN} sessions on {} {when}", database.server()),
                format!("{} 8 s later, with a round every 100 ms", alive.len()),
            );
        }
        sleep(ms(10)).await;
    }
}

/// Fails unless the minimum can be borrowed, and works.
async fn expect_work(pool: &Pool<Lines>) {
    let mut lines = Vec::new();
    for number in 1..=MIN {
        let mut line = match pool.get().await {
            Ok(line) => line,
            Err(error) => fail("a connection", error.to_string()),
        };
        if let Err(error) = line.execute("SELECT count(*) FROM trades").await {
            fail(format!("connection number {number} to run a query"), error.to_string());
        }
        lines.push(line);
    }
}
