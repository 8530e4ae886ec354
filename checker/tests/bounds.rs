//! Nothing that a submission does is unbounded: six that are without any measure, each the starter of
//! task 01 with one body replaced. Each earns nothing, soon, in few words that say what happened, and
//! nothing of it goes on.

#![cfg(target_os = "linux")]

mod attack;

use std::fs;
use std::time::{Duration, Instant};

use serde_json::Value;
use serial_test::serial;

/// What is asked of a machine with two cores that has nothing else to do; a busy one is given more.
const SOON: Duration = Duration::from_mins(3);

/// The starter with this in the place of what `Pool::new` is to do, and this before it.
fn starter_with(body: &str, items: &str) -> String {
    let starter = attack::root().join("exercises/01-basic-pool/src/lib.rs");
    let starter = fs::read_to_string(starter).unwrap();
    let (before, rest) = starter.split_once("todo!(").unwrap();
    let (_, after) = rest.split_once('\n').unwrap();
    format!("{before}{body}\n{after}\n{items}\n")
}

/// The verdict on such a submission: no points, in time, in few words, and nobody left.
fn verdict(body: &str, items: &str) -> Value {
    let began = Instant::now();
    let (status, task) = attack::submit("01", &starter_with(body, items), None);
    assert_eq!(status.code(), Some(1), "{task}");
    assert_eq!(task["points"], 0.0, "{task}");
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
    assert_eq!(left_running(), [""; 0], "{task}");
    let size = serde_json::to_string_pretty(&task).unwrap().len();
    assert!(size < 100_000, "{size} bytes of JSON");
    task
}

/// The cases' processes that still run: programs that the checker keeps built.
fn left_running() -> Vec<String> {
    let kept = attack::root().join("target/checker/bin");
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let programs = processes.filter_map(|process| fs::read_link(process.path().join("exe")).ok());
    let left = programs.filter(|program| program.starts_with(&kept));
    left.map(|program| program.display().to_string()).collect()
}

/// Asserts that all cases say this, or this of a hurried one.
#[track_caller]
fn assert_all_say(task: &Value, outcome: &str, words: &[&str]) {
    let cases = task["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 20, "{task}");
    for case in cases {
        let message = case["message"].as_str().unwrap();
        assert_eq!(case["outcome"], outcome, "{case}");
        assert!(words.iter().all(|words| message.contains(words)), "{case}");
    }
}

#[test]
#[serial]
fn an_endless_message_is_cut() {
    let task = verdict("panic!(\"{}\", \"x\".repeat(50_000_000))", "");
    assert_all_say(&task, "failed", &["a panic: xxx", "characters more"]);
}

#[test]
#[serial]
fn a_message_steers_no_terminal() {
    let task = verdict("panic!(\"all\\r\\u{1b}[2Jfine\\u{202e}\")", "");
    assert_all_say(&task, "failed", &["all\\r\\u{1b}[2Jfine\\u{202e}"]);
}

#[test]
#[serial]
fn who_wants_all_memory_gets_a_limit() {
    let task = verdict("let mut all = Vec::new(); loop { all.push(vec![1_u8; 1 << 20]) }", "");
    assert_all_say(&task, "error", &["more than 512 MiB of memory"]);
}

#[test]
#[serial]
fn a_macro_without_end_is_the_submissions_own_fault() {
    let task = verdict(
        "double!(x)",
        "macro_rules! double { ($($all:tt)*) => { double!($($all)* $($all)*) } }\n\
         pub(crate) use double;",
    );
    assert_eq!(task["state"], "error");
    let message = task["build"]["message"].as_str().unwrap();
    assert!(message.contains("the compiler needed more than 2 GiB of memory"), "{message}");
}

#[test]
#[serial]
fn who_spins_everywhere_does_not_cost_every_deadline() {
    let task = verdict("loop { std::hint::spin_loop() }", "");
    assert_all_say(&task, "timed_out", &["still running"]);
    assert_hurried(&task);
}

#[test]
#[serial]
fn who_prints_without_end_does_not_cost_every_deadline() {
    let task = verdict("loop { println!(\"again\") }", "");
    assert_all_say(&task, "timed_out", &["still running"]);
    assert_hurried(&task);
}

/// Asserts that most cases had less time, and say why.
fn assert_hurried(task: &Value) {
    let cases = task["cases"].as_array().unwrap();
    let says = |case: &&Value| case["message"].as_str().unwrap().contains("1 s instead of 10 s");
    assert!(cases.iter().filter(says).count() >= 14, "{task}");
}
