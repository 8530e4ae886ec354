//! Scheduling points, and the one way in which a simulated thread waits.

use std::time::Duration;

use crate::did::Did;
use crate::place::Place;
use crate::reason::{On, Wake};
use crate::state::State;
use crate::unwind;
use crate::world;

/// A task that has done this many things without waiting spins, and time begins to pass for it.
const BUSY: u32 = 1_000;
const LONGEST_PAUSE: Duration = Duration::from_millis(1);

/// A place where another task may go on instead: every visible operation begins with one. A task
/// that unwinds passes it by.
pub fn point(at: Place) {
    step(Some(at));
}

/// A [`point`] in a destructor, whose place in the source says nothing.
pub fn point_in_drop() {
    step(None);
}

fn step(at: Option<Place>) {
    if unwind::panicking() {
        return;
    }
    let mut paused = false;
    world::take_turns(|state| paused = state.spin(at));
    if paused {
        world::with(State::end_wait);
    }
}

/// Gives way: everybody who can run goes first, and a little time passes.
pub fn yield_now(at: Place) {
    if unwind::panicking() {
        return;
    }
    world::take_turns(|state| {
        let now = state.now;
        let task = state.me();
        task.busy = 0;
        let since = *task.yielding_since.get_or_insert(now);
        let pause = pause(now, since, 20, Duration::from_micros(10));
        state.begin_wait(On::Turn, at, Some(now + pause));
        state.tell(at, |_| Did::GaveWay);
    });
    world::with(State::end_wait);
}

/// Sleeps for a span of virtual time.
pub fn sleep(span: Duration, at: Place) {
    if span.is_zero() {
        yield_now(at);
    } else if let Some(now) = world::with(|state| state.now) {
        block(On::Sleep, at, Some(now.saturating_add(span)));
    }
}

/// Reads the clock: the virtual time since the schedule's start. One that does nothing else makes
/// time pass.
pub(crate) fn read_clock(at: Place) -> Option<Duration> {
    if world::with(State::count).flatten().is_some() {
        point(at);
    }
    world::with(|state| state.now)
}

/// Waits until the task is woken or the deadline comes.
pub(crate) fn block(on: On, at: Place, deadline: Option<Duration>) -> Wake {
    block_as(on, at, deadline, false)
}

/// As [`block`], and is woken without a reason now and then.
pub(crate) fn block_loosely(on: On, at: Place, deadline: Option<Duration>) -> Wake {
    block_as(on, at, deadline, true)
}

fn block_as(on: On, at: Place, deadline: Option<Duration>, is_loose: bool) -> Wake {
    // Marks a task that unwinds, before others run.
    unwind::panicking();
    world::take_turns(|state| {
        if !matches!(on, On::Gate { .. }) {
            let task = state.me();
            task.busy = 0;
            task.yielding_since = None;
        }
        state.begin_wait(on, at, deadline);
        state.tell_wait(on, at);
        if is_loose {
            state.may_wake_early();
        }
    });
    world::with(State::end_wait).unwrap_or_else(|| {
        panic!("the code waits outside a simulated schedule, where nobody could wake it ({at})")
    })
}

impl State {
    /// One thing more was done without waiting: the pause that it costs, if the task spins.
    fn count(&mut self) -> Option<Duration> {
        let now = self.now;
        let task = self.me();
        task.busy = task.busy.saturating_add(1);
        if task.busy < BUSY {
            return None;
        }
        if task.busy == BUSY {
            task.busy_since = now;
        }
        Some(pause(now, task.busy_since, 4_000, Duration::from_micros(1)))
    }

    /// The current task is at a scheduling point; true if it pauses there.
    fn spin(&mut self, at: Option<Place>) -> bool {
        let pause = self.count();
        let task = self.me();
        let at = at.unwrap_or(task.at);
        task.at = at;
        if let Some(pause) = pause {
            let deadline = self.now + pause;
            self.begin_wait(On::Turn, at, Some(deadline));
        }
        pause.is_some()
    }
}

/// A pause that grows with the time already spent, so that one that polls for long neither takes
/// for ever nor comes late by more than a small part.
fn pause(now: Duration, since: Duration, part: u32, shortest: Duration) -> Duration {
    (now.saturating_sub(since) / part).clamp(shortest, LONGEST_PAUSE)
}
