//! The failing story of a case on a paused clock, told step by step, for whoever looks at it.
//!
//! To keep steps takes ten times as long as to do without. So the case is run again, and they are kept
//! from the order on that failed.

use anyhow::Result;
use ledger::World;

use super::options::Options;
use super::process;
use super::proof;
use crate::judge::build::compile::Suite;
use crate::judge::verdict::{CaseVerdict, Outcome};
use crate::process::cancel::Cancel;

/// Tells a failure, if it is one on a paused clock. If the failing order is another one the next time,
/// the steps of all orders are kept. Whatever goes wrong on the way, the verdict is as it was; an error
/// is only [`Interrupted`](crate::process::cancel::Interrupted).
pub fn show(verdict: &mut CaseVerdict, suite: &Suite, cancel: &Cancel) -> Result<()> {
    let failed = matches!(verdict.outcome, Outcome::Failed | Outcome::TimedOut);
    if verdict.info.world != World::Paused || !failed {
        return Ok(());
    }
    for from in [Some(verdict.schedules), None] {
        let again = run(verdict, suite, from, cancel);
        cancel.check()?;
        if let Some(again) = again.ok().filter(|again| !again.steps.is_empty()) {
            verdict.show_as(again);
            break;
        }
    }
    Ok(())
}

fn run(
    verdict: &CaseVerdict,
    suite: &Suite,
    from: Option<u64>,
    cancel: &Cancel,
) -> Result<CaseVerdict> {
    let info = &verdict.info;
    let options = Options { schedules: from, ..Options::default() };
    let mut request = process::request(suite, Some(info.number), options)?;
    request.steps = true;
    let latest = process::latest(info.deadline);
    let remains = process::run(suite.program(info.world)?, &request, latest, cancel)?;
    Ok(proof::verdict(info, remains))
}
