//! The program `postgres-service`: built from the course's `fixtures` on first need, and kept.
//!
//! It is a package of its own in a generated workspace, as the suites are, so that it is built in
//! the students' edition as well, and without anything that only the suites need.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::{Map, Value, json};

use crate::course::Course;
use crate::judge::build::compile::Builder;
use crate::judge::build::crates::{self, Crates};
use crate::judge::build::package::{self, Workspace};
use crate::judge::key;

/// Its name, and its package's.
const NAME: &str = "postgres-service";
/// Where its source is, below `fixtures`.
const SOURCE: &str = "src/bin/postgres-service";
/// The feature of `fixtures` that names what it depends on.
const FEATURE: &str = "service";

/// The program, built unless it is there already.
pub fn ready(builder: &Builder<'_>) -> Result<PathBuf> {
    let own = Crates::of(builder.course)?;
    let fixtures = own.folder("fixtures").context("the course has no fixtures")?;
    let key = key(builder, &fixtures)?;
    let kept = builder.course.base.join(NAME).join("bin");
    let program = kept.join(&key).join(format!("{NAME}{}", std::env::consts::EXE_SUFFIX));
    if !program.is_file() {
        let workspace = write(builder.course, &own, &fixtures, &key)?;
        builder.program(&workspace, (&kept, &program))?;
    }
    Ok(program)
}

/// Everything that the program depends on, hashed.
fn key(builder: &Builder<'_>, fixtures: &Path) -> Result<String> {
    let mut files = vec![
        builder.course.root.join("Cargo.toml"),
        builder.course.root.join("Cargo.lock"),
        fixtures.join("Cargo.toml"),
    ];
    let source = fixtures.join(SOURCE);
    let entries = fs::read_dir(&source);
    for entry in entries.with_context(|| format!("cannot read {}", source.display()))? {
        files.push(entry?.path());
    }
    let mut hasher = blake3::Hasher::new();
    hasher.update(builder.keys.tools(builder.course)?.as_bytes());
    Ok(key::hash_files(builder.course, hasher, files))
}

/// Writes its package. The key in it has cargo build anew, whatever the times of files say.
fn write(course: &Course, own: &Crates, fixtures: &Path, key: &str) -> Result<Workspace> {
    let folder = course.base.join(NAME);
    let said = crates::read(&fixtures.join("Cargo.toml"))?;
    let features = said["features"][FEATURE].as_array().into_iter().flatten();
    let used = features.filter_map(|feature| feature.as_str()?.strip_prefix("dep:"));
    let dependencies: Map<String, Value> =
        used.map(|name| Ok((name.to_owned(), own.get(name)?))).collect::<Result<_>>()?;
    let main = crates::text_of(&fixtures.join(SOURCE).join("main.rs"))?;
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
    package::write_root(course, &folder, &manifest)?;
    Ok(Workspace { folder, packages: vec![NAME.to_owned()], anchor: NAME.to_owned() })
}
