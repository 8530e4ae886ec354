//! Four traffic scripts, and what different controllers make of them: the table in COURSE.md.
//!
//! ```text
//! cargo run --release -p adaptive-pool-suite --example controllers
//! ```
//!
//! All of them steer the same small pool, on the samples that it takes of itself.

mod controllers;
mod pool;

use adaptive_pool_suite::traffic::{Played, SCRIPTS, Script, play};
use controllers::{Candidate, candidates};
use fixtures::exchange::Exchange;
use pool::SteeredPool;
use tokio::runtime::Builder;

fn main() -> std::io::Result<()> {
    println!("| script | controller | longest wait | mean wait | connections × time | resizes |");
    println!("|---|---|---|---|---|---|");
    for script in &SCRIPTS {
        for candidate in candidates() {
            let name = candidate.name;
            // A clock of its own for each.
            let runtime = Builder::new_current_thread().enable_time().start_paused(true).build()?;
            let played = runtime.block_on(run(script, candidate));
            println!(
                "| {} | {name} | {} ms | {:.1} ms | {:.0} s | {} |",
                script.name,
                played.longest().as_millis(),
                played.mean().as_secs_f64() * 1_000.0,
                played.connection_seconds(),
                played.resizes,
            );
        }
    }
    Ok(())
}

async fn run(script: &Script, candidate: Candidate) -> Played {
    let exchange = Exchange::for_tasks();
    let pool = SteeredPool::open(&exchange, candidate).await;
    play(script, &exchange, || {
        let pool = pool.clone();
        async move { pool.get().await }
    })
    .await
}
