//! From a snapshot to the binaries of its suite: cargo in the generated workspace, one at a time.

use std::collections::HashMap;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result, anyhow, bail};

use crate::cancel::{Cancel, Interrupted};
use crate::course::Task;
use crate::diagnostics::{Diagnostics, Message};
use crate::package::{self, Names, Workspace};
use crate::process::{Event, Next, Order, Running};
use crate::progress::{Step, Watcher};
use crate::session::{self, Session};
use crate::snapshot::Snapshot;

/// How often a checker that waits for another one looks again.
const GLANCE: Duration = Duration::from_millis(50);
/// No build takes that long.
const LIMIT: Duration = Duration::from_hours(1);
/// So many suites are kept built; more are kept only while somebody runs them.
const KEPT: usize = 16;

/// A suite built against a snapshot, its binaries copied out so that the next build cannot
/// replace them while they run.
#[derive(Clone, Debug)]
pub struct Suite {
    /// The binary for cases of the real world.
    pub real: PathBuf,
    /// The one for simulated cases, if the task has any.
    pub simulated: Option<PathBuf>,
    /// Where the snapshot was laid out, to tell whose line a panic was in.
    pub source: PathBuf,
    /// Holds the number of warnings, and is held so that no checker tidies the binaries away.
    in_use: Arc<File>,
}

/// How a build ended.
#[derive(Debug)]
pub struct Built {
    /// How long it took.
    pub seconds: f64,
    /// The suite, or the compiler's words, with its colours and the student's own paths.
    pub suite: Result<Suite, String>,
    /// How many warnings the compiler has for the source.
    pub warnings: usize,
}

/// Builds the suite of a task against a snapshot; a moment if that was done before. `shown` is how
/// diagnostics name the source's folder (`exercises/01-basic-pool`). Safe to call from several
/// threads and processes: they take turns.
pub fn build(
    session: &Session,
    task: &Task,
    snapshot: &Snapshot,
    shown: &str,
    watcher: Watcher<'_>,
    cancel: &Cancel,
) -> Result<Built> {
    let began = Instant::now();
    let bin = session.course.base.join("bin");
    let place = bin.join(session.key(task, &snapshot.hash)?);
    let source = package::source_folder(&session.course, task);
    let done = |suite: Result<Suite, String>| {
        let warnings = suite.as_ref().map_or(0, Suite::warnings);
        Ok(Built { seconds: began.elapsed().as_secs_f64(), suite, warnings })
    };
    if let Some(suite) = Suite::open(&place, task, &source) {
        return done(Ok(suite));
    }
    let _turn = take_turns(&session.course.base, watcher, cancel)?;
    // Whoever had the turn before may have built just this.
    if let Some(suite) = Suite::open(&place, task, &source) {
        return done(Ok(suite));
    }
    let workspace = package::write(&session.course, task, snapshot)?;
    let result = Cargo { session, workspace: &workspace, watcher, cancel }.build();
    watcher(Step::Built);
    let output = result?;
    if !output.success {
        return done(Err(output.diagnostics.explain(task, &source, shown)?));
    }
    let warnings = output.diagnostics.warnings(task);
    Suite::copy_out(&place, task, &output.binaries, warnings)?;
    tidy(&bin);
    let suite = Suite::open(&place, task, &source);
    done(Ok(suite.with_context(|| format!("{} is gone", place.display()))?))
}

