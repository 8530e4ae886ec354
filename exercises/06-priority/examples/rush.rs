//! A rush at the desk, on a clock that jumps: two hundred charts and a handful of risk checks want four
//! connections at once. Tells who waited how long, with and without a limit against starvation.
//!
//! ```text
//! cargo run -p priority-pool --example rush
//! ```

use std::error::Error;
use std::num::NonZeroU32;
use std::time::Duration;

use fixtures::exchange::{AsyncManager, Exchange};
use priority_pool::{Priority, PriorityConfig, PriorityError, PriorityPool};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

/// How long a request keeps its connection.
const QUERY: Duration = Duration::from_millis(50);
/// From one chart to the next, and from one risk check to the next.
const CHARTS: Duration = Duration::from_millis(5);
const CHECKS: Duration = Duration::from_millis(12);
/// How long the rush lasts.
const RUSH: Duration = Duration::from_secs(2);

/// How one request fared: how long it waited, or that it was refused.
struct Fared {
    priority: Priority,
    waited: Option<Duration>,
}

#[tokio::main(flavor = "current_thread", start_paused = true)]
pub(crate) async fn main() -> Result<(), Box<dyn Error>> {
    println!(
        "4 connections, 50 ms a request; for 2 s a chart every 5 ms and a risk check every 12 ms,"
    );
    println!("and room for 150 charts in the queue\n");
    for limit in [None, NonZeroU32::new(4)] {
        match limit {
            None => println!("starvation_limit None: critical ones always first"),
            Some(limit) => println!("starvation_limit {limit}: then a normal one"),
        }
        let fared = rush(limit).await?;
        tell("risk checks", &fared, Priority::Critical);
        tell("charts", &fared, Priority::Normal);
        println!();
    }
    Ok(())
}

/// Plays the rush on a pool of its own.
async fn rush(starvation_limit: Option<NonZeroU32>) -> Result<Vec<Fared>, Box<dyn Error>> {
    let exchange = Exchange::for_tasks();
    let config = PriorityConfig {
        max_connections: 4,
        normal_queue: 150,
        connection_timeout: Duration::from_secs(30),
        starvation_limit,
    };
    let pool = PriorityPool::new(exchange.async_manager(), config)?;
    let mut requests = JoinSet::new();
    for (priority, every) in [(Priority::Critical, CHECKS), (Priority::Normal, CHARTS)] {
        let mut at = Duration::ZERO;
        while at < RUSH {
            requests.spawn(ask(pool.clone(), priority, at));
            at += every;
        }
    }
    let fared = requests.join_all().await;
    pool.close();
    Ok(fared)
}

/// One request, so long after the beginning.
async fn ask(pool: PriorityPool<AsyncManager>, priority: Priority, at: Duration) -> Fared {
    sleep(at).await;
    let asked = Instant::now();
    let waited = match pool.get(priority).await {
        Ok(line) => {
            let waited = asked.elapsed();
            sleep(QUERY).await;
            drop(line);
            Some(waited)
        }
        Err(PriorityError::QueueFull) => None,
        Err(error) => {
            println!("  {priority:?}: {error}");
            None
        }
    };
    Fared { priority, waited }
}

/// How the requests of a priority fared.
fn tell(who: &str, fared: &[Fared], priority: Priority) {
    let all: Vec<&Fared> = fared.iter().filter(|one| one.priority == priority).collect();
    let mut waits: Vec<Duration> = all.iter().filter_map(|one| one.waited).collect();
    waits.sort_unstable();
    let millis = |wait: Option<&Duration>| wait.map_or(0, Duration::as_millis);
    println!(
        "  {who:<12} {:>4} served, {:>3} refused; waited: half of them {:>4} ms at most, the longest {:>4} ms",
        waits.len(),
        all.len() - waits.len(),
        millis(waits.get(waits.len().saturating_sub(1) / 2)),
        millis(waits.last()),
    );
}
