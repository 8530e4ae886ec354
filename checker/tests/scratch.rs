//! Each case has a folder of its own for temporary files, and nothing of it stays.

#![cfg(target_os = "linux")]

mod stage;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use rustix::process::{Pid, Signal, kill_process};
use stage::{Line, Submission};

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
        assert!(!folder.parent().unwrap().exists(), "{}", folder.display());
    }
}

#[test]
fn the_next_checker_removes_what_a_killed_one_left() {
    let notes = tempfile::tempdir().unwrap();
    let pipe = tempfile::tempdir().unwrap();
    let line = Line::new(pipe.path());
    let code = leave_something(notes.path(), "here")
        + &format!(
            "std::fs::write({:?}, \"up\\n\").unwrap(); loop {{ std::thread::park() }}",
            line.path.to_str().unwrap()
        );
    let submission = Submission::playing(&[("waits_for_the_end", code.as_str())]);
    let mut checker = submission.checker(&["--case", "waits_for_the_end"]).spawn().unwrap();
    line.hear().wait_for_silence();
    let folders = noted(notes.path());
    let [folder] = Vec::from_iter(&folders)[..] else { panic!("{folders:?}") };
    // Not while it is in use.
    submission.verdict(&["--case", "honest"]);
    assert!(folder.exists());
    kill_process(Pid::from_child(&checker), Signal::KILL).unwrap();
    checker.wait().unwrap();
    submission.verdict(&["--case", "honest"]);
    assert!(!folder.parent().unwrap().exists(), "{}", folder.display());
}
