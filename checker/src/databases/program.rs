//! The program `postgres-service`: built from the course's `fixtures` on first need, and kept.
//!
//! It is a package of its own in a generated workspace, as the suites are, so that it is built in
//! the students' edition as well, and without anything that only the suites need.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::{Map, Value, json};

use crate::cancel::Cancel;
use crate::compile;
use crate::package::{self, Crates, Workspace};
use crate::progress::Watcher;
use crate::session::Session;

/// Its name, and its package's.
const NAME: &str = "postgres-service";
/// Where its source is, below `fixtures`.
const SOURCE: &str = "src/bin/postgres-service";
/// The feature of `fixtures` that names what it depends on.
const FEATURE: &str = "service";

/// The program, built unless it is there already.
pub fn ready(session: &Session, watcher: Watcher<'_>, cancel: &Cancel) -> Result<PathBuf> {
    let crates = Crates::of(&session.course)?;
    let fixtures = crates.folder("fixtures").context("the course has no fixtures")?;
    let key = key(session, &fixtures)?;
    let kept = session.course.base.join(NAME).join("bin");
    let program = kept.join(&key).join(format!("{NAME}{}", std::env::consts::EXE_SUFFIX));
    if !program.is_file() {
        let workspace = write(session, &crates, &fixtures, &key)?;
        compile::program(session, &workspace, (&kept, &program), watcher, cancel)?;
    }
    Ok(program)
}

/// Everything that the program depends on, hashed.
fn key(session: &Session, fixtures: &Path) -> Result<String> {
    let mut files = vec![
        session.course.root.join("Cargo.toml"),
        session.course.root.join("Cargo.lock"),
        fixtures.join("Cargo.toml"),
    ];
    let source = fixtures.join(SOURCE);
    let entries = fs::read_dir(&source);
    for entry in entries.with_context(|| format!("cannot read {}", source.display()))? {
        files.push(entry?.path());
    }
    let mut hasher = blake3::Hasher::new();
    hasher.update(session.tools()?.as_bytes());
    Ok(session.hash_files(hasher, files))
}

/// Writes its package. The key in it has cargo build anew, whatever the times of files say.
fn write(session: &Session, crates: &Crates, fixtures: &Path, key: &str) -> Result<Workspace> {
    let folder = session.course.base.join(NAME);
    let said = package::read(&fixtures.join("Cargo.toml"))?;
    let features = said["features"][FEATURE].as_array().into_iter().flatten();
    let used = features.filter_map(|feature| feature.as_str()?.strip_prefix("dep:"));
    let dependencies: Map<String, Value> =
        used.map(|name| Ok((name.to_owned(), crates.get(name)?))).collect::<Result<_>>()?;
    let main = package::text_of(&fixtures.join(SOURCE).join("main.rs"))?;
    let manifest = json!({
        "package": {
            "name": NAME,
            "version": "0.0.0",
            "edition": "2024",
            "publish": false,
            "description": format!("source {key}"),
        },
        "bin": [{ "name": NAME, "path": main }],
        "dependencies": dependencies,
        "profile": { "dev": { "debug": false } },
        "workspace": {},
    });
    package::write_root(&session.course, &folder, &manifest)?;
    Ok(Workspace { folder, packages: vec![NAME.to_owned()], anchor: NAME.to_owned() })
}
