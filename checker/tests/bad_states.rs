//! What may be wrong with a submission, a call or a machine: each gets a clear sentence, and
//! nothing is lost.

#![cfg(unix)]

mod stage;

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use rustix::process::{Pid, Signal, kill_process};
use stage::{Line, Submission, checker, course, text};

/// Asserts that the submission is at fault, in these words.
#[track_caller]
fn assert_unbuilt(submission: &Submission, words: &[&str]) {
    let verdict = submission.verdict(&[]);
    assert_eq!((verdict.code, verdict.state()), (1, "error"));
    assert_eq!(verdict.json["points"], 0.0);
    assert_eq!(verdict.json["build"]["ok"], false);
    let message = verdict.json["build"]["message"].as_str().unwrap();
    for words in words {
        assert!(message.contains(words), "{message:?} does not say {words:?}");
    }
    assert!(!message.contains('\u{1b}'), "{message:?}");
}

#[test]
fn a_missing_source_is_named() {
    let submission = Submission::new(stage::GOOD);
    fs::rename(submission.lib(), submission.folder().join("src/main.rs")).unwrap();
    assert_unbuilt(&submission, &["src/lib.rs is missing"]);
    fs::remove_dir_all(submission.folder().join("src")).unwrap();
    assert_unbuilt(&submission, &["src is missing"]);
}

#[test]
fn a_source_that_is_not_utf8_is_named_with_its_place() {
    let submission = Submission::new(stage::GOOD);
    let latin = submission.folder().join("src/names.rs");
    fs::write(latin, b"// one\n// M\xfcller\n").unwrap();
    assert_unbuilt(&submission, &["src/names.rs:2", "not UTF-8", "byte 11", "0xfc"]);
}

#[test]
#[cfg(unix)]
fn links_are_not_followed() {
    let submission = Submission::new(stage::GOOD);
    let elsewhere = submission.folder().join("elsewhere.rs");
    fs::rename(submission.lib(), &elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, submission.lib()).unwrap();
    assert_unbuilt(&submission, &["src/lib.rs is a link"]);
}

#[test]
fn compile_errors_are_rustcs_own_and_name_the_students_file() {
    let submission = Submission::new("pub fn act(_scene: &str) -> u32 {\n    \"1\"\n}\n");
    let place = format!("{}/src/lib.rs:2:5", submission.folder().display());
    assert_unbuilt(&submission, &["mismatched types", &place, "expected `u32`, found `&str`"]);
    // The file beside it, and an attribute that is forbidden.
    let submission = Submission::new("mod part;\npub use part::act;\n");
    let part = submission.folder().join("src/part.rs");
    fs::write(&part, "pub fn act(_: &str) -> u32 {\n    unsafe { 1 }\n}\n").unwrap();
    assert_unbuilt(&submission, &["unsafe", "src/part.rs:2:5"]);
}

#[test]
fn a_changed_interface_is_told_without_showing_the_suite() {
    let submission = Submission::new("pub fn act(_scene: &str, _seat: u32) -> u32 { 1 }\n");
    let words = ["no longer has the interface", "takes 2 arguments", "src/lib.rs:1"];
    assert_unbuilt(&submission, &words);
    let verdict = submission.verdict(&[]);
    assert!(!verdict.json["build"]["message"].as_str().unwrap().contains("stage::act"));
}

#[test]
fn nothing_of_a_submission_takes_part_but_its_source() {
    let submission = Submission::new(stage::GOOD);
    let folder = submission.folder();
    fs::write(folder.join("build.rs"), "fn main() { panic!() }").unwrap();
    fs::write(folder.join("rust-toolchain.toml"), "[toolchain]\nchannel = \"none\"").unwrap();
    fs::write(folder.join("Cargo.toml"), "no manifest").unwrap();
    fs::create_dir(folder.join(".cargo")).unwrap();
    fs::write(folder.join(".cargo/config.toml"), "[build]\nrustc = \"/bin/false\"").unwrap();
    let mut checker = submission.checker(&[]);
    checker.env("RUSTFLAGS", "--cfg nonsense=").env("RUSTC_WRAPPER", "/bin/false");
    checker.env("CARGO_BUILD_TARGET", "none").env("CARGO_TARGET_DIR", "/proc/none");
    let output = checker.output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
}

