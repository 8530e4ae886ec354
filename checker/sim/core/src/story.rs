//! Writes down what the tasks of a schedule do, if that was asked for.

use crate::did::{Did, Moment, Used, Which};
use crate::place::{Place, TaskId};
use crate::reason::{On, Wake};
use crate::state::State;
use crate::thing::Hold;
use crate::world;

/// So many of what tasks did are kept, the last ones.
const MOST: usize = 2_000;
/// No more things than these are told of at once.
const MOST_THINGS: usize = 50;

/// Tells what the current simulated thread did at `at`: `read 1`. The text is made only if somebody
/// wants to know.
pub fn tell(at: Place, text: impl FnOnce() -> String) {
    // The text may come from code under test, which may come back here: no state is locked then.
    if world::with(|state| state.story.is_some()) == Some(true) {
        let text = text();
        world::with(|state| state.tell(at, |_| Did::Said(text)));
    }
}

impl State {
    /// The current task did this, at `at`.
    pub(crate) fn tell(&mut self, at: Place, did: impl FnOnce(&Self) -> Did) {
        if self.story.is_none() {
            return;
        }
        let (did, used) = (did(self), self.used());
        let (now, task) = (self.now, self.current);
        let Some(story) = &mut self.story else { return };
        let events = (story.events)();
        if let Some(last) = story.moments.back_mut() {
            // It was over only now.
            last.events = events;
        }
        if story.moments.len() == MOST {
            story.moments.pop_front();
        }
        story.moments.push_back(Moment { at: now, task, place: at, did, events, used });
    }

    /// The current task begins to wait.
    pub(crate) fn tell_wait(&mut self, on: On, at: Place) {
        self.tell(at, |state| Did::Waits {
            on,
            by: match on {
                On::Gate { gate, .. } => state.holder(gate),
                _ => None,
            },
            deadline: state.tasks[state.current.0].wait.as_ref().and_then(|wait| wait.deadline),
        });
    }

    /// The current task's wait has ended like this.
    pub(crate) fn tell_wake(&mut self, wake: Wake, at: Place) {
        self.tell(at, |state| match wake {
            Wake::Woken => Did::Woke { by: state.tasks[state.current.0].woken_by },
            Wake::TimedOut => Did::TimeUp,
        });
    }

    /// The one who has the gate, or the first of several.
    pub(crate) fn holder(&self, gate: usize) -> Option<TaskId> {
        self.gates[gate].holds().next().map(|hold| hold.task)
    }

    /// All that is held or waited for.
    fn used(&self) -> Vec<Used> {
        let gates = self.gates.iter().enumerate().map(|(number, gate)| Used {
            thing: Which::Gate(number),
            holders: gate.holds().map(|hold: &Hold| hold.task).collect(),
            waiting: gate.waiters.iter().map(|(task, _)| *task).collect(),
        });
        let queues = self.queues.iter().enumerate().map(|(number, queue)| Used {
            thing: Which::Queue(number),
            holders: Vec::new(),
            waiting: queue.waiters.clone(),
        });
        gates
            .chain(queues)
            .filter(|used| !used.holders.is_empty() || !used.waiting.is_empty())
            .take(MOST_THINGS)
            .collect()
    }
}
