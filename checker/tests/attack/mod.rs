//! Hostile submissions, as patches of a reference in `checker/attacks/`. Their headers say what they
//! do, which cases they touch, and what else a test wants to know.

#![allow(dead_code, unreachable_pub, reason = "each test uses what it needs")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

use serde_json::Value;
use tempfile::TempDir;

/// The repository.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// A hostile submission.
pub struct Attack {
    pub name: String,
    task: String,
    text: String,
    source: String,
}

impl Attack {
    /// All of a task, in the order of their names.
    pub fn all(task: &str) -> Vec<Self> {
        let reference = root().join("solutions").join(task).join("src/lib.rs");
        let reference = fs::read_to_string(reference).unwrap();
        let entries = fs::read_dir(root().join("checker/attacks").join(task)).unwrap();
        let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        paths.iter().map(|path| Self::read(task, path, &reference)).collect()
    }

    fn read(task: &str, file: &Path, reference: &str) -> Self {
        let text = fs::read_to_string(file).unwrap();
        let name = file.file_stem().unwrap().to_string_lossy().into_owned();
        let diff = &text[text.find("--- a/").expect("a diff")..];
        let patch = diffy::Patch::from_str(diff).unwrap();
        let source = diffy::apply(reference, &patch).unwrap_or_else(|e| panic!("{name}: {e}"));
        Self { name, task: task.to_owned(), text, source }
    }

    /// What the line `# key: …` of the header says.
    pub fn says(&self, key: &str) -> Option<&str> {
        self.text.lines().find_map(|line| line.strip_prefix(&format!("# {key}: ")))
    }

    /// The names in a line of the header.
    pub fn names(&self, key: &str) -> Vec<&str> {
        self.says(key).into_iter().flat_map(|names| names.split(", ")).collect()
    }

    /// Submits it: how the checker ended, and its verdict on the task. `postgres` is the server for
    /// cases that run on databases; without one the checker sees to that itself.
    pub fn submit(&self, postgres: Option<&str>) -> (ExitStatus, Value) {
        submit(&self.task, &self.source, postgres)
    }
}

/// Submits a source: how the checker ended, and its verdict on the task.
pub fn submit(task: &str, source: &str, postgres: Option<&str>) -> (ExitStatus, Value) {
    let folder: TempDir = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("src")).unwrap();
    fs::write(folder.path().join("src/lib.rs"), source).unwrap();
    let mut checker = Command::new(env!("CARGO_BIN_EXE_checker"));
    checker.args(["check", task, "--json", "--fresh", "--source"]).arg(folder.path());
    checker.current_dir(root()).env_remove("DATABASE_URL");
    checker.envs(postgres.map(|url| ("DATABASE_URL", url)));
    let output = checker.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    let json: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{task}: {error}\n{said}"));
    (output.status, json["tasks"][0].clone())
}
