//! The engine that runs a case on simulated threads.

use ledger::{Failure, Replay};

use crate::case::Plan;
use crate::verdict::{self, guarded};
use crate::{panics, schedule, source};

/// Runs the body over and over on simulated threads, each time in another order.
pub(crate) fn run(plan: Plan, body: fn()) -> u64 {
    let stuck = |waiting: Vec<String>| {
        verdict::fail_with(Failure {
            expected: "somebody who can go on".to_owned(),
            got: "a standstill: every thread waits, and nothing is left that could wake one"
                .to_owned(),
            location: None,
            waiting: waiting.iter().map(|line| source::relative(line)).collect(),
        });
    };
    let schedules = match plan.replay {
        Some(Replay { candidates, .. }) => sim::Schedules::Scripts {
            seed: plan.first_seed,
            scripts: candidates.into_iter().map(schedule::script).collect(),
        },
        None => sim::Schedules::Seeds { first: plan.first_seed, count: plan.schedules },
    };
    let told: Option<fn() -> usize> = plan.steps.then_some(verdict::count_events);
    sim::explore_as(sim::Plan { schedules, told }, stuck, move || {
        verdict::begin_schedule();
        panics::begin_schedule();
        guarded(body);
    })
}