/// Builds a program of the course's own in its generated workspace, and keeps it as `place`; the
/// folder `kept` holds nothing else.
pub fn program(
    session: &Session,
    workspace: &Workspace,
    (kept, place): (&Path, &Path),
    watcher: Watcher<'_>,
    cancel: &Cancel,
) -> Result<()> {
    let _turn = take_turns(&session.course.base, watcher, cancel)?;
    // Whoever had the turn before may have built just this.
    if place.is_file() {
        return Ok(());
    }
    let result = Cargo { session, workspace, watcher, cancel }.build();
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

/// Keeps what cargo built. Cargo unlinks before it builds anew: a second name stays what it is.
fn keep(built: &Path, name: &Path) -> io::Result<()> {
    fs::hard_link(built, name).or_else(|_| fs::copy(built, name).map(drop))
}

impl Suite {
    /// The suite that was built earlier, marked as in use.
    fn open(place: &Path, task: &Task, source: &Path) -> Option<Self> {
        let in_use = File::open(place.join("used")).ok()?;
        in_use.lock_shared().ok()?;
        let real = place.join(binary_name("real"));
        let simulated = task.facts.simulated.then(|| place.join(binary_name("sim")));
        // Tidied away just before it was locked?
        let is_there = real.is_file() && simulated.as_ref().is_none_or(|path| path.is_file());
        // The youngest are kept.
        let _ = in_use.set_modified(SystemTime::now());
        let source = source.to_owned();
        is_there.then(|| Self { real, simulated, source, in_use: Arc::new(in_use) })
    }

    /// How many warnings there were when it was built.
    fn warnings(&self) -> usize {
        let count = io::read_to_string(&*self.in_use).ok();
        count.and_then(|count| count.parse().ok()).unwrap_or_default()
    }

    fn copy_out(
        place: &Path,
        task: &Task,
        binaries: &HashMap<String, PathBuf>,
        warnings: usize,
    ) -> Result<()> {
        let scratch = place.with_extension("new");
        let copy = || -> io::Result<()> {
            let _ = fs::remove_dir_all(&scratch);
            fs::create_dir_all(&scratch)?;
            for world in ["real", "sim"] {
                if let Some(built) = binaries.get(&Names::new(task, world).suite) {
                    let name = scratch.join(binary_name(world));
                    keep(built, &name)?;
                }
            }
            fs::write(scratch.join("used"), warnings.to_string())?;
            let _ = fs::remove_dir_all(place);
            fs::rename(&scratch, place)
        };
        copy().with_context(|| format!("cannot copy the suite to {}", place.display()))
    }
}

fn binary_name(world: &str) -> String {
    format!("{world}{}", std::env::consts::EXE_SUFFIX)
}

/// Removes the oldest suites that nobody runs. What cannot be removed stays.
fn tidy(bin: &Path) {
    let modified = |path: &Path| path.join("used").metadata().and_then(|facts| facts.modified());
    let entries = fs::read_dir(bin).into_iter().flatten().filter_map(Result::ok);
    let mut suites: Vec<(SystemTime, PathBuf)> =
        entries.filter_map(|entry| Some((modified(&entry.path()).ok()?, entry.path()))).collect();
    suites.sort();
    let excess = suites.len().saturating_sub(KEPT);
    for (_, place) in &suites[..excess] {
        if File::open(place.join("used")).is_ok_and(|used| used.try_lock().is_ok()) {
            let _ = fs::remove_dir_all(place);
        }
    }
}

/// Waits until no other checker builds here; the turn ends when the file is dropped.
fn take_turns(base: &Path, watcher: Watcher<'_>, cancel: &Cancel) -> Result<File> {
    fs::create_dir_all(base)
        .with_context(|| format!("cannot make the folder {}", base.display()))?;
    let path = base.join("lock");
    let file = File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
    let mut said = false;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::Error(error)) => {
                return Err(anyhow!(error).context(format!("cannot lock {}", path.display())));
            }
            Err(TryLockError::WouldBlock) => {}
        }
        if !said {
            watcher(Step::WaitingForLock);
            said = true;
        }
        cancel.check()?;
        thread::sleep(GLANCE);
    }
}

/// Cargo in a generated workspace.
struct Cargo<'a> {
    session: &'a Session,
    workspace: &'a Workspace,
    watcher: Watcher<'a>,
    cancel: &'a Cancel,
}

/// What cargo made.
struct Output {
    success: bool,
    /// Binaries by name.
    binaries: HashMap<String, PathBuf>,
    diagnostics: Diagnostics,
}

