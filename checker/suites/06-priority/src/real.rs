//! A real runtime with several threads: P23.

use std::future::{Future, ready};
use std::hint::spin_loop;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

use fixtures::exchange::Exchange;
use harness::tasks::{Patience, ends_in_real_time, joined, nowhere_else};
use harness::{Case, fail};
use priority_pool::{Priority, PriorityConfig, PriorityConnection, PriorityPool, Status};
use tokio::runtime::{Builder, Runtime};
use tokio::task::{JoinHandle, yield_now};

use crate::desk::{Outcome, ms, up_to};
use crate::gate::{Gate, Gated};
use crate::words::told;

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new("serves_a_thousand_tasks", "P23", serves_a_thousand_tasks)
            .title("1,000 tasks on four real threads share 8 connections")
            .real()
            .hard()
            .points(0.5)
            // Threads that the machine runs one after the other take their time.
            .deadline(Duration::from_secs(20))
            .lesson("real-tasks")
            .hints(&[
                "Does everything else pass? Then look for what happens between two statements of \
                 yours, when another thread comes in there: a look and an act that are not under one \
                 lock.",
                "A task that gives up at the very moment at which another thread sends it a \
                 connection: `send` says so, and hands it back to you.",
                "A lock held while a connection, a sender or a guard is dropped: their `Drop` may want \
                 the same lock.",
            ]),
    ]
}

const TASKS: usize = 1_000;
const ROUNDS: usize = 5;
const MAX: u32 = 8;
/// For what takes a moment if it comes to an end at all.
const PATIENCE: Duration = ms(1_500);

fn serves_a_thousand_tasks() {
    let runtime = Builder::new_multi_thread()
        .worker_threads(4)
        .enable_time()
        .build()
        .expect("a runtime without input and output");
    runtime.block_on(async {
        let exchange = Exchange::for_tasks();
        let config = PriorityConfig {
            normal_queue: TASKS,
            connection_timeout: Duration::from_hours(1),
            ..up_to(MAX)
        };
        let manager = Gated { manager: exchange.async_manager(), gate: Gate::default() };
        let pool = match PriorityPool::new(manager, config) {
            Ok(pool) => pool,
            Err(error) => fail("`PriorityPool::new` to succeed", told(&error)),
        };
        let served = Arc::new(AtomicUsize::new(0));
        let traders: Vec<JoinHandle<()>> = (0..TASKS)
            .map(|number| {
                let trader = Trader { pool: pool.clone(), served: Arc::clone(&served), number };
                let exchange = exchange.clone();
                tokio::spawn(trader.works(exchange))
            })
            .collect();
        let all = async {
            for trader in traders {
                joined(trader.await);
            }
        };
        if let Err(late) =
            ends_in_real_time(Patience::new(PATIENCE), Box::pin(all), &nowhere_else).await
        {
            let Status { size, idle, in_use, waiting_critical, waiting_normal } = pool.status();
            fail(
                format!("{TASKS} tasks to be served {ROUNDS} times each, or to give up"),
                format!(
                    "{late}: {} served; size {size}, idle {idle}, in_use {in_use}, \
                     waiting_critical {waiting_critical}, waiting_normal {waiting_normal}",
                    served.load(Ordering::Relaxed)
                ),
            );
        }
        let peak = exchange.peak_sessions();
        if peak > MAX as usize {
            fail(
                format!("at most {MAX} connections at any moment"),
                format!("{peak} at once, among {TASKS} tasks on four threads"),
            );
        }
        expect_whole(&pool).await;
    });
    duels(&runtime);
}

type Pool = PriorityPool<Gated>;

/// Nothing was lost: all places can be had at once.
async fn expect_whole(pool: &Pool) {
    let all = async {
        let mut held: Vec<PriorityConnection<Gated>> = Vec::new();
        for _ in 0..MAX {
            match pool.get(Priority::Normal).await {
                Ok(one) => held.push(one),
                Err(error) => fail(format!("{MAX} connections to be had at once"), told(&error)),
            }
        }
    };
    if let Err(late) =
        ends_in_real_time(Patience::new(PATIENCE), Box::pin(all), &nowhere_else).await
    {
        fail(
            format!("{MAX} connections to be had at once when all {TASKS} tasks have gone home"),
            format!("{late}: a place was lost among threads"),
        );
    }
}

struct Trader {
    pool: Pool,
    served: Arc<AtomicUsize>,
    number: usize,
}

