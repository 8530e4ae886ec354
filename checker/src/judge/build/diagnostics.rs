//! What the compiler said, put to the student: their own paths, and whose fault it is.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use ledger::plain;
use serde::Deserialize;

use crate::course::Task;
use crate::judge::build::package::{Names, Worlds};
use crate::judge::build::toolchain::COMPILER;
use crate::process::Limits;

/// What of `std` the simulation has.
const SIMULATED: &str = "std::sync (Mutex, RwLock, Condvar, Once, OnceLock, LazyLock, Barrier, \
    mpsc, atomics, Arc, Weak), std::thread (spawn, scope, Builder, park, sleep, yield_now) and \
    std::time (Instant, Duration), and parking_lot's Mutex, RwLock and Condvar";

/// A line of cargo's JSON.
#[derive(Debug, Deserialize)]
#[serde(tag = "reason")]
pub enum Message {
    /// Something was built.
    #[serde(rename = "compiler-artifact")]
    Artifact {
        /// What.
        target: Target,
        /// Where it is, if it can be run.
        executable: Option<PathBuf>,
    },
    /// The compiler found something.
    #[serde(rename = "compiler-message")]
    Found(Finding),
    /// Of no interest here.
    #[serde(other)]
    Other,
}

/// What was built.
#[derive(Debug, Deserialize)]
pub struct Target {
    /// Its name.
    pub name: String,
}

/// What the compiler found, and where.
#[derive(Debug, Deserialize)]
pub struct Finding {
    package_id: String,
    message: Diagnostic,
}

#[derive(Debug, Deserialize)]
struct Diagnostic {
    message: String,
    level: String,
    #[serde(default)]
    rendered: Option<String>,
    spans: Vec<Span>,
    children: Vec<Diagnostic>,
}

#[derive(Debug, Deserialize)]
struct Span {
    file_name: String,
    line_start: u32,
    column_start: u32,
    label: Option<String>,
}

/// More errors than these, or warnings, are not kept: nobody reads them.
const MOST: usize = 100;
/// No more of the compiler's words than these are shown.
const SHOWN: usize = 20_000;

impl Message {
    /// Reads a line.
    pub fn parse(line: &[u8]) -> Result<Self> {
        serde_json::from_slice(line).context("cannot read what cargo says")
    }
}

/// The errors of a build.
#[derive(Debug, Default)]
pub struct Diagnostics {
    errors: Vec<Finding>,
    warnings: Vec<Finding>,
    /// What cargo itself said.
    pub words: String,
    /// Whether the build was ended, for it took too long.
    pub is_late: bool,
}

impl Diagnostics {
    /// Takes in a finding.
    pub fn add(&mut self, finding: Finding) {
        let has_place = !finding.message.spans.is_empty();
        if finding.message.level.starts_with("error") && self.errors.len() < MOST {
            self.errors.push(finding);
        } else if finding.message.level == "warning" && has_place && self.warnings.len() < MOST {
            self.warnings.push(finding);
        }
    }

    /// How many warnings there are for the submission.
    pub fn warnings(&self, task: &Task, worlds: Worlds) -> usize {
        let world = match worlds {
            Worlds::All => "real",
            Worlds::Simulated => "sim",
            Worlds::Told => "told",
        };
        let mark = mark(&Names::new(task, world).graded);
        self.warnings.iter().filter(|warning| warning.package_id.contains(&mark)).count()
    }

    /// Whether it failed because something must be downloaded.
    pub fn needs_network(&self) -> bool {
        self.errors.is_empty() && self.words.contains("offline")
    }