#[test]
fn an_old_time_of_change_hides_nothing() {
    let submission = Submission::new(stage::GOOD);
    assert_eq!(submission.verdict(&[]).state(), "passed");
    let worse = "pub fn act(scene: &str) -> u32 { if scene == \"wrong\" { 2 } else { 1 } }\n";
    fs::write(submission.lib(), worse).unwrap();
    let old = SystemTime::now() - Duration::from_hours(720);
    File::options().write(true).open(submission.lib()).unwrap().set_modified(old).unwrap();
    submission.verdict(&[]).assert("wrong", "failed", "got 2");
    fs::write(submission.lib(), stage::GOOD).unwrap();
    File::options().write(true).open(submission.lib()).unwrap().set_modified(old).unwrap();
    assert_eq!(submission.verdict(&["--fresh"]).state(), "passed");
}

#[test]
fn without_cargo_it_says_what_to_install() {
    let submission = Submission::new("pub fn act(_: &str) -> u32 { 11 }\n");
    let mut checker = submission.checker(&[]);
    let output = checker.env("PATH", "/nowhere").env_remove("CARGO").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output).contains("no cargo on PATH"), "{}", text(&output));
    assert_eq!(fs::read_to_string(submission.lib()).unwrap().len(), 34);
}

#[test]
fn a_checker_waits_until_another_one_has_built() {
    let submission = Submission::unheard_of("pub fn act(_: &str) -> u32 { 12 - 11 }\n");
    let slots = course().join("target/checker/slots");
    // A slot for each core, and one more.
    let cores = std::thread::available_parallelism().unwrap().get();
    let others: Vec<File> = (0..=cores)
        .map(|number| {
            let slot = slots.join(number.to_string());
            fs::create_dir_all(&slot).unwrap();
            let lock = File::create(slot.join("lock")).unwrap();
            lock.lock().unwrap();
            lock
        })
        .collect();
    let mut second =
        submission.checker(&[]).stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let mut said = String::new();
    BufReader::new(second.stderr.take().unwrap()).read_line(&mut said).unwrap();
    assert!(said.contains("other checkers are building here"), "{said}");
    drop(others);
    assert_eq!(second.wait().unwrap().code(), Some(0));
}

#[test]
fn a_second_checker_builds_beside_the_first() {
    // From here on, what the suite stands on is compiled in the first slot.
    assert_eq!(Submission::new(stage::GOOD).verdict(&[]).code, 0);
    let slots = course().join("target/checker/slots");
    let hold = |number: usize| {
        fs::create_dir_all(slots.join(number.to_string())).unwrap();
        let lock = File::create(slots.join(format!("{number}/lock"))).unwrap();
        lock.lock().unwrap();
        lock
    };
    let _first = hold(0);
    // The next one begins anew, as links to what the first one has.
    let next = hold(1);
    let _ = fs::remove_dir_all(slots.join("1/build"));
    let _ = fs::remove_dir_all(slots.join("1/ready"));
    drop(next);
    let second = Submission::unheard_of("pub fn act(_: &str) -> u32 { 13 - 12 }\n");
    let said = text(&second.checker(&[]).output().unwrap());
    assert!(said.contains("all 27 cases pass") && !said.contains("waiting"), "{said}");
    // A panic there is told as a line of the submission, wherever it was built.
    let wrong = Submission::unheard_of("pub fn act(_: &str) -> u32 { panic!(\"no\") }\n");
    wrong.verdict(&[]).assert("honest", "failed", "src/lib.rs:1");
}

