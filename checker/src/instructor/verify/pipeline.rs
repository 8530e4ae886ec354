//! Runs variants, several at once: while the cases of some run, others are being built.
//!
//! Each is built by itself in a slot and judged by its own processes, as a submission is; only their
//! order in time is the crew's. What is found is handed on in the variants' order.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError, mpsc};
use std::thread;

use anyhow::{Context, Result, bail};
use ledger::{CaseInfo, Level, Listing, World};

use crate::course::Task;
use crate::judge::build::compile::{Built, Suite};
use crate::judge::build::package::Worlds;
use crate::judge::build::slot;
use crate::judge::progress::Step;
use crate::judge::run;
use crate::judge::session::Session;
use crate::judge::snapshot::Snapshot;
use crate::judge::verdict::{BuildVerdict, CaseVerdict, State, TaskVerdict};
use crate::process::cancel::Cancel;

/// So many variants are under way for each core: while one is built, another one's cases run.
const UNDER_WAY: usize = 2;

/// A variant to run, and what of its suite.
#[derive(Clone, Copy, Debug)]
pub struct Order<'a> {
    /// Its `lib.rs`.
    pub source: &'a str,
    /// Which cases.
    pub cases: Cases<'a>,
}

/// Which cases of a variant are run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cases<'a> {
    /// All.
    All,
    /// All, until one has failed.
    UntilOneFails,
    /// The core ones, and this one.
    CoreAnd(&'a str),
}

impl Cases<'_> {
    /// These, of a suite's.
    fn of(self, listing: &Listing) -> Vec<CaseInfo> {
        let is_wanted = |case: &&CaseInfo| match self {
            Self::All | Self::UntilOneFails => true,
            Self::CoreAnd(name) => case.level == Level::Core || case.name == name,
        };
        listing.cases.iter().filter(is_wanted).cloned().collect()
    }
}

/// A variant that has been through it.
#[derive(Clone)]
pub struct Ran {
    /// What the suite says of it.
    pub verdict: TaskVerdict,
    /// The suite built against it, if it compiles.
    pub suite: Option<Suite>,
}

impl Ran {
    /// How many warnings the compiler has for it.
    pub fn warnings(&self) -> usize {
        self.suite.as_ref().map_or(0, |suite| suite.facts.warnings)
    }
}

/// The way of a task's variants from source to verdict.
pub struct Pipeline<'a> {
    session: &'a Session,
    task: &'a Task,
    listing: OnceLock<Listing>,
    builds: Permits,
}

impl<'a> Pipeline<'a> {
    pub fn new(session: &'a Session, task: &'a Task) -> Self {
        Self { session, task, listing: OnceLock::new(), builds: Permits::new(slot::cores()) }
    }

    /// What the suite holds; known once a variant has compiled.
    pub fn listing(&self) -> Result<Listing> {
        self.listing.get().cloned().context("no variant compiles")
    }

