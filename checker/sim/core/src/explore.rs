//! Runs a body under many schedules.

use std::panic::{self, AssertUnwindSafe};
use std::sync::{Arc, Once};
use std::time::Duration;

use shuttle::scheduler::{RandomScheduler, Schedule, Scheduler, Task, TaskId};
use shuttle::{Config, FailurePersistence, MaxSteps, Runner};

use crate::place::Place;
use crate::script::Script;
use crate::state::Phase;
use crate::telling::{self, Step};
use crate::world::{Schedules, World};
use crate::{graph, local, unwind, world};

/// Memory that a simulated thread never touches costs nothing, so this is generous.
const STACK: usize = 1 << 20;

/// Runs `body` under up to `schedules` schedules and tells how many were run.
///
/// Schedule number *i* depends on the seed `first_seed + i` and on nothing else. It ends when
/// `body` returns; simulated threads that still live then are leaked as they are: they never run
/// again, and nothing of theirs is dropped. What lies in a `static` survives from one schedule to
/// the next, as between two calls in one process, but a lock that nobody living holds is free.
///
/// The schedules run on an OS thread of their own. If one ends while a simulated thread is in the
/// middle of a panic, that OS thread is for ever, and the others run on a new one.
///
/// **`on_stuck`** is called when no simulated thread can run and none waits for a moment to come,
/// with one line for each that waits. It is called on the stack of the last one that ran and is not
/// simulated itself: stand-ins for `std` and `parking_lot` do not wait there. It may park the OS
/// thread for ever. If it panics, `explore` ends with that panic; if it returns, `explore` returns
/// the number of schedules, and no further one is run.
///
/// **The panic hook** that is set when `explore` is first called stays in force. It is called on
/// the stack of the simulated thread that panics, and may ask [`seed`](crate::seed),
/// [`now`](crate::now), [`waiting`](crate::waiting) and
/// [`current_thread`](crate::current_thread), or park the OS thread for ever. The end of a schedule
/// calls no hook.
///
/// A panic that leaves `body` ends the schedule, and `explore` with it, which then panics likewise.
/// A panic that leaves another simulated thread is the result of its `join`, as usual.
pub fn explore(
    first_seed: u64,
    schedules: u64,
    on_stuck: impl Fn(Vec<String>) + Send + Sync + 'static,
    body: impl Fn() + Send + Sync + 'static,
) -> u64 {
    let seeds = Schedules::Seeds { first: first_seed, count: schedules };
    explore_as(Plan { schedules: seeds, told: None }, on_stuck, body)
}

/// How a body is run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Under which schedules.
    pub schedules: Schedules,
    /// That each is told in [`steps`]: then this says how many events of its own the caller has seen
    /// so far. It is called within the simulation, and must not wait.
    pub told: Option<fn() -> usize>,
}

/// As [`explore`], as the plan says.
pub fn explore_as(
    plan: Plan,
    on_stuck: impl Fn(Vec<String>) + Send + Sync + 'static,
    body: impl Fn() + Send + Sync + 'static,
) -> u64 {
    assert!(!world::inside(), "explore is called within a simulated schedule");
    keep_panic_hook();
    let world = World::new(plan.told, Box::new(on_stuck));
    let turns = Turns { world: Arc::clone(&world), schedules: plan.schedules };
    let body = Arc::new(body);
    // A schedule may leave its OS thread unfit for more: so it is never the caller's.
    while !std::thread::scope(|scope| {
        let thread = scope.spawn(|| run(turns.clone(), &body));
        thread.join().unwrap_or_else(|payload| panic::resume_unwind(payload))
    }) {}
    if let Some(payload) = world.take_failure() {
        panic::resume_unwind(payload);
    }
    world.begun()
}

/// The seed of the schedule that runs, or that ended `explore` before its time; otherwise `None`.
/// Any OS thread may ask.
pub fn seed() -> Option<u64> {
    World::any()?.lock().seed
}

/// How many schedules have been begun, the running one included. Any OS thread may ask.
pub fn schedules_run() -> u64 {
    World::any().map_or(0, |world| world.begun())
}

/// A line for each live simulated thread: what it waits for since when, who has it, and where in
/// the source; or that it runs. Any OS thread may ask.
pub fn waiting() -> Vec<String> {
    World::any().map(|world| graph::alive(&world.lock())).unwrap_or_default()
}

