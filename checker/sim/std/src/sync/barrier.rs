//! `std::sync::Barrier`.

use ::std::fmt;
use ::std::panic::Location;
use ::std::sync::{Mutex, PoisonError};

use sim::{Event, Queue};

pub struct Barrier {
    waiters: Queue,
    of: usize,
    count: Mutex<Count>,
}

#[derive(Default)]
struct Count {
    here: usize,
    generation: usize,
    /// The schedule that the count is of.
    schedule: u64,
}

pub struct BarrierWaitResult(bool);

impl Barrier {
    #[must_use]
    pub const fn new(n: usize) -> Self {
        let count = Count { here: 0, generation: 0, schedule: 0 };
        Self { waiters: Queue::new(), of: n, count: Mutex::new(count) }
    }

    #[track_caller]
    pub fn wait(&self) -> BarrierWaitResult {
        let at = Location::caller();
        sim::point(at);
        let (generation, here) = self.with(|count| {
            let (schedule, _) = sim::task::current().id();
            if count.schedule != schedule {
                // Those who waited in an earlier schedule wait no more.
                *count = Count { here: 0, generation: count.generation + 1, schedule };
            }
            count.here += 1;
            (count.generation, count.here)
        });
        if here >= self.of {
            self.with(|count| {
                count.here = 0;
                count.generation += 1;
            });
            self.waiters.wake_all();
            sim::tell(at, || format!("was the last of {} to come to the barrier", self.of));
            return BarrierWaitResult(true);
        }
        while self.with(|count| count.generation) == generation {
            self.waiters.enter_and_wait(Event::Barrier { here, of: self.of }, at, None);
        }
        BarrierWaitResult(false)
    }

    fn with<R>(&self, work: impl FnOnce(&mut Count) -> R) -> R {
        work(&mut self.count.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl BarrierWaitResult {
    #[must_use]
    pub fn is_leader(&self) -> bool {
        self.0
    }
}

impl fmt::Debug for Barrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Barrier").finish_non_exhaustive()
    }
}

impl fmt::Debug for BarrierWaitResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BarrierWaitResult").field("is_leader", &self.is_leader()).finish()
    }
}
