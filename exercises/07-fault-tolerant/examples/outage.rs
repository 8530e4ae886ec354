//! An outage: the primary dies, a replica goes on, and the primary comes back. On a real PostgreSQL, if
//! this machine has one: tells what the outage cost. Else on exchanges in memory, on a clock that jumps:
//! draws, over time, how each server is, what its breaker says, and who serves the reads.
//!
//! ```text
//! cargo run -p fault-tolerant-pool --example outage
//! cargo run -p fault-tolerant-pool --example outage -- --exchange
//! cargo run -p fault-tolerant-pool --example outage -- --runs 10
//! ```

#[path = "outage/real.rs"]
mod real;

use std::error::Error;
use std::time::Duration;

use fault_tolerant_pool::{Breaker, Cluster, ClusterConfig};
use fixtures::exchange::{AsyncManager, Exchange};
use tokio::time::{Instant, sleep, sleep_until};

/// From one look at the cluster to the next: a column of the picture.
const COLUMN: Duration = Duration::from_millis(500);
const COLUMNS: u32 = 60;
/// In which column the primary dies, and in which one it is back.
const DIES: u32 = 10;
const BACK: u32 = 38;

pub(crate) fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let runs = match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => 1,
        ["--exchange"] => return on_exchanges(),
        ["--runs", runs] => runs.parse()?,
        _ => return Err("it takes nothing, --exchange, or --runs and a number".into()),
    };
    let Some(why) = real::play(runs)? else { return Ok(()) };
    println!("Not on a real server: {why}.\n");
    on_exchanges()
}

#[tokio::main(flavor = "current_thread", start_paused = true)]
async fn on_exchanges() -> Result<(), Box<dyn Error>> {
    let primary = Exchange::for_tasks();
    let servers = [primary.clone(), primary.beside(1_000), primary.beside(2_000)];
    for server in &servers {
        server.connect_takes(Duration::from_millis(20)).query_takes(Duration::from_millis(1));
    }
    let replicas = servers[1..].iter().map(Exchange::async_manager).collect();
    let cluster = Cluster::new(primary.async_manager(), replicas, ClusterConfig::default())?;
    let mut rows = Rows::default();
    let mut gap = Duration::ZERO;
    let mut accepted = 0;
    let began = Instant::now();
    for column in 0..COLUMNS {
        match column {
            DIES => primary.go_offline(),
            BACK => primary.come_back(),
            _ => {}
        }
        let mut served = '-';
        for _ in 0..3 {
            let asked = Instant::now();
            if let Ok(line) = cluster.read().await {
                served = char::from_digit(u32::try_from(line.server())?, 10).unwrap_or('?');
                gap = gap.max(asked.elapsed());
            }
            sleep(Duration::from_millis(50)).await;
        }
        let written = write(&cluster, column).await;
        accepted += usize::from(written);
        rows.look(&cluster, served, written, (DIES..BACK).contains(&column));
        sleep_until(began + COLUMN * (column + 1)).await;
    }
    println!("{} s, a column is {} ms\n", (COLUMN * COLUMNS).as_secs(), COLUMN.as_millis());
    rows.print();
    println!("\nthe longest that a read took: {} ms", gap.as_millis());
    println!(
        "writes: {accepted} accepted, {} refused; on the primary {}, on replicas {}",
        COLUMNS as usize - accepted,
        primary.written().len(),
        servers[1].written().len() + servers[2].written().len(),
    );
    println!("dials: {} to the primary, of which {} worked", primary.attempts(), primary.opened());
    cluster.close().await;
    Ok(())
}

/// Writes an order, and says whether the primary has acknowledged it.
async fn write(cluster: &Cluster<AsyncManager>, column: u32) -> bool {
    let Ok(mut line) = cluster.write().await else { return false };
    line.write(&format!("BUY {column} AAPL")).await.is_ok()
}

/// The picture, a column at a time.
#[derive(Default)]
struct Rows {
    primary: String,
    breakers: Vec<String>,
    reads: String,
    writes: String,
}

impl Rows {
    fn look(&mut self, cluster: &Cluster<AsyncManager>, served: char, written: bool, dead: bool) {
        self.primary.push(if dead { 'x' } else { '=' });
        let states = cluster.states();
        self.breakers.resize(states.len(), String::new());
        for (row, state) in self.breakers.iter_mut().zip(states) {
            row.push(match state {
                Breaker::Closed => '_',
                Breaker::Open => 'O',
                Breaker::HalfOpen => 'H',
            });
        }
        self.reads.push(served);
        self.writes.push(if written { 'w' } else { '-' });
    }

    fn print(&self) {
        println!("primary      {}  = alive, x dead", self.primary);
        for (server, row) in self.breakers.iter().enumerate() {
            println!("breaker {server}    {row}  _ closed, O open, H half open");
        }
        println!("reads from   {}  the number of the server", self.reads);
        println!("writes       {}  w accepted, - refused", self.writes);
    }
}
