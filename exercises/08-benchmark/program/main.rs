//! What a pool is worth, measured: a connection for each request against two pools, at 100, 1,000 and
//! 10,000 requests at once, with your [`run`](pool_benchmark::run).
//!
//! ```text
//! cargo run --release -p pool-benchmark                  # a table, and a page with plots
//! cargo run --release -p pool-benchmark -- results.html  # the page goes there
//! ```
//!
//! The databases are throw-away ones, gone at the end and at Ctrl-C: a file of SQLite and, if
//! PostgreSQL is installed, a server of its own. `DATABASE_URL=postgres://…` names another one, whose
//! role must be allowed to make databases and roles.
//!
//! This is given: the task is in `src`.

use std::env;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use benchmark_page::{About, Machine, Results};
use tokio::runtime::Runtime;
use tokio::sync::Notify;

mod measure;
mod meter;
mod postgres;
mod rounds;
mod unwritten;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Ctrl-C, as a shell says it.
const INTERRUPTED: u8 = 130;

pub(crate) fn main() -> ExitCode {
    unwritten::keep_quiet();
    let stop = Arc::new(Notify::new());
    let told = Arc::clone(&stop);
    if let Err(error) = ctrlc::set_handler(move || told.notify_one()) {
        eprintln!("Ctrl-C will leave a folder behind: {error}");
    }
    let runtime = match Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("there is no runtime: {error}");
            return ExitCode::FAILURE;
        }
    };
    let outcome = runtime.block_on(async {
        tokio::select! {
            biased;
            // What was under way is dropped, and its databases with it.
            () = stop.notified() => None,
            outcome = everything() => Some(outcome),
        }
    });
    // Requests that `run` has left behind are not waited for.
    runtime.shutdown_timeout(Duration::from_secs(2));
    match outcome {
        None => ExitCode::from(INTERRUPTED),
        Some(Ok(())) => ExitCode::SUCCESS,
        Some(Err(error)) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn everything() -> Result<(), Failure> {
    let page = env::args_os().nth(1).map_or_else(beside_the_program, PathBuf::from);
    let measured = benchmark_page::now();
    let (rows, settings) = rounds::all().await?;
    println!("{}", benchmark_page::table(&rows));
    let about = About { machine: Machine::this(), measured, settings };
    benchmark_page::write(&page, &Results { about, rows })
        .map_err(|error| format!("cannot write {}: {error}", page.display()))?;
    println!("The same with plots, to be opened in a browser: {}", page.display());
    Ok(())
}

/// In cargo's target folder, where the program itself is as well.
fn beside_the_program() -> PathBuf {
    let program = env::current_exe().unwrap_or_default();
    let target = program.parent().and_then(|profile| profile.parent());
    target.map(PathBuf::from).unwrap_or_default().join("pool-benchmark.html")
}
