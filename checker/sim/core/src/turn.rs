//! Whose turn it is, and which waits end without a reason: what the seed decides, or a script.

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
        let could_go_on = self.can_run(self.current.0);
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
                    if self.end_block(TaskId(id), why, None) && !is_late {
                        self.note_early(TaskId(id));
                    }
                }
            }
        }
        let before = self.current;
        self.current = self.next_in_script(could_go_on).unwrap_or_else(|| {
            let index = self.random.below(self.ready.len());
            self.ready[index]
        });
        self.decided.turn(self.current.0, could_go_on);
        self.chosen = (self.current != before).then_some(self.current);
        Some(self.current)
    }

    /// Who has the turn by the script, if there is one.
    fn next_in_script(&mut self, could_go_on: bool) -> Option<TaskId> {
        let mut script = self.script.take()?;
        let next = script.turn(could_go_on, |task| self.can_run(task)).map(TaskId);
        self.script = Some(script);
        let goes_on = || Some(self.current).filter(|_| could_go_on);
        next.or_else(goes_on).or_else(|| self.ready.iter().copied().min())
    }

    fn can_run(&self, task: usize) -> bool {
        self.tasks.get(task).is_some_and(|task| task.state == TaskState::Ready)
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
        if !is_loose || self.me().state != TaskState::Blocked || self.draw(EARLY, EARLY - 1) > 0 {
            return;
        }
        let me = self.current;
        if self.draw(2, 0) == 0 {
            self.note_early(me);
            self.end_block(me, Wake::Woken, None);
            return;
        }
        let span = Duration::from_micros(1 + self.draw(SOON, 0) as u64);
        let early = self.now + span;
        if let Some(wait) = &mut self.me().wait {
            wait.early = Some(early);
        }
    }

    fn note_early(&mut self, id: TaskId) {
        self.last_early = Some((id, self.tasks[id.0].at, self.now));
    }

    /// A number below `n` that the schedule's seed decides, or the script; `plain`, where that has
    /// come to its end.
    pub(crate) fn draw(&mut self, n: usize, plain: usize) -> usize {
        if n == 1 {
            return 0;
        }
        let value = match &mut self.script {
            Some(script) => script.draw(n).unwrap_or(plain),
            None => self.random.below(n),
        };
        self.decided.draw(value);
        value
    }
}
