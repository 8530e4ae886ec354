//! All measurements: which there are, in what order, and what is said meanwhile.

use std::collections::BTreeMap;
use std::time::Duration;

use benchmark_page::Row;
use fixtures::db::{Kind, Server};
use indicatif::{ProgressBar, ProgressStyle};
use pool_benchmark::{PARALLEL, STRATEGIES, Strategy};

use super::Failure;
use super::measure::{self, SQL, WARM_UP, combination};
use super::postgres::{self, Postgres};

/// How often each combination is measured. The median round counts.
const ROUNDS: usize = 3;

/// What was measured, and how, in words: a name and a value each.
pub(crate) type Outcome = (Vec<Row>, Vec<(String, String)>);

/// Everything, on all databases that there are.
pub(crate) async fn all() -> Result<Outcome, Failure> {
    for strategy in STRATEGIES {
        measure::rehearse(strategy).await?;
    }
    let build = if cfg!(debug_assertions) { "debug, so not to be relied on" } else { "release" };
    let rounds = format!(
        "{ROUNDS} of each combination, of which the one with the median time is shown; each on a \
         fresh database, after {WARM_UP} requests that do not count"
    );
    let mut settings = vec![
        ("statement".to_owned(), SQL.to_owned()),
        ("rounds".to_owned(), rounds),
        ("build".to_owned(), build.to_owned()),
    ];
    let mut servers = vec![Server::sqlite()];
    let postgres = Postgres::start().await;
    match &postgres {
        Ok(postgres) => {
            servers.push(postgres.server().clone());
            settings.push(("PostgreSQL is".to_owned(), postgres::what_it_is().to_owned()));
        }
        Err(why) => {
            eprintln!("on SQLite alone: {why}");
            settings.push(("not measured".to_owned(), why.clone()));
        }
    }
    let once: u64 =
        combinations().map(|(strategy, parallel)| measure::steps(strategy, parallel)).sum();
    let bar = progress(once * (servers.len() * ROUNDS) as u64);
    let mut rows = Vec::new();
    for server in servers {
        rows.extend(on(&server, &bar, &mut settings).await?);
    }
    bar.finish_and_clear();
    Ok((rows, settings))
}

/// The nine.
fn combinations() -> impl Iterator<Item = (Strategy, usize)> {
    STRATEGIES.into_iter().flat_map(|strategy| PARALLEL.map(|parallel| (strategy, parallel)))
}

/// The nine on one server, with what has to be known of it.
async fn on(
    server: &Server,
    bar: &ProgressBar,
    settings: &mut Vec<(String, String)>,
) -> Result<Vec<Row>, Failure> {
    let on = match server.kind() {
        Kind::Sqlite => "SQLite",
        Kind::Postgres => "PostgreSQL",
    };
    let mut rounds = vec![Vec::new(); combinations().count()];
    let (mut limit, mut errors) = (None, BTreeMap::<String, u64>::new());
    // Round after round, so that a disturbance does not meet all of one combination.
    for _ in 0..ROUNDS {
        for ((strategy, parallel), rounds) in combinations().zip(&mut rounds) {
            bar.set_message(format!("{on}: {}, {parallel} requests", measure::name(strategy)));
            let measured = combination(server, strategy, parallel, bar).await?;
            rounds.push(measured.row);
            limit = limit.or(Some(measured.limit));
            for (error, times) in measured.errors {
                *errors.entry(error).or_default() += times;
            }
        }
    }
    settings.extend(limit.map(|limit| (format!("connections to {on}"), limit)));
    let errors = errors
        .into_iter()
        .map(|(error, times)| (format!("error from {on}, {times} times in all rounds"), error));
    settings.extend(errors);
    Ok(rounds.into_iter().filter_map(median).collect())
}

/// The round that took neither longest nor shortest.
fn median(mut rounds: Vec<Row>) -> Option<Row> {
    rounds.sort_by_key(|row| row.makespan);
    (!rounds.is_empty()).then(|| rounds.swap_remove(rounds.len() / 2))
}

fn progress(steps: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:24} {percent:>3} %  {eta} left  {wide_msg}");
    let bar = ProgressBar::new(steps);
    if let Ok(style) = style {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}
