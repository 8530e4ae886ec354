//! From a snapshot to the binaries of its suite: built in a slot, and kept by content.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use anyhow::{Context, Result, bail};
use ledger::World;
use serde::{Deserialize, Serialize};

use crate::course::{Course, Task};
use crate::judge::build::cargo::{Cargo, Output};
use crate::judge::build::package::{self, Names, Workspace, Worlds};
use crate::judge::build::slot::{Needs, Slot};
use crate::judge::key::Keys;
use crate::judge::progress::{Step, Watcher};
use crate::judge::snapshot::Snapshot;
use crate::process::cancel::Cancel;

/// The file beside the binaries that says what is known of their build.
const FACTS: &str = "facts.json";
/// So many suites are kept built; more are kept only while somebody runs them.
const KEPT: usize = 16;

/// A suite built against a snapshot, its binaries copied out so that the next build cannot
/// replace them while they run.
#[derive(Clone, Debug)]
pub struct Suite {
    /// The binary for cases of the real world, if it was wanted.
    real: Option<PathBuf>,
    /// The one for simulated cases, if the task has any.
    simulated: Option<PathBuf>,
    /// What is known of its build.
    pub facts: Facts,
    /// Held so that no checker tidies the binaries away.
    _in_use: Arc<File>,
}

/// What is kept of a build beside its binaries.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Facts {
    /// How many warnings the compiler has for the source.
    pub warnings: usize,
    /// Where the snapshot was laid out, to tell whose line a panic was in.
    pub source: PathBuf,
}

/// How a build ended.
#[derive(Debug)]
pub struct Built {
    /// How long it took.
    pub seconds: f64,
    /// The suite, or the compiler's words, with its colours and the student's own paths.
    pub suite: Result<Suite, String>,
}

/// What a build needs to know.
#[derive(Clone, Copy)]
pub struct Builder<'a> {
    /// The course whose suites are built.
    pub course: &'a Course,
    /// What they are stored under.
    pub keys: &'a Keys,
    /// Who sees how far it is.
    pub watcher: Watcher<'a>,
    /// Who may stop it.
    pub cancel: &'a Cancel,
}

impl Builder<'_> {
    /// Builds the suite of a task against a snapshot; a moment if that was done before. `shown` is how
    /// diagnostics name the source's folder (`exercises/01-basic-pool`). Safe to call from several
    /// threads and processes: each builds in a slot of its own.
    pub fn build(
        &self,
        task: &Task,
        snapshot: &Snapshot,
        shown: &str,
        worlds: Worlds,
    ) -> Result<Built> {
        let Self { course, keys, watcher, cancel } = *self;
        let began = Instant::now();
        let base = &course.base;
        let bin = base.join("bin");
        let worlds = worlds.of(task);
        let key = keys.key(course, task, &snapshot.hash)?;
        let place = match worlds {
            Worlds::All => bin.join(key),
            Worlds::Simulated => bin.join(key + "-simulated"),
            Worlds::Told => bin.join(key + "-told"),
        };
        let done = |suite: Result<Suite, String>| {
            Ok(Built { seconds: began.elapsed().as_secs_f64(), suite })
        };
        if let Some(suite) = Suite::open(&place, task, worlds) {
            return done(Ok(suite));
        }
        let foundation = keys.foundation(course)?;
        let needs = Needs { family: &task.facts.family, foundation: &foundation };
        let slot = Slot::take(base, needs, watcher, cancel)?;
        // Somebody else may have built just this meanwhile.
        if let Some(suite) = Suite::open(&place, task, worlds) {
            return done(Ok(suite));
        }
        let workspace = package::write(course, task, snapshot, &slot, worlds)?;
        let target = slot.target();
        let cargo = Cargo { workspace: &workspace, target, watcher, cancel };
        let mut packages: Vec<&str> = workspace.packages.iter().map(String::as_str).collect();
        if worlds == Worlds::Simulated {
            let real = Names::new(task, "real").suite;
            packages.retain(|package| *package != real);
        }
        let result =
            lay_foundation(&cargo, &slot, needs).and_then(|()| cargo.build_code(&packages));
        watcher(Step::Built);
        let Output { success, binaries, diagnostics } = result?;
        let source = slot.source(task);
        if !success {
            return done(Err(diagnostics.explain(task, &source, shown)?));
        }
        let facts = Facts { warnings: diagnostics.warnings(task, worlds), source };
        Suite::copy_out(&place, task, &binaries, &facts)?;
        tidy(&bin);
        let suite = Suite::open(&place, task, worlds);
        done(Ok(suite.with_context(|| format!("{} is gone", place.display()))?))
    }

    /// Builds a program of the course's own in its generated workspace, and keeps it as `place`; the
    /// folder `kept` holds nothing else.
    pub fn program(&self, workspace: &Workspace, (kept, place): (&Path, &Path)) -> Result<()> {
        let Self { course, watcher, cancel, .. } = *self;
        let slot = Slot::first(&course.base, watcher, cancel)?;
        // Whoever had the slot before may have built just this.
        if place.is_file() {
            return Ok(());
        }
        let cargo = Cargo { workspace, target: slot.target(), watcher, cancel };
        let result = cargo.build(&[&workspace.anchor]);
        watcher(Step::Built);
        let Output { success, binaries, diagnostics } = result?;
        let Some(built) = binaries.values().next().filter(|_| success) else {
            let words = diagnostics.words;
            let error = words.lines().find(|line| line.starts_with("error")).unwrap_or(&words);
            bail!("it does not build: {error}");
        };
        let copy_out = || -> io::Result<()> {
            let _ = fs::remove_dir_all(kept);
            fs::create_dir_all(place.parent().unwrap_or(kept))?;
            let scratch = place.with_extension("new");
            keep(built, &scratch)?;
            fs::rename(&scratch, place)
        };
        copy_out().with_context(|| format!("cannot write {}", place.display()))
    }
}

