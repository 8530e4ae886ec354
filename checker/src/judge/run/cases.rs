//! The cases of a built suite: one process each, several at once.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use ledger::{CaseInfo, Listing, Message, World};

use super::options::Options;
use super::queue::{Queue, Resources};
use super::{process, proof, small, told};
use crate::judge::build::compile::Suite;
use crate::judge::progress::{Step, Watcher};
use crate::judge::verdict::{CaseVerdict, Outcome};
use crate::process::cancel::{Cancel, Interrupted};

/// When so many cases of a suite have come to their deadlines, the others are hurried: what hangs
/// everywhere is not to cost a deadline for each case in turn.
const PATIENCE: usize = 2;
/// They have this part of their time, which is still many times what honest ones use; but those that
/// wait for a real server have more.
const fn hurried(world: World) -> u32 {
    match world {
        World::Simulated | World::Paused => 10,
        World::Real => 5,
    }
}

/// What cases are run with.
pub struct Runner<'a> {
    /// What only one of them at a time may use.
    pub resources: &'a Resources,
    /// Where a PostgreSQL is, for a case that runs on databases; waits until that is known.
    pub postgres: &'a (dyn Fn(&Cancel) -> Result<String> + Sync),
    /// Who sees how far it is.
    pub watcher: Watcher<'a>,
    /// Who may stop it.
    pub cancel: &'a Cancel,
}

/// Asks a suite what it holds.
pub fn listing(suite: &Suite, cancel: &Cancel) -> Result<Listing> {
    let request = process::request(suite, None, Options::default())?;
    let limit = Duration::from_secs(10);
    let mut remains = process::run(suite.program(World::Real)?, &request, limit, cancel)?;
    match remains.messages.pop() {
        Some(Message::Listing(listing)) if !listing.cases.is_empty() => Ok(listing),
        Some(Message::Listing(_)) => bail!("the suite has no case"),
        _ => bail!("the suite does not say which cases it has\n{}", remains.printed.trim_end()),
    }
}

impl Runner<'_> {
    /// Runs these cases and says how each ended, in their order. A real-world case that failed is run
    /// once more.
    pub fn cases(
        &self,
        suite: &Suite,
        cases: &[CaseInfo],
        options: Options,
    ) -> Result<Vec<CaseVerdict>> {
        let Self { resources, watcher, cancel, .. } = *self;
        let cores = || thread::available_parallelism().map_or(2, std::num::NonZero::get);
        let jobs = options.jobs.unwrap_or_else(cores).clamp(1, cases.len().max(1));
        let queue = Queue::new(cases, resources);
        let late = AtomicUsize::new(0);
        let all = Mutex::new(vec![None; cases.len()]);
        // One that fails for want of a process stops the others.
        let stop = cancel.child();
        let failures: Vec<anyhow::Error> = thread::scope(|scope| {
            let work = || {
                while let Some(index) = queue.take() {
                    let is_hurried = late.load(Ordering::Relaxed) >= PATIENCE;
                    let verdict = self.case(suite, &cases[index], options, is_hurried, &stop);
                    queue.give_back(index);
                    let verdict = verdict.inspect_err(|_| stop.cancel())?;
                    if verdict.outcome == Outcome::TimedOut {
                        late.fetch_add(1, Ordering::Relaxed);
                    }
                    let mut verdicts = all.lock().unwrap_or_else(PoisonError::into_inner);
                    let done = verdicts.iter().flatten().count() + 1;
                    watcher(Step::Case { verdict: &verdict, done, total: cases.len() });
                    let before = first_failure(&verdicts).is_some();
                    verdicts[index] = Some(verdict);
                    let first = first_failure(&verdicts).filter(|_| !before);
                    let Some((index, mut first)) =
                        first.map(|(index, first)| (index, first.clone()))
                    else {
                        continue;
                    };
                    // Meanwhile others go on.
                    drop(verdicts);
                    if options.small {
                        small::show(&mut first, suite, &stop)?;
                    }
                    if options.steps {
                        told::show(&mut first, suite, &stop)?;
                    }
                    watcher(Step::FirstFailure(&first));
                    all.lock().unwrap_or_else(PoisonError::into_inner)[index] = Some(first);
                }
                Ok(())
            };
            let workers: Vec<_> = (0..jobs).map(|_| scope.spawn(work)).collect();
            let results = workers.into_iter().map(thread::ScopedJoinHandle::join);
            let results =
                results.map(|result| result.unwrap_or_else(|_| bail!("a worker panicked")));
            results.filter_map(Result::err).collect()
        });
        cancel.check()?;
        if let Some(error) = failures.into_iter().find(|error| !error.is::<Interrupted>()) {
            return Err(error);
        }
        let verdicts = all.into_inner().unwrap_or_else(PoisonError::into_inner);
        verdicts.into_iter().collect::<Option<Vec<_>>>().context("a case was not run")
    }

    /// Runs one case; again if that tells something.
    fn case(
        &self,
        suite: &Suite,
        case: &CaseInfo,
        options: Options,
        is_hurried: bool,
        cancel: &Cancel,
    ) -> Result<CaseVerdict> {
        let part = if is_hurried { hurried(case.world) } else { 1 };
        let deadline = case.deadline / part;
        let once = || -> Result<CaseVerdict> {
            let program = suite.program(case.world)?;
            let mut request = process::request(suite, Some(case.number), options)?;
            if case.databases {
                request.postgres = Some((self.postgres)(cancel)?);
            }
            request.deadline = Some(deadline);
            let remains = process::run(program, &request, process::latest(deadline), cancel)?;
            let mut verdict = proof::verdict(case, remains);
            if is_hurried && verdict.outcome == Outcome::TimedOut {
                let note = format!(
                    "it had {} s instead of {} s, for {PATIENCE} cases had come to their deadlines \
                     already; run alone, it has all of its time",
                    deadline.as_secs_f64(),
                    case.deadline.as_secs_f64()
                );
                verdict.message += &format!(" ({note})");
                verdict.notes.push(note);
            }
            Ok(verdict)
        };
        let mut verdict = once()?;
        if verdict.may_be_flaky() && once()?.outcome == Outcome::Passed {
            verdict.outcome = Outcome::Flaky;
            verdict.message =
                format!("failed, and passed when it was run again: {}", verdict.message);
        }
        Ok(verdict)
    }
}

/// The first that something is left to do about, and its number, if all before it have ended.
fn first_failure(verdicts: &[Option<CaseVerdict>]) -> Option<(usize, &CaseVerdict)> {
    let mut ended = verdicts.iter().map_while(Option::as_ref).enumerate();
    ended.find(|(_, verdict)| !verdict.is_fine())
}
