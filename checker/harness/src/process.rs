//! How a process is asked for a case, and proves what came of it.
//!
//! The request, and with it the token, is read before any code under test runs; after that stdin is
//! empty, and stdout leads to stderr, so that whatever that code prints is only ever shown. The
//! harness keeps the real stdout to itself and writes each [`Message`] behind the token.

use std::fs::File;
use std::io::{self, Read, Write};
use std::process;
use std::sync::mpsc;
use std::thread;
use std::time::Instant;

use ledger::{CaseInfo, Failure, Message, Outcome, Record, Request, Step, World};

use crate::case::{Case, Plan, Suite};
use crate::verdict::{self, Ended};
use crate::{deadline, guarded, likeness, panics, schedule, servers, source};

/// Runs a case's body as the plan says and returns the number of schedules it took.
pub type Engine = fn(Plan, fn()) -> u64;

/// Runs the body once, on real threads; it may drive several orders of its tasks itself.
fn real(_plan: Plan, body: fn()) -> u64 {
    verdict::begin_schedule();
    panics::begin_schedule();
    guarded(body);
    verdict::orders()
}

/// Makes a suite the program that the checker builds and starts: `harness::main!(suite);` stands at
/// the end of its crate. The program's own package says by its name which of the two worlds it was
/// built for: `…-sim`, or another.
///
/// A suite that names the graded crate's types is the program itself, and no library beneath one: it is
/// compiled for each submission, and a library's metadata would cost a sixth of that. A suite that
/// knows the graded crate behind a trait is a library, compiled once; then this stands at the end of
/// the small program, `main.rs`, that joins the two.
#[macro_export]
macro_rules! main {
    ($suite:path) => {
        /// Answers the checker.
        pub fn main() {
            $crate::serve($suite(), $crate::engine(env!("CARGO_PKG_NAME")))
        }
    };
}

/// How cases are run by the program of this package.
#[doc(hidden)]
pub fn engine(package: &str) -> Engine {
    #[cfg(feature = "sim")]
    if package.ends_with("-sim") {
        return crate::simulated::run;
    }
    let _ = package;
    real
}

/// Answers the one request that stands on stdin, and ends the process.
///
/// This is the whole `main` of a [suite's program](crate::main).
pub fn serve(suite: Suite, engine: Engine) -> ! {
    let began = Wire::open().and_then(|(request, mut wire)| {
        let Some(number) = request.case else {
            return wire.say(&Message::Listing(suite.listing()));
        };
        let case = suite
            .cases()
            .get(number as usize)
            .cloned()
            .ok_or_else(|| io::Error::other(format!("the suite has no case {number}")))?;
        if let (Some(hand_over), Some(line)) = (suite.hand_over(), &request.postgres) {
            hand_over(line);
        }
        drop(suite);
        run(&mut wire, &request, case, engine)
    });
    match began {
        Ok(()) => process::exit(0),
        Err(error) => {
            eprintln!("the suite's process could not answer: {error}");
            process::exit(2)
        }
    }
}

fn run(wire: &mut Wire, request: &Request, case: Case, engine: Engine) -> io::Result<()> {
    panics::install(request.source.clone(), |first| verdict::fail_with(first));
    let Case { mut info, body } = case;
    info.deadline = request.deadline.unwrap_or(info.deadline);
    let plan = Plan {
        first_seed: request.seed.unwrap_or(0),
        schedules: request.schedules.unwrap_or(info.schedules),
        steps: request.steps,
        replay: request.replay.clone(),
    };
    if let Some(replay) = &request.replay {
        likeness::want(replay);
    }
    let (ended, verdict) = mpsc::channel();
    verdict::open(ended);
    #[cfg(feature = "tasks")]
    if request.steps {
        crate::tasks::ask_for_steps(request.schedules.unwrap_or(0));
    }
    wire.say(&Message::Started)?;
    let started = Instant::now();
    // Not on the main thread: a thread-local destructor of the code under test would run inside
    // `exit` and could abort it after the verdict.
    thread::Builder::new().name(verdict::MAIN.to_owned()).spawn(move || {
        let schedules = engine(plan, body);
        verdict::send(Ended { outcome: Outcome::Passed, failure: None, schedules, seed: None });
    })?;
    let ended = match deadline::receive(&verdict, info.deadline) {
        Ok(ended) => ended,
        Err(computes) => too_late(&info, computes),
    };
    let passed = ended.outcome == Outcome::Passed;
    let failed = ended.outcome == Outcome::Failed;
    let candidate = ended.schedules.checked_sub(1).and_then(|number| usize::try_from(number).ok());
    let (ledger, untold) = if passed { (Vec::new(), 0) } else { verdict::last_events() };
    let (ran_on, left_out) = servers::said();
    wire.say(&Message::Record(Box::new(Record {
        case: info.number,
        outcome: ended.outcome,
        notes: if passed { Vec::new() } else { notes(ended.failure.as_ref()) },
        failure: ended.failure,
        schedules: ended.schedules,
        seed: ended.seed,
        ledger,
        took: started.elapsed(),
        ran_on,
        left_out,
        steps: if passed { Vec::new() } else { steps(untold) },
        schedule: schedule::taken().filter(|_| failed),
        candidate: candidate.filter(|_| failed && request.replay.is_some()),
    })))
}

