//! Thousands that wait: P20 and P21.

use std::future::{Future, poll_fn};
use std::mem;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use fixtures::exchange::{AsyncManager, Exchange};
use harness::tasks::all_home;
use harness::{Case, fail};
use priority_pool::{Priority, PriorityConfig, PriorityConnection, PriorityPool};
use tokio::runtime::{Builder, Runtime};
use tokio::task::yield_now;

use crate::desk::{BEGIN, Desk, Outcome, ms, order, up_to};
use crate::wakers;
use crate::words::told;

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new("nobody_is_woken_for_others", "P20", nobody_is_woken_for_others)
            .title("a request that waits is left asleep until its turn")
            .paused()
            .hard()
            .points(0.5)
            .lesson("a-thundering-herd")
            .hints(&[
                "One connection comes back. How many of those who wait are woken, and how many of \
                 them sleep on afterwards?",
                "Waking all of them lets a thousand look and one win, a thousand times. Let each wait \
                 for a word of its own: a `oneshot`, or a `Notify` for each.",
            ]),
        Case::new("a_crowd_costs_no_more", "P21", a_crowd_costs_no_more)
            .title("asking, giving up and giving back cost the same, however many wait")
            .paused()
            .hard()
            .points(0.5)
            .lesson("what-a-queue-costs")
            .hints(&[
                "The failure names the act that is slow. Which line of it looks at every entry of \
                 the queue: `iter`, `position`, `retain`, a count, a sort?",
                "To leave a queue from the middle: a `BTreeMap` by the number of the ticket finds an \
                 entry without looking at the others. Or mark the entry, count it out, and let \
                 whoever comes to it skip it.",
            ]),
    ]
}

/// How many wait in the first case, and for how long each is served.
const TASKS: u32 = 1_000;
const EACH: Duration = ms(1);
/// A handful: asking, the turn, a connect, a runtime's own reasons.
pub(crate) const HANDFUL: usize = 20;

fn nobody_is_woken_for_others() {
    order(async || {
        let config = PriorityConfig { normal_queue: TASKS as usize, ..up_to(2) };
        let desk = Desk::open(config).await;
        let held = desk.need_all(2, "from a pool that may have 2").await;
        let traders: Vec<_> = (0..TASKS)
            .map(|number| {
                let critical = number % 4 == 0;
                let priority = if critical { Priority::Critical } else { Priority::Normal };
                desk.trader("task A", async move |desk| {
                    let polls = AtomicUsize::new(0);
                    // Some of them give up half-way.
                    let patience = if number % 10 == 9 { ms(100) } else { ms(600_000) };
                    let mut get = pin!(desk.pool.get(priority));
                    let counted = poll_fn(|context| {
                        polls.fetch_add(1, Ordering::Relaxed);
                        get.as_mut().poll(context)
                    });
                    let got = tokio::time::timeout(patience, counted).await;
                    desk.at(desk.now() + EACH).await;
                    drop(got);
                    polls.into_inner()
                })
            })
            .collect();
        desk.at(BEGIN + ms(50)).await;
        for held in held {
            drop(held);
            desk.at(desk.now() + ms(1)).await;
        }
        let polls = all_home(traders).await;
        let most = polls.iter().copied().max().unwrap_or_default();
        if most > HANDFUL {
            fail(
                format!(
                    "each of {TASKS} `get`s to be polled {HANDFUL} times at most, while they are \
                    served one after the other"
                ),
                format!(
                    "one was polled {most} times; all together {} times",
                    polls.iter().sum::<usize>()
                ),
            );
        }
        desk.expect_whole(2, "after a thousand").await;
    });
    wakers::tell();
}

/// So many wait where few do, and where many do.
const FEW: usize = 100;
const MANY: usize = 10_000;
/// How many times each act is done in a round, and how many rounds there are; the quickest counts.
const ACTS: usize = 100;
const ROUNDS: usize = 5;
/// So many times the cost is no "about as much" any more. A look through the whole queue is tens of
/// times; a tree, and memory that no cache holds, are two.
const ABOUT: u32 = 8;

fn a_crowd_costs_no_more() {
    for priority in [Priority::Critical, Priority::Normal] {
        let few = Crowd::gather(FEW, priority, Duration::MAX).costs();
        let many = Crowd::gather(MANY, priority, few[0]).costs();
        for (act, (few, many)) in ACTS_TOLD.into_iter().zip(few.into_iter().zip(many)) {
            expect_about(act, priority, few, many);
        }
    }
}

const ACTS_TOLD: [&str; 3] = ["asking", "giving up", "giving back"];