    /// Runs all of these and hands each on, in order, until `each` returns false; then says so. The
    /// first one is alone: if it is not as it should be, nothing else is worth the time.
    pub fn run(
        &self,
        orders: &[Order<'_>],
        mut each: impl FnMut(usize, Ran) -> bool,
    ) -> Result<bool> {
        let cancel = self.session.cancel.child();
        let Some(first) = orders.first() else { return Ok(true) };
        let first = self.through(*first, &cancel)?;
        if !each(0, first.clone()) {
            return Ok(false);
        }
        // What is the same in every respect is run once.
        let mut originals: HashMap<(&str, Cases<'_>), usize> = HashMap::new();
        let original: Vec<usize> = (0..orders.len())
            .map(|index| {
                *originals.entry((orders[index].source, orders[index].cases)).or_insert(index)
            })
            .collect();
        let to_run: Vec<usize> =
            (1..orders.len()).filter(|index| original[*index] == *index).collect();
        let next = AtomicUsize::new(0);
        let (send, ran) = mpsc::channel();
        thread::scope(|scope| {
            let work = |send: mpsc::Sender<(usize, Result<Ran>)>| {
                while let Some(index) = to_run.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let ran = self.through(orders[*index], &cancel);
                    if send.send((*index, ran)).is_err() {
                        break;
                    }
                }
            };
            for _ in 0..slot::cores() * UNDER_WAY {
                let send = send.clone();
                scope.spawn(move || work(send));
            }
            drop(send);
            let mut done: BTreeMap<usize, Ran> = BTreeMap::from([(0, first)]);
            for index in 1..orders.len() {
                let goes_on = loop {
                    if let Some(ran) = done.get(&original[index]) {
                        break Ok(each(index, ran.clone()));
                    }
                    match ran.recv() {
                        Ok((index, Ok(ran))) => drop(done.insert(index, ran)),
                        Ok((_, Err(error))) => break Err(error),
                        Err(_) => bail!("a variant was not run"),
                    }
                };
                if !matches!(goes_on, Ok(true)) {
                    cancel.cancel();
                    return goes_on;
                }
                // Its suite may be tidied away, unless another one is the same.
                if !original[index + 1..].contains(&original[index]) {
                    done.remove(&original[index]);
                }
            }
            Ok(true)
        })
    }

    /// Runs some cases of a suite that was built before.
    pub fn again(
        &self,
        suite: &Suite,
        cases: &[CaseInfo],
        options: run::Options,
    ) -> Result<Vec<CaseVerdict>> {
        self.session.run(suite, cases, options, &|_| {}, &self.session.cancel)
    }

    /// A variant's whole way.
    fn through(&self, order: Order<'_>, cancel: &Cancel) -> Result<Ran> {
        let (session, task) = (self.session, self.task);
        let snapshot = Snapshot::of_text(order.source);
        let worlds = self.worlds(order.cases);
        let built = {
            let _permit = self.builds.take();
            session.builder(&|_| {}, cancel).build(task, &snapshot, "variant", worlds)?
        };
        self.judge(built, order.cases, cancel)
    }

    fn judge(&self, built: Built, wanted: Cases<'_>, cancel: &Cancel) -> Result<Ran> {
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
                return Ok(Ran { verdict, suite: None });
            }
        };
        if self.listing.get().is_none() {
            let _ = self.listing.set(run::listing(&suite, cancel)?);
        }
        verdict.build.ok = true;
        verdict.cases = self.cases(&suite, wanted, cancel)?;
        verdict.state = TaskVerdict::state_of(&verdict.cases);
        Ok(Ran { verdict, suite: Some(suite) })
    }

    /// In which worlds the suite is needed for these cases.
    fn worlds(&self, wanted: Cases<'_>) -> Worlds {
        let cases = self.listing.get().map(|listing| wanted.of(listing)).unwrap_or_default();
        let is_simulated = |case: &CaseInfo| case.world == World::Simulated;
        let all = !cases.is_empty() && cases.iter().all(is_simulated);
        if all { Worlds::Simulated } else { Worlds::All }
    }

    fn cases(&self, suite: &Suite, wanted: Cases<'_>, cancel: &Cancel) -> Result<Vec<CaseVerdict>> {
        let cases = wanted.of(&self.listing()?);
        let ended = cancel.child();
        let failed = Mutex::new(Vec::new());
        let watch = |step: Step<'_>| {
            if let Step::Case { verdict, .. } = step
                && wanted == Cases::UntilOneFails
                && !verdict.is_fine()
            {
                lock(&failed).push(verdict.clone());
                ended.cancel();
            }
        };
        let ran = self.session.run(suite, &cases, run::Options::default(), &watch, &ended);
        let failed = failed.into_inner().unwrap_or_else(PoisonError::into_inner);
        // An interruption that this brought about itself is what it wanted to know.
        if !failed.is_empty() && !cancel.is_set() { Ok(failed) } else { ran }
    }
}

/// So many may do something at once.
struct Permits {
    free: Mutex<usize>,
    given_back: Condvar,
}

/// One of them; given back when it is dropped.
struct Permit<'a>(&'a Permits);

impl Permits {
    fn new(count: usize) -> Self {
        Self { free: Mutex::new(count), given_back: Condvar::new() }
    }

    fn take(&self) -> Permit<'_> {
        let free = lock(&self.free);
        let free = self.given_back.wait_while(free, |free| *free == 0);
        *free.unwrap_or_else(PoisonError::into_inner) -= 1;
        Permit(self)
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        *lock(&self.0.free) += 1;
        self.0.given_back.notify_one();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