/// How the failing schedule, or story, went, if that was asked for; the record leaves out so many events
/// before those that it tells.
fn steps(untold: usize) -> Vec<Step> {
    #[cfg(feature = "tasks")]
    {
        let told = crate::tasks::tell_steps(untold);
        if !told.is_empty() {
            return told;
        }
    }
    schedule::steps(untold)
}

/// What else helps whoever reads the failure.
fn notes(failure: Option<&Failure>) -> Vec<String> {
    let mut notes = panics::notes(failure);
    notes.extend(schedule::woken_early().map(|who| {
        format!(
            "{}; std's `Condvar` and `thread::park` may do that, so look again after each wait",
            source::relative(&who)
        )
    }));
    notes
}

/// The case is still running at its deadline: says so, and who is at what.
fn too_late(info: &CaseInfo, computes: Option<bool>) -> Ended {
    let simulated = info.world != World::Real;
    let failure = Failure {
        expected: format!("an end within {} s", info.deadline.as_secs_f64()),
        got: match (simulated, computes) {
            (true, Some(false)) => {
                "it was still waiting then, and not for simulated time, which costs none: does it \
                 wait for a lock that it holds itself?"
            }
            (true, _) => {
                "it was still running then, although simulated time costs none: does the code spin \
                 without ever sleeping or waiting?"
            }
            (false, _) => "it was still running then",
        }
        .to_owned(),
        location: None,
        waiting: if simulated { schedule::waiting() } else { verdict::at_work() }
            .iter()
            .map(|line| source::relative(line))
            .collect(),
    };
    Ended {
        outcome: Outcome::TimedOut,
        failure: Some(failure),
        schedules: verdict::schedules(),
        seed: schedule::seed(),
    }
}

/// The way out of the process that only the harness knows.
#[derive(Debug)]
struct Wire {
    token: String,
    out: File,
}

impl Wire {
    /// Reads the request and closes every way in and out that the code under test could find.
    fn open() -> io::Result<(Request, Self)> {
        let mut text = String::new();
        io::stdin().read_to_string(&mut text)?;
        let request: Request = serde_json::from_str(&text)?;
        let out = take_stdout()?;
        Ok((request.clone(), Self { token: request.token, out }))
    }

    fn say(&mut self, message: &Message) -> io::Result<()> {
        let line = format!("{} {}\n", self.token, serde_json::to_string(message)?);
        self.out.write_all(line.as_bytes())?;
        self.out.flush()
    }
}

/// Keeps the real stdout for the harness; what is printed from now on goes to stderr.
#[cfg(unix)]
fn take_stdout() -> io::Result<File> {
    let out = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdout(), 3)?;
    rustix::stdio::dup2_stdout(rustix::stdio::stderr())?;
    rustix::stdio::dup2_stdin(File::open("/dev/null")?)?;
    Ok(File::from(out))
}

/// Where descriptors cannot be moved, the token alone tells the harness's lines from others.
#[cfg(windows)]
fn take_stdout() -> io::Result<File> {
    use std::os::windows::io::AsHandle;
    Ok(File::from(io::stdout().as_handle().try_clone_to_owned()?))
}