/// Fails if an act costs more when many wait than it does when few do.
fn expect_about(act: &str, priority: Priority, few: Duration, many: Duration) {
    if many > few.saturating_mul(ABOUT) {
        fail(
            format!(
                "{act} to cost about as much when {MANY} {priority:?} requests wait as when {FEW} do"
            ),
            format!(
                "{:.0} times as much processor time: {:.1} µs in place of {:.1}",
                many.as_secs_f64() / few.as_secs_f64(),
                micros(many),
                micros(few)
            ),
        );
    }
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

type Get = Pin<Box<dyn Future<Output = Outcome<PriorityConnection<AsyncManager>>>>>;

impl Drop for Crowd {
    /// Those who still wait are left where they are: going home one by one, they would take a slow
    /// pool longer than all that is measured.
    fn drop(&mut self) {
        mem::forget(mem::take(&mut self.gets));
    }
}

/// Requests of one priority that wait for the only connection.
struct Crowd {
    runtime: Runtime,
    pool: Arc<PriorityPool<AsyncManager>>,
    priority: Priority,
    /// In the order of asking; those that have left are gone.
    gets: Vec<Option<Get>>,
    /// Before this one, all have been served or have left.
    first: usize,
    held: Option<PriorityConnection<AsyncManager>>,
}

impl Crowd {
    /// So many who wait. Fails as soon as asking costs more than a multiple of `few`: it is not about
    /// to become less.
    fn gather(waiting: usize, priority: Priority, few: Duration) -> Self {
        let runtime = Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .expect("a runtime without input and output");
        let exchange = Exchange::for_tasks();
        let config = PriorityConfig {
            normal_queue: usize::MAX,
            connection_timeout: Duration::MAX,
            ..up_to(1)
        };
        let entered = runtime.enter();
        let pool = match PriorityPool::new(exchange.async_manager(), config) {
            Ok(pool) => Arc::new(pool),
            Err(error) => fail("`PriorityPool::new` to succeed", told(&error)),
        };
        drop(entered);
        let held = match runtime.block_on(pool.get(priority)) {
            Ok(held) => held,
            Err(error) => fail("a connection from a new pool", told(&error)),
        };
        let mut crowd =
            Self { runtime, pool, priority, gets: Vec::new(), first: 0, held: Some(held) };
        while crowd.gets.len() < waiting {
            let portion = (waiting - crowd.gets.len()).min(500);
            let took = crowd.timed(|crowd| crowd.ask(portion)) / whole(portion);
            expect_about(ACTS_TOLD[0], priority, few.saturating_mul(2), took);
        }
        crowd
    }

    /// What one act costs while so many wait: asking, giving up, giving back.
    fn costs(mut self) -> [Duration; 3] {
        let mut least = [Duration::MAX; 3];
        for _ in 0..ROUNDS {
            // As many come as go.
            let round = [
                self.timed(|crowd| crowd.ask(2 * ACTS)) / 2,
                self.timed(|crowd| crowd.give_up(ACTS)),
                self.timed(|crowd| crowd.give_back(ACTS)),
            ];
            for (least, round) in least.iter_mut().zip(round) {
                *least = round.min(*least);
            }
        }
        least.map(|time| time / whole(ACTS))
    }

    /// The processor time that something takes: other programs cannot make it longer.
    fn timed(&mut self, act: impl FnOnce(&mut Self)) -> Duration {
        let began = (harness::computed(), Instant::now());
        act(self);
        match (began.0, harness::computed()) {
            (Some(began), Some(ended)) => ended.saturating_sub(began),
            _ => began.1.elapsed(),
        }
    }

    fn ask(&mut self, times: usize) {
        let entered = self.runtime.enter();
        for _ in 0..times {
            let (pool, priority) = (Arc::clone(&self.pool), self.priority);
            let mut get: Get = Box::pin(async move { pool.get(priority).await });
            if poll(&mut get).is_ready() {
                fail("a `get` to wait while the only connection is lent out", "an answer at once");
            }
            self.gets.push(Some(get));
        }
        drop(entered);
        self.settle(times);
    }

    /// Here and there in the queue, one leaves.
    fn give_up(&mut self, times: usize) {
        let step = (self.gets.len() - self.first) / times;
        let entered = self.runtime.enter();
        for number in 0..times {
            let mut waiting = self.gets[self.first + number * step..].iter_mut();
            drop(waiting.find_map(Option::take));
        }
        drop(entered);
        self.settle(times);
    }

    /// The connection comes back, and the first of those who wait gets it.
    fn give_back(&mut self, times: usize) {
        for _ in 0..times {
            let entered = self.runtime.enter();
            drop(self.held.take());
            while self.gets[self.first].is_none() {
                self.first += 1;
            }
            let next = &mut self.gets[self.first];
            let mut answer = next.as_mut().map(poll);
            drop(entered);
            for _ in 0..10 {
                if let Some(Poll::Pending) = answer {
                    // A pool with tasks of its own has to run them.
                    self.settle(1);
                    let _entered = self.runtime.enter();
                    answer = self.gets[self.first].as_mut().map(poll);
                }
            }
            match answer {
                Some(Poll::Ready(Ok(held))) => self.held = Some(held),
                Some(Poll::Ready(Err(error))) => fail("a connection that came back", told(&error)),
                _ => fail(
                    format!(
                        "the first of {} who wait to have the connection that came back",
                        self.gets.iter().flatten().count()
                    ),
                    "it still waits",
                ),
            }
            self.gets[self.first] = None;
        }
    }

    /// Lets tasks of the pool's own run, which have so much to do.
    fn settle(&self, times: usize) {
        self.runtime.block_on(async {
            for _ in 0..8 + times / 32 {
                yield_now().await;
            }
        });
    }
}

fn whole(number: usize) -> u32 {
    u32::try_from(number).expect("a few hundred")
}

fn poll(get: &mut Get) -> Poll<Outcome<PriorityConnection<AsyncManager>>> {
    get.as_mut().poll(&mut Context::from_waker(Waker::noop()))
}
