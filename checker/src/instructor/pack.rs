//! `checker pack`: writes the students' edition, a course that stands on its own.
//!
//! It has no solutions, variants, attacks or grading, and its suites are sealed. A case that is
//! held out stands in its suite's module `held_out`, whose one public function is
//! `pub fn cases() -> Vec<harness::Case>`: the edition has an empty one in its place.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};
use flate2::Compression;
use flate2::write::GzEncoder;
use toml_edit::{Array, DocumentMut};

use crate::course::{ARCHIVE, STARTER, Task, starter};
use crate::judge::session::Session;

/// What is copied as it is, if it is there.
const COPIED: [&str; 14] = [
    "COURSE.md",
    "LICENSE",
    "Cargo.lock",
    ".gitignore",
    ".gitattributes",
    ".cargo",
    ".vscode",
    "clippy.toml",
    "rust-toolchain.toml",
    "rustfmt.toml",
    "rust-analyzer.toml",
    "fixtures",
    "checker/harness",
    "checker/sim",
];

/// What of the checker only instructors need: the feature `instructor` stands for it.
const INSTRUCTORS: &str = "instructor";

/// What replaces a suite's held-out cases.
const HELD_OUT: &str = "src/held_out.rs";
const NONE_HELD_OUT: &str = "//! Cases that are left out of this edition.\n\n\
    /// None here.\npub fn cases() -> Vec<harness::Case> {\n    Vec::new()\n}\n";

/// Writes the edition into `folder`, which must be empty or not there yet.
pub fn run(session: &Session, folder: &Path) -> Result<ExitCode> {
    let course = &session.course;
    if fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some()) {
        bail!("{} is not empty", folder.display());
    }
    for name in COPIED {
        copy(&course.root.join(name), &folder.join(name), &|_| true)?;
    }
    let readme = fs::read_to_string(course.root.join("README.md")).unwrap_or_default();
    write(folder, "README.md", without_instructors(&readme).into_bytes())?;
    let src = course.root.join("checker/src");
    let kept = |path: &Path| path != src.join(INSTRUCTORS);
    copy(&src, &folder.join("checker/src"), &kept)?;
    write(
        folder,
        "checker/Cargo.toml",
        manifest(&course.root.join("checker/Cargo.toml"), |doc| {
            doc["features"]["default"] = toml_edit::value(Array::new());
            doc.remove("test");
            doc.remove("bench");
        })?,
    )?;
    write(
        folder,
        "Cargo.toml",
        manifest(&course.root.join("Cargo.toml"), |doc| {
            for list in ["members", "default-members"] {
                if let Some(members) = doc["workspace"][list].as_array_mut() {
                    members.retain(|member| member.as_str().is_none_or(is_packed));
                }
            }
        })?,
    )?;
    let mut archive = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::best()));
    for task in &course.tasks {
        let Some(starter) = starter::pristine(course, task)? else {
            bail!("{} has no solution to make its starter of", task.name);
        };
        let exercise = course.exercise(task);
        let shown = |path: &Path| *path != exercise.join("src") && !is_private(path);
        let target = folder.join("exercises").join(&task.name);
        copy(&exercise, &target, &shown)?;
        starter::write(&starter::lib(&target), &starter)?;
        seal(&mut archive, task, &starter)?;
    }
    write(folder, ARCHIVE, archive.into_inner()?.finish()?)?;
    trim_lockfile(folder)?;
    anstream::println!(
        "The students' edition is in {}: {} with sealed suites, no solutions.",
        folder.display(),
        match course.tasks.len() {
            1 => String::from("1 task"),
            count => format!("{count} tasks"),
        }
    );
    Ok(ExitCode::SUCCESS)
}

/// Whether a member of the workspace goes along.
fn is_packed(member: &str) -> bool {
    !member.starts_with("solutions/") && !member.starts_with("checker/suites/")
}

/// A README without the section on commands that the edition does not have.
fn without_instructors(readme: &str) -> String {
    let sections = readme.split("\n## ").filter(|section| !section.starts_with("If you teach\n"));
    sections.collect::<Vec<_>>().join("\n## ")
}

/// What somebody's own work left beside an exercise.
fn is_private(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.starts_with("backup-") || name.starts_with('.') || name == "target"
}

/// Adds a task's suite to the archive, in a fixed order and without times, so that the same course
/// gives the same archive.
fn seal(archive: &mut tar::Builder<impl Write>, task: &Task, starter: &str) -> Result<()> {
    let mut add = |name: &str, text: &[u8]| -> Result<()> {
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o644);
        header.set_size(text.len() as u64);
        archive.append_data(&mut header, format!("{}/{name}", task.name), text)?;
        Ok(())
    };
    add("suite.toml", &read(&task.suite.join("suite.toml"))?)?;
    add(STARTER, starter.as_bytes())?;
    for path in files(&task.suite.join("src"))? {
        let name = path.strip_prefix(&task.suite)?.to_string_lossy().replace('\\', "/");
        if name == HELD_OUT {
            add(&name, NONE_HELD_OUT.as_bytes())?;
            continue;
        }
        let text = read(&path)?;
        if String::from_utf8_lossy(&text).contains(".held_out(") {
            bail!("{} has a case that is held out: move it to {HELD_OUT}", path.display());
        }
        add(&name, &text)?;
    }
    Ok(())
}

/// A manifest, changed, with its comments and order kept.
fn manifest(path: &Path, change: impl FnOnce(&mut DocumentMut)) -> Result<Vec<u8>> {
    let text = String::from_utf8(read(path)?)?;
    let mut doc: DocumentMut =
        text.parse().with_context(|| format!("cannot read {}", path.display()))?;
    change(&mut doc);
    Ok(doc.to_string().into_bytes())
}

/// Lets cargo take the packages out of Cargo.lock that the edition does not have; nobody's first
/// build then changes a file under version control.
fn trim_lockfile(folder: &Path) -> Result<()> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["update", "--workspace", "--offline", "--quiet"])
        .current_dir(folder)
        .output()
        .context("cannot start cargo")?;
    if !output.status.success() {
        bail!("cargo does not like the edition: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(())
}

/// Copies a file or a folder, without what `wanted` refuses; nothing if it is not there.
fn copy(from: &Path, to: &Path, wanted: &dyn Fn(&Path) -> bool) -> Result<()> {
    if !wanted(from) || from.file_name().is_some_and(|name| name == "target") {
        return Ok(());
    }
    let failed = || format!("cannot copy {} to {}", from.display(), to.display());
    if from.is_dir() {
        fs::create_dir_all(to).with_context(failed)?;
        for path in entries(from)? {
            copy(&path, &to.join(path.file_name().unwrap_or_default()), wanted)?;
        }
    } else if from.is_file() {
        fs::create_dir_all(to.parent().unwrap_or(Path::new("."))).with_context(failed)?;
        fs::copy(from, to).with_context(failed)?;
    }
    Ok(())
}

/// All files below a folder, sorted.
fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for path in entries(folder)? {
        if path.is_dir() {
            found.extend(files(&path)?);
        } else {
            found.push(path);
        }
    }
    Ok(found)
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let failed = || format!("cannot read {}", folder.display());
    let mut paths = fs::read_dir(folder)
        .with_context(failed)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<Vec<_>, _>>()
        .with_context(failed)?;
    paths.sort();
    Ok(paths)
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

fn write(folder: &Path, name: &str, content: Vec<u8>) -> Result<()> {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().unwrap_or(folder))
        .and_then(|()| fs::write(&path, content))
        .with_context(|| format!("cannot write {}", path.display()))
}
