//! A pool that anybody can steer: a semaphore, a list, and a task that takes samples.

use std::collections::BTreeMap;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use adaptive_pool::{Action, Sample};
use adaptive_pool_suite::mornings::{CONNECT, config};
use fixtures::AsyncManageConnection;
use fixtures::exchange::{AsyncLine, AsyncManager, Exchange};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::controllers::Candidate;

/// The pool. Clones are handles to the same one.
#[derive(Clone)]
pub(crate) struct SteeredPool {
    manager: AsyncManager,
    /// A permit for each connection that is idle.
    idle: Arc<Semaphore>,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    lines: Vec<AsyncLine>,
    size: u32,
    lent: u32,
    /// The most that were lent out since the sample before.
    busiest: u32,
    waits: Vec<Duration>,
    /// Since when the others wait, by the order in which they came.
    waiting: BTreeMap<usize, Instant>,
    came: usize,
}

/// A line on loan.
pub(crate) struct Lent {
    line: Option<AsyncLine>,
    pool: SteeredPool,
    /// Goes back after the line.
    permit: Option<OwnedSemaphorePermit>,
}

impl Drop for Lent {
    fn drop(&mut self) {
        {
            let mut state = self.pool.state();
            state.lent -= 1;
            state.lines.extend(self.line.take());
        }
        drop(self.permit.take());
    }
}

impl SteeredPool {
    /// A pool of the four scripts' kind, steered by a candidate as long as the runtime lives.
    pub(crate) async fn open(exchange: &Exchange, candidate: Candidate) -> Self {
        exchange.connect_takes(CONNECT);
        let pool = Self {
            manager: exchange.async_manager(),
            idle: Arc::new(Semaphore::new(0)),
            state: Arc::default(),
        };
        pool.grow(config().min).await;
        tokio::spawn(pool.clone().steered(candidate));
        pool
    }

    /// A line, sooner or later.
    pub(crate) async fn get(&self) -> Option<Lent> {
        let ticket = {
            let mut state = self.state();
            state.came += 1;
            let ticket = state.came;
            state.waiting.insert(ticket, Instant::now());
            ticket
        };
        let permit = Arc::clone(&self.idle).acquire_owned().await.ok()?;
        let mut state = self.state();
        let waited = state.waiting.remove(&ticket).map(|since| since.elapsed());
        state.waits.extend(waited);
        state.lent += 1;
        state.busiest = state.busiest.max(state.lent);
        let line = state.lines.pop();
        drop(state);
        Some(Lent { line, pool: self.clone(), permit: Some(permit) })
    }

    async fn steered(self, mut candidate: Candidate) {
        loop {
            sleep(config().sample_every).await;
            let sample = self.sample(candidate.of_the_served);
            match (candidate.observe)(&sample) {
                Action::Grow(places) => self.grow(places).await,
                Action::Shrink(places) => self.shrink(places),
                Action::Hold => {}
            }
        }
    }

    fn sample(&self, of_the_served: bool) -> Sample {
        let mut state = self.state();
        let mut waits = mem::take(&mut state.waits);
        if !of_the_served {
            waits.extend(state.waiting.values().map(Instant::elapsed));
        }
        let lent = state.lent;
        let in_use = mem::replace(&mut state.busiest, lent);
        let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        Sample {
            size: state.size,
            in_use,
            waiting: number(state.waiting.len()),
            mean_wait: waits
                .iter()
                .sum::<Duration>()
                .checked_div(number(waits.len()))
                .unwrap_or_default(),
        }
    }

    async fn grow(&self, places: u32) {
        let mut opening = JoinSet::new();
        for _ in 0..places {
            let pool = self.clone();
            opening.spawn(async move {
                if let Ok(line) = pool.manager.connect().await {
                    let mut state = pool.state();
                    state.lines.push(line);
                    state.size += 1;
                    drop(state);
                    pool.idle.add_permits(1);
                }
            });
        }
        while opening.join_next().await.is_some() {}
    }

    fn shrink(&self, places: u32) {
        for _ in 0..places {
            let Ok(permit) = self.idle.try_acquire() else { return };
            permit.forget();
            let mut state = self.state();
            state.size -= 1;
            let line = state.lines.pop();
            drop((state, line));
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
