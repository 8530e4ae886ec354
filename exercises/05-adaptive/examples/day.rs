//! A trading day on a paused clock: how many connections the desk wants, how many the pool has, and how
//! long people wait. Ten hours take a second or two.
//!
//! ```text
//! cargo run -p adaptive-pool --example day
//! ```

use std::error::Error;
use std::time::Duration;

use adaptive_pool::{Action, AdaptiveConfig, AdaptivePool, Decision};
use fixtures::exchange::{AsyncManager, Exchange};
use rasciigraph::{Config, plot};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

/// The day begins at eight and ends at six.
const OPENS: f64 = 8.0;
const HOURS: f64 = 10.0;

/// From one look at the desk to the next.
const LOOK: Duration = Duration::from_secs(1);

/// How long an order keeps its connection.
const ORDER: Duration = Duration::from_secs(2);

/// Columns of a chart.
const WIDTH: usize = 60;

/// How many orders are under way at this hour, if nobody has to wait.
fn wanted(hour: f64) -> f64 {
    let rush = |at: f64, wide: f64| (-((hour - at) / wide).powi(2)).exp();
    // The opening at nine, New York at half past three, and the closing auction.
    2.0 + 30.0 * rush(9.2, 0.35)
        + 10.0 * rush(11.0, 1.2)
        + 20.0 * rush(15.5, 0.5)
        + 26.0 * rush(17.4, 0.15)
}

/// What there was to see in a second.
struct Look {
    wanted: f64,
    open: f64,
    wait: f64,
}

#[tokio::main(flavor = "current_thread", start_paused = true)]
pub(crate) async fn main() -> Result<(), Box<dyn Error>> {
    let exchange = Exchange::for_tasks();
    exchange.connect_takes(Duration::from_millis(300));
    let config = AdaptiveConfig {
        min: 3,
        max: 50,
        target_wait: Duration::from_millis(50),
        sample_every: Duration::from_secs(1),
        grow_after: 2,
        shrink_after: 60,
        connection_timeout: Duration::from_secs(30),
    };
    let pool = AdaptivePool::new(exchange.async_manager(), config).await?;
    let (looks, decisions) = trade(&exchange, &pool).await;
    draw("orders under way", &looks, |look| look.wanted);
    draw("connections open", &looks, |look| look.open);
    draw("longest wait, in ms", &looks, |look| look.wait);
    tell(&decisions);
    pool.close().await;
    Ok(())
}

/// Trades all day; what was seen, and what the pool decided.
async fn trade(
    exchange: &Exchange,
    pool: &AdaptivePool<AsyncManager>,
) -> (Vec<Look>, Vec<Decision>) {
    let (mut looks, mut decisions) = (Vec::new(), Vec::<Decision>::new());
    let mut orders = JoinSet::new();
    let mut due = 0.0;
    let begin = Instant::now();
    let seconds = Duration::from_secs_f64(HOURS * 3_600.0).as_secs();
    for second in 0..u32::try_from(seconds).unwrap_or(u32::MAX) {
        let hour = OPENS + f64::from(second) / 3_600.0;
        due += wanted(hour) * LOOK.as_secs_f64() / ORDER.as_secs_f64();
        // Orders of one second come evenly spread over it.
        let spread = LOOK.div_f64(due.max(1.0));
        let mut pause = Duration::ZERO;
        while due >= 1.0 {
            due -= 1.0;
            pause += spread;
            let (pool, pause) = (pool.clone(), pause);
            orders.spawn(async move {
                sleep(pause).await;
                let asked = Instant::now();
                let line = pool.get().await;
                let waited = asked.elapsed();
                sleep(ORDER).await;
                drop(line);
                waited
            });
        }
        sleep_until(begin + LOOK * (second + 1)).await;
        let mut wait = Duration::ZERO;
        while let Some(Ok(waited)) = orders.try_join_next() {
            wait = wait.max(waited);
        }
        looks.push(Look {
            wanted: number(orders.len()),
            open: number(exchange.sessions()),
            wait: wait.as_secs_f64() * 1_000.0,
        });
        // The pool keeps the last hundred.
        let latest = decisions.last().map_or(Duration::ZERO, |decision| decision.at);
        decisions.extend(pool.decisions().into_iter().filter(|decision| decision.at > latest));
    }
    (looks, decisions)
}

/// A count, for a chart.
fn number(count: usize) -> f64 {
    u32::try_from(count).map_or(f64::MAX, f64::from)
}

/// Draws the highest value of each tenth of an hour.
fn draw(title: &str, looks: &[Look], value: fn(&Look) -> f64) {
    let columns = (0..WIDTH).map(|column| {
        let bounds = column * looks.len() / WIDTH..(column + 1) * looks.len() / WIDTH;
        looks[bounds].iter().map(value).fold(0.0, f64::max)
    });
    println!("{title}, from 8 to 18 h");
    println!("{}\n", plot(columns.collect(), Config::default().with_height(5)));
}

/// How often the pool was resized, and the last decisions.
fn tell(decisions: &[Decision]) {
    let grown =
        decisions.iter().filter(|decision| matches!(decision.action, Action::Grow(_))).count();
    println!("grown {grown} times, shrunk {} times; at the end:", decisions.len() - grown);
    for Decision { at, action, reason } in decisions.iter().rev().take(5).rev() {
        let minutes = at.as_secs() / 60;
        println!("{:02}:{:02}  {action:?}: {reason}", 8 + minutes / 60, minutes % 60);
    }
}
