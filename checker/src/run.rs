//! The cases of a built suite: one process each, several at once.

use std::collections::HashSet;
use std::ffi::OsString;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use ledger::{BUSIEST, CaseInfo, Listing, Message, Request, World};

use crate::cancel::{Cancel, Interrupted};
use crate::compile::Suite;
use crate::process::{Event, Next, Order, Running};
use crate::progress::{Step, Watcher};
use crate::proof::{self, Cut, Remains};
use crate::session::Session;
use crate::verdict::{CaseVerdict, Outcome};

/// How long a process may take to get to its case.
const TO_START: Duration = Duration::from_secs(30);
/// The harness itself says `timed_out` at the deadline, which on a busy machine comes later; so long
/// after the latest moment the checker ends it.
const GRACE: Duration = Duration::from_secs(1);

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

/// How cases are run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// The first seed; `None`: the fixed one.
    pub seed: Option<u64>,
    /// How many schedules at most; `None`: as many as each case says.
    pub schedules: Option<u64>,
    /// How many processes at once; `None`: as many as there are cores.
    pub jobs: Option<usize>,
}

/// Asks a suite what it holds.
pub fn listing(suite: &Suite, cancel: &Cancel) -> Result<Listing> {
    let request = request(suite, None, Options::default())?;
    let limit = Duration::from_secs(10);
    let mut remains = process(suite.program(World::Real)?, &request, limit, cancel)?;
    match remains.messages.pop() {
        Some(Message::Listing(listing)) if !listing.cases.is_empty() => Ok(listing),
        Some(Message::Listing(_)) => bail!("the suite has no case"),
        _ => bail!("the suite does not say which cases it has\n{}", remains.printed.trim_end()),
    }
}

/// Runs these cases and says how each ended, in their order. A real-world case that failed is run
/// once more.
pub fn cases(
    session: &Session,
    suite: &Suite,
    cases: &[CaseInfo],
    options: Options,
    watcher: Watcher<'_>,
    cancel: &Cancel,
) -> Result<Vec<CaseVerdict>> {
    let cores = || thread::available_parallelism().map_or(2, std::num::NonZero::get);
    let jobs = options.jobs.unwrap_or_else(cores).clamp(1, cases.len().max(1));
    let queue = Queue::new(cases, &session.resources);
    let late = AtomicUsize::new(0);
    let verdicts = Mutex::new(vec![None; cases.len()]);
    // One that fails for want of a process stops the others.
    let stop = cancel.child();
    let failures: Vec<anyhow::Error> = thread::scope(|scope| {
        let work = || {
            while let Some(index) = queue.take() {
                let is_hurried = late.load(Ordering::Relaxed) >= PATIENCE;
                let verdict = case(session, suite, &cases[index], options, is_hurried, &stop);
                queue.give_back(index);
                let verdict = verdict.inspect_err(|_| stop.cancel())?;
                if verdict.outcome == Outcome::TimedOut {
                    late.fetch_add(1, Ordering::Relaxed);
                }
                let mut verdicts = verdicts.lock().unwrap_or_else(PoisonError::into_inner);
                let done = verdicts.iter().flatten().count() + 1;
                watcher(Step::Case { verdict: &verdict, done, total: cases.len() });
                verdicts[index] = Some(verdict);
            }
            Ok(())
        };
        let workers: Vec<_> = (0..jobs).map(|_| scope.spawn(work)).collect();
        let results = workers.into_iter().map(thread::ScopedJoinHandle::join);
        let results = results.map(|result| result.unwrap_or_else(|_| bail!("a worker panicked")));
        results.filter_map(Result::err).collect()
    });
    cancel.check()?;
    if let Some(error) = failures.into_iter().find(|error| !error.is::<Interrupted>()) {
        return Err(error);
    }
    let verdicts = verdicts.into_inner().unwrap_or_else(PoisonError::into_inner);
    verdicts.into_iter().collect::<Option<Vec<_>>>().context("a case was not run")
}

/// Runs one case; again if that tells something.
fn case(
    session: &Session,
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
        let mut request = request(suite, Some(case.number), options)?;
        if case.databases {
            request.postgres = Some(session.databases.line(session, cancel)?);
        }
        request.deadline = Some(deadline);
        let remains = process(program, &request, deadline * BUSIEST + GRACE, cancel)?;
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
        verdict.message = format!("failed, and passed when it was run again: {}", verdict.message);
    }
    Ok(verdict)
}

