//! What is said about the schedule of a simulated case.

use ledger::{Location, Schedule, Step, Thing, Turn};

use crate::source;

pub(crate) use sim::{
    current_thread, forget_steps, give_up, schedules_run, seed, waiting, woken_early,
};

/// The schedule as it went so far.
pub(crate) fn taken() -> Option<Schedule> {
    let sim::Script { turns, draws } = sim::script()?;
    let turn = |turn: sim::Turn| Turn { thread: turn.thread, decisions: turn.decisions };
    Some(Schedule { turns: turns.into_iter().map(turn).collect(), draws })
}

/// The script by which the schedule goes like this.
pub(crate) fn script(Schedule { turns, draws }: Schedule) -> sim::Script {
    let turn = |turn: Turn| sim::Turn { thread: turn.thread, decisions: turn.decisions };
    sim::Script { turns: turns.into_iter().map(turn).collect(), draws }
}

/// What the threads did in it, if that was asked for: what they did in the student's code, and of
/// the rest what keeps a thread from going on. The first `untold` events are not in the record.
pub(crate) fn steps(untold: usize) -> Vec<Step> {
    let steps = sim::steps(&|place| of_student(place).is_some()).into_iter();
    steps.map(|step| told(step, untold)).collect()
}

fn of_student(place: &std::panic::Location<'_>) -> Option<Location> {
    source::of_student(place.file(), place.line(), place.column())
}

fn told(step: sim::Step, untold: usize) -> Step {
    Step {
        at: step.at,
        thread: short(&step.thread),
        place: step.place.and_then(of_student),
        what: short(&step.what),
        events: step.events.saturating_sub(untold),
        things: step.things.into_iter().map(thing).collect(),
    }
}

fn thing(sim::Thing { name, holders, waiting }: sim::Thing) -> Thing {
    let shorts = |texts: Vec<String>| texts.iter().map(|text| short(text)).collect();
    Thing { name: short(&name), holders: shorts(holders), waiting: shorts(waiting) }
}

fn short(text: &str) -> String {
    let mut text = source::relative(text);
    source::shorten(&mut text);
    text
}
