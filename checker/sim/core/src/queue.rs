//! Tasks that wait for an event: the waiters of a condition variable, a channel, a barrier.

use std::time::Duration;

use crate::did::Did;
use crate::place::{Place, TaskId};
use crate::reason::{Event, On, Wake};
use crate::slot::Slot;
use crate::state::State;
use crate::wait;
use crate::world;

/// Those who wait for one kind of event.
#[derive(Debug)]
pub struct Queue(Slot);

impl Queue {
    /// A queue in which nobody waits.
    pub const fn new() -> Self {
        Self(Slot::new())
    }

    /// The caller stands in the queue from now on, and there is no scheduling point until it
    /// [waits](Self::wait). Tells what the others who stand there have in common, if it is not
    /// `with`: then the caller does not stand there.
    pub fn enter(&self, with: usize) -> Result<(), usize> {
        world::with(|state| {
            let me = state.current;
            let queue = self.0.index(state.epoch, &mut state.queues);
            let queue = &mut state.queues[queue];
            if !queue.waiters.is_empty() && queue.with != with {
                return Err(queue.with);
            }
            queue.with = with;
            queue.waiters.push(me);
            state.me().quiet = true;
            Ok(())
        })
        .unwrap_or(Ok(()))
    }

    /// Waits for the event, after [`enter`](Self::enter).
    pub fn wait(&self, event: Event, at: Place, deadline: Option<Duration>) -> Wake {
        self.settle(event, at);
        self.after(event, at, wait::block(On::Event(event), at, deadline))
    }

    /// As [`wait`](Self::wait), and [`Woken`](Wake::Woken) without a reason now and then.
    pub fn wait_loosely(&self, event: Event, at: Place, deadline: Option<Duration>) -> Wake {
        self.settle(event, at);
        self.after(event, at, wait::block_loosely(On::Event(event), at, deadline))
    }

    /// Remembers where somebody waited here first.
    fn settle(&self, event: Event, at: Place) {
        world::with(|state| {
            let queue = self.0.index(state.epoch, &mut state.queues);
            state.queues[queue].home.get_or_insert((event, at));
        });
    }

    /// The caller does not stand in the queue any more.
    fn after(&self, event: Event, at: Place, wake: Wake) -> Wake {
        world::with(|state| {
            let me = state.current;
            let queue = self.0.index(state.epoch, &mut state.queues);
            state.queues[queue].waiters.retain(|waiter| *waiter != me);
            state.tell_wake(wake, at);
            if event == Event::Notification {
                state.me().relock = Some(at);
            }
        });
        wake
    }

    /// Enters and waits.
    pub fn enter_and_wait(&self, event: Event, at: Place, deadline: Option<Duration>) -> Wake {
        let _ = self.enter(0);
        self.wait(event, at, deadline)
    }

    /// A notification, which begins with a scheduling point: wakes one of those who wait, any of
    /// them; false if nobody waits.
    pub fn notify_one(&self, at: Place) -> bool {
        wait::point(at);
        world::with(|state| {
            let woken = self.wake_one(state);
            state.tell(at, |_| Did::Notified { woken: woken.into_iter().collect() });
            woken.is_some()
        })
        .unwrap_or(false)
    }

    /// A notification, which begins with a scheduling point: wakes all who wait; tells how many.
    pub fn notify_all(&self, at: Place) -> usize {
        wait::point(at);
        world::with(|state| {
            let queue = self.0.index(state.epoch, &mut state.queues);
            let waiters = std::mem::take(&mut state.queues[queue].waiters);
            let woken: Vec<TaskId> = waiters.into_iter().filter(|task| state.wake(*task)).collect();
            let count = woken.len();
            state.tell(at, |_| Did::Notified { woken });
            count
        })
        .unwrap_or(0)
    }

    fn wake_one(&self, state: &mut State) -> Option<TaskId> {
        let queue = self.0.index(state.epoch, &mut state.queues);
        while !state.queues[queue].waiters.is_empty() {
            let index = state.draw(state.queues[queue].waiters.len(), 0);
            let task = state.queues[queue].waiters.swap_remove(index);
            // One whose time has run out in this very instant is past waking.
            if state.wake(task) {
                return Some(task);
            }
        }
        None
    }

    /// Wakes all who wait, who look for themselves what has happened.
    pub fn wake_all(&self) {
        world::with(|state| {
            let queue = self.0.index(state.epoch, &mut state.queues);
            let waiters = std::mem::take(&mut state.queues[queue].waiters);
            for task in waiters {
                state.wake(task);
            }
        });
    }
}

impl Default for Queue {
    fn default() -> Self {
        Self::new()
    }
}
