//! The students' edition of this course: it gives nothing away, stands on its own, and judges as
//! the whole one does.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn checker(folder: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_checker")).args(args).current_dir(folder).output().unwrap()
}

/// Packs the course into `folder`. What an earlier run of this test has built there is used again.
fn pack(folder: &Path) {
    let kept = folder.with_extension("target");
    let _ = fs::rename(folder.join("target"), &kept);
    let _ = fs::remove_dir_all(folder);
    let output = checker(&root(), &["pack", folder.to_str().unwrap()]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let _ = fs::rename(&kept, folder.join("target"));
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("target") {
            found.extend(files(&path));
        } else if path.is_file() {
            found.push(path);
        }
    }
    found
}

/// The lines of these files that say something, and where they stand.
fn lines(files: &[PathBuf]) -> impl Iterator<Item = (String, &PathBuf)> {
    files.iter().flat_map(|path| {
        let text = String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned();
        let lines: Vec<_> = text.lines().map(|line| (line.trim().to_owned(), path)).collect();
        lines
    })
}

/// The lines of all answers in the solutions.
fn answers() -> HashSet<String> {
    let mut answers = HashSet::new();
    let mut is_answer = false;
    for (line, _) in lines(&files(&root().join("solutions"))) {
        match line.as_str() {
            line if line.starts_with("// answer:") => is_answer = true,
            "// starter:" | "// end answer" => is_answer = false,
            _ if is_answer => drop(answers.insert(line)),
            _ => {}
        }
    }
    answers
}

#[test]
fn the_students_edition_gives_nothing_away_and_judges_alike() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("edition");
    pack(&folder);

    // Short lines, and those that the course's own crates happen to have as well, tell nothing.
    let own = ["fixtures", "checker/harness", "checker/sim", "checker/src", "exercises"];
    let own: Vec<PathBuf> = own.iter().flat_map(|own| files(&root().join(own))).collect();
    let common: HashSet<String> = lines(&own).map(|(line, _)| line).collect();
    let suites = files(&root().join("checker/suites"));
    let mut secret: HashSet<String> = lines(&suites).map(|(line, _)| line).collect();
    secret.extend(answers());
    secret.retain(|line| line.len() > 20 && !common.contains(line));
    assert!(secret.len() > 500, "only {} lines to look for", secret.len());
    let packed = files(&folder);
    let told: Vec<_> = lines(&packed).filter(|(line, _)| secret.contains(line)).collect();
    assert!(told.is_empty(), "{told:?}");
    let instructors = ["solutions", "checker/suites", "checker/attacks", "checker/src/instructor"];
    assert!(!instructors.iter().any(|name| folder.join(name).exists()));

    let readme = fs::read_to_string(folder.join("README.md")).unwrap();
    assert!(readme.contains("## If you are a student") && readme.contains("## Licence"));
    assert!(!readme.contains("If you teach") && !readme.contains("course verify"), "{readme}");

    // It is built as a student builds it. The starter earns nothing.
    let cargo = |args: &[&str]| {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["run", "--quiet", "--"]).args(args).current_dir(&folder);
        cargo.env_remove("CARGO_TARGET_DIR").output().unwrap()
    };
    let lock = fs::read(folder.join("Cargo.lock")).unwrap();
    let output = cargo(&["check", "01", "--json"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!said.contains("warning"), "{said}");
    let json: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{said}"));
    assert_eq!((&json["tasks"][0]["state"], &json["points"]), (&"not_begun".into(), &0.0.into()));
    assert_eq!(lock, fs::read(folder.join("Cargo.lock")).unwrap(), "the lock file was changed");

    // The reference earns everything, and `reset` puts the starter back.
    let lib = folder.join("exercises/01-basic-pool/src/lib.rs");
    let starter = fs::read(&lib).unwrap();
    fs::copy(root().join("solutions/01-basic-pool/src/lib.rs"), &lib).unwrap();
    let output = cargo(&["check", "01", "--json"]);
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&json["points"], output.status.code()), (&10.0.into(), Some(0)), "{json:#}");
    assert!(cargo(&["reset", "01"]).status.success());
    assert_eq!(fs::read(&lib).unwrap(), starter);
    assert_eq!(cargo(&["verify"]).status.code(), Some(2), "there is nothing to verify");

    // From an exercise's folder as well.
    let exercise = folder.join("exercises/01-basic-pool");
    let mut course = Command::new(env!("CARGO"));
    course.args(["course", "list"]).current_dir(exercise).env_remove("CARGO_TARGET_DIR");
    let said = String::from_utf8(course.output().unwrap().stdout).unwrap();
    let tasks = fs::read_dir(folder.join("exercises")).unwrap().count();
    assert!(said.starts_with("01-basic-pool ") && said.lines().count() == tasks, "{said}");

    // What is there is not overwritten.
    assert_eq!(checker(&root(), &["pack", folder.to_str().unwrap()]).status.code(), Some(2));
}
