//! The manifests that are built: the snapshot as the graded crate, the suite beside it.
//!
//! Nothing of the submission takes part but its source. A task is four packages (two if it is not
//! simulated): the graded crate and its suite, for the real world and over the simulation, where
//! `std`, `parking_lot` and `fixtures` are renamed to their stand-ins.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use toml::{Table, Value};

use crate::course::{Course, Task};
use crate::snapshot::Snapshot;

/// In the simulated world these are their stand-ins.
const STAND_INS: [(&str, &str); 3] =
    [("std", "sim-std"), ("parking_lot", "sim-parking-lot"), ("fixtures", FIXTURES)];

/// `fixtures`, built over the simulation.
const FIXTURES: &str = "fixtures-sim";

/// The generated workspace of a task's family.
#[derive(Debug)]
pub struct Workspace {
    /// Its folder: `BASE/<family>`.
    pub folder: PathBuf,
    /// What cargo is to build.
    pub packages: Vec<String>,
}

/// The names of a task's generated packages in one of the worlds.
#[derive(Debug)]
pub struct Names {
    /// The graded crate.
    pub graded: String,
    /// The suite, and its binary.
    pub suite: String,
}

impl Names {
    /// The names in the world with this suffix: `real` or `sim`.
    pub fn new(task: &Task, world: &str) -> Self {
        let package = &task.facts.package;
        Self { graded: format!("{package}-{world}"), suite: format!("{package}-suite-{world}") }
    }
}

/// Writes the packages that build a task's suite against a snapshot. What is there already and
/// right is left alone, so that cargo finds nothing changed.
pub fn write(course: &Course, task: &Task, snapshot: &Snapshot) -> Result<Workspace> {
    let generator = Generator { crates: Crates::of(course)?, course, task, snapshot };
    generator.write()
}

/// The folders of the course's own crates, on which every suite stands.
pub fn own_crates(course: &Course) -> Result<Vec<PathBuf>> {
    let crates = Crates::of(course)?;
    Ok(crates.0.keys().filter_map(|name| crates.folder(name)).collect())
}

/// The course's `[workspace.dependencies]`, with paths made absolute.
struct Crates(Table);

impl Crates {
    fn of(course: &Course) -> Result<Self> {
        let path = course.root.join("Cargo.toml");
        let text =
            fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let manifest: Table =
            text.parse().with_context(|| format!("{} is not TOML", path.display()))?;
        let mut crates = manifest
            .get("workspace")
            .and_then(|workspace| workspace.get("dependencies"))
            .and_then(Value::as_table)
            .cloned()
            .unwrap_or_default();
        for value in crates.iter_mut().filter_map(|(_, value)| value.as_table_mut()) {
            if let Some(Value::String(path)) = value.get_mut("path") {
                *path = text_of(&course.root.join(&path))?;
            }
        }
        Ok(Self(crates))
    }

    fn get(&self, name: &str) -> Result<Table> {
        match self.0.get(name) {
            Some(Value::String(version)) => Ok(table([("version", version.as_str().into())])),
            Some(Value::Table(table)) => Ok(table.clone()),
            _ => Err(anyhow!("the course's [workspace.dependencies] do not name `{name}`")),
        }
    }

    fn folder(&self, name: &str) -> Option<PathBuf> {
        self.0.get(name)?.get("path")?.as_str().map(PathBuf::from)
    }
}

struct Generator<'a> {
    crates: Crates,
    course: &'a Course,
    task: &'a Task,
    snapshot: &'a Snapshot,
}

