//! What is true of the running schedule: its virtual time, its tasks, and what they hold and wait for.

use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::did::Story;
use crate::place::{MAIN, Place, TaskId};
use crate::random::Random;
use crate::reason::{On, Wait, Wake};
use crate::script::{Decided, Followed};
use crate::thing::{GateState, QueueState};

/// Schedules are told apart over the whole process, so that a `static` lock knows when what it
/// remembers is of an earlier one.
static EPOCHS: AtomicU64 = AtomicU64::new(1);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// The main body runs.
    Running,
    /// The main body has returned, its task has not ended yet.
    Ending,
    /// There is no schedule, or it is given up.
    Over,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TaskState {
    Ready,
    Blocked,
    Ended,
}

#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub(crate) struct Task {
    pub(crate) name: Option<Arc<str>>,
    pub(crate) spawned_at: Place,
    /// The last place where it met the simulation.
    pub(crate) at: Place,
    pub(crate) state: TaskState,
    pub(crate) wait: Option<Wait>,
    pub(crate) outcome: Wake,
    /// Who ended its last wait; `None`: nobody, or its time.
    pub(crate) woken_by: Option<TaskId>,
    /// Whether `unpark` came before `park`.
    pub(crate) token: bool,
    pub(crate) joiners: Vec<TaskId>,
    /// It is registered with a queue and about to wait: no scheduling point in between.
    pub(crate) quiet: bool,
    /// Where it waited, when it is about to take its lock back after that.
    pub(crate) relock: Option<Place>,
    /// A fair unlock has made it the holder of what it waits for.
    pub(crate) handed: bool,
    /// It unwinds, as far as anybody noticed.
    pub(crate) unwinding: bool,
    /// How many things it has done since it last waited, and when that became many.
    pub(crate) busy: u32,
    pub(crate) busy_since: Duration,
    /// Since when it does nothing but give way.
    pub(crate) yielding_since: Option<Duration>,
    /// Its index among those that can run, if it can.
    ready_index: usize,
}

pub(crate) struct State {
    pub(crate) epoch: u64,
    pub(crate) seed: Option<u64>,
    pub(crate) now: Duration,
    pub(crate) phase: Phase,
    pub(crate) current: TaskId,
    pub(crate) tasks: Vec<Task>,
    pub(crate) gates: Vec<GateState>,
    pub(crate) queues: Vec<QueueState>,
    /// Whether any task is marked as unwinding.
    pub(crate) any_unwinding: bool,
    /// The last wait that ended without a reason: whose, where, and when it ended.
    pub(crate) last_early: Option<(TaskId, Place, Duration)>,
    /// What its tasks did, if that was asked for.
    pub(crate) story: Option<Story>,
    /// Those that can run.
    pub(crate) ready: Vec<TaskId>,
    /// Whose turn it is, between the decision and Shuttle's switch.
    pub(crate) chosen: Option<TaskId>,
    pub(crate) random: Random,
    /// Whose turn it was to be, if that was said beforehand.
    pub(crate) script: Option<Followed>,
    /// Whose turn it was.
    pub(crate) decided: Decided,
}

impl State {
    pub(crate) fn new() -> Self {
        Self {
            epoch: 0,
            seed: None,
            now: Duration::ZERO,
            phase: Phase::Over,
            current: MAIN,
            tasks: Vec::new(),
            gates: Vec::new(),
            queues: Vec::new(),
            any_unwinding: false,
            last_early: None,
            story: None,
            ready: Vec::new(),
            chosen: None,
            random: Random::new(0),
            script: None,
            decided: Decided::default(),
        }
    }