#[test]
#[cfg(target_os = "linux")]
fn however_the_checker_ends_no_process_stays() {
    let folder = tempfile::tempdir().unwrap();
    let line = Line::new(folder.path());
    // The case, and a process of its own session.
    let code = format!(
        "std::process::Command::new(\"/usr/bin/setsid\").args([\"/bin/sh\", \"-c\", \
         \"exec 3>'{path}'; exec sleep 600\"]).spawn().unwrap(); \
         let mut line = std::fs::File::options().write(true).open({path:?}).unwrap(); \
         std::io::Write::write_all(&mut line, b\"up\\n\").unwrap(); \
         loop {{ std::thread::park() }}",
        path = line.path.to_str().unwrap()
    );
    let submission = Submission::playing(&[("waits_for_the_end", code.as_str())]);
    for (signal, code) in
        [(Signal::INT, Some(130)), (Signal::TERM, Some(130)), (Signal::KILL, None)]
    {
        let mut checker = submission.checker(&["--case", "waits_for_the_end"]).spawn().unwrap();
        let heard = line.hear();
        kill_process(Pid::from_child(&checker), signal).unwrap();
        assert_eq!(checker.wait().unwrap().code(), code);
        heard.wait_for_silence();
    }
}

#[test]
fn a_build_that_is_interrupted_leaves_no_process_and_can_be_done_again() {
    let folder = tempfile::tempdir().unwrap();
    let line = Line::new(folder.path());
    // A cargo that begins and does not end, with a compiler that does not either.
    let bin = folder.path().join("bin");
    stage::put(
        &bin.join("cargo"),
        &format!(
            "#!/bin/sh\nexec 3>'{path}'\nsleep 600 &\necho up >&3\nwait\n",
            path = line.path.display()
        ),
    );
    let allowed = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(bin.join("cargo"), allowed).unwrap();
    let submission = Submission::unheard_of("pub fn act(_: &str) -> u32 { 13 - 12 }\n");
    let mut checker = submission.checker(&[]).env("CARGO", bin.join("cargo")).spawn().unwrap();
    let heard = line.hear();
    kill_process(Pid::from_child(&checker), Signal::INT).unwrap();
    assert_eq!(checker.wait().unwrap().code(), Some(130));
    heard.wait_for_silence();
    assert_eq!(submission.verdict(&[]).state(), "passed");
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_is_named() {
    let folder = tempfile::tempdir().unwrap();
    stage::make_course(folder.path());
    fs::create_dir(folder.path().join("target")).unwrap();
    // A disk of one megabyte, in a name space of its own. Where that is not allowed, the sentence's
    // own test must do.
    let script = "mount -t tmpfs -o size=1m none target || exit 77; exec \"$0\" check 01";
    let output = Command::new("unshare")
        .args(["-rm", "sh", "-c", script, env!("CARGO_BIN_EXE_checker")])
        .current_dir(folder.path())
        .output();
    match output {
        Ok(output) if output.status.code() == Some(2) => {
            assert!(text(&output).contains("the disk is full"), "{}", text(&output));
        }
        other => println!("skipped: no name space of its own: {other:?}"),
    }
}

#[test]
fn a_place_for_temporary_files_that_is_not_there_is_named() {
    let submission = Submission::new("pub fn act(_: &str) -> u32 { 1 }\n");
    let nowhere = submission.scratch("nowhere");
    let output = submission.checker(&["--fresh"]).env("TMPDIR", &nowhere).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", text(&output));
    let said = text(&output);
    assert!(said.contains("a folder for temporary files") && said.contains("nowhere"), "{said}");
}

#[test]
fn wrong_names_are_answered_with_the_right_ones() {
    for (args, words) in [
        (vec!["check", "stagee"], "did you mean `stage`?"),
        (vec!["check", "7"], "there are 01-stage"),
        (vec!["check", "01", "--case", "honset"], "did you mean `honest`?"),
        (vec!["check", "01", "--source", "/nowhere"], "there is no folder /nowhere"),
    ] {
        let output = checker().args(&args).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(text(&output).contains(words), "{args:?}: {}", text(&output));
    }
    // Neither where it is called nor where it lies is there a course.
    let folder = tempfile::tempdir().unwrap();
    let elsewhere = folder.path().join("checker");
    fs::copy(env!("CARGO_BIN_EXE_checker"), &elsewhere).unwrap();
    let output = Command::new(&elsewhere).arg("list").current_dir("/").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output).contains("no course here"), "{}", text(&output));
}
