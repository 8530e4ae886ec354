//! The crates that the course's own manifest names: what a generated manifest says to depend on one.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use serde_json::{Map, Value, json};

use crate::course::Course;

/// The folders of the course's own crates, on which every suite stands.
pub fn own_crates(course: &Course) -> Result<Vec<PathBuf>> {
    let crates = Crates::of(course)?;
    Ok(crates.0.keys().filter_map(|name| crates.folder(name)).collect())
}

/// What a manifest says a package depends on.
pub type Table = Map<String, Value>;

/// The course's `[workspace.dependencies]`, with paths made absolute.
pub struct Crates(Table);

impl Crates {
    /// Reads them.
    pub fn of(course: &Course) -> Result<Self> {
        let mut manifest = read(&course.root.join("Cargo.toml"))?;
        let mut crates = match manifest.pointer_mut("/workspace/dependencies") {
            Some(Value::Object(crates)) => std::mem::take(crates),
            _ => Table::new(),
        };
        for (_, said) in &mut crates {
            if let Some(path) = said.get("path").and_then(Value::as_str) {
                said["path"] = text_of(&course.root.join(path))?.into();
            }
        }
        Ok(Self(crates))
    }

    /// What a manifest says to depend on one.
    pub fn get(&self, name: &str) -> Result<Value> {
        match self.0.get(name) {
            Some(Value::String(version)) => Ok(json!({ "version": version })),
            Some(said @ Value::Object(_)) => Ok(said.clone()),
            _ => Err(anyhow!("the course's [workspace.dependencies] do not name `{name}`")),
        }
    }

    /// Where one of the course's own is.
    pub fn folder(&self, name: &str) -> Option<PathBuf> {
        self.0.get(name)?.get("path")?.as_str().map(PathBuf::from)
    }
}

/// Reads a manifest.
pub fn read(path: &Path) -> Result<Value> {
    let text =
        fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    toml::from_str(&text).with_context(|| format!("{} is not TOML", path.display()))
}

/// Paths in a manifest are text.
pub fn text_of(path: &Path) -> Result<String> {
    let text = path.to_str().map(str::to_owned);
    text.ok_or_else(|| anyhow!("the path {} is not UTF-8, which cargo needs", path.display()))
}