    /// A new schedule begins: as its seed decides, or as the script says.
    pub(crate) fn begin(&mut self, seed: u64, script: Option<Followed>) {
        self.epoch = EPOCHS.fetch_add(1, Ordering::Relaxed);
        self.seed = Some(seed);
        self.now = Duration::ZERO;
        self.phase = Phase::Running;
        self.current = MAIN;
        self.tasks.clear();
        self.gates.clear();
        self.queues.clear();
        self.any_unwinding = false;
        self.last_early = None;
        if let Some(story) = &mut self.story {
            story.moments.clear();
        }
        self.ready.clear();
        self.chosen = None;
        self.random = Random::new(seed);
        self.script = script;
        self.decided.clear();
        self.add_task(MAIN, Some("main".into()), Location::caller());
    }

    pub(crate) fn add_task(&mut self, id: TaskId, name: Option<Arc<str>>, spawned_at: Place) {
        debug_assert_eq!(id.0, self.tasks.len(), "Shuttle numbers its threads in order");
        self.tasks.push(Task {
            name,
            spawned_at,
            at: spawned_at,
            state: TaskState::Ready,
            wait: None,
            outcome: Wake::Woken,
            woken_by: None,
            token: false,
            joiners: Vec::new(),
            quiet: false,
            relock: None,
            handed: false,
            unwinding: false,
            busy: 0,
            busy_since: Duration::ZERO,
            yielding_since: None,
            ready_index: 0,
        });
        self.make_ready(id);
    }

    /// How many simulated threads have not ended.
    pub(crate) fn alive(&mut self) -> usize {
        self.tasks.iter().filter(|task| task.state != TaskState::Ended).count()
    }

    pub(crate) fn me(&mut self) -> &mut Task {
        &mut self.tasks[self.current.0]
    }

    pub(crate) fn task(&mut self, id: TaskId) -> &mut Task {
        &mut self.tasks[id.0]
    }

    /// The current task waits from now on, until it is woken or its time has come.
    pub(crate) fn begin_wait(&mut self, on: On, at: Place, deadline: Option<Duration>) {
        let now = self.now;
        let due = deadline.is_some_and(|deadline| deadline <= now);
        let me = self.current;
        let task = self.me();
        task.at = at;
        task.wait = Some(Wait { on, at, since: now, deadline, early: None });
        if due {
            task.outcome = Wake::TimedOut;
        } else {
            task.state = TaskState::Blocked;
            self.not_ready(me);
        }
    }

    /// The current task goes on; tells why.
    pub(crate) fn end_wait(&mut self) -> Wake {
        let task = self.me();
        task.wait = None;
        task.quiet = false;
        task.outcome
    }

    /// Wakes a task that waits; false if it does not wait any more.
    pub(crate) fn wake(&mut self, id: TaskId) -> bool {
        let me = self.current;
        self.end_block(id, Wake::Woken, Some(me))
    }

    /// A task that was woken for something which is gone again waits on, if it has not run since.
    pub(crate) fn wait_on(&mut self, id: TaskId) {
        let task = self.task(id);
        if task.state == TaskState::Ready && task.outcome == Wake::Woken {
            task.state = TaskState::Blocked;
            self.not_ready(id);
        }
    }

    pub(crate) fn end_block(&mut self, id: TaskId, outcome: Wake, by: Option<TaskId>) -> bool {
        let task = self.task(id);
        if task.state != TaskState::Blocked {
            return false;
        }
        task.state = TaskState::Ready;
        task.outcome = outcome;
        task.woken_by = by;
        self.make_ready(id);
        true
    }

    /// The current task has ended.
    pub(crate) fn end_task(&mut self) {
        let me = self.current;
        self.not_ready(me);
        let task = self.me();
        task.state = TaskState::Ended;
        task.unwinding = false;
        for joiner in std::mem::take(&mut task.joiners) {
            self.wake(joiner);
        }
    }

    fn make_ready(&mut self, id: TaskId) {
        self.task(id).ready_index = self.ready.len();
        self.ready.push(id);
    }

    fn not_ready(&mut self, id: TaskId) {
        let index = self.task(id).ready_index;
        debug_assert_eq!(self.ready[index], id);
        self.ready.swap_remove(index);
        if let Some(moved) = self.ready.get(index).copied() {
            self.task(moved).ready_index = index;
        }
    }
}
