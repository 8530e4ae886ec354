//! Task 01 from end to end, in this repository: the starter, the reference, and submissions that
//! only the simulation can tell apart.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

fn checker(args: &[&str]) -> Output {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    Command::new(env!("CARGO_BIN_EXE_checker")).args(args).current_dir(root).output().unwrap()
}

/// The exit code and the verdict on the task.
fn verdict(args: &[&str]) -> (i32, Value) {
    let output = checker(&[&["check", "01", "--json"], args].concat());
    let said = String::from_utf8_lossy(&output.stderr);
    let json: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{said}"));
    (output.status.code().unwrap(), json["tasks"][0].clone())
}

/// The reference with one of its lines changed, as a submission.
fn changed(old: &str, new: &str) -> tempfile::TempDir {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let source = fs::read_to_string(root.join("solutions/01-basic-pool/src/lib.rs")).unwrap();
    assert!(source.contains(old), "the reference has no {old:?}");
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("src")).unwrap();
    fs::write(folder.path().join("src/lib.rs"), source.replacen(old, new, 1)).unwrap();
    folder
}

#[test]
fn the_reference_earns_everything_in_a_thousand_schedules() {
    let (code, task) = verdict(&["--solutions"]);
    assert_eq!((code, &task["state"]), (0, &"passed".into()), "{task}");
    assert_eq!((&task["points"], &task["max_points"]), (&10.0.into(), &10.0.into()));
    let schedules = |case: &Value| case["schedules"].as_u64().unwrap();
    let cases = task["cases"].as_array().unwrap();
    let concurrent = cases.iter().filter(|case| schedules(case) >= 1_000).count();
    assert!(concurrent >= 5, "{concurrent} concurrent cases");
}

#[test]
fn the_starter_earns_nothing_and_says_where_to_begin() {
    let (code, task) = verdict(&[]);
    // Whoever tries the task in this repository has another source here.
    if task["state"] == "not_begun" {
        assert_eq!((code, &task["points"]), (1, &0.0.into()));
        let text = String::from_utf8(checker(&["check", "01"]).stdout).unwrap();
        for words in
            ["promised  P1: ", "exercises/01-basic-pool/src/lib.rs:", "hint 01", "not begun"]
        {
            assert!(text.contains(words), "no {words:?} in {text}");
        }
        // A terminal would break a longer one.
        assert!(text.lines().all(|line| line.chars().count() <= 100), "too wide: {text}");
    }
}

#[test]
fn what_the_simulation_does_not_know_is_named() {
    let folder =
        changed("impl Default", "pub fn late() { std::time::SystemTime::now(); }\n\nimpl Default");
    let (code, task) = verdict(&["--source", folder.path().to_str().unwrap()]);
    assert_eq!((code, &task["state"]), (1, &"error".into()), "{task}");
    let message = task["build"]["message"].as_str().unwrap();
    for words in ["not over the simulation", "SystemTime", "src/lib.rs:", "std::time (Instant"] {
        assert!(message.contains(words), "no {words:?} in {message}");
    }
}

#[test]
fn a_failure_of_one_schedule_is_seen_again_by_its_seed() {
    // A fault that needs some luck: only the first connection that comes back wakes somebody.
    let back = "state.idle.push(Idle { live, since });\n        ";
    let folder = changed(
        &format!("{back}drop(state);\n        shared.freed.notify_one();"),
        &format!("{back}if state.idle.len() == 1 {{ shared.freed.notify_one(); }}"),
    );
    let source = folder.path().to_str().unwrap();
    let case = ["--source", source, "--case", "return_wakes_a_waiter"];
    let text = String::from_utf8(checker(&[&["check", "01"], &case[..]].concat()).stdout).unwrap();
    let again = text.lines().find_map(|line| line.split_once("cargo course ")).unwrap().1;
    assert!(again.contains("--seed ") && text.contains("the ones before it passed"), "{text}");
    let again: Vec<&str> = again.split(' ').collect();
    let once = String::from_utf8(checker(&again).stdout).unwrap();
    let picture =
        |text: &str| text.split("got  ").nth(1).unwrap().split("again").next().unwrap().to_owned();
    assert!(!once.contains("the ones before it passed"), "{once}");
    let without_seen = |text: String| -> Vec<String> {
        text.lines().filter(|line| !line.contains("seen  ")).map(str::to_owned).collect()
    };
    assert_eq!(without_seen(picture(&once)), without_seen(picture(&text)));
}

#[test]
fn a_failure_is_told_step_by_step_with_its_lines() {
    // It looks, lets go of the lock, and then sleeps.
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let source = fs::read_to_string(root.join("solutions/01-basic-pool/src/lib.rs")).unwrap();
    let wait = source.lines().position(|line| line.contains("wait_until(")).unwrap() + 1;
    let old = source.lines().nth(wait - 1).unwrap();
    let folder = changed(old, &format!("drop(state); state = shared.state.lock();\n{old}"));
    let source = folder.path().to_str().unwrap();
    let case = ["check", "01", "--source", source, "--case", "return_wakes_a_waiter"];
    let text = String::from_utf8(checker(&[&case[..], &["--steps"]].concat()).stdout).unwrap();
    for words in ["expected ", "got ", "thread A", "thread B", "────", "took ", "notification"]
    {
        assert!(text.contains(words), "no {words:?} in {text}");
    }
    // Who sleeps too long sleeps in the line after the one that was put in.
    assert!(text.contains(&format!("src/lib.rs:{}", wait + 1)), "{text}");
    let again = String::from_utf8(checker(&[&case[..], &["--steps"]].concat()).stdout).unwrap();
    assert_eq!(text, again, "the same seed tells the same");
    // The same case as JSON says how small it was made.
    let output = checker(&[&case[..], &["--json"]].concat());
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    let shrunk = &json["tasks"][0]["cases"][0]["shrunk"];
    let switches = |when: &str| {
        let count = |kind: &str| shrunk[when][kind].as_u64().unwrap();
        count("preemptions") + count("other_switches")
    };
    assert!(switches("after") <= switches("before"), "{shrunk}");
    assert!(shrunk["after"]["preemptions"].as_u64().unwrap() >= 1, "{shrunk}");
}
