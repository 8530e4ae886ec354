//! One process of a suite: what it is asked for, and what it leaves behind.

use std::ffi::OsString;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, bail};
use ledger::{BUSIEST, Message, Request};

use super::options::Options;
use super::proof::{self, Cut, Remains};
use crate::judge::build::compile::Suite;
use crate::process::cancel::{Cancel, Interrupted};
use crate::process::{Event, Next, Order, Running};

/// How long a process may take to get to its case.
const TO_START: Duration = Duration::from_secs(30);

/// The harness itself says `timed_out` at the deadline, which on a busy machine comes later; so long
/// after the latest moment the checker ends it.
const GRACE: Duration = Duration::from_secs(1);

/// How long a process may be at a case with this deadline.
pub fn latest(deadline: Duration) -> Duration {
    deadline * BUSIEST + GRACE
}

/// What a suite's process is asked for.
pub fn request(suite: &Suite, case: Option<u32>, options: Options) -> Result<Request> {
    Ok(Request {
        token: token()?,
        case,
        seed: options.seed,
        schedules: options.schedules,
        source: suite.facts.source.clone(),
        postgres: None,
        deadline: None,
        steps: false,
        replay: None,
    })
}

/// Runs a suite's process to its end, whichever that is.
pub fn run(program: &Path, request: &Request, limit: Duration, cancel: &Cancel) -> Result<Remains> {
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