/// What a suite's process is asked for.
fn request(suite: &Suite, case: Option<u32>, options: Options) -> Result<Request> {
    Ok(Request {
        token: token()?,
        case,
        seed: options.seed,
        schedules: options.schedules,
        source: suite.facts.source.clone(),
        postgres: None,
        deadline: None,
        steps: false,
    })
}

/// Runs a suite's process to its end, whichever that is.
fn process(program: &Path, request: &Request, limit: Duration, cancel: &Cancel) -> Result<Remains> {
    let prefix = format!("{} ", request.token);
    let began = Instant::now();
    let mut running = Running::start(&Order {
        program: program.to_owned(),
        env: needed_environment(),
        limits: proof::CASE,
        input: serde_json::to_string(request)?,
        prefix: prefix.clone(),
        ..Order::default()
    })?;
    let mut remains = Remains::default();
    let mut started = request.case.is_none().then_some(began);
    // A line with the token that is no message was torn apart when the process ended.
    let read = |line: &[u8]| serde_json::from_slice::<Message>(&line[prefix.len()..]).ok();
    remains.ended = loop {
        let until = started.map_or(began + TO_START, |started| started + limit);
        match running.next(until, cancel) {
            Next::Event(Event::Line(line)) => {
                if let Some(message) = read(&line) {
                    if matches!(message, Message::Started) {
                        started.get_or_insert_with(Instant::now);
                    }
                    remains.messages.push(message);
                }
            }
            Next::Event(Event::Ended(ended)) => break ended,
            Next::Event(_) => {}
            Next::Late => {
                remains.cut =
                    Some(if started.is_some() { Cut::Deadline } else { Cut::NeverStarted });
                running.end();
                break running.wait();
            }
            Next::Cancelled => {
                running.end();
                running.wait();
                bail!(Interrupted);
            }
        }
    };
    if let Some(why) = &remains.ended.not_started {
        bail!("{why}");
    }
    remains.took = started.unwrap_or(began).elapsed();
    let (lines, printed) = running.drain();
    remains.messages.extend(lines.iter().filter_map(|line| read(line)));
    remains.printed = printed;
    Ok(remains)
}

/// What nobody can guess.
fn token() -> Result<String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)
        .map_err(|error| anyhow!("the system gives no random numbers: {error}"))?;
    Ok(format!("{:032x}", u128::from_ne_bytes(bytes)))
}

/// A case's process gets what its system cannot do without.
fn needed_environment() -> Vec<(OsString, OsString)> {
    std::env::var_os("SystemRoot").map(|root| ("SystemRoot".into(), root)).into_iter().collect()
}

/// The named things that only one case at a time may use, whichever suite it belongs to.
#[derive(Debug, Default)]
pub struct Resources {
    in_use: Mutex<HashSet<String>>,
    freed: Condvar,
}

impl Resources {
    fn in_use(&self) -> MutexGuard<'_, HashSet<String>> {
        self.in_use.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The cases that are still to run. One whose resource is in use waits; others overtake it.
struct Queue<'a> {
    cases: &'a [CaseInfo],
    waiting: Mutex<Vec<usize>>,
    resources: &'a Resources,
}

/// What of a queue can run now.
enum Free {
    /// This one.
    Case(usize),
    /// None, until somebody gives back what it needs.
    Busy,
    /// None is left.
    Done,
}

impl<'a> Queue<'a> {
    fn new(cases: &'a [CaseInfo], resources: &'a Resources) -> Self {
        Self { cases, waiting: Mutex::new((0..cases.len()).collect()), resources }
    }

    /// The next case that may run; waits for one, unless none is left.
    fn take(&self) -> Option<usize> {
        let mut in_use = self.resources.in_use();
        loop {
            match self.first_free(&in_use) {
                Free::Case(index) => {
                    in_use.extend(self.cases[index].resources.iter().cloned());
                    return Some(index);
                }
                Free::Done => return None,
                Free::Busy => {}
            }
            in_use = self.resources.freed.wait(in_use).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// The first that is waiting for nothing.
    fn first_free(&self, in_use: &HashSet<String>) -> Free {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let is_free =
            |index: &usize| self.cases[*index].resources.iter().all(|name| !in_use.contains(name));
        let place = waiting.iter().position(is_free);
        match place {
            Some(place) => Free::Case(waiting.remove(place)),
            None if waiting.is_empty() => Free::Done,
            None => Free::Busy,
        }
    }

    fn give_back(&self, index: usize) {
        let mut in_use = self.resources.in_use();
        for name in &self.cases[index].resources {
            in_use.remove(name);
        }
        self.resources.freed.notify_all();
    }
}
