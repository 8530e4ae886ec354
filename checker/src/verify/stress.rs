//! `verify --stress N`: fresh seeds, and every core busy with something else.
//!
//! Nothing is built again. A faulty variant runs the case that must catch it, as a check runs it. A
//! correct one runs all its cases, in every tenth round as a check runs them, between with a fifth
//! of the schedules, so that a hundred rounds take minutes and not hours.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use anyhow::{Context, Result};
use ledger::CaseInfo;

use crate::run;
use crate::session::Session;
use crate::verdict::CaseVerdict;
use crate::verify::Tried;
use crate::verify::judge::{Finding, is_kill, one_line};
use crate::verify::pipeline::Pipeline;
use crate::verify::report::Report;
use crate::verify::variant::{Expect, Kind};

/// How many schedules a simulated case of a correct variant has in most rounds.
const SCHEDULES: u64 = 200;
/// In each so manyth round, it has all of them.
const WHOLE: u32 = 10;
/// How far apart the seeds of two rounds begin: farther than a case has schedules.
const STRIDE: u64 = 1 << 32;

/// Stresses all variants but the starters.
pub fn run(
    session: &Session,
    pipeline: &Pipeline<'_>,
    tried: &[Tried],
    rounds: u32,
    report: &mut Report,
) -> Result<()> {
    let first = getrandom::u64().context("no random numbers")?;
    let cores = thread::available_parallelism().map_or(1, usize::from);
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
    let mut as_expected = 0;
    let mut trouble = None;
    for round in 0..rounds {
        session.cancel.check()?;
        let seed = first.wrapping_add(u64::from(round).wrapping_mul(STRIDE));
        let schedules = (!killed && round % WHOLE != 0).then_some(SCHEDULES);
        let options = run::Options { seed: Some(seed), schedules, jobs: None };
        let ran = pipeline.again(suite, &cases, options)?;
        match surprise(&tried.variant.expect, &ran) {
            None => as_expected += 1,
            Some(what) => trouble = Some(format!("{what} (seeds from {seed} on)")),
        }
        report.tick(&tried.variant.name);
    }
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
