//! Whether a variant fared as it must: a pure function of its verdict.

use ledger::Level;

use crate::instructor::verify::variant::{Expect, Fault};
use crate::judge::verdict::{CaseVerdict, Outcome, State, TaskVerdict};

/// What is said of a variant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Whether it fared as it must.
    pub ok: bool,
    /// How it fared, or what is wrong with that.
    pub detail: String,
}

impl Finding {
    /// All is well.
    pub fn good(detail: impl Into<String>) -> Self {
        Self { ok: true, detail: detail.into() }
    }

    /// Something is not.
    pub fn bad(detail: impl Into<String>) -> Self {
        Self { ok: false, detail: detail.into() }
    }
}

/// Judges a variant by its verdict. `before` is what the variant before it earned, for those that
/// are filled in one by one.
pub fn judge(expect: &Expect, verdict: &TaskVerdict, before: f64) -> Finding {
    let points = format!("{} of {}", verdict.points(), verdict.max_points);
    match expect {
        Expect::Full => full(verdict, points),
        Expect::Nothing => nothing(verdict, points),
        Expect::Killed(fault) => killed(fault, verdict),
        Expect::Less if earns_all(verdict) => {
            Finding::bad(format!("{points}: no case misses this answer"))
        }
        Expect::NotLess if verdict.points() < before => Finding::bad(format!(
            "filling this in loses points, {before} → {points}: {}",
            first_trouble(verdict)
        )),
        Expect::Less | Expect::NotLess => Finding::good(points),
    }
}

fn earns_all(verdict: &TaskVerdict) -> bool {
    verdict.build.ok && verdict.cases.iter().all(CaseVerdict::is_fine)
}

fn full(verdict: &TaskVerdict, points: String) -> Finding {
    if !earns_all(verdict) {
        return Finding::bad(format!("{points}: {}", first_trouble(verdict)));
    }
    let sum: f64 = verdict.cases.iter().map(|case| case.info.points).sum();
    if (sum - verdict.max_points).abs() > f64::EPSILON {
        return Finding::bad(format!("the cases are worth {sum}, the task {}", verdict.max_points));
    }
    Finding::good(points)
}

fn nothing(verdict: &TaskVerdict, points: String) -> Finding {
    if !verdict.build.ok {
        return Finding::bad(first_trouble(verdict));
    }
    let hung = verdict.cases.iter().find(|case| case.outcome == Outcome::TimedOut);
    let paid = verdict.cases.iter().find(|case| case.points() > 0.0);
    match (hung, paid) {
        (Some(case), _) => Finding::bad(format!("{} hangs", case.info.name)),
        (None, Some(case)) => {
            Finding::bad(format!("{points}: {} passes without an answer", case.info.name))
        }
        (None, None) => Finding::good(points),
    }
}

/// Why a faulty variant was not caught as it should be, or that it was.
pub fn killed(fault: &Fault, verdict: &TaskVerdict) -> Finding {
    if !verdict.build.ok {
        return Finding::bad(first_trouble(verdict));
    }
    let Some(case) = verdict.cases.iter().find(|case| case.info.name == fault.case) else {
        return Finding::bad(format!("there is no case {}", fault.case));
    };
    let stray = verdict.cases.iter().find(|other| {
        other.info.level == Level::Core
            && !other.is_fine()
            && other.info.name != fault.case
            && !fault.also.contains(&other.info.name)
    });
    match (is_kill(fault, case), stray) {
        (Err(why), _) => Finding::bad(why),
        (Ok(()), Some(other)) => Finding::bad(format!(
            "it fails the core case {} as well (say so in `# also:`): {}",
            other.info.name,
            one_line(&other.message)
        )),
        (Ok(()), None) => Finding::good(one_line(&case.message)),
    }
}

/// Whether the case failed for the reason it is there for.
pub fn is_kill(fault: &Fault, case: &CaseVerdict) -> Result<(), String> {
    let name = &case.info.name;
    let said = said(case);
    match (case.outcome, &fault.message) {
        (Outcome::Passed, _) => Err(format!("{name} does not catch it")),
        (Outcome::Failed | Outcome::TimedOut, Some(message)) if said.contains(message.as_str()) => {
            Ok(())
        }
        (Outcome::Failed | Outcome::TimedOut, Some(message)) => {
            Err(format!("{name} does not say “{message}” but: {}", one_line(&said)))
        }
        // Without a message to go by, a panic in the variant's own code proves nothing.
        (Outcome::Failed, None) => match case.failure.as_ref().and_then(|f| f.location.as_ref()) {
            None => Ok(()),
            Some(at) => Err(format!("{name} fails by a panic in {}:{}", at.file, at.line)),
        },
        (Outcome::TimedOut, None) => {
            Err(format!("{name} only timed out: name the message that it should give"))
        }
        (outcome, _) => Err(format!("{name} is {outcome:?}: {}", one_line(&said))),
    }
}

/// Everything that a failing case says.
fn said(case: &CaseVerdict) -> String {
    let mut said = case.message.clone();
    if let Some(failure) = &case.failure {
        for part in [&failure.expected, &failure.got].into_iter().chain(&failure.waiting) {
            said.push('\n');
            said.push_str(part);
        }
    }
    said
}

/// The first thing that went wrong, in a line.
pub fn first_trouble(verdict: &TaskVerdict) -> String {
    if !verdict.build.ok {
        let message = verdict.build.message.as_deref().unwrap_or_default();
        let error = message.lines().find(|line| line.contains("error")).unwrap_or(message);
        return format!("does not compile: {}", one_line(error));
    }
    match verdict.first_failure() {
        Some(case) => {
            format!("{} {}: {}", case.info.name, word(case.outcome), one_line(&case.message))
        }
        None => String::from(if verdict.state == State::Passed { "all pass" } else { "?" }),
    }
}

fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Passed => "passes",
        Outcome::Failed => "fails",
        Outcome::Error => "has no verdict",
        Outcome::TimedOut => "times out",
        Outcome::Flaky => "is flaky",
        Outcome::Skipped => "is skipped",
    }
}

/// The text on one line, cut where it becomes a nuisance, without colours.
pub fn one_line(text: &str) -> String {
    let bare = anstream::adapter::strip_str(text).to_string();
    let line = bare.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(160) {
        Some((cut, _)) => format!("{}…", &line[..cut]),
        None => line,
    }
}
