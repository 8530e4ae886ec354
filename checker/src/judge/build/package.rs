//! The manifests that are built: the snapshot as the graded crate, the suite beside it.
//!
//! Nothing of the submission takes part but its source. A task is the graded crate and its suite, for
//! the real world and, if it is simulated, once more over the simulation, where `std`, `parking_lot`
//! and `fixtures` are renamed to their stand-ins. A suite with a `main.rs` is two packages: its cases,
//! and what joins them and the graded crate.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::course::{Course, Task};
use crate::judge::build::crates::{Crates, Table, read, text_of};
use crate::judge::build::slot::Slot;
use crate::judge::snapshot::Snapshot;

/// In which world which crate is another one for the graded code.
const STAND_INS: [(&str, &str, &str); 4] = [
    ("sim", "std", "sim-std"),
    ("sim", "parking_lot", "sim-parking-lot"),
    ("sim", "fixtures", FIXTURES),
    ("told", "tokio", "told-tokio"),
];

/// `fixtures`, built over the simulation.
const FIXTURES: &str = "fixtures-sim";

/// The generated workspace of a task's family.
#[derive(Debug)]
pub struct Workspace {
    /// Its folder: `SLOT/<family>`.
    pub folder: PathBuf,
    /// What cargo is to build.
    pub packages: Vec<String>,
    /// The package, among those, that stands for everything that the others depend on.
    pub anchor: String,
}

/// In which worlds a suite is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Worlds {
    /// In each that the task has.
    All,
    /// In the simulated one, for cases that run there.
    Simulated,
    /// In the real one, for a task that is not simulated, so that the steps of its cases can be told:
    /// with the lines of the source, and with tasks that have names. It takes longer to build.
    Told,
}

impl Worlds {
    /// Those that a task has.
    pub fn of(self, task: &Task) -> Self {
        match self {
            Self::Simulated if !task.facts.simulated => Self::All,
            Self::Told if task.facts.simulated => Self::All,
            worlds => worlds,
        }
    }

    /// The suffixes of the packages that are written for a task.
    fn suffixes(self, task: &Task) -> &'static [&'static str] {
        match self {
            Self::Told => &["told"],
            _ if task.facts.simulated => &["real", "sim"],
            _ => &["real"],
        }
    }
}

/// The names of a task's generated packages in one of the worlds.
#[derive(Debug)]
pub struct Names {
    /// The graded crate.
    pub graded: String,
    /// The suite, a program. `harness::main!` tells the world by the suffix.
    pub suite: String,
    /// Its cases, if they are a library beneath it that does not know the graded crate.
    pub cases: Option<String>,
}

impl Names {
    /// The names in the world with this suffix: `real`, `sim` or `told`.
    pub fn new(task: &Task, world: &str) -> Self {
        let package = &task.facts.package;
        let apart = task.suite.join("src").join("main.rs").exists();
        Self {
            graded: format!("{package}-{world}"),
            suite: format!("{package}-suite-{world}"),
            cases: apart.then(|| format!("{package}-cases-{}", of_suite(world))),
        }
    }
}

/// The world that a suite's own code lives in: it is the same, whether the graded crate is told or not.
fn of_suite(world: &str) -> &str {
    if world == "told" { "real" } else { world }
}

/// Writes the packages that build a task's suite against a snapshot in a slot. What is there
/// already and right is left alone, so that cargo finds nothing changed.
pub fn write(
    course: &Course,
    task: &Task,
    snapshot: &Snapshot,
    slot: &Slot,
    worlds: Worlds,
) -> Result<Workspace> {
    let generator = Generator { crates: Crates::of(course)?, course, task, snapshot, slot };
    generator.write(worlds)
}

struct Generator<'a> {
    crates: Crates,
    course: &'a Course,
    task: &'a Task,
    snapshot: &'a Snapshot,
    slot: &'a Slot,
}

