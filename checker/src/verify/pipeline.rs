//! Runs one variant after the other; while the cases of one run, the next is being built.

use std::collections::HashMap;
use std::sync::OnceLock;
use std::sync::mpsc;
use std::thread;

use anyhow::{Context, Result};
use ledger::{CaseInfo, Listing};

use crate::cancel::Cancel;
use crate::compile::{self, Built, Suite};
use crate::course::Task;
use crate::progress::Step;
use crate::run;
use crate::session::Session;
use crate::snapshot::Snapshot;
use crate::verdict::{BuildVerdict, CaseVerdict, State, TaskVerdict};

/// A variant that has been through it.
#[derive(Clone)]
pub struct Ran {
    /// What the suite says of it.
    pub verdict: TaskVerdict,
    /// The suite built against it, if it compiles.
    pub suite: Option<Suite>,
    /// How many warnings the compiler has for it.
    pub warnings: usize,
}

/// The way of a task's variants from source to verdict.
pub struct Pipeline<'a> {
    session: &'a Session,
    task: &'a Task,
    listing: OnceLock<Listing>,
}

impl<'a> Pipeline<'a> {
    pub fn new(session: &'a Session, task: &'a Task) -> Self {
        Self { session, task, listing: OnceLock::new() }
    }

    /// What the suite holds; known once a variant has compiled.
    pub fn listing(&self) -> Result<Listing> {
        self.listing.get().cloned().context("no variant compiles")
    }

    /// Runs all of these and hands each on, in order, until `each` returns false; then says so.
    /// With `first_failure`, a variant's other cases are ended when one has failed.
    pub fn run(
        &self,
        sources: &[&str],
        first_failure: bool,
        mut each: impl FnMut(usize, Ran) -> bool,
    ) -> Result<bool> {
        let cancel = self.session.cancel.child();
        let (send, built) = mpsc::sync_channel(1);
        thread::scope(|scope| {
            let builder = scope.spawn(|| {
                let send = send;
                for (index, source) in sources.iter().enumerate() {
                    let built = self.build(source, &cancel)?;
                    if send.send((index, built)).is_err() {
                        break;
                    }
                }
                Ok(())
            });
            let mut seen: HashMap<&str, Ran> = HashMap::new();
            let mut goes_on = Ok(true);
            for (index, built) in &built {
                let ran = match seen.get(sources[index]) {
                    Some(ran) => Ok(ran.clone()),
                    None => self.judge(built, first_failure, &cancel),
                };
                goes_on = ran.map(|ran| {
                    seen.insert(sources[index], ran.clone());
                    each(index, ran)
                });
                if !matches!(goes_on, Ok(true)) {
                    cancel.cancel();
                    break;
                }
            }
            drop(built);
            // A builder that was told to stop has nothing to add.
            let builder = builder.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            if matches!(goes_on, Ok(true)) { builder.and(goes_on) } else { goes_on }
        })
    }

    /// Runs some cases of a suite that was built before.
    pub fn again(
        &self,
        suite: &Suite,
        cases: &[CaseInfo],
        options: run::Options,
    ) -> Result<Vec<CaseVerdict>> {
        run::cases(self.session, suite, cases, options, &|_| {}, &self.session.cancel)
    }

    fn build(&self, source: &str, cancel: &Cancel) -> Result<Built> {
        let snapshot = Snapshot::of_text(source);
        compile::build(self.session, self.task, &snapshot, "variant", &|_| {}, cancel)
    }

    fn judge(&self, built: Built, first_failure: bool, cancel: &Cancel) -> Result<Ran> {
        let mut verdict = TaskVerdict {
            task: self.task.name.clone(),
            title: self.task.facts.title.clone(),
            source: String::from("variant"),
            state: State::Error,
            build: BuildVerdict { ok: false, seconds: built.seconds, message: None },
            promises: Vec::new(),
            cases: Vec::new(),
            max_points: self.task.facts.points,
        };
        let suite = match built.suite {
            Ok(suite) => suite,
            Err(message) => {
                verdict.build.message = Some(message);
                return Ok(Ran { verdict, suite: None, warnings: 0 });
            }
        };
        if self.listing.get().is_none() {
            let _ = self.listing.set(run::listing(&suite, cancel)?);
        }
        verdict.build.ok = true;
        verdict.cases = self.cases(&suite, first_failure, cancel)?;
        verdict.state = TaskVerdict::state_of(&verdict.cases);
        Ok(Ran { verdict, suite: Some(suite), warnings: built.warnings })
    }

    fn cases(
        &self,
        suite: &Suite,
        first_failure: bool,
        cancel: &Cancel,
    ) -> Result<Vec<CaseVerdict>> {
        let cases = self.listing()?.cases;
        let ended = cancel.child();
        let failed = std::sync::Mutex::new(Vec::new());
        let watch = |step: Step<'_>| {
            if let Step::Case { verdict, .. } = step
                && first_failure
                && !verdict.is_fine()
            {
                failed
                    .lock()
                    .unwrap_or_else(std::sync::PoisonError::into_inner)
                    .push(verdict.clone());
                ended.cancel();
            }
        };
        let ran = run::cases(self.session, suite, &cases, run::Options::default(), &watch, &ended);
        let failed = failed.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        // An interruption that this brought about itself is what it wanted to know.
        if !failed.is_empty() && !cancel.is_set() { Ok(failed) } else { ran }
    }
}
