//! What waiting costs: one turn given and one request given up, while 10, 1,000 and 100,000 wait. And
//! how often a request that waits is overtaken by others that ask later, beside bb8 and deadpool.
//!
//! ```text
//! cargo bench -p priority-pool-solution
//! ```
//!
//! On two cores of an AMD EPYC virtual machine, Rust 1.95, beside other work:
//!
//! ```text
//! ns, median of 301 rounds
//!  waiting       asking    giving up       a turn
//!       10          180           75          110
//!     1000          190          125          120
//!   100000          200          370          251
//!
//! a request waits; another task takes the only connection again and again
//!             pool    overtaken  served
//!    priority-pool            0  yes
//!          bb8 0.9      1000000  never
//!    deadpool 0.13            0  yes
//! ```
//!
//! A `BTreeMap` of 100,000 is five or six steps deep, where one of 10 is one, and no cache holds it: so
//! the last row is a few times the first, and not ten thousand times.
//!
//! bb8 wakes who waits and lets whoever comes first have the connection: a task that gives its
//! connection back and asks again at once is always first. The benchmark stops at a million.
//! deadpool's semaphore is fair.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::Future;
use std::hint::black_box;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use fixtures::AsyncManageConnection;
use priority_pool_solution::{
    Priority, PriorityConfig, PriorityConnection, PriorityError, PriorityPool,
};
use tokio::runtime::{Builder, Runtime};
use tokio::task::yield_now;

const WAITING: [usize; 3] = [10, 1_000, 100_000];
/// How often each act is done in a round, in which so many more or fewer wait.
const ACTS: usize = 2;
const ROUNDS: usize = 301;
/// After so many times it is plain that a request will never be served.
const TRIES: u64 = 1_000_000;

/// Connections that cost nothing.
#[derive(Debug)]
struct Free;

impl AsyncManageConnection for Free {
    type Connection = ();
    type Error = Infallible;

    async fn connect(&self) -> Result<(), Infallible> {
        Ok(())
    }

    async fn is_valid(&self, (): &mut ()) -> Result<(), Infallible> {
        Ok(())
    }

    fn has_broken(&self, (): &mut ()) -> bool {
        false
    }
}

impl bb8::ManageConnection for Free {
    type Connection = ();
    type Error = Infallible;

    async fn connect(&self) -> Result<(), Infallible> {
        Ok(())
    }

    async fn is_valid(&self, (): &mut ()) -> Result<(), Infallible> {
        Ok(())
    }

    fn has_broken(&self, (): &mut ()) -> bool {
        false
    }
}

impl deadpool::managed::Manager for Free {
    type Type = ();
    type Error = Infallible;

    async fn create(&self) -> Result<(), Infallible> {
        Ok(())
    }

    async fn recycle(
        &self,
        (): &mut (),
        _: &deadpool::managed::Metrics,
    ) -> deadpool::managed::RecycleResult<Infallible> {
        Ok(())
    }
}

type Pool = PriorityPool<Free>;
type Guard = PriorityConnection<Free>;
type Get = Pin<Box<dyn Future<Output = Result<Guard, PriorityError<Infallible>>>>>;

fn main() {
    // `cargo test --all-targets` starts benchmarks too, and wants no figures.
    if !std::env::args().any(|arg| arg == "--bench") {
        return;
    }
    println!("ns, median of {ROUNDS} rounds");
    println!("{:>8} {:>12} {:>12} {:>12}", "waiting", "asking", "giving up", "a turn");
    for waiting in WAITING {
        let [asking, giving_up, turn] = Crowd::gather(waiting).costs();
        println!("{waiting:>8} {asking:>12.0} {giving_up:>12.0} {turn:>12.0}");
    }
    println!("\na request waits; another task takes the only connection again and again");
    println!("{:>16} {:>12}  served", "pool", "overtaken");
    tell("priority-pool", overtaken_here());
    tell("bb8 0.9", overtaken_in_bb8());
    tell("deadpool 0.13", overtaken_in_deadpool());
}

fn tell(pool: &str, (overtaken, served): (u64, bool)) {
    println!("{pool:>16} {overtaken:>12}  {}", if served { "yes" } else { "never" });
}

fn config() -> PriorityConfig {
    PriorityConfig {
        max_connections: 1,
        normal_queue: usize::MAX,
        connection_timeout: Duration::from_hours(24),
        ..PriorityConfig::default()
    }
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_time().build().expect("a runtime without input and output")
}

