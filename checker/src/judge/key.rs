//! The keys that verdicts and binaries are stored under: everything that they depend on, hashed.

use std::path::PathBuf;
use std::sync::OnceLock;
use std::{env, fs, io};

use anyhow::{Context, Result};

use crate::course::{Course, Task};
use crate::judge::build::{crates, toolchain};

/// Makes the keys of one call of the program.
#[derive(Debug, Default)]
pub struct Keys {
    /// What each depends on: this program and the toolchain; hashed once.
    tools: OnceLock<blake3::Hash>,
}

impl Keys {
    /// The key of a verdict: everything that it depends on, hashed. That is the snapshot, the
    /// suite, and [what all suites stand on](Self::foundation).
    pub fn key(&self, course: &Course, task: &Task, snapshot_hash: &str) -> Result<String> {
        let mut hasher = blake3::Hasher::new();
        hasher.update(snapshot_hash.as_bytes()).update(self.foundation(course)?.as_bytes());
        let mut files = files_below(vec![task.suite.join("src")])?;
        files.push(task.suite.join("suite.toml"));
        Ok(hash_files(course, hasher, files))
    }

    /// What all suites stand on, hashed: the course's own crates, the versions of all others, the
    /// toolchain and this program.
    pub fn foundation(&self, course: &Course) -> Result<String> {
        let mut hasher = blake3::Hasher::new();
        hasher.update(self.tools(course)?.as_bytes());
        let own = crates::own_crates(course)?;
        let mut files = files_below(own.iter().map(|own| own.join("src")).collect())?;
        files.extend(own.iter().map(|own| own.join("Cargo.toml")));
        files.extend(["Cargo.toml", "Cargo.lock"].map(|name| course.root.join(name)));
        Ok(hash_files(course, hasher, files))
    }

    /// The key under which a verdict is stored: [`key`](Self::key), and the name of the source, which
    /// its text mentions.
    pub fn verdict_key(
        &self,
        course: &Course,
        task: &Task,
        snapshot_hash: &str,
        shown: &str,
    ) -> Result<String> {
        let key = format!("{}{shown}", self.key(course, task, snapshot_hash)?);
        Ok(blake3::hash(key.as_bytes()).to_hex()[..32].to_owned())
    }

    /// This program and the toolchain, hashed.
    pub fn tools(&self, course: &Course) -> Result<blake3::Hash> {
        if let Some(hash) = self.tools.get() {
            return Ok(*hash);
        }
        let mut hasher = blake3::Hasher::new();
        let program = env::current_exe().and_then(fs::read).context("cannot read this program")?;
        hasher.update(&program);
        hasher.update(&toolchain::version(&course.root)?);
        Ok(*self.tools.get_or_init(|| hasher.finalize()))
    }
}

/// Hashes names and contents of these files on top, in the order of their names: a key.
pub fn hash_files(course: &Course, mut hasher: blake3::Hasher, mut files: Vec<PathBuf>) -> String {
    files.sort();
    for path in files {
        let name = course.shown(&path);
        // A made-up course need not have them all.
        let content = fs::read(&path).unwrap_or_default();
        hasher.update(&(name.len() as u64).to_le_bytes()).update(name.as_bytes());
        hasher.update(&(content.len() as u64).to_le_bytes()).update(&content);
    }
    hasher.finalize().to_hex()[..32].to_owned()
}

/// All files below these folders; those that are not there hold none.
fn files_below(mut folders: Vec<PathBuf>) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten() {
            let path = entry?.path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    Ok(files)
}