/// Compiles everything that the suites of this family stand on, unless that is done. What follows
/// then takes a moment, and only the submission's code decides how long.
fn lay_foundation(cargo: &Cargo<'_>, slot: &Slot, needs: Needs<'_>) -> Result<()> {
    if slot.is_ready(needs) {
        return Ok(());
    }
    slot.forget_others(needs)?;
    let output = cargo.build(&[&cargo.workspace.anchor])?;
    if !output.success {
        bail!(output.diagnostics.of_the_course());
    }
    slot.set_ready(needs)
}

/// Keeps what cargo built. Cargo unlinks before it builds anew: a second name stays what it is.
fn keep(built: &Path, name: &Path) -> io::Result<()> {
    fs::hard_link(built, name).or_else(|_| fs::copy(built, name).map(drop))
}

impl Suite {
    /// The suite that was built earlier, marked as in use.
    fn open(place: &Path, task: &Task, worlds: Worlds) -> Option<Self> {
        let in_use = File::open(place.join(FACTS)).ok()?;
        in_use.lock_shared().ok()?;
        let facts = serde_json::from_reader(&in_use).ok()?;
        let real = (worlds != Worlds::Simulated).then(|| place.join(binary_name("real")));
        let simulated = task.facts.simulated.then(|| place.join(binary_name("sim")));
        // Tidied away just before it was locked?
        let is_there = real.iter().chain(&simulated).all(|path| path.is_file());
        // The youngest are kept.
        let _ = in_use.set_modified(SystemTime::now());
        is_there.then(|| Self { real, simulated, facts, _in_use: Arc::new(in_use) })
    }

    /// The binary for cases of this world.
    pub fn program(&self, world: World) -> Result<&Path> {
        let program = match world {
            World::Real | World::Paused => self.real.as_ref(),
            World::Simulated => self.simulated.as_ref().or(self.real.as_ref()),
        };
        program.map(PathBuf::as_path).with_context(|| format!("not built for {world:?} cases"))
    }

    fn copy_out(
        place: &Path,
        task: &Task,
        binaries: &HashMap<String, PathBuf>,
        facts: &Facts,
    ) -> Result<()> {
        let bin = place.parent().unwrap_or(place);
        let copy = || -> io::Result<()> {
            fs::create_dir_all(bin)?;
            // Two may build the same at the same time, each in a slot of its own.
            let scratch = tempfile::Builder::new().prefix("new-").tempdir_in(bin)?;
            for (world, name) in [("real", "real"), ("told", "real"), ("sim", "sim")] {
                if let Some(built) = binaries.get(&Names::new(task, world).suite) {
                    keep(built, &scratch.path().join(binary_name(name)))?;
                }
            }
            fs::write(scratch.path().join(FACTS), serde_json::to_vec(facts)?)?;
            match fs::rename(scratch.path(), place) {
                // The other one was here first.
                Err(_) if place.join(FACTS).is_file() => Ok(()),
                Err(_) => {
                    let _ = fs::remove_dir_all(place);
                    fs::rename(scratch.path(), place)
                }
                Ok(()) => Ok(()),
            }
        };
        copy().with_context(|| format!("cannot copy the suite to {}", place.display()))
    }
}

fn binary_name(world: &str) -> String {
    format!("{world}{}", std::env::consts::EXE_SUFFIX)
}

/// Removes the oldest suites that nobody runs, and what a killed checker left half copied. What
/// cannot be removed stays.
fn tidy(bin: &Path) {
    let modified = |path: &Path| path.join(FACTS).metadata().and_then(|facts| facts.modified());
    let entries = fs::read_dir(bin).into_iter().flatten().filter_map(Result::ok);
    let mut suites: Vec<(SystemTime, PathBuf)> =
        entries.filter_map(|entry| Some((modified(&entry.path()).ok()?, entry.path()))).collect();
    suites.sort();
    let excess = suites.len().saturating_sub(KEPT);
    for (_, place) in &suites[..excess] {
        if File::open(place.join(FACTS)).is_ok_and(|used| used.try_lock().is_ok()) {
            let _ = fs::remove_dir_all(place);
        }
    }
}
