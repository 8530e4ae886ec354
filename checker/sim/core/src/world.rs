//! The schedules of one call of `explore`, and how a simulated thread gets at the running one.

use std::any::Any;
use std::cell::RefCell;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::did::Story;
use crate::graph;
use crate::script::{Followed, Script};
use crate::state::{Phase, State};

thread_local! {
    /// The world whose schedules this OS thread runs.
    static HERE: RefCell<Option<Arc<World>>> = const { RefCell::new(None) };
}

/// The world that was made last: what other OS threads ask about.
static LATEST: Mutex<Option<Arc<World>>> = Mutex::new(None);

/// Which schedules are run.
#[derive(Clone, Debug)]
pub enum Schedules {
    /// So many, the first under this seed and each other one under the next.
    Seeds {
        /// The first one's seed.
        first: u64,
        /// How many.
        count: u64,
    },
    /// One for each script, all under one seed, which decides nothing then but in which of them waits
    /// may end early.
    Scripts {
        /// The seed.
        seed: u64,
        /// The scripts.
        scripts: Arc<[Script]>,
    },
}

impl Schedules {
    /// The seed of schedule `number`, and its script if it has one.
    fn get(&self, number: u64) -> Option<(u64, Option<Script>)> {
        match self {
            Self::Seeds { first, count } => {
                (number < *count).then(|| (first.wrapping_add(number), None))
            }
            Self::Scripts { seed, scripts } => {
                let script = scripts.get(usize::try_from(number).ok()?)?;
                Some((*seed, Some(script.clone())))
            }
        }
    }
}

/// One call of [`explore`](crate::explore): the running schedule and what outlives it.
pub(crate) struct World {
    state: Mutex<State>,
    on_stuck: Box<dyn Fn(Vec<String>) + Send + Sync>,
    failure: Mutex<Option<Box<dyn Any + Send>>>,
    stop: AtomicBool,
    begun: AtomicU64,
}

impl World {
    pub(crate) fn new(
        told: Option<fn() -> usize>,
        on_stuck: Box<dyn Fn(Vec<String>) + Send + Sync>,
    ) -> Arc<Self> {
        let mut state = State::new();
        state.story = told.map(Story::new);
        let world = Arc::new(Self {
            state: Mutex::new(state),
            on_stuck,
            failure: Mutex::new(None),
            stop: AtomicBool::new(false),
            begun: AtomicU64::new(0),
        });
        *LATEST.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&world));
        world
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins the next schedule and tells its seed; `None` when all have been run.
    pub(crate) fn begin(&self, schedules: &Schedules) -> Option<u64> {
        let number = self.begun.load(Ordering::SeqCst);
        if self.stop.load(Ordering::SeqCst) {
            return None;
        }
        let Some((seed, script)) = schedules.get(number) else {
            self.lock().seed = None;
            return None;
        };
        self.lock().begin(seed, script.map(Followed::new));
        self.begun.store(number + 1, Ordering::SeqCst);
        Some(seed)
    }

    pub(crate) fn begun(&self) -> u64 {
        self.begun.load(Ordering::SeqCst)
    }

    /// No schedule begins after this one; `explore` ends with this panic, if it is one.
    pub(crate) fn stop(&self, failure: Option<Box<dyn Any + Send>>) {
        self.stop.store(true, Ordering::SeqCst);
        if let Some(payload) = failure {
            *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(payload);
        }
    }

    pub(crate) fn take_failure(&self) -> Option<Box<dyn Any + Send>> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Makes this the world of the calling OS thread, or takes it away again.
    pub(crate) fn enter(world: Option<Arc<Self>>) {
        HERE.set(world);
    }

    /// The world whose schedules this OS thread runs.
    pub(crate) fn here() -> Option<Arc<Self>> {
        HERE.try_with(|here| here.borrow().clone()).ok().flatten()
    }

    /// The world of this OS thread, or else the one that was made last.
    pub(crate) fn any() -> Option<Arc<Self>> {
        Self::here().or_else(|| LATEST.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }
}

/// Works on the running schedule; `None` on an OS thread that runs none.
pub(crate) fn with<R>(work: impl FnOnce(&mut State) -> R) -> Option<R> {
    HERE.try_with(|here| {
        let here = here.borrow();
        let mut state = here.as_ref()?.lock();
        (state.phase == Phase::Running).then(|| work(&mut state))
    })
    .ok()
    .flatten()
}

/// Like [`with`], but does nothing when the schedule is being worked on already.
pub(crate) fn try_with(work: impl FnOnce(&mut State)) {
    let _ = HERE.try_with(|here| {
        let Ok(here) = here.try_borrow() else { return };
        let Some(Ok(mut state)) = here.as_ref().map(|world| world.state.try_lock()) else { return };
        if state.phase == Phase::Running {
            work(&mut state);
        }
    });
}

/// Whether the caller is a simulated thread.
pub(crate) fn inside() -> bool {
    with(|_| ()).is_some()
}

/// Does `prepare`, lets the schedule decide who runs next, and waits for the turn to come back.
/// When the caller's turn goes on, there is no switch.
pub(crate) fn take_turns(prepare: impl FnOnce(&mut State)) {
    if let Some(true) = decide(prepare) {
        switch();
    }
}

/// Does `prepare` and decides who runs next, without the switch; tells whether it is another task.
/// When nobody can run, says so and does not return.
pub(crate) fn decide(prepare: impl FnOnce(&mut State)) -> Option<bool> {
    let decided = with(|state| {
        let me = state.current;
        prepare(state);
        match state.choose() {
            Some(next) => Ok(next != me),
            None => Err(graph::blocked(state)),
        }
    })?;
    Some(decided.unwrap_or_else(|lines| stuck(lines)))
}

/// Leaves the running schedule for good, and goes on with the next one.
pub(crate) fn leave() -> ! {
    World::here().expect("only a simulated thread leaves a schedule").lock().phase = Phase::Over;
    loop {
        // The scheduler ends the schedule at once: this never comes back.
        switch();
    }
}

fn stuck(lines: Vec<String>) -> ! {
    let world = World::here().expect("only a simulated thread gets stuck");
    // What `on_stuck` does is not simulated any more.
    world.lock().phase = Phase::Over;
    let told = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| (world.on_stuck)(lines)));
    world.stop(told.err());
    leave()
}

fn switch() {
    shuttle::thread::sleep(Duration::ZERO);
}
