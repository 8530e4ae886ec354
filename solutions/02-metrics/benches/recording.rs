//! What recording costs: a connection taken and given back, from the bare pool of task 01 and from
//! the same pool with metrics, at 1, 2, 8 and 64 threads, with nothing to open and nothing to do.
//!
//! ```text
//! cargo bench -p pool-metrics-solution
//! ```
//!
//! On two cores of an AMD EPYC virtual machine, Rust 1.95, other programs kept away
//! with `chrt -f 10`:
//!
//! ```text
//! ns for taking a connection and giving it back, median of 31 rounds
//!  threads     bare  metered   difference  snapshot
//!        1       41      130           90         6
//!        2      117      275          159         9
//!        8      118      273          156         7
//!       64      111      285          174         9
//! ```
//!
//! So recording costs 0.1 µs alone and 0.2 µs where threads do nothing but fight for the locks; on
//! a virtual machine whose two cores were far apart it has been 0.4 µs. Two readings of the clock
//! are the larger part of it, three visits to one lock the rest.
//!
//! Rounds of the contestants are interleaved and the medians compared, so that a busy machine spoils
//! all alike; trust the differences, not the absolute numbers.

use std::convert::Infallible;
use std::hint::black_box;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use basic_pool_solution::{Pool, PoolConfig, PoolError, PooledConnection};
use fixtures::{BlockingPool, ManageConnection, Refusal};
use pool_metrics_solution::Metered;

/// How often each contestant runs.
const ROUNDS: usize = 31;
/// How many connections a round takes, all threads together.
const CYCLES: u32 = 200_000;
const THREADS: [u32; 4] = [1, 2, 8, 64];
const MAX: u32 = 10;
const LONG: Duration = Duration::from_secs(30);

fn main() {
    // `cargo test --all-targets` starts benchmarks too, and wants no figures.
    if !std::env::args().any(|arg| arg == "--bench") {
        return;
    }
    println!("ns for taking a connection and giving it back, median of {ROUNDS} rounds");
    println!(
        "{:>8} {:>8} {:>8} {:>12} {:>9}",
        "threads", "bare", "metered", "difference", "snapshot"
    );
    let (bare, metered) = (Bare::new(), Metered::new(Bare::new()));
    for threads in THREADS {
        let mut rounds: [Vec<f64>; 3] = Default::default();
        for _ in 0..ROUNDS {
            rounds[0].push(cycle(threads, || drop(black_box(bare.get_timeout(LONG)))));
            rounds[1].push(cycle(threads, || drop(black_box(metered.get_timeout(LONG)))));
            rounds[2].push(cycle(threads, || _ = black_box(metered.snapshot())));
        }
        let [bare, metered, snapshot] = rounds.map(median);
        let more = metered - bare;
        println!("{threads:>8} {bare:>8.0} {metered:>8.0} {more:>12.0} {snapshot:>9.0}");
    }
}

/// Nanoseconds of wall clock for each call of `work`, when so many threads share `CYCLES` of them.
fn cycle(threads: u32, work: impl Fn() + Sync) -> f64 {
    let start = Barrier::new(threads as usize + 1);
    let each = CYCLES / threads;
    let mut began = None;
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                start.wait();
                for _ in 0..each {
                    work();
                }
            });
        }
        // Before the barrier opens, not after: else what runs before this thread does is not counted.
        began = Some(Instant::now());
        start.wait();
    });
    let took = began.expect("set in the scope").elapsed();
    took.as_secs_f64() * 1e9 / f64::from(each * threads)
}

fn median(mut rounds: Vec<f64>) -> f64 {
    rounds.sort_by(f64::total_cmp);
    rounds[rounds.len() / 2]
}

/// The pool of task 01 over connections that cost nothing.
struct Bare(Pool<Nothing>);

impl Bare {
    fn new() -> Self {
        let config = PoolConfig {
            min_connections: MAX,
            max_connections: MAX,
            max_lifetime: None,
            idle_timeout: None,
            ..PoolConfig::default()
        };
        Self(Pool::new(Nothing, config).expect("nothing can fail"))
    }
}

impl BlockingPool for Bare {
    type Connection = ();
    type Guard = PooledConnection<Nothing>;
    type Error = PoolError<Infallible>;

    fn get_timeout(&self, timeout: Duration) -> Result<Self::Guard, Self::Error> {
        self.0.get_timeout(timeout)
    }

    fn refusal(error: &Self::Error) -> Refusal {
        match error {
            PoolError::Timeout => Refusal::Timeout,
            _ => Refusal::Connect,
        }
    }

    fn max(&self) -> u32 {
        MAX
    }
}

struct Nothing;

impl ManageConnection for Nothing {
    type Connection = ();
    type Error = Infallible;

    fn connect(&self) -> Result<(), Infallible> {
        Ok(())
    }

    fn is_valid(&self, (): &mut ()) -> Result<(), Infallible> {
        Ok(())
    }

    fn has_broken(&self, (): &mut ()) -> bool {
        false
    }
}