impl Trader {
    async fn works(self, exchange: Exchange) {
        for round in 0..ROUNDS {
            let dice = self.number * 31 + round * 17;
            let priority =
                if self.number.is_multiple_of(5) { Priority::Critical } else { Priority::Normal };
            let get = self.pool.get(priority);
            let result = if dice.is_multiple_of(3) {
                // It gives up after a few turns of the others, perhaps just as its own has come.
                tokio::select! {
                    result = get => Some(result),
                    () = turns(dice % 40) => None,
                }
            } else {
                Some(get.await)
            };
            match result {
                None => {}
                Some(Ok(held)) => {
                    self.served.fetch_add(1, Ordering::Relaxed);
                    if dice.is_multiple_of(41) {
                        exchange.kill(held.id());
                    }
                    turns(dice % 3).await;
                    drop(held);
                }
                Some(Err(error)) => fail("a connection for every task that waits", told(&error)),
            }
        }
    }
}

/// Lets others run, so many times.
async fn turns(times: usize) {
    for _ in 0..times {
        yield_now().await;
    }
}

/// How often two threads meet, unless the machine is so busy that it takes longer than this.
const DUELS: usize = 20_000;
const DUELS_TAKE: Duration = Duration::from_secs(6);

/// Two threads and one connection: one gives it back while the other asks, or goes away; a little
/// earlier or later each time.
fn duels(runtime: &Runtime) {
    let exchange = Exchange::for_tasks();
    let manager = Gated { manager: exchange.async_manager(), gate: Gate::default() };
    let entered = runtime.enter();
    let pool = match PriorityPool::new(manager, up_to(1)) {
        Ok(pool) => pool,
        Err(error) => fail("`PriorityPool::new` to succeed", told(&error)),
    };
    drop(entered);
    let over = AtomicBool::new(false);
    // It is lent out; it comes back; it has been looked for.
    let meets = [Meeting::default(), Meeting::default(), Meeting::default()];
    thread::scope(|scope| {
        scope.spawn(|| {
            harness::guarded(|| {
                let _entered = runtime.enter();
                for round in 0.. {
                    let held = must_have(runtime, pool.get(Priority::Normal));
                    meets[0].comes(round);
                    meets[1].comes(round);
                    dawdle(round * 7);
                    drop(held);
                    meets[2].comes(round);
                    if over.load(Ordering::Acquire) {
                        break;
                    }
                }
            });
        });
        let began = Instant::now();
        let _entered = runtime.enter();
        for round in 0.. {
            meets[0].comes(round);
            let mut get = Box::pin(pool.get(Priority::Normal));
            if round % 2 == 0 {
                meets[1].comes(round);
                dawdle(round * 11);
                drop(match poll(&mut get) {
                    Poll::Ready(got) => must_have(runtime, ready(got)),
                    Poll::Pending => must_have(runtime, get),
                });
            } else {
                // Every other time it has asked before, and leaves at the moment of the return.
                let asked = poll(&mut get);
                meets[1].comes(round);
                dawdle(round * 11);
                drop((asked, get));
            }
            let last = round + 1 == DUELS || began.elapsed() > DUELS_TAKE;
            over.store(last, Ordering::Release);
            meets[2].comes(round);
            if last {
                break;
            }
        }
    });
}

type Got = Outcome<PriorityConnection<Gated>>;

fn poll(get: &mut Pin<Box<impl Future<Output = Got>>>) -> Poll<Got> {
    get.as_mut().poll(&mut Context::from_waker(Waker::noop()))
}

/// A connection that is there, or comes back at this moment.
fn must_have(runtime: &Runtime, get: impl Future<Output = Got>) -> PriorityConnection<Gated> {
    let got = ends_in_real_time(Patience::new(PATIENCE), Box::pin(get), &nowhere_else);
    match runtime.block_on(got) {
        Ok(Ok(held)) => held,
        Ok(Err(error)) => fail("a connection from a pool with one that nobody keeps", told(&error)),
        Err(late) => fail(
            "a connection for a thread that asks in the moment in which another one gives it back",
            format!("{late}, and nobody holds it"),
        ),
    }
}

/// Some nanoseconds, more or fewer.
fn dawdle(dice: usize) {
    for _ in 0..dice % 61 {
        spin_loop();
    }
}

/// Where two threads meet: neither goes on before the other has come.
#[derive(Default)]
struct Meeting(AtomicUsize);

impl Meeting {
    fn comes(&self, round: usize) {
        self.0.fetch_add(1, Ordering::AcqRel);
        let mut looks = 0;
        while self.0.load(Ordering::Acquire) < 2 * (round + 1) {
            looks += 1;
            match looks {
                0..2_000 => spin_loop(),
                // Whoever has not come by now waits for a core, perhaps for this one;
                2_000..4_000 => thread::yield_now(),
                // or for ever.
                _ => thread::sleep(ms(1)),
            }
        }
    }
}
