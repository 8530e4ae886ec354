//! One call of the checker: the course, the toolchain and the keys that verdicts are stored under.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use anyhow::{Context, Result, bail};

use crate::cancel::Cancel;
use crate::course::{Course, Task};
use crate::databases::Databases;
use crate::package;
use crate::run::Resources;

/// What every step needs to know.
#[derive(Debug)]
pub struct Session {
    /// The course.
    pub course: Course,
    /// Set by Ctrl-C.
    pub cancel: Cancel,
    /// The PostgreSQL that database cases run on.
    pub databases: Databases,
    /// What only one case at a time may use.
    pub resources: Resources,
    /// What else a verdict depends on: this program and the toolchain; hashed once.
    tools: OnceLock<blake3::Hash>,
}

impl Session {
    /// Finds the course.
    pub fn begin() -> Result<Self> {
        Ok(Self {
            course: Course::find()?,
            cancel: Cancel::on_interrupt()?,
            databases: Databases::default(),
            resources: Resources::default(),
            tools: OnceLock::new(),
        })
    }

    /// The key of a verdict: everything that it depends on, hashed. That is the snapshot, the
    /// suite, and [what all suites stand on](Self::foundation).
    pub fn key(&self, task: &Task, snapshot_hash: &str) -> Result<String> {
        let mut hasher = blake3::Hasher::new();
        hasher.update(snapshot_hash.as_bytes()).update(self.foundation()?.as_bytes());
        let mut files = files_below(vec![task.suite.join("src")])?;
        files.push(task.suite.join("suite.toml"));
        Ok(self.hash_files(hasher, files))
    }

    /// What all suites stand on, hashed: the course's own crates, the versions of all others, the
    /// toolchain and this program.
    pub fn foundation(&self) -> Result<String> {
        let mut hasher = blake3::Hasher::new();
        hasher.update(self.tools()?.as_bytes());
        let own = package::own_crates(&self.course)?;
        let mut files = files_below(own.iter().map(|own| own.join("src")).collect())?;
        files.extend(own.iter().map(|own| own.join("Cargo.toml")));
        files.extend(["Cargo.toml", "Cargo.lock"].map(|name| self.course.root.join(name)));
        Ok(self.hash_files(hasher, files))
    }

    /// Hashes names and contents of these files on top, in the order of their names: a key.
    pub fn hash_files(&self, mut hasher: blake3::Hasher, mut files: Vec<PathBuf>) -> String {
        files.sort();
        for path in files {
            let name = self.course.shown(&path);
            // A made-up course need not have them all.
            let content = fs::read(&path).unwrap_or_default();
            hasher.update(&(name.len() as u64).to_le_bytes()).update(name.as_bytes());
            hasher.update(&(content.len() as u64).to_le_bytes()).update(&content);
        }
        hasher.finalize().to_hex()[..32].to_owned()
    }

    /// The key under which a verdict is stored: [`Session::key`], and the name of the source, which
    /// its text mentions.
    pub fn verdict_key(&self, task: &Task, snapshot_hash: &str, shown: &str) -> Result<String> {
        let key = format!("{}{shown}", self.key(task, snapshot_hash)?);
        Ok(blake3::hash(key.as_bytes()).to_hex()[..32].to_owned())
    }

    /// This program and the toolchain, hashed.
    pub fn tools(&self) -> Result<blake3::Hash> {
        if let Some(hash) = self.tools.get() {
            return Ok(*hash);
        }
        // Whoever has no cargo is told so, not that there is no rustc.
        cargo()?;
        let mut hasher = blake3::Hasher::new();
        let program = env::current_exe().and_then(fs::read).context("cannot read this program")?;
        hasher.update(&program);
        let rustc = Command::new("rustc")
            .arg("-vV")
            .env_clear()
            .envs(environment())
            .current_dir(&self.course.root)
            .output()
            .map_err(|error| missing("rustc", error))?;
        hasher.update(&rustc.stdout);
        Ok(*self.tools.get_or_init(|| hasher.finalize()))
    }
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

/// The cargo to build with: the one that started this program, or the one on PATH.
pub fn cargo() -> Result<PathBuf> {
    let given = env::var_os("CARGO").map(PathBuf::from).filter(|path| path.is_file());
    let name = format!("cargo{}", env::consts::EXE_SUFFIX);
    let on_path = || {
        let folders = env::var_os("PATH").unwrap_or_default();
        env::split_paths(&folders).map(|folder| folder.join(&name)).find(|path| path.is_file())
    };
    match given.or_else(on_path) {
        Some(path) => Ok(path),
        None => bail!(
            "there is no cargo on PATH, and nothing can be built without it: install Rust from \
             https://rustup.rs, open a new terminal and try again"
        ),
    }
}

/// Why a tool did not start.
fn missing(tool: &str, error: io::Error) -> anyhow::Error {
    if error.kind() == io::ErrorKind::NotFound {
        anyhow::anyhow!("there is no {tool} on PATH: install Rust from https://rustup.rs")
    } else {
        anyhow::Error::new(error).context(format!("cannot start {tool}"))
    }
}

/// The caller's environment without what would bend a build: flags, wrappers, other target
/// folders, and what cargo told this program about itself; and without what tells of a PostgreSQL
/// server, which code under test could read while it is compiled. Where cargo finds its home, its
/// registries and its network stays.
pub fn environment() -> Vec<(OsString, OsString)> {
    const KEPT: [&str; 5] =
        ["CARGO_HOME", "CARGO_HTTP_", "CARGO_NET_", "CARGO_REGISTRIES_", "CARGO_REGISTRY_"];
    const BENDING: [&str; 5] = ["CARGO", "RUSTC", "RUSTDOC", "RUSTFLAGS", "RUST_RECURSION_COUNT"];
    const TELLING: [&str; 3] = ["DATABASE_URL", "PG", "POOL_COURSE_"];
    env::vars_os()
        .filter(|(name, _)| {
            let name = name.to_string_lossy();
            let bends = BENDING.iter().any(|start| name.starts_with(start));
            let tells = TELLING.iter().any(|start| name.starts_with(start));
            let kept = KEPT.iter().any(|start| name.starts_with(start));
            (!bends || kept)
                && !tells
                && !matches!(&*name, "MAKEFLAGS" | "MFLAGS" | "CARGO_MAKEFLAGS")
        })
        .collect()
}

/// The sentence for a full disk, wherever it shows: the system says it in an error or, through a
/// tool, in words.
pub fn disk_full(text: &str) -> Option<&'static str> {
    const SIGNS: [&str; 4] = [
        "No space left on device",
        "os error 28",
        "Disk quota exceeded",
        "not enough space on the disk",
    ];
    SIGNS.iter().any(|sign| text.contains(sign)).then_some(
        "the disk is full: make some room and try again; nothing of yours was touched, and \
         everything in the course's folder `target` may be deleted, it is made anew",
    )
}
