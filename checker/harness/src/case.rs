//! What a suite says of its cases.

use std::time::Duration;

use ledger::{CaseInfo, Level, Listing, Replay, World};

/// How many schedules a concurrent case explores.
const CONCURRENT: u64 = 1_000;

/// How many schedules a case explores whose story has one thread: that thread always takes the
/// same way, and the few extra runs are for threads that the student's code starts by itself.
const SEQUENTIAL: u64 = 10;

/// How long a case may take unless it says otherwise.
const DEADLINE: Duration = Duration::from_secs(10);

/// The cases of a task and the promises that they test.
#[derive(Debug)]
pub struct Suite {
    promises: &'static [(&'static str, &'static str)],
    cases: Vec<Case>,
    hand_over: Option<fn(&str)>,
}

impl Suite {
    /// A suite without cases for these promises: (`P1`, its sentence), as the task's README has them.
    pub fn new(promises: &'static [(&'static str, &'static str)]) -> Self {
        Self { promises, cases: Vec::new(), hand_over: None }
    }

    /// Its cases that run [on databases](Case::on_databases) are told of a PostgreSQL by this: it is
    /// called before the body, with the line that `postgres-service` begins with, or a URL.
    #[must_use]
    pub fn with_databases(mut self, hand_over: fn(&str)) -> Self {
        self.hand_over = Some(hand_over);
        self
    }

    /// Adds a case. Cases are run and shown in the order in which they are added.
    ///
    /// # Panics
    /// When the case quotes a promise that the suite does not have, or has no hint: a mistake of
    /// the suite's author.
    #[must_use]
    pub fn case(mut self, mut case: Case) -> Self {
        let info = &mut case.info;
        assert!(
            self.promises.iter().any(|(number, _)| *number == info.promise),
            "case {} tests {}, which the suite does not promise",
            info.name,
            info.promise
        );
        assert!(!info.hints.is_empty(), "case {} has no hint", info.name);
        info.number = u32::try_from(self.cases.len()).expect("a suite has fewer than 2^32 cases");
        self.cases.push(case);
        self
    }

    /// The cases, in order.
    pub fn cases(&self) -> &[Case] {
        &self.cases
    }

    /// Whom to tell of a PostgreSQL.
    pub(crate) fn hand_over(&self) -> Option<fn(&str)> {
        self.hand_over
    }

    /// Everything about the suite that can be said without running it.
    ///
    /// # Panics
    /// When a case runs on databases and the suite does not say
    /// [how it is told of them](Self::with_databases): a mistake of the suite's author.
    pub fn listing(&self) -> Listing {
        for Case { info, .. } in self.cases.iter().filter(|_| self.hand_over.is_none()) {
            assert!(!info.databases, "case {}: its suite is not `with_databases`", info.name);
        }
        let promises = self.promises.iter();
        Listing {
            promises: promises.map(|&(number, text)| (number.into(), text.into())).collect(),
            cases: self.cases.iter().map(|case| case.info.clone()).collect(),
        }
    }
}

/// A function that tests one promise, and what there is to say about it.
///
/// It passes by returning. It fails through [`fail`](crate::fail), by a panic, or at its deadline.
#[derive(Clone, Debug)]
pub struct Case {
    pub(crate) info: CaseInfo,
    pub(crate) body: fn(),
}

impl Case {
    /// A core case worth nothing yet, on simulated threads, for a story that one thread tells.
    pub fn new(name: &str, promise: &str, body: fn()) -> Self {
        Self {
            info: CaseInfo {
                number: 0,
                name: name.to_owned(),
                promise: promise.to_owned(),
                title: name.replace('_', " "),
                points: 0.0,
                level: Level::Core,
                world: World::Simulated,
                schedules: SEQUENTIAL,
                deadline: DEADLINE,
                hints: Vec::new(),
                lesson: String::new(),
                resources: Vec::new(),
                held_out: false,
                databases: false,
            },
            body,
        }
    }

    /// What it does, in a few words.
    #[must_use]
    pub fn title(mut self, title: &str) -> Self {
        title.clone_into(&mut self.info.title);
        self
    }

    /// What it is worth, in halves.
    #[must_use]
    pub fn points(mut self, points: f64) -> Self {
        self.info.points = points;
        self
    }

    /// The task counts as done without it.
    #[must_use]
    pub fn hard(mut self) -> Self {
        self.info.level = Level::Hard;
        self
    }

    /// Several threads take part: explores 1,000 schedules.
    #[must_use]
    pub fn concurrent(mut self) -> Self {
        self.info.schedules = CONCURRENT;
        self
    }

    /// Runs tasks on tokio's paused clock: the body makes the runtime, and calls
    /// [`order`](crate::order) before each order of events that it drives.
    #[must_use]
    pub fn paused(mut self) -> Self {
        self.info.world = World::Paused;
        self.info.schedules = 1;
        self
    }

    /// Runs once, on real threads and in real time.
    #[must_use]
    pub fn real(mut self) -> Self {
        self.info.world = World::Real;
        self.info.schedules = 1;
        self
    }

    /// How long it may take in real time, all schedules together; 10 s unless said.
    ///
    /// It counts while the case computes or waits, not while a busy machine computes something else.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.info.deadline = deadline;
        self
    }

    /// What helps whoever is stuck on it, the gentlest hint first.
    #[must_use]
    pub fn hints(mut self, hints: &[&str]) -> Self {
        self.info.hints = hints.iter().map(ToString::to_string).collect();
        self
    }

    /// The section of the course's text that explains it.
    #[must_use]
    pub fn lesson(mut self, anchor: &str) -> Self {
        anchor.clone_into(&mut self.info.lesson);
        self
    }

    /// It needs a thing that only one case may use at a time.
    #[must_use]
    pub fn uses(mut self, resource: &str) -> Self {
        self.info.resources.push(resource.to_owned());
        self
    }

    /// It runs on the databases that there are: SQLite, and PostgreSQL if the machine has one. Its
    /// body says [on which](crate::ran_on), and what it had to [leave out](crate::left_out).
    #[must_use]
    pub fn on_databases(mut self) -> Self {
        self.info.databases = true;
        self
    }

    /// It is graded by instructors and left out of the students' edition.
    #[must_use]
    pub fn held_out(mut self) -> Self {
        self.info.held_out = true;
        self
    }
}

/// How a case is to be run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The seed of the first schedule; the others follow it.
    pub first_seed: u64,
    /// How many schedules.
    pub schedules: u64,
    /// Whether each is written down step by step.
    pub steps: bool,
    /// The schedules that are run instead, all under the first seed.
    pub replay: Option<Replay>,
}