impl Cargo<'_> {
    /// Builds offline: all that is needed is there, but for the very first time.
    fn build(&self) -> Result<Output> {
        let output = self.build_offline()?;
        if output.success || !output.diagnostics.needs_network() {
            return Ok(output);
        }
        (self.watcher)(Step::Fetching);
        let (code, words) = self.run(&["fetch"], |_| Ok(()))?;
        if code != Some(0) {
            bail!(
                "cannot fetch what the course depends on; the first build needs the network\n{}",
                words.trim_end()
            );
        }
        self.build_offline()
    }

    fn build_offline(&self) -> Result<Output> {
        let target = self.session.course.base.join("build");
        let target = target.to_string_lossy();
        let format = "--message-format=json-diagnostic-rendered-ansi";
        let mut args = vec!["build", "--offline", "--keep-going", format, "--target-dir", &target];
        for package in &self.workspace.packages {
            args.extend(["-p", package]);
        }
        let mut binaries = HashMap::new();
        let mut diagnostics = Diagnostics::default();
        let (code, words) = self.run(&args, |line| {
            match Message::parse(line)? {
                Message::Artifact { target, executable: Some(path) } => {
                    binaries.insert(target.name, path);
                }
                Message::Found(finding) => diagnostics.add(finding),
                _ => {}
            }
            Ok(())
        })?;
        if let Some(sentence) = session::disk_full(&words) {
            bail!(sentence);
        }
        diagnostics.words = words;
        Ok(Output { success: code == Some(0), binaries, diagnostics })
    }

    /// Runs cargo to its end; its exit code, and what it wrote to stderr.
    fn run(
        &self,
        args: &[&str],
        mut on_line: impl FnMut(&[u8]) -> Result<()>,
    ) -> Result<(Option<i32>, String)> {
        let mut env = session::environment();
        // It writes `Building [==>   ] 3/30: …`, from which the progress is read.
        for (name, value) in [("WHEN", "always"), ("WIDTH", "80")] {
            env.push((format!("CARGO_TERM_PROGRESS_{name}").into(), value.into()));
        }
        let mut running = Running::start(&Order {
            program: session::cargo()?,
            args: args.iter().map(Into::into).collect(),
            folder: Some(self.workspace.folder.clone()),
            env,
            prefix: "{".into(),
            relay_stderr: true,
            ..Order::default()
        })?;
        let until = Instant::now() + LIMIT;
        let ended = loop {
            match running.next(until, self.cancel) {
                Next::Event(Event::Line(line)) => on_line(&line)?,
                Next::Event(Event::Stderr(bytes)) => self.show_progress(&bytes),
                Next::Event(Event::Ended(ended)) => break ended,
                Next::Event(Event::Dry) => {}
                Next::Late => bail!("cargo did not end"),
                Next::Cancelled => {
                    running.end();
                    running.wait();
                    bail!(Interrupted);
                }
            }
        };
        let (lines, words) = running.drain();
        for line in lines {
            on_line(&line)?;
        }
        if let Some(lost) = ended.not_started.or(ended.lost) {
            bail!("cargo did not run: {lost}");
        }
        Ok((ended.code, without_progress(&words)))
    }

    fn show_progress(&self, bytes: &[u8]) {
        let text = String::from_utf8_lossy(bytes);
        let Some((_, rest)) = text.rsplit_once("] ") else { return };
        let count = rest.split(':').next().and_then(|count| count.split_once('/'));
        if let Some((Ok(done), Ok(total))) =
            count.map(|(done, total)| (done.parse(), total.parse()))
        {
            (self.watcher)(Step::Building { done, total });
        }
    }
}

/// Cargo's words without its progress bar, which ends in a carriage return each time.
fn without_progress(words: &str) -> String {
    let lines = words.lines().map(|line| line.rsplit('\r').next().unwrap_or(line));
    let lines: Vec<&str> = lines.filter(|line| !line.trim().is_empty()).collect();
    anstream::adapter::strip_str(&lines.join("\n")).to_string()
}
