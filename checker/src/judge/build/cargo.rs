//! Cargo in a generated workspace: what is built there, what the compiler finds, how far it is.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::judge::build::diagnostics::{Diagnostics, Message};
use crate::judge::build::package::Workspace;
use crate::judge::build::toolchain::{self, COMPILER};
use crate::judge::progress::{Step, Watcher};
use crate::process::cancel::{Cancel, Interrupted};
use crate::process::disk;
use crate::process::{Event, Limits, Next, Order, Running};

/// No build of what the course itself brings takes that long.
const LONGEST: Duration = Duration::from_hours(1);
/// Nor a build of a submission; it can only be waiting for something that never comes.
const LONGEST_OF_CODE: Duration = Duration::from_mins(5);

/// What cargo and all that it starts may have.
#[derive(Clone, Copy)]
struct Bounds {
    /// Each process of them.
    limits: Limits,
    /// All of them together.
    time: Duration,
}

/// How cargo ended.
struct Ran {
    code: Option<i32>,
    /// What it wrote to stderr.
    words: String,
    /// Whether it was ended, for it took too long.
    is_late: bool,
}

/// Cargo in a generated workspace.
pub struct Cargo<'a> {
    /// Where.
    pub workspace: &'a Workspace,
    /// Where what it makes is laid.
    pub target: PathBuf,
    /// Who sees how far it is.
    pub watcher: Watcher<'a>,
    /// Who may stop it.
    pub cancel: &'a Cancel,
}

/// What cargo made.
pub struct Output {
    /// Whether all is built.
    pub success: bool,
    /// Binaries by name.
    pub binaries: HashMap<String, PathBuf>,
    /// What the compiler found.
    pub diagnostics: Diagnostics,
}

impl Cargo<'_> {
    /// Builds what the course itself brings, and fetches it first if it is not there yet.
    pub fn build(&self, packages: &[&str]) -> Result<Output> {
        let bounds = Bounds { limits: Limits::default(), time: LONGEST };
        let output = self.build_offline(packages, bounds)?;
        if output.success || !output.diagnostics.needs_network() {
            return Ok(output);
        }
        (self.watcher)(Step::Fetching);
        let Ran { code, words, .. } = self.run(&["fetch"], bounds, |_| Ok(()))?;
        if code != Some(0) {
            bail!(
                "cannot fetch what the course depends on; the first build needs the network\n{}",
                words.trim_end()
            );
        }
        self.build_offline(packages, bounds)
    }

    /// Builds a submission, within [limits](COMPILER): all that it depends on is built.
    pub fn build_code(&self, packages: &[&str]) -> Result<Output> {
        self.build_offline(packages, Bounds { limits: COMPILER, time: LONGEST_OF_CODE })
    }

    fn build_offline(&self, packages: &[&str], bounds: Bounds) -> Result<Output> {
        let target = self.target.to_string_lossy();
        let format = "--message-format=json-diagnostic-rendered-ansi";
        let mut args = vec!["build", "--offline", "--keep-going", format, "--target-dir", &target];
        for package in packages {
            args.extend(["-p", package]);
        }
        let mut binaries = HashMap::new();
        let mut diagnostics = Diagnostics::default();
        let ran = self.run(&args, bounds, |line| {
            match Message::parse(line)? {
                Message::Artifact { target, executable: Some(path) } => {
                    binaries.insert(target.name, path);
                }
                Message::Found(finding) => diagnostics.add(finding),
                _ => {}
            }
            Ok(())
        })?;
        if let Some(sentence) = disk::full(&ran.words) {
            bail!(sentence);
        }
        diagnostics.words = ran.words;
        diagnostics.is_late = ran.is_late;
        Ok(Output { success: ran.code == Some(0), binaries, diagnostics })
    }

    /// Runs cargo to its end.
    fn run(
        &self,
        args: &[&str],
        bounds: Bounds,
        mut on_line: impl FnMut(&[u8]) -> Result<()>,
    ) -> Result<Ran> {
        let mut env = toolchain::environment();
        // It writes `Building [==>   ] 3/30: …`, from which the progress is read.
        for (name, value) in [("WHEN", "always"), ("WIDTH", "80")] {
            env.push((format!("CARGO_TERM_PROGRESS_{name}").into(), value.into()));
        }
        let mut running = Running::start(&Order {
            program: toolchain::cargo()?,
            args: args.iter().map(Into::into).collect(),
            folder: Some(self.workspace.folder.clone()),
            env,
            limits: bounds.limits,
            prefix: "{".into(),
            relay_stderr: true,
            ..Order::default()
        })?;
        let until = Instant::now() + bounds.time;
        let mut is_late = false;
        let ended = loop {
            match running.next(until, self.cancel) {
                Next::Event(Event::Line(line)) => on_line(&line)?,
                Next::Event(Event::Stderr(bytes)) => self.show_progress(&bytes),
                Next::Event(Event::Ended(ended)) => break ended,
                Next::Event(Event::Dry) => {}
                Next::Late => {
                    is_late = true;
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
        let (lines, words) = running.drain();
        for line in lines {
            on_line(&line)?;
        }
        if let Some(lost) = ended.not_started.or(ended.lost) {
            bail!("cargo did not run: {lost}");
        }
        Ok(Ran { code: ended.code, words: without_progress(&words), is_late })
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
