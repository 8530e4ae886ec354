//! What a check found out, and how a task stands: states, outcomes and points.

use ledger::{CaseInfo, Event, Failure, Schedule, Size, Step, World};
use serde::{Deserialize, Serialize};

/// How a task stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Every case passed.
    Passed,
    /// Some did.
    Partial,
    /// None did.
    Failed,
    /// It could not be judged: no readable source, or it does not compile.
    Error,
    /// The source is the starter as it was handed out.
    NotBegun,
}

/// How a case ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The promise held.
    Passed,
    /// It did not.
    Failed,
    /// There is no proof of a verdict: the process ended early, left another one running, …
    Error,
    /// It was still running at its deadline.
    TimedOut,
    /// A case of the real world that failed once and passed when run again. Earns nothing: code
    /// that works now and then does not keep its promise.
    Flaky,
    /// It could not run on this machine; it costs no points.
    Skipped,
}

/// The verdict on one task.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TaskVerdict {
    /// `01-basic-pool`.
    pub task: String,
    /// The task's title.
    pub title: String,
    /// What was checked, as people name it: `exercises/01-basic-pool`.
    pub source: String,
    /// How the task stands.
    pub state: State,
    /// How the build went.
    pub build: BuildVerdict,
    /// What the task promises: (`P3`, its sentence).
    pub promises: Vec<(String, String)>,
    /// The cases, in the suite's order; empty if it was not built.
    pub cases: Vec<CaseVerdict>,
    /// What the task is worth.
    pub max_points: f64,
}

/// How the build went.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct BuildVerdict {
    /// Whether there is something to run.
    pub ok: bool,
    /// How long it took.
    pub seconds: f64,
    /// Why not, in words; with rustc's own colours.
    pub message: Option<String>,
}

/// The verdict on one case.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CaseVerdict {
    /// The case.
    pub info: CaseInfo,
    /// How it ended.
    pub outcome: Outcome,
    /// Why, in one or two sentences; empty if it passed.
    pub message: String,
    /// What the harness said about a failure.
    pub failure: Option<Failure>,
    /// What happened in the failing schedule.
    pub ledger: Vec<Event>,
    /// What each thread did in it, step by step; only of the case that is shown in full.
    #[serde(default)]
    pub steps: Vec<Step>,
    /// How small it was made, before it was shown.
    #[serde(default)]
    pub shrunk: Option<Shrunk>,
    /// The failing schedule itself, until it is shown.
    #[serde(skip)]
    pub schedule: Option<Schedule>,
    /// Remarks of the harness.
    pub notes: Vec<String>,
    /// The seed of the failing schedule.
    pub seed: Option<u64>,
    /// How many schedules were run.
    pub schedules: u64,
    /// How long it took.
    pub seconds: f64,
    /// What the code printed, bounded.
    pub printed: String,
    /// The servers that it ran on, with their versions.
    #[serde(default)]
    pub ran_on: Vec<String>,
    /// What of it could not run here, and why; it costs no points.
    #[serde(default)]
    pub left_out: Vec<String>,
}

/// The failing schedule that was found, and the one that is shown for it, which fails in the same way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shrunk {
    /// The one that was found.
    pub before: Size,
    /// The one that is shown.
    pub after: Size,
}

impl CaseVerdict {
    /// Shows the failure as it was seen in another run, which failed in the same way. Outcome, points and
    /// message stay.
    pub fn show_as(&mut self, again: Self) {
        self.failure = again.failure;
        self.ledger = again.ledger;
        self.notes = again.notes;
        self.steps = again.steps;
        self.printed = again.printed;
    }

    /// What it earns.
    pub fn points(&self) -> f64 {
        if self.outcome == Outcome::Passed { self.info.points } else { 0.0 }
    }

    /// What it could earn here: a case that cannot run here costs nothing.
    pub fn max_points(&self) -> f64 {
        if self.outcome == Outcome::Skipped { 0.0 } else { self.info.points }
    }

    /// Whether nothing is left to do about it.
    pub fn is_fine(&self) -> bool {
        matches!(self.outcome, Outcome::Passed | Outcome::Skipped)
    }

    /// Whether running it once more tells something: real threads and real time may differ from
    /// run to run, simulated ones never do.
    pub fn may_be_flaky(&self) -> bool {
        self.info.world == World::Real && self.outcome == Outcome::Failed
    }
}

impl TaskVerdict {
    /// What it earned.
    pub fn points(&self) -> f64 {
        // An empty sum of floats is -0.
        self.cases.iter().map(CaseVerdict::points).sum::<f64>() + 0.0
    }

    /// The first case that something is left to do about.
    pub fn first_failure(&self) -> Option<&CaseVerdict> {
        self.cases.iter().find(|case| !case.is_fine())
    }

    /// Whether all core cases pass: then the task counts as done.
    pub fn is_done(&self) -> bool {
        self.build.ok
            && self
                .cases
                .iter()
                .all(|case| case.info.level != ledger::Level::Core || case.is_fine())
    }

    /// Whether the same would come out again: real time may differ, and so may the machine.
    pub fn is_settled(&self) -> bool {
        let is_settled = |case: &CaseVerdict| match case.outcome {
            Outcome::Passed => true,
            Outcome::Failed => case.info.world != World::Real,
            Outcome::Error | Outcome::TimedOut | Outcome::Flaky | Outcome::Skipped => false,
        };
        self.cases.iter().all(|case| is_settled(case) && case.left_out.is_empty())
    }

    /// The servers that its cases ran on, in the order in which they did.
    pub fn ran_on(&self) -> Vec<&str> {
        each_once(self.cases.iter().flat_map(|case| &case.ran_on))
    }

    /// What was left out of its cases for want of a server, with the reason.
    pub fn left_out(&self) -> Vec<&str> {
        each_once(self.cases.iter().flat_map(|case| {
            let is_whole = case.info.databases && case.outcome == Outcome::Skipped;
            case.left_out.iter().chain(is_whole.then_some(&case.message))
        }))
    }

    /// Whether it is the verdict on the student's own work.
    pub fn is_exercise(&self) -> bool {
        self.source.starts_with("exercises")
    }

    /// The state that the cases lead to.
    pub fn state_of(cases: &[CaseVerdict]) -> State {
        if cases.iter().all(CaseVerdict::is_fine) {
            State::Passed
        } else if cases.iter().any(|case| case.outcome == Outcome::Passed) {
            State::Partial
        } else {
            State::Failed
        }
    }

    /// Sets the state that build and cases lead to.
    pub fn settle(&mut self) {
        self.state = if self.build.ok { Self::state_of(&self.cases) } else { State::Error };
    }
}

/// How a task stands without being checked.
#[derive(Debug)]
pub struct Standing {
    /// The task's name: `01-basic-pool`.
    pub task: String,
    /// Its title.
    pub title: String,
    /// What it is worth.
    pub points: f64,
    /// The latest verdict on the exercise, if there ever was one.
    pub verdict: Option<TaskVerdict>,
    /// Whether the exercise has changed since that verdict.
    pub has_changed: bool,
}

impl Standing {
    /// Whether all core cases are known to pass.
    pub fn is_done(&self) -> bool {
        !self.has_changed && self.verdict.as_ref().is_some_and(TaskVerdict::is_done)
    }
}

fn each_once<'a>(texts: impl Iterator<Item = &'a String>) -> Vec<&'a str> {
    let mut each: Vec<&str> = Vec::new();
    for text in texts {
        if !each.contains(&text.as_str()) {
            each.push(text);
        }
    }
    each
}
