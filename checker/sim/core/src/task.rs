//! Simulated threads: how they begin, end, and are waited for.

use std::mem::ManuallyDrop;
use std::sync::Arc;
use std::time::Duration;

use crate::did::Did;
use crate::local;
use crate::place::{MAIN, Place, TaskId};
use crate::reason::On;
use crate::state::{State, TaskState};
use crate::wait;
use crate::world;

/// Shuttle's scopes, which let a simulated thread borrow what outlives it.
pub use shuttle::thread::{Scope as RawScope, scope as raw_scope};

/// A simulated thread, as others refer to it.
#[derive(Clone, Debug)]
pub struct Handle {
    epoch: u64,
    id: TaskId,
    name: Option<Arc<str>>,
}

/// So many can live at once, each with a stack of its own.
const MOST: usize = 4_096;

/// What a simulated thread does. It is leaked, not dropped, when the schedule ends before its turn
/// comes.
struct Body<B>(ManuallyDrop<B>);

impl<B: FnOnce()> Body<B> {
    fn run(self) {
        ManuallyDrop::into_inner(self.0)();
        local::drop_all();
        world::decide(State::end_task);
    }
}

/// Begins a simulated thread. `body` does not unwind.
pub fn spawn<B: FnOnce() + Send + 'static>(name: Option<String>, at: Place, body: B) -> Handle {
    begin(name, at, || {
        let body = Body(ManuallyDrop::new(body));
        shuttle::thread::spawn(move || body.run()).thread().id().into()
    })
}

/// Begins a simulated thread that may borrow from outside `scope`. `body` does not unwind.
pub fn spawn_scoped<'scope, B: FnOnce() + Send + 'scope>(
    scope: &'scope RawScope<'scope, '_>,
    name: Option<String>,
    at: Place,
    body: B,
) -> Handle {
    begin(name, at, || {
        let body = Body(ManuallyDrop::new(body));
        scope.spawn(move || body.run()).thread().id().into()
    })
}

fn begin(name: Option<String>, at: Place, start: impl FnOnce() -> usize) -> Handle {
    let alive = world::with(State::alive);
    let alive = alive.unwrap_or_else(|| panic!("a thread is begun outside a schedule ({at})"));
    assert!(alive < MOST, "{MOST} threads live at once, and another one is begun ({at})");
    let id = TaskId(start());
    let name: Option<Arc<str>> = name.map(Into::into);
    let epoch = world::with(|state| {
        state.add_task(id, name.clone(), at);
        state.tell(at, |_| Did::Spawned(id));
        state.epoch
    });
    Handle { epoch: epoch.unwrap_or_default(), id, name }
}

/// The simulated thread that asks; outside a schedule, a stand-in for the main one.
pub fn current() -> Handle {
    world::with(|state| Handle {
        epoch: state.epoch,
        id: state.current,
        name: state.me().name.clone(),
    })
    .unwrap_or_else(|| Handle { epoch: 0, id: MAIN, name: Some("main".into()) })
}

/// Waits until somebody unparks the caller, or the deadline comes; and now and then for no reason not
/// even that long, as `park` may.
pub fn park(at: Place, deadline: Option<Duration>) {
    wait::point(at);
    if world::with(|state| std::mem::take(&mut state.me().token)) != Some(true) {
        let wake = wait::block_loosely(On::Unpark, at, deadline);
        world::with(|state| state.tell_wake(wake, at));
    }
}

impl Handle {
    /// Tells it from every other simulated thread of the process; the second number alone, from
    /// those of its schedule.
    pub fn id(&self) -> (u64, usize) {
        (self.epoch, self.id.0)
    }

    /// The name it was given.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Ends its [`park`], or the next one.
    pub fn unpark(&self, at: Place) {
        wait::point(at);
        self.with(|state, id| {
            let parked = state.task(id).wait.as_ref().is_some_and(|wait| wait.on == On::Unpark);
            let waited = parked && state.wake(id);
            if !waited {
                state.task(id).token = true;
            }
            state.tell(at, |_| Did::Unparked { task: id, waited });
        });
    }

    /// Whether it has ended.
    pub fn has_ended(&self, at: Place) -> bool {
        wait::point(at);
        self.ended()
    }

    /// Waits until it has ended.
    pub fn join(&self, at: Place) {
        wait::point(at);
        while !self.ended() {
            self.with(|state, id| {
                let me = state.current;
                state.task(id).joiners.push(me);
            });
            wait::block(On::End(self.id), at, None);
        }
        self.with(|state, id| state.tell(at, |_| Did::Joined(id)));
    }

    fn ended(&self) -> bool {
        self.with(|state, id| state.task(id).state == TaskState::Ended).unwrap_or(false)
    }

    /// Nothing, if it belongs to another schedule.
    fn with<R>(&self, work: impl FnOnce(&mut State, TaskId) -> R) -> Option<R> {
        world::with(|state| (state.epoch == self.epoch).then(|| work(state, self.id))).flatten()
    }
}
