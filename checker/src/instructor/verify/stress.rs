//! `verify --stress N`: fresh seeds, and every core busy with something else.
//!
//! Nothing is built again. A faulty variant runs the case that must catch it, as a check runs it. A
//! correct one runs all its cases, in every tenth round as a check runs them, between with a fifth
//! of the schedules, so that a hundred rounds take minutes and not hours.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use anyhow::{Context, Result};
use ledger::CaseInfo;

use crate::instructor::verify::judge::{Finding, is_kill, one_line};
use crate::instructor::verify::pipeline::{Pipeline, Ran};
use crate::instructor::verify::report::Report;
use crate::instructor::verify::variant::{Expect, Kind, Variant};
use crate::judge::run;
use crate::judge::session::Session;
use crate::judge::verdict::CaseVerdict;

/// How many schedules a simulated case of a correct variant has in most rounds.
const SCHEDULES: u64 = 200;
/// In each so manyth round, it has all of them.
const WHOLE: u32 = 10;
/// So many rounds run at once for each core: what waits leaves the core to others.
const AT_ONCE: usize = 2;
/// How far apart the seeds of two rounds begin: farther than a case has schedules.
const STRIDE: u64 = 1 << 32;

/// A variant that was run, and whose suite still can be.
pub struct Tried {
    /// The variant.
    pub variant: Variant,
    /// What came of it, with its suite.
    pub ran: Ran,
    /// Its row in the report.
    pub row: usize,
}

/// Stresses all variants but the starters.
pub fn run(
    session: &Session,
    pipeline: &Pipeline<'_>,
    tried: &[Tried],
    rounds: u32,
    report: &mut Report,
) -> Result<()> {
    let first = getrandom::u64().context("no random numbers")?;
    let cores = cores();
    report.say(&format!(
        "stress: {rounds} rounds with seeds from {first} on, {cores} cores kept busy"
    ));
    let cases = pipeline.listing()?.cases;
    let stressed: Vec<&Tried> =
        tried.iter().filter(|tried| tried.variant.kind != Kind::Starter).collect();
    report.expect(stressed.len() * rounds as usize);
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            });
        }
        let stressed = stressed.iter().try_for_each(|tried| {
            stress(session, pipeline, tried, &cases, (first, rounds), report)
        });
        stop.store(true, Ordering::Relaxed);
        stressed
    })
}

fn stress(
    session: &Session,
    pipeline: &Pipeline<'_>,
    tried: &Tried,
    cases: &[CaseInfo],
    (first, rounds): (u64, u32),
    report: &mut Report,
) -> Result<()> {
    let Some(suite) = &tried.ran.suite else { return Ok(()) };
    let cases: Vec<CaseInfo> = match &tried.variant.expect {
        Expect::Killed(fault) => {
            cases.iter().filter(|case| case.name == fault.case).cloned().collect()
        }
        _ => cases.to_vec(),
    };
    let killed = matches!(tried.variant.expect, Expect::Killed(_));
    let run = |round: u32| -> Result<Option<String>> {
        session.cancel.check()?;
        let seed = first.wrapping_add(u64::from(round).wrapping_mul(STRIDE));
        let schedules = (!killed && !round.is_multiple_of(WHOLE)).then_some(SCHEDULES);
        let options =
            run::Options { seed: Some(seed), schedules, jobs: Some(1), ..run::Options::default() };
        let ran = pipeline.again(suite, &cases, options)?;
        let surprise = surprise(&tried.variant.expect, &ran);
        Ok(surprise.map(|what| format!("{what} (seeds from {seed} on)")))
    };
    let (next, report) = (AtomicU32::new(0), Mutex::new(report));
    let take_rounds = || -> Result<Vec<Option<String>>> {
        let mut done = Vec::new();
        loop {
            let round = next.fetch_add(1, Ordering::Relaxed);
            if round >= rounds {
                return Ok(done);
            }
            done.push(run(round)?);
            report.lock().unwrap_or_else(PoisonError::into_inner).tick(&tried.variant.name);
        }
    };
    let done: Result<Vec<Vec<_>>> = thread::scope(|scope| {
        let workers: Vec<_> = (0..cores() * AT_ONCE).map(|_| scope.spawn(take_rounds)).collect();
        workers.into_iter().map(|worker| worker.join().expect("it does not panic")).collect()
    });
    let troubles: Vec<String> = done?.into_iter().flatten().flatten().collect();
    let as_expected = rounds - u32::try_from(troubles.len()).unwrap_or(rounds);
    let trouble = troubles.last();
    let report = report.into_inner().unwrap_or_else(PoisonError::into_inner);
    // Ninety-nine in a hundred: a fault that hides once in a hundred runs is as good as caught.
    let enough = if killed { (rounds * 99).div_ceil(100) } else { rounds };
    let word = if killed { "caught" } else { "passed" };
    let finding = match trouble {
        Some(trouble) if as_expected < enough => {
            Finding::bad(format!("stress: {word} {as_expected}/{rounds}: {trouble}"))
        }
        _ => Finding::good(format!("stress: {word} {as_expected}/{rounds}")),
    };
    report.strengthen(tried.row, &finding);
    Ok(())
}

fn cores() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// What was not as expected in a round.
fn surprise(expect: &Expect, ran: &[CaseVerdict]) -> Option<String> {
    match expect {
        Expect::Killed(fault) => match ran.first() {
            Some(case) => is_kill(fault, case).err(),
            None => Some(format!("there is no case {}", fault.case)),
        },
        _ => ran
            .iter()
            .find(|case| !case.is_fine())
            .map(|case| format!("{}: {}", case.info.name, one_line(&case.message))),
    }
}