    /// The submission's errors in words. An error if they are not the submission's.
    pub fn explain(&self, task: &Task, snapshot: &Path, shown: &str) -> Result<String> {
        let of = |name: &str| -> Vec<&Diagnostic> {
            let mark = mark(name);
            let mine = self.errors.iter().filter(|error| error.package_id.contains(&mark));
            mine.map(|error| &error.message).collect()
        };
        let [real, told, sim] = ["real", "told", "sim"].map(|world| Names::new(task, world));
        let rendered = |errors: &[&Diagnostic]| -> String {
            let own = format!("{}{}", snapshot.display(), std::path::MAIN_SEPARATOR);
            let text: String = errors.iter().filter_map(|error| error.rendered.clone()).collect();
            let text = text.replace(&own, &format!("{shown}/src/"));
            plain::cut(&plain::coloured(text.trim_end()), SHOWN).into_owned()
        };
        for name in [&real.graded, &told.graded] {
            let errors = of(name);
            if !errors.is_empty() {
                return Ok(rendered(&errors));
            }
        }
        let errors = of(&sim.graded);
        if !errors.is_empty() {
            return Ok(format!(
                "The code compiles, but not over the simulation, where its threads are run in a \
                 thousand orders on a clock of their own. The simulation knows {SIMULATED}; \
                 something else of std is used here:\n\n{}",
                rendered(&errors)
            ));
        }
        if let Some(sentence) = self.too_much(&[&real, &told, &sim]) {
            return Ok(sentence);
        }
        for name in [&real.suite, &told.suite, &sim.suite] {
            let errors = of(name);
            if errors.iter().any(|error| error.message.starts_with("linking")) {
                bail!("the suite could not be linked:\n{}", rendered(&errors));
            }
            if !errors.is_empty() {
                return Ok(mismatch(&errors, snapshot, shown));
            }
        }
        bail!(self.of_the_course())
    }

    /// The errors of what the course itself brings, in words.
    pub fn of_the_course(&self) -> String {
        let errors = self.errors.iter().take(5).filter_map(|error| error.message.rendered.clone());
        format!(
            "the course itself does not build; that is not your code's fault\n{}\n{}",
            errors.collect::<String>().trim_end(),
            self.words
        )
    }

    /// Says so if the compiler came to one of its limits over the submission, or was ended by what
    /// it met there.
    fn too_much(&self, worlds: &[&Names]) -> Option<String> {
        let Limits { memory, processor, .. } = COMPILER;
        if self.is_late {
            return Some(String::from(
                "the compiler did not come to an end with this code, and hardly computed: does it \
                 include a file that never ends?",
            ));
        }
        let names = worlds.iter().flat_map(|names| [&names.graded, &names.suite]);
        let failed = |name: &String| self.words.contains(&format!("could not compile `{name}`"));
        if !names.into_iter().any(failed) || !self.words.contains("(signal: ") {
            return None;
        }
        let said = |text: &str| self.words.contains(text);
        let grows = "does a macro, a type or a constant in it grow without end?";
        Some(if said("memory allocation of ") || said("out of memory") || said("SIGKILL") {
            let memory = memory.unwrap_or_default() >> 30;
            format!("the compiler needed more than {memory} GiB of memory for this code: {grows}")
        } else if said("SIGXCPU") {
            let seconds = processor.map_or(0, |limit| limit.as_secs());
            format!("the compiler computed for more than {seconds} s over this code: {grows}")
        } else {
            let signal = self.words.lines().find(|line| line.contains("(signal: "));
            let signal = signal.and_then(|line| line.split_once("(signal: "));
            let signal = signal.and_then(|(_, rest)| rest.split(')').next()).unwrap_or_default();
            let signal = signal.split(':').next().unwrap_or(signal);
            format!(
                "this code ended the compiler itself (signal {signal}): an expression or a type \
                 that is nested very deeply can do that"
            )
        })
    }
}

/// The suite does not fit the crate: the crate's interface was changed. The suite's source is not
/// shown, only what the compiler says and where it points in the student's.
fn mismatch(errors: &[&Diagnostic], snapshot: &Path, shown: &str) -> String {
    let mut text = "The code compiles, but it no longer has the interface that the task states; \
                    the suite cannot use it:\n"
        .to_owned();
    for error in errors {
        text += &format!("\nerror: {}\n", error.message);
        for part in std::iter::once(*error).chain(&error.children) {
            for span in &part.spans {
                let Ok(file) = Path::new(&span.file_name).strip_prefix(snapshot) else { continue };
                let place = format!("{shown}/src/{}", file.display());
                let said = span.label.as_deref().filter(|label| !label.is_empty());
                let (line, column, said) =
                    (span.line_start, span.column_start, said.unwrap_or(&part.message));
                text += &format!("  {place}:{line}:{column}: {said}\n");
            }
        }
    }
    text.trim_end().to_owned()
}

/// What the id of a generated package holds, and that of no other.
fn mark(name: &str) -> String {
    format!("/{name}#")
}
