//! Each case has a folder of its own for temporary files, and nothing of it stays.

#![cfg(target_os = "linux")]

mod stage;

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use stage::Submission;

/// Code that leaves something in the temporary folder, closed to everybody, and notes in `notes`
/// where that is.
fn leave_something(notes: &Path, name: &str) -> String {
    let note = notes.join(name).display().to_string();
    format!(
        "let here = std::env::temp_dir(); \
         assert!(std::fs::read_dir(&here).unwrap().next().is_none()); \
         let closed = here.join(\"closed\"); std::fs::create_dir(&closed).unwrap(); \
         std::fs::write(closed.join(\"trading.db\"), \"rows\").unwrap(); \
         std::fs::set_permissions(&closed, \
             std::os::unix::fs::PermissionsExt::from_mode(0)).unwrap(); \
         std::fs::write({note:?}, here.to_str().unwrap()).unwrap();"
    )
}

/// The folders that were noted.
fn noted(notes: &Path) -> BTreeSet<PathBuf> {
    let entries = fs::read_dir(notes).unwrap().map(|entry| entry.unwrap().path());
    entries.map(|path| fs::read_to_string(path).unwrap().into()).collect()
}

#[test]
fn it_is_gone_however_a_case_ends() {
    let notes = tempfile::tempdir().unwrap();
    let scenes = [
        ("honest", "1"),
        ("wrong", "2"),
        ("panics", "panic!(\"out\")"),
        ("exits", "std::process::exit(0)"),
        ("aborts", "std::process::abort()"),
        ("hangs", "loop { std::thread::park() }"),
    ];
    let code = scenes.map(|(name, end)| leave_something(notes.path(), name) + end);
    let played: Vec<(&str, &str)> =
        scenes.iter().zip(&code).map(|((name, _), code)| (*name, code.as_str())).collect();
    let verdict = Submission::playing(&played).verdict(&[]);
    verdict.assert("honest", "passed", "");
    verdict.assert("hangs", "timed_out", "");
    let folders = noted(notes.path());
    // One that failed was run again, in another folder.
    assert_eq!(folders.len(), scenes.len(), "{folders:?}");
    for folder in folders {
        assert!(!folder.exists(), "{}", folder.display());
    }
}

#[test]
fn what_nobody_removed_goes_with_the_next_checker() {
    let place = tempfile::tempdir().unwrap();
    let [left, in_use, another] = ["pool-course-tmp-left", "pool-course-tmp-used", "another"]
        .map(|name| place.path().join(name));
    for folder in [&left, &in_use, &another] {
        fs::create_dir_all(folder.join("closed")).unwrap();
        fs::write(folder.join("closed/trading.db"), "rows").unwrap();
        fs::set_permissions(folder.join("closed"), fs::Permissions::from_mode(0o000)).unwrap();
    }
    // As a supervisor holds its own.
    let used = File::open(&in_use).unwrap();
    used.lock().unwrap();
    let submission = Submission::playing(&[("wrong", "7")]);
    let mut checker = submission.checker(&["--case", "wrong", "--fresh"]);
    checker.env("TMPDIR", place.path()).output().unwrap();
    assert!(!left.exists());
    assert!(in_use.exists() && another.exists());
    // So that the test can remove them.
    for folder in [&in_use, &another] {
        fs::set_permissions(folder.join("closed"), fs::Permissions::from_mode(0o700)).unwrap();
    }
}
