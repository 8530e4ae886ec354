//! The failing schedule of a simulated case, shrunk and told step by step, for whoever looks at it.
//!
//! The verdict stays what the first failure has proven. Only what is shown of it is another schedule's,
//! which fails in the same way: texts, events, steps and what was printed there.

use std::time::{Duration, Instant};

use anyhow::Result;
use ledger::{Failure, Message, Record, Replay, Schedule, Size};

use super::options::Options;
use super::process;
use super::proof::{self, Remains};
use crate::judge::build::compile::Suite;
use crate::judge::shrink::shrink;
use crate::judge::verdict::{CaseVerdict, Outcome, Shrunk};
use crate::process::cancel::Cancel;

/// The search is bounded by its tries, which take a fraction of this even on a busy machine; behind it,
/// what was found by then is shown.
const LONGEST: Duration = Duration::from_secs(2);

/// Shows a failure small, if it is one of simulated threads. Whatever goes wrong on the way, the
/// verdict is as it was; an error is only [`Interrupted`](crate::process::cancel::Interrupted).
pub fn show(verdict: &mut CaseVerdict, suite: &Suite, cancel: &Cancel) -> Result<()> {
    let (Some(first), Some(seed)) = (verdict.schedule.take(), verdict.seed) else { return Ok(()) };
    let Some(like) = verdict.failure.clone() else { return Ok(()) };
    if verdict.outcome != Outcome::Failed {
        return Ok(());
    }
    let replays = Replays { verdict, suite, seed, like, cancel, began: Instant::now() };
    let small = shrink(&first, |candidates, smallest| replays.smaller(candidates, smallest));
    cancel.check()?;
    let shrunk = small.as_ref().and_then(|small| replays.told(small));
    let shrunk = shrunk.or_else(|| replays.told(&first));
    cancel.check()?;
    let Some((again, schedule)) = shrunk else { return Ok(()) };
    verdict.show_as(again);
    verdict.shrunk = Some(Shrunk { before: first.size(), after: schedule.size() });
    Ok(())
}

/// How a failure is looked for under other schedules.
struct Replays<'a> {
    verdict: &'a CaseVerdict,
    suite: &'a Suite,
    seed: u64,
    like: Failure,
    cancel: &'a Cancel,
    began: Instant,
}

impl Replays<'_> {
    /// The first of the candidates under which the case fails in the same way, and in a smaller
    /// schedule; and how that went.
    fn smaller(&self, candidates: &[Schedule], smallest: Size) -> Option<(usize, Schedule)> {
        let left = LONGEST.checked_sub(self.began.elapsed())?;
        let record = record(&self.run(candidates, Some(smallest), left).ok()?)?;
        Some((record.candidate?, record.schedule?))
    }

    /// The verdict on this schedule alone, with its steps, and how it went; `None` if the case does not
    /// fail in the same way.
    fn told(&self, schedule: &Schedule) -> Option<(CaseVerdict, Schedule)> {
        let remains = self.run(std::slice::from_ref(schedule), None, LONGEST).ok()?;
        let schedule = record(&remains)?.schedule?;
        let again = proof::verdict(&self.verdict.info, remains);
        (again.outcome == Outcome::Failed).then_some((again, schedule))
    }

    /// Runs the candidates in a process; without a size to stay below, tells the steps.
    fn run(
        &self,
        candidates: &[Schedule],
        smaller_than: Option<Size>,
        limit: Duration,
    ) -> Result<Remains> {
        let info = &self.verdict.info;
        let options = Options { seed: Some(self.seed), ..Options::default() };
        let mut request = process::request(self.suite, Some(info.number), options)?;
        request.steps = smaller_than.is_none();
        request.deadline = Some(limit);
        request.replay =
            Some(Replay { candidates: candidates.to_vec(), like: self.like.clone(), smaller_than });
        process::run(self.suite.program(info.world)?, &request, limit, self.cancel)
    }
}

fn record(remains: &Remains) -> Option<Record> {
    let record = remains.messages.iter().rev().find_map(|message| match message {
        Message::Record(record) => Some(record),
        Message::Started | Message::Listing(_) => None,
    })?;
    Some((**record).clone())
}