impl Generator<'_> {
    fn folder(&self) -> PathBuf {
        self.slot.workspace(&self.task.facts.family)
    }

    /// The tasks that are built in this workspace.
    fn family(&self) -> impl Iterator<Item = &Task> {
        let family = &self.task.facts.family;
        self.course.tasks.iter().filter(move |task| task.facts.family == *family)
    }

    fn is_simulated(&self) -> bool {
        self.family().any(|task| task.facts.simulated)
    }

    fn write(&self, worlds: Worlds) -> Result<Workspace> {
        let source = self.slot.source(self.task);
        let laid_out = self.snapshot.lay_out(&source);
        laid_out.with_context(|| format!("cannot copy the source to {}", source.display()))?;
        let folder = self.folder();
        let anchor = format!("{}-family", self.task.facts.family);
        self.write_package(&anchor, self.anchor()?)?;
        put(&folder.join(&anchor).join("lib.rs"), "")?;
        let mut packages = vec![anchor.clone()];
        if self.is_simulated() && self.crates.folder("fixtures").is_some() {
            self.write_package(FIXTURES, self.fixtures()?)?;
        }
        for world in worlds.suffixes(self.task) {
            let names = Names::new(self.task, world);
            self.write_package(&names.graded, self.graded(world)?)?;
            self.write_package(&names.suite, self.suite(&names, world)?)?;
            if let Some(cases) = &names.cases {
                self.write_package(cases, self.cases(of_suite(world))?)?;
            }
            // The graded crates come along as dependencies. Asked for by name, both libraries of one
            // name would be laid in one place.
            packages.push(names.suite);
        }
        self.write_root(&packages)?;
        Ok(Workspace { folder, packages, anchor })
    }

    /// The workspace's own manifest, and a lock file that begins as the course's.
    fn write_root(&self, packages: &[String]) -> Result<()> {
        // Optimised but for the suite and the student's crate, which are built each time. Nobody
        // reads debug information, but where steps are told: panics name their places without, and a
        // build with it takes a third longer.
        let fast = json!({ "opt-level": 2 });
        let mut profile = json!({ "debug": false, "package": { "*": fast, FIXTURES: fast } });
        let told = Names::new(self.task, "told");
        if packages.contains(&told.suite) {
            for package in [told.graded, told.suite] {
                profile["package"][package] = json!({ "debug": "line-tables-only" });
            }
        }
        let manifest = json!({
            "workspace": { "resolver": "3", "members": packages },
            "profile": { "dev": profile },
        });
        let folder = self.folder();
        write_root(self.course, &folder, &manifest)
    }

    /// A package without code that depends on everything that the family's packages may use. It
    /// is part of every build, so that features are unified in one way and nothing is compiled
    /// twice, whichever task is built.
    fn anchor(&self) -> Result<Value> {
        let facts = self.family().map(|task| &task.facts);
        let all: BTreeSet<&str> = facts
            .flat_map(|facts| facts.dependencies.iter().chain(&facts.suite_dependencies))
            .map(String::as_str)
            .collect();
        let mut dependencies = self.dependencies(all, "real")?;
        let simulated = |world: &str| world == "sim" && self.is_simulated();
        for (world, of, _) in STAND_INS.iter().filter(|(world, ..)| simulated(world)) {
            // A made-up course need not have them all.
            if let Ok(dependency) = self.dependency(of, world) {
                dependencies.insert(format!("sim-{of}"), dependency);
            }
        }
        Ok(json!({ "lib": { "path": "lib.rs" }, "dependencies": dependencies }))
    }

    /// `fixtures` over the simulation: its source, what it depends on without any feature, and the
    /// stand-ins.
    fn fixtures(&self) -> Result<Value> {
        let folder = self.crates.folder("fixtures").unwrap_or_default();
        let original = read(&folder.join("Cargo.toml"))?;
        let keys = |section: &str| original[section].as_object().into_iter().flatten();
        let used = keys("dependencies").filter(|(_, said)| said["optional"] != true);
        // Its features are known, and off.
        let features: Table = keys("features").map(|(name, _)| (name.clone(), json!([]))).collect();
        Ok(json!({
            "lib": { "name": "fixtures", "path": text_of(&folder.join("src").join("lib.rs"))? },
            "features": features,
            "dependencies": self.dependencies(used.map(|(name, _)| name.as_str()), "sim")?,
        }))
    }

    fn graded(&self, world: &str) -> Result<Value> {
        let used = self.task.facts.dependencies.iter().map(String::as_str);
        let path = self.slot.source(self.task).join("lib.rs");
        Ok(json!({
            // Cargo builds anew when this changes, whatever it makes of the files' times.
            "package": { "description": format!("snapshot {}", self.snapshot.hash) },
            "lib": { "name": self.task.library(), "path": text_of(&path)? },
            "dependencies": self.dependencies(used, world)?,
            "lints": { "rust": { "unsafe_code": "forbid" } },
        }))
    }

    /// What the suite's crates stand on.
    fn suite_dependencies(&self, world: &str) -> Result<Table> {
        let used = self.task.facts.suite_dependencies.iter().map(String::as_str);
        self.dependencies(used.chain(["harness"]), world)
    }

    /// The suite, whole, or what joins its cases and the graded crate.
    fn suite(&self, names: &Names, world: &str) -> Result<Value> {
        let mut dependencies = self.suite_dependencies(of_suite(world))?;
        let graded = json!({ "package": names.graded, "path": format!("../{}", names.graded) });
        dependencies.insert(self.task.library(), graded);
        let mut root = "lib.rs";
        if let Some(cases) = &names.cases {
            let beneath = json!({ "package": cases, "path": format!("../{cases}") });
            dependencies.insert(self.cases_library(), beneath);
            root = "main.rs";
        }
        let path = self.task.suite.join("src").join(root);
        Ok(json!({
            "bin": [{ "name": names.suite, "path": text_of(&path)? }],
            "dependencies": dependencies,
        }))
    }

    /// The cases of a suite that knows the graded crate behind a trait: compiled once, and not anew
    /// with each submission.
    fn cases(&self, world: &str) -> Result<Value> {
        let path = self.task.suite.join("src").join("lib.rs");
        Ok(json!({
            "lib": { "name": self.cases_library(), "path": text_of(&path)? },
            "dependencies": self.suite_dependencies(world)?,
        }))
    }

    /// What the cases are called by the program above them, here as in the course's own workspace.
    fn cases_library(&self) -> String {
        format!("{}_suite", self.task.library())
    }

    fn dependencies<'a>(
        &self,
        names: impl IntoIterator<Item = &'a str>,
        world: &str,
    ) -> Result<Table> {
        let std = (world == "sim").then_some("std");
        let mut table = Table::new();
        for name in std.into_iter().chain(names) {
            // `fixtures/async` is a crate and a feature of it.
            let (name, feature) =
                name.split_once('/').map_or((name, None), |(name, feature)| (name, Some(feature)));
            if !table.contains_key(name) {
                table.insert(name.to_owned(), self.dependency(name, world)?);
            }
            if let Some(feature) = feature {
                match &mut table[name]["features"] {
                    Value::Array(features) => features.push(feature.into()),
                    none => *none = json!([feature]),
                }
            }
        }
        Ok(table)
    }

    /// What a package of this world says to depend on `name`.
    fn dependency(&self, name: &str, world: &str) -> Result<Value> {
        let stand_in = STAND_INS.iter().find(|(lives, of, _)| *lives == world && *of == name);
        if let Some((.., stand_in)) = stand_in {
            let mut dependency = match *stand_in {
                FIXTURES => json!({ "path": text_of(&self.folder().join(FIXTURES))? }),
                name => self.crates.get(name)?,
            };
            dependency["package"] = (*stand_in).into();
            return Ok(dependency);
        }
        let mut dependency = self.crates.get(name)?;
        if name == "harness" && self.is_simulated() {
            // In the whole family, so that it is compiled once.
            dependency["features"] = json!(["sim"]);
        }
        Ok(dependency)
    }

    /// Writes a generated package's manifest.
    fn write_package(&self, name: &str, mut manifest: Value) -> Result<()> {
        for (key, value) in
            [("name", json!(name)), ("edition", json!("2024")), ("publish", json!(false))]
        {
            manifest["package"][key] = value;
        }
        put(&self.folder().join(name).join("Cargo.toml"), &toml::to_string(&manifest)?)
    }
}

/// Writes a generated workspace's own manifest, and a lock file that begins as the course's.
pub fn write_root(course: &Course, folder: &Path, manifest: &Value) -> Result<()> {
    put(&folder.join("Cargo.toml"), &toml::to_string(manifest)?)?;
    let (lock, first) = (folder.join("Cargo.lock"), course.root.join("Cargo.lock"));
    if !lock.exists() && first.exists() {
        let text = fs::read_to_string(&first)
            .with_context(|| format!("cannot read {}", first.display()))?;
        put(&lock, &text)?;
    }
    Ok(())
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