impl Generator<'_> {
    fn folder(&self) -> PathBuf {
        self.course.base.join(&self.task.facts.family)
    }

    /// The tasks that are built in this workspace.
    fn family(&self) -> impl Iterator<Item = &Task> {
        let family = &self.task.facts.family;
        self.course.tasks.iter().filter(move |task| task.facts.family == *family)
    }

    fn write(&self) -> Result<Workspace> {
        let folder = self.folder();
        let anchor = format!("{}-family", self.task.facts.family);
        let mut packages = vec![anchor.clone()];
        self.write_package(&anchor, self.anchor(&anchor)?, "lib.rs", "")?;
        if self.family().any(|task| task.facts.simulated)
            && self.crates.folder("fixtures").is_some()
        {
            self.write_package(FIXTURES, self.fixtures()?, "", "")?;
        }
        for (world, engine) in [("real", "real"), ("sim", "simulated")] {
            if world == "sim" && !self.task.facts.simulated {
                continue;
            }
            let names = Names::new(self.task, world);
            self.write_package(&names.graded, self.graded(&names, world)?, "", "")?;
            let library = names.suite.replace('-', "_");
            let main = format!(
                "fn main() {{\n    harness::serve({library}::suite(), harness::{engine})\n}}\n"
            );
            self.write_package(&names.suite, self.suite(&names, world)?, "main.rs", &main)?;
            // The graded crates come along as dependencies. Asked for by name, both libraries of one
            // name would be laid in one place.
            packages.push(names.suite);
        }
        self.write_root(&packages)?;
        Ok(Workspace { folder, packages })
    }

    /// The workspace's own manifest, and a lock file that begins as the course's.
    fn write_root(&self, packages: &[String]) -> Result<()> {
        let members = packages.iter().map(|name| Value::from(name.as_str())).collect();
        let workspace = table([("resolver", "3".into()), ("members", Value::Array(members))]);
        // Optimised but for the suite and the student's crate, which are built each time. Nobody
        // reads debug information: panics and waits name their places without.
        let fast = || Value::from(table([("opt-level", 2.into())]));
        let others = table([("*", fast()), (FIXTURES, fast())]);
        let dev = table([("debug", false.into()), ("package", others.into())]);
        let profile = table([("dev", dev.into())]);
        let manifest = table([("workspace", workspace.into()), ("profile", profile.into())]);
        let folder = self.folder();
        put(&folder.join("Cargo.toml"), &toml::to_string(&manifest)?)?;
        let (lock, first) = (folder.join("Cargo.lock"), self.course.root.join("Cargo.lock"));
        if !lock.exists() && first.exists() {
            let text = fs::read_to_string(&first)
                .with_context(|| format!("cannot read {}", first.display()))?;
            put(&lock, &text)?;
        }
        Ok(())
    }

    /// A package without code that depends on everything that the family's packages may use. It
    /// is part of every build, so that features are unified in one way and nothing is compiled
    /// twice, whichever task is built.
    fn anchor(&self, name: &str) -> Result<Table> {
        let all: BTreeSet<&str> = self
            .family()
            .flat_map(|task| task.facts.dependencies.iter().chain(&task.facts.suite_dependencies))
            .map(String::as_str)
            .collect();
        let mut dependencies = Table::new();
        for name in all {
            dependencies.insert(name.to_owned(), self.dependency(name, "real")?.into());
        }
        if self.family().any(|task| task.facts.simulated) {
            for (of, _) in STAND_INS {
                // A made-up course need not have them all.
                if let Ok(dependency) = self.dependency(of, "sim") {
                    dependencies.insert(format!("sim-{of}"), dependency.into());
                }
            }
        }
        let mut manifest = package(name);
        manifest.insert("lib".into(), table([("path", "lib.rs".into())]).into());
        manifest.insert("dependencies".into(), dependencies.into());
        Ok(manifest)
    }

    /// `fixtures` over the simulation: its source, what it depends on without any feature, and the
    /// stand-ins.
    fn fixtures(&self) -> Result<Table> {
        let folder = self.crates.folder("fixtures").unwrap_or_default();
        let path = folder.join("Cargo.toml");
        let text =
            fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let original: Table =
            text.parse().with_context(|| format!("{} is not TOML", path.display()))?;
        let used = original.get("dependencies").and_then(Value::as_table).into_iter().flatten();
        let is_optional =
            |value: &Value| value.get("optional").and_then(Value::as_bool).unwrap_or_default();
        let used: Vec<&str> =
            used.filter(|(_, value)| !is_optional(value)).map(|(name, _)| name.as_str()).collect();
        let library = table([
            ("name", "fixtures".into()),
            ("path", text_of(&folder.join("src").join("lib.rs"))?.into()),
        ]);
        // Its features are known, and off.
        let features = original.get("features").and_then(Value::as_table).into_iter().flatten();
        let features: Table =
            features.map(|(name, _)| (name.clone(), Value::Array(Vec::new()))).collect();
        let mut manifest = package(FIXTURES);
        manifest.insert("lib".into(), library.into());
        manifest.insert("features".into(), features.into());
        manifest.insert("dependencies".into(), self.dependencies(&used, "sim")?.into());
        Ok(manifest)
    }

    fn graded(&self, names: &Names, world: &str) -> Result<Table> {
        let library = table([
            ("name", self.task.library().into()),
            ("path", text_of(&self.snapshot.folder.join("lib.rs"))?.into()),
        ]);
        let rust = table([("unsafe_code", "forbid".into())]);
        let mut manifest = package(&names.graded);
        manifest.insert("lib".into(), library.into());
        let used: Vec<&str> = self.task.facts.dependencies.iter().map(String::as_str).collect();
        manifest.insert("dependencies".into(), self.dependencies(&used, world)?.into());
        manifest.insert("lints".into(), table([("rust", rust.into())]).into());
        Ok(manifest)
    }

    fn suite(&self, names: &Names, world: &str) -> Result<Table> {
        let library = table([
            ("name", names.suite.replace('-', "_").into()),
            ("path", text_of(&self.task.suite.join("src").join("lib.rs"))?.into()),
        ]);
        let binary = table([("name", names.suite.as_str().into()), ("path", "main.rs".into())]);
        let mut manifest = package(&names.suite);
        manifest.insert("lib".into(), library.into());
        manifest.insert("bin".into(), Value::Array(vec![binary.into()]));
        let mut used: Vec<&str> =
            self.task.facts.suite_dependencies.iter().map(String::as_str).collect();
        if !used.contains(&"harness") {
            used.push("harness");
        }
        let mut dependencies = self.dependencies(&used, world)?;
        let graded = table([
            ("package", names.graded.as_str().into()),
            ("path", format!("../{}", names.graded).into()),
        ]);
        dependencies.insert(self.task.library(), graded.into());
        manifest.insert("dependencies".into(), dependencies.into());
        Ok(manifest)
    }

    fn dependencies(&self, names: &[&str], world: &str) -> Result<Table> {
        let mut table = Table::new();
        if world == "sim" {
            table.insert("std".into(), self.dependency("std", world)?.into());
        }
        for name in names {
            table.insert((*name).to_owned(), self.dependency(name, world)?.into());
        }
        Ok(table)
    }

    /// What a package of this world says to depend on `name`.
    fn dependency(&self, name: &str, world: &str) -> Result<Table> {
        let stand_in = STAND_INS.iter().find(|(of, _)| *of == name).map(|(_, stand_in)| stand_in);
        if let (Some(stand_in), "sim") = (stand_in, world) {
            let mut dependency = self.by_package(stand_in)?;
            dependency.insert("package".into(), (*stand_in).into());
            return Ok(dependency);
        }
        let mut dependency = self.crates.get(name)?;
        if name == "harness" && self.family().any(|task| task.facts.simulated) {
            // In the whole family, so that it is compiled once.
            dependency.insert("features".into(), Value::Array(vec!["sim".into()]));
        }
        Ok(dependency)
    }

    fn by_package(&self, name: &str) -> Result<Table> {
        if name == FIXTURES {
            Ok(table([("path", text_of(&self.folder().join(FIXTURES))?.into())]))
        } else {
            self.crates.get(name)
        }
    }

    /// Writes a generated package: its manifest and, unless its source is elsewhere, its one file.
    fn write_package(&self, name: &str, manifest: Table, file: &str, text: &str) -> Result<()> {
        let folder = self.folder().join(name);
        put(&folder.join("Cargo.toml"), &toml::to_string(&manifest)?)?;
        if file.is_empty() { Ok(()) } else { put(&folder.join(file), text) }
    }
}

fn package(name: &str) -> Table {
    let package = table([
        ("name", name.into()),
        ("version", "0.0.0".into()),
        ("edition", "2024".into()),
        ("publish", false.into()),
    ]);
    table([("package", package.into())])
}

fn table<const N: usize>(entries: [(&str, Value); N]) -> Table {
    entries.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// Paths in a manifest are text.
fn text_of(path: &Path) -> Result<String> {
    let text = path.to_str().map(str::to_owned);
    text.ok_or_else(|| anyhow!("the path {} is not UTF-8, which cargo needs", path.display()))
}

/// Writes a file, unless it says that already: cargo would take it for changed.
fn put(path: &Path, text: &str) -> Result<()> {
    if fs::read_to_string(path).is_ok_and(|old| old == text) {
        return Ok(());
    }
    let write = || {
        fs::create_dir_all(path.parent().unwrap_or(path))?;
        fs::write(path, text)
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}
