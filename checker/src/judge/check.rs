//! The way from a source to its verdict, step by step.

use std::time::Instant;

use anyhow::{Result, bail};
use ledger::{CaseInfo, Listing};

use crate::course::{self, Source, Task, starter};
use crate::judge::build::compile::Suite;
use crate::judge::build::package::Worlds;
use crate::judge::progress::{Step, Watcher};
use crate::judge::run;
use crate::judge::session::Session;
use crate::judge::snapshot::{Snapshot, Unreadable};
use crate::judge::store::{self, Stored};
use crate::judge::verdict::{BuildVerdict, CaseVerdict, State, TaskVerdict};
use crate::process::cancel::Cancel;

/// How to check.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Run this case only, by name or number; nothing is stored then.
    pub case: Option<String>,
    /// How the cases are run; anything but the default is not stored either.
    pub run: run::Options,
    /// Use no stored verdict.
    pub fresh: bool,
}

impl Options {
    /// Whether the verdict is the one that counts.
    fn is_whole(&self) -> bool {
        self.case.is_none() && self.run == run::Options::default()
    }
}

/// Checks a source as a task's submission: snapshot, build, cases, verdict; or finds the stored
/// verdict. What is wrong with the submission is in the verdict; an error is the checker's own, the
/// call's or the course's (exit 2), or [`crate::process::cancel::Interrupted`].
pub fn check(
    session: &Session,
    task: &Task,
    source: &Source,
    options: &Options,
    watcher: Watcher<'_>,
    cancel: &Cancel,
) -> Result<TaskVerdict> {
    let base = &session.course.base;
    let snapshot = match Snapshot::take(&source.folder, &source.shown) {
        Ok(snapshot) => snapshot,
        Err(Unreadable(mut message)) => {
            if source.folder == session.course.exercise(task) {
                message += &format!(". `cargo course reset {}` puts the starter there", task.name);
            }
            return Ok(unbuilt(task, &source.shown, 0.0, message));
        }
    };
    let key = session.keys.verdict_key(&session.course, task, &snapshot.hash, &source.shown)?;
    let stored = || store::load(base, &task.name, &key).filter(TaskVerdict::is_settled);
    let may_be_stored = options.is_whole() && !options.fresh;
    let mut verdict = match may_be_stored.then(stored).flatten() {
        Some(verdict) => verdict,
        None => judge(session, task, &snapshot, &source.shown, options, watcher, cancel)?,
    };
    if is_begun(session, task, &snapshot)? {
        verdict.settle();
    } else {
        verdict.state = State::NotBegun;
    }
    if options.is_whole() {
        let stored = Stored { snapshot: snapshot.hash, verdict };
        store::save(base, &key, &stored)?;
        verdict = stored.verdict;
    }
    Ok(verdict)
}

/// The way from a snapshot on; nothing is stored.
pub fn judge(
    session: &Session,
    task: &Task,
    snapshot: &Snapshot,
    shown: &str,
    options: &Options,
    watcher: Watcher<'_>,
    cancel: &Cancel,
) -> Result<TaskVerdict> {
    let began = Instant::now();
    let builder = session.builder(watcher, cancel);
    if task.has_databases() && options.case.is_none() {
        // It starts while the suite is being built.
        session.databases.begin(&builder)?;
    }
    let worlds = if options.run.steps { Worlds::Told } else { Worlds::All };
    let built = builder.build(task, snapshot, shown, worlds)?;
    let suite = match built.suite {
        Ok(suite) => suite,
        Err(message) => {
            return Ok(unbuilt(task, shown, began.elapsed().as_secs_f64(), message));
        }
    };
    let listing = run::listing(&suite, cancel)?;
    watcher(Step::Promises(&listing.promises));
    let wanted = match &options.case {
        Some(asked) => vec![find_case(&listing, asked)?],
        None => listing.cases.clone(),
    };
    let mut cases = session.run(
        &suite,
        &wanted,
        run::Options { small: true, ..options.run },
        watcher,
        cancel,
    )?;
    if let ([case], true) = (cases.as_mut_slice(), options.case.is_some()) {
        show_only_the_failing_schedule(session, &suite, case, options.run, cancel)?;
    }
    let mut verdict = TaskVerdict {
        task: task.name.clone(),
        title: task.facts.title.clone(),
        source: shown.to_owned(),
        state: State::Failed,
        build: BuildVerdict { ok: true, seconds: built.seconds, message: None },
        promises: listing.promises,
        max_points: cases.iter().map(CaseVerdict::max_points).sum(),
        cases,
    };
    verdict.settle();
    Ok(verdict)
}

/// The case that a name or a number means.
pub fn find_case(listing: &Listing, asked: &str) -> Result<CaseInfo> {
    let is_meant = |case: &&CaseInfo| case.name == asked || asked.parse() == Ok(case.number);
    if let Some(case) = listing.cases.iter().find(is_meant) {
        return Ok(case.clone());
    }
    match course::closest(asked, listing.cases.iter().map(|case| case.name.as_str())) {
        Some(name) => bail!("no case is called `{asked}`: did you mean `{name}`?"),
        None => bail!("no case is called `{asked}`: `cargo course check` names them all"),
    }
}

/// What the code printed in a thousand schedules helps nobody: where one failed, it is run again
/// alone.
fn show_only_the_failing_schedule(
    session: &Session,
    suite: &Suite,
    case: &mut CaseVerdict,
    options: run::Options,
    cancel: &Cancel,
) -> Result<()> {
    let is_shown_already = case.shrunk.is_some();
    let Some(seed) = case.seed.filter(|_| case.schedules > 1 && !is_shown_already) else {
        return Ok(());
    };
    let alone = run::Options { seed: Some(seed), schedules: Some(1), ..options };
    let info = std::slice::from_ref(&case.info);
    if let [again] = session.run(suite, info, alone, &|_| {}, cancel)?.as_slice() {
        case.printed.clone_from(&again.printed);
    }
    Ok(())
}

/// Whether anything was written yet: the source is not the starter as it was handed out.
fn is_begun(session: &Session, task: &Task, snapshot: &Snapshot) -> Result<bool> {
    // Windows may have given the file other line ends.
    let plain = |text: &str| text.replace("\r\n", "\n");
    let starter = starter::pristine(&session.course, task)?;
    Ok(starter.is_none_or(|starter| plain(&starter) != plain(snapshot.lib())))
}

/// A verdict that holds one case alone.
pub fn of_case(
    task: &Task,
    shown: &str,
    promises: Vec<(String, String)>,
    case: CaseVerdict,
) -> TaskVerdict {
    let mut verdict = TaskVerdict {
        task: task.name.clone(),
        title: task.facts.title.clone(),
        source: shown.to_owned(),
        state: State::Failed,
        build: BuildVerdict { ok: true, seconds: 0.0, message: None },
        promises,
        max_points: case.max_points(),
        cases: vec![case],
    };
    verdict.settle();
    verdict
}

fn unbuilt(task: &Task, shown: &str, seconds: f64, message: String) -> TaskVerdict {
    TaskVerdict {
        task: task.name.clone(),
        title: task.facts.title.clone(),
        source: shown.to_owned(),
        state: State::Error,
        build: BuildVerdict { ok: false, seconds, message: Some(message) },
        promises: Vec::new(),
        cases: Vec::new(),
        max_points: task.facts.points,
    }
}
