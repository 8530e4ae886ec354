//! Whose turn it is, and which waits end without a reason: what the seed decides.

use std::time::Duration;

use crate::place::{MAIN, TaskId};
use crate::reason::{Wait, Wake};
use crate::state::{Phase, State, Task, TaskState};

/// In each so manyth schedule, waits end now and then without a reason. In the others none does: so a
/// wake-up that is lost is not made good by one for no reason.
const LOOSE: u64 = 4;
/// In such a schedule, each so manyth wait that may does.
const EARLY: usize = 3;
/// Such a wait ends at once, or at most so many microseconds later.
const SOON: usize = 20_000;

impl State {
    /// Chooses at random among the tasks that can run. When none can, moves time to the earliest
    /// end of a wait; when there is none either, nobody will ever run again.
    pub(crate) fn choose(&mut self) -> Option<TaskId> {
        if self.ready.is_empty() {
            let blocked = |task: &&Task| task.state == TaskState::Blocked;
            let end = |task: &Task| task.wait.as_ref().and_then(Wait::end);
            let earliest = self.tasks.iter().filter(blocked).filter_map(end).min()?;
            self.now = earliest;
            for id in 0..self.tasks.len() {
                let task = &self.tasks[id];
                if end(task).is_some_and(|end| end <= earliest) {
                    let deadline = task.wait.as_ref().and_then(|wait| wait.deadline);
                    let is_late = deadline.is_some_and(|deadline| deadline <= earliest);
                    let why = if is_late { Wake::TimedOut } else { Wake::Woken };
                    if self.end_block(TaskId(id), why) && !is_late {
                        self.note_early(TaskId(id));
                    }
                }
            }
        }
        let before = self.current;
        let index = self.random.below(self.ready.len());
        self.current = self.ready[index];
        self.chosen = (self.current != before).then_some(self.current);
        Some(self.current)
    }

    /// Shuttle asks who runs next; `None` ends the schedule.
    pub(crate) fn next_task(&mut self) -> Option<TaskId> {
        match self.phase {
            Phase::Running => self.chosen.take().or_else(|| {
                let task = self.choose();
                self.chosen = None;
                task
            }),
            Phase::Ending => {
                self.phase = Phase::Over;
                Some(MAIN)
            }
            Phase::Over => None,
        }
    }

    /// The current task, which has just [begun to wait](Self::begin_wait), may be woken without a
    /// reason.
    pub(crate) fn may_wake_early(&mut self) {
        let is_loose = self.seed.is_some_and(|seed| seed % LOOSE == LOOSE - 1);
        if !is_loose || self.me().state != TaskState::Blocked || self.below(EARLY) > 0 {
            return;
        }
        let me = self.current;
        if self.below(2) == 0 {
            self.note_early(me);
            self.wake(me);
            return;
        }
        let span = Duration::from_micros(1 + self.below(SOON) as u64);
        let early = self.now + span;
        if let Some(wait) = &mut self.me().wait {
            wait.early = Some(early);
        }
    }

    fn note_early(&mut self, id: TaskId) {
        self.last_early = Some((id, self.tasks[id.0].at, self.now));
    }

    /// A number below `n` that depends on the schedule's seed.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        self.random.below(n)
    }
}
