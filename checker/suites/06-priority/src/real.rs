//! A real runtime with several threads: P23.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use fixtures::exchange::Exchange;
use harness::tasks::{Patience, ends_in_real_time, joined, nowhere_else};
use harness::{Case, fail};
use priority_pool::{Priority, PriorityConfig, PriorityConnection, PriorityPool, Status};
use tokio::runtime::Builder;
use tokio::task::{JoinHandle, yield_now};

use crate::desk::{ms, up_to};
use crate::duels;
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
pub(crate) const PATIENCE: Duration = ms(1_500);

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
    duels::tell(&runtime);
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
