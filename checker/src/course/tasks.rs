//! The course on disk: where it is, which tasks it has, and which one a name means.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use super::sealed;

/// A course: a folder with exercises and their suites.
#[derive(Clone, Debug)]
pub struct Course {
    /// The folder that holds `exercises/`.
    pub root: PathBuf,
    /// Everything that the checker generates lies below this: `target/checker`.
    pub base: PathBuf,
    /// The tasks by number.
    pub tasks: Vec<Task>,
}

/// A task of the course.
#[derive(Clone, Debug)]
pub struct Task {
    /// `01-basic-pool`.
    pub name: String,
    /// The folder of its suite, which holds `suite.toml` and `src/`.
    pub suite: PathBuf,
    /// What `suite.toml` says.
    pub facts: SuiteFacts,
}

/// What a `suite.toml` says.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SuiteFacts {
    /// The task's title.
    pub title: String,
    /// What all of its cases are worth together.
    pub points: f64,
    /// Which generated workspace it is built in.
    pub family: String,
    /// The exercise's package: `basic-pool`.
    pub package: String,
    /// Whether it is also built over the simulation.
    #[serde(default)]
    pub simulated: bool,
    /// What the graded crate may use: names in the course's `[workspace.dependencies]`, or with a
    /// feature that it needs, as in `fixtures/async`.
    #[serde(default)]
    pub dependencies: Vec<String>,
    /// What the suite uses beside the graded crate.
    #[serde(default)]
    pub suite_dependencies: Vec<String>,
}

impl Task {
    /// The graded crate's library: `basic_pool`.
    pub fn library(&self) -> String {
        self.facts.package.replace('-', "_")
    }

    /// Whether its suite runs on databases, as far as can be told before it is built.
    pub fn has_databases(&self) -> bool {
        self.facts.suite_dependencies.iter().any(|name| name == "fixtures/db")
    }

    /// The task's number, as people type it: `1` for `01-basic-pool`.
    pub fn number(&self) -> Option<u32> {
        self.name.split('-').next()?.parse().ok()
    }

    /// The part after the number: `basic-pool`.
    fn bare_name(&self) -> &str {
        self.name.split_once('-').map_or(self.name.as_str(), |(_, rest)| rest)
    }
}

impl Course {
    /// Finds the course that the current directory lies in; failing that, the one whose target
    /// directory this program was built in. Nothing is baked in at compile time, so a course that
    /// was moved still works.
    pub fn find() -> Result<Self> {
        let here = std::env::current_dir().context("cannot tell the current directory")?;
        let program = std::env::current_exe().ok();
        let root = here
            .ancestors()
            .chain(program.iter().flat_map(|path| path.ancestors()))
            .find(|folder| is_root(folder));
        let Some(root) = root else {
            bail!(
                "no course here: neither {} nor a folder above it has `exercises/` and `checker/`",
                here.display()
            );
        };
        Self::open(root)
    }

    /// Opens the course whose root this is.
    pub fn open(root: &Path) -> Result<Self> {
        let base = root.join("target").join("checker");
        let suites = suites_dir(root, &base)?;
        let mut tasks = BTreeMap::new();
        let entries = fs::read_dir(&suites)
            .with_context(|| format!("cannot read the suites in {}", suites.display()))?;
        for entry in entries {
            let suite = entry?.path();
            let facts = suite.join("suite.toml");
            let Some(name) = suite.file_name().and_then(|name| name.to_str()) else { continue };
            if !facts.is_file() {
                continue;
            }
            let text = fs::read_to_string(&facts)
                .with_context(|| format!("cannot read {}", facts.display()))?;
            let facts = toml::from_str(&text)
                .with_context(|| format!("{} does not say what it should", facts.display()))?;
            tasks.insert(name.to_owned(), Task { name: name.to_owned(), suite, facts });
        }
        if tasks.is_empty() {
            bail!("{} has no suite: no folder in it holds a suite.toml", suites.display());
        }
        Ok(Self { root: root.to_owned(), base, tasks: tasks.into_values().collect() })
    }

    /// The task that a number, a name or a unique prefix of one means.
    pub fn task(&self, asked: &str) -> Result<&Task> {
        let wanted = asked.trim_end_matches('/').to_lowercase();
        let exact = self.tasks.iter().find(|task| {
            task.name == wanted
                || task.bare_name() == wanted
                || wanted.parse().is_ok_and(|number: u32| task.number() == Some(number))
        });
        if let Some(task) = exact {
            return Ok(task);
        }
        let starting: Vec<&Task> = self
            .tasks
            .iter()
            .filter(|task| task.name.starts_with(&wanted) || task.bare_name().starts_with(&wanted))
            .filter(|_| !wanted.is_empty())
            .collect();
        match starting.as_slice() {
            [task] => Ok(task),
            [] => bail!("no task is called `{asked}`: {}", self.suggestion(&wanted)),
            several => {
                let names: Vec<&str> = several.iter().map(|task| task.name.as_str()).collect();
                bail!("`{asked}` can mean {}: say more of the name", names.join(" or "))
            }
        }
    }

    /// The student's folder for a task.
    pub fn exercise(&self, task: &Task) -> PathBuf {
        self.root.join("exercises").join(&task.name)
    }

    /// The reference's folder for a task; the students' edition has none.
    pub fn solution(&self, task: &Task) -> PathBuf {
        self.root.join("solutions").join(&task.name)
    }

    /// The path as people in the course speak of it: relative to the root if it lies below.
    pub fn shown(&self, path: &Path) -> String {
        path.strip_prefix(&self.root).unwrap_or(path).display().to_string()
    }

    fn suggestion(&self, wanted: &str) -> String {
        let likely = closest(
            wanted,
            self.tasks.iter().flat_map(|task| [task.name.as_str(), task.bare_name()]),
        );
        likely.map_or_else(
            || {
                let names: Vec<&str> = self.tasks.iter().map(|task| task.name.as_str()).collect();
                format!("there are {}", names.join(", "))
            },
            |name| format!("did you mean `{name}`?"),
        )
    }
}

/// The name that is most like the wanted one, if any is.
pub fn closest<'a>(wanted: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    names
        .map(|name| (strsim::jaro_winkler(wanted, name), name))
        .filter(|(likeness, _)| *likeness > 0.75)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| name)
}

fn is_root(folder: &Path) -> bool {
    folder.join("exercises").is_dir()
        && folder.join("checker").is_dir()
        && folder.join("Cargo.toml").is_file()
}

/// Where the suites are: in the clear, or where the students' edition's archive is unpacked to.
fn suites_dir(root: &Path, base: &Path) -> Result<PathBuf> {
    let clear = root.join("checker").join("suites");
    if clear.is_dir() { Ok(clear) } else { sealed::unpacked_suites(root, base) }
}