/// Whose wait in this schedule was the last to end without a reason, where, and when; `None` if none
/// did. Any OS thread may ask.
pub fn woken_early() -> Option<String> {
    graph::early(&World::any()?.lock())
}

/// The virtual time since the schedule's start. Any OS thread may ask.
pub fn now() -> Duration {
    World::any().map(|world| world.lock().now).unwrap_or_default()
}

/// What the simulated threads have done in this schedule, its last 2,000 operations, if its
/// [plan](Plan::told) asked for it. `is_told` says whose code is told of in full: of the rest, only
/// what keeps a thread from going on, and how threads begin. Any OS thread may ask.
pub fn steps(is_told: &dyn Fn(Place) -> bool) -> Vec<Step> {
    World::any().map(|world| telling::steps(&world.lock(), is_told)).unwrap_or_default()
}

/// Forgets the steps so far: what comes now is another story.
pub fn forget_steps() {
    world::with(|state| {
        if let Some(story) = &mut state.story {
            story.moments.clear();
        }
    });
}

/// The script by which this schedule goes once more as it went so far; `None` if it is too long to
/// tell. Any OS thread may ask.
pub fn script() -> Option<Script> {
    World::any()?.lock().decided.script()
}

/// Leaves the running schedule where it stands, as its end would, and goes on with the next one.
///
/// # Panics
/// Outside a simulated thread.
pub fn give_up() -> ! {
    world::leave()
}

/// How text speaks of the simulated thread that asks: `main`, `thread A`; `None` on an OS thread
/// that runs no schedules.
pub fn current_thread() -> Option<String> {
    let world = World::here()?;
    let state = world.lock();
    state.tasks.get(state.current.0).map(|_| graph::name(&state, state.current))
}

/// Runs what is left of the schedules on this OS thread; false if it became unfit for more, being
/// for ever in the middle of a panic.
fn run(turns: Turns, body: &Arc<impl Fn() + Send + Sync + 'static>) -> bool {
    let mut config = Config::new();
    config.stack_size = STACK;
    config.failure_persistence = FailurePersistence::None;
    config.max_steps = MaxSteps::None;
    config.silence_warnings = true;

    let world = Arc::clone(&turns.world);
    World::enter(Some(Arc::clone(&world)));
    let body = Arc::clone(body);
    let ended = panic::catch_unwind(AssertUnwindSafe(|| {
        Runner::new(turns, config).run(move || main(&world, &*body));
    }));
    World::enter(None);
    match ended {
        Ok(()) => true,
        Err(payload) if payload.is::<Unfit>() => false,
        Err(payload) => panic::resume_unwind(payload),
    }
}

fn main(world: &World, body: &dyn Fn()) {
    let result = unwind::catch(body);
    local::drop_all();
    if let Err(payload) = result {
        world.stop(Some(payload));
    }
    world.lock().phase = Phase::Ending;
}

/// The panic that leaves an OS thread for good which is in the middle of another one.
struct Unfit;

/// Shuttle's scheduler, which only repeats what the world has decided.
#[derive(Clone)]
struct Turns {
    world: Arc<World>,
    schedules: Schedules,
}

impl Scheduler for Turns {
    fn new_execution(&mut self) -> Option<Schedule> {
        local::forget_all();
        self.world.begin(&self.schedules).map(Schedule::new)
    }

    fn next_task(&mut self, _: &[&Task], _: Option<TaskId>, _: bool) -> Option<TaskId> {
        let next = self.world.lock().next_task();
        if next.is_none() && std::thread::panicking() {
            // Ended in the usual way, Shuttle would let the panic come to its end first. It asks
            // from outside all tasks in this state, so nothing of theirs is unwound.
            panic::resume_unwind(Box::new(Unfit));
        }
        next.map(|task| task.0.into())
    }

    fn next_u64(&mut self) -> u64 {
        0
    }
}

/// Shuttle wraps the panic hook once a process, to print things that mean nothing to a student.
/// This lets it, and puts the hook back that was there, with a note taken of who panics.
fn keep_panic_hook() {
    static DONE: Once = Once::new();
    DONE.call_once(|| {
        let hook = panic::take_hook();
        Runner::new(RandomScheduler::new_from_seed(0, 1), Config::new()).run(|| {});
        panic::set_hook(Box::new(move |info| {
            unwind::note();
            hook(info);
        }));
    });
}