/// Requests that wait for the only connection.
struct Crowd {
    runtime: Runtime,
    pool: Arc<Pool>,
    /// In the order of asking.
    gets: VecDeque<Get>,
    held: Option<Guard>,
}

impl Crowd {
    fn gather(waiting: usize) -> Self {
        let runtime = runtime();
        let pool = Arc::new(Pool::new(Free, config()).expect("a valid configuration"));
        let held = runtime.block_on(pool.get(Priority::Normal)).ok();
        let mut crowd = Self { runtime, pool, gets: VecDeque::new(), held };
        for _ in 0..waiting {
            crowd.ask();
        }
        crowd
    }

    /// The medians, in ns for one act.
    fn costs(&mut self) -> [f64; 3] {
        let mut rounds: [Vec<f64>; 3] = Default::default();
        for _ in 0..ROUNDS {
            // As many come as go.
            rounds[0].push(each(|| self.ask()));
            let middle = self.gets.len() / 2;
            let mut leaving: Vec<Get> = self.gets.drain(middle..middle + ACTS).collect();
            let entered = self.runtime.enter();
            rounds[1].push(each(|| drop(black_box(leaving.pop()))));
            drop(entered);
            rounds[2].push(each(|| self.turn()));
            each(|| self.ask());
        }
        rounds.map(|mut round| {
            round.sort_by(f64::total_cmp);
            round[ROUNDS / 2]
        })
    }

    fn ask(&mut self) {
        let pool = Arc::clone(&self.pool);
        let mut get: Get = Box::pin(async move { pool.get(Priority::Normal).await });
        let _entered = self.runtime.enter();
        assert!(poll(&mut get).is_pending(), "the only connection is lent out");
        self.gets.push_back(get);
    }

    /// The connection goes to the first.
    fn turn(&mut self) {
        let _entered = self.runtime.enter();
        drop(self.held.take());
        let mut get = self.gets.pop_front().expect("some wait");
        let Poll::Ready(Ok(held)) = poll(&mut get) else { panic!("it was the first one's turn") };
        self.held = Some(held);
    }
}

/// How long an act takes, in ns, one of a few.
fn each(mut act: impl FnMut()) -> f64 {
    let began = Instant::now();
    for _ in 0..ACTS {
        act();
    }
    began.elapsed().as_secs_f64() * 1e9 / f64::from(u32::try_from(ACTS).expect("a few"))
}

fn poll(get: &mut Get) -> Poll<Result<Guard, PriorityError<Infallible>>> {
    get.as_mut().poll(&mut Context::from_waker(Waker::noop()))
}

/// How often a request that waits sees another one served that asked later, and whether it is served in
/// the end.
fn overtaken<T, F>(get: impl Fn() -> F) -> (u64, bool)
where
    T: 'static,
    F: Future<Output = T> + 'static,
{
    let runtime = runtime();
    let tasks = tokio::task::LocalSet::new();
    tasks.block_on(&runtime, async {
        let held = get().await;
        let served = Arc::new(AtomicBool::new(false));
        let (waits, done) = (get(), Arc::clone(&served));
        let waiter = tokio::task::spawn_local(async move {
            drop(waits.await);
            done.store(true, Ordering::Relaxed);
        });
        // It asks, and waits.
        yield_now().await;
        let mut overtaken = 0;
        drop(held);
        while !served.load(Ordering::Relaxed) && overtaken < TRIES {
            let held = get().await;
            overtaken += u64::from(!served.load(Ordering::Relaxed));
            // Others run while it is held.
            yield_now().await;
            drop(held);
        }
        waiter.abort();
        (overtaken, served.load(Ordering::Relaxed))
    })
}

fn overtaken_here() -> (u64, bool) {
    let pool = Arc::new(Pool::new(Free, config()).expect("a valid configuration"));
    overtaken(|| {
        let pool = Arc::clone(&pool);
        async move { pool.get(Priority::Normal).await }
    })
}

fn overtaken_in_bb8() -> (u64, bool) {
    let built = bb8::Pool::builder()
        .max_size(1)
        .test_on_check_out(false)
        .connection_timeout(Duration::from_hours(24))
        .build(Free);
    let pool = Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime without input and output")
        .block_on(built);
    let pool = pool.expect("a pool");
    overtaken(move || {
        let pool = pool.clone();
        async move { pool.get_owned().await }
    })
}

fn overtaken_in_deadpool() -> (u64, bool) {
    let pool = deadpool::managed::Pool::<Free>::builder(Free).max_size(1).build().expect("a pool");
    overtaken(move || {
        let pool = pool.clone();
        async move { pool.get().await }
    })
}
