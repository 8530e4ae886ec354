//! A failing story on a paused clock, told step by step.

use std::path::{Path, PathBuf};

use ledger::{Outcome, Record, Request, Step};

mod example;

const CASES: [&str; 4] = ["is_woken", "is_dropped", "starts_a_task", "fails_the_third_time"];

/// The pool that the example judges.
const POOL: &str = include_str!("../examples/paused_suite/pool/mod.rs");

fn pool() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/paused_suite/pool")
}

fn run(case: &str, like_this: impl FnOnce(&mut Request)) -> Record {
    let number = CASES.iter().position(|name| *name == case).unwrap();
    let number = u32::try_from(number).unwrap();
    let mut request = example::request(Some(number), pool());
    request.steps = true;
    like_this(&mut request);
    example::record("paused_suite", &request)
}

/// The line of the pool that ends with this remark.
fn line(remark: &str) -> u32 {
    let remark = format!("// {remark}");
    let line = POOL.lines().position(|line| line.ends_with(&remark)).unwrap();
    u32::try_from(line + 1).unwrap()
}

/// The steps, one a line: `50 desk wakes: wakes trader A`, with the pool's lines by their remarks.
fn told(case: &str) -> Vec<String> {
    let record = run(case, |_| ());
    assert_eq!(record.outcome, Outcome::Failed);
    record.steps.iter().map(short).collect()
}

fn short(step: &Step) -> String {
    let remark = |number: u32| {
        let remarks = ["waits", "limits", "wakes", "sleeps", "starts"];
        remarks.into_iter().find(|remark| line(remark) == number).unwrap_or("another")
    };
    let place = step.place.as_ref().map(|place| format!(" {}", remark(place.line)));
    let what = step.what.replace(&format!(" (src/mod.rs:{})", line("limits")), "");
    format!("{} {}{}: {what}", step.at.as_millis(), step.thread, place.unwrap_or_default())
}

#[test]
fn who_waits_and_who_wakes_him_is_told_with_the_lines() {
    assert_eq!(
        told("is_woken"),
        [
            "0 trader A: calls `get`",
            "0 trader A waits: waits for a notification, or its time limit",
            "50 the clock: goes to 50 ms",
            "50 desk: looks up",
            "50 desk wakes: wakes trader A",
            "50 trader A: `get` returns",
            "50 trader A: ends",
        ]
    );
    let record = run("is_woken", |_| ());
    let [thing] = record.steps[4].things.as_slice() else { panic!("{:?}", record.steps[4]) };
    assert_eq!(thing.name, format!("a notification (src/mod.rs:{})", line("waits")));
    assert_eq!(thing.waiting, ["trader A"]);
    assert_eq!(record.steps[5].things, []);
    assert_eq!(
        record.steps.iter().map(|step| step.events).collect::<Vec<_>>(),
        [0, 0, 0, 1, 1, 1, 1]
    );
}

#[test]
fn a_task_that_is_dropped_is_told_with_the_line_at_which_it_waits() {
    assert_eq!(
        told("is_dropped"),
        [
            "0 trader A: calls `get`",
            "0 trader A waits: waits for a notification, or its time limit",
            "0 trader A waits: is dropped while it waits here",
        ]
    );
}

#[test]
fn a_task_that_the_code_starts_has_a_name_and_time_passes_for_it() {
    assert_eq!(
        told("starts_a_task"),
        [
            "0 desk starts: starts pool task 1",
            "0 pool task 1 sleeps: waits for the end of its sleep",
            "0 trader A: calls `get`",
            "0 trader A waits: waits for a notification, or its time limit",
            "500 the clock limits: goes to 500 ms and wakes trader A: its time limit",
            "500 trader A: `get` returns",
            "500 trader A: ends",
            "1000 the clock sleeps: goes to 1 s and wakes pool task 1: the end of its sleep",
            "1000 pool task 1: ends",
        ]
    );
}

#[test]
fn steps_are_kept_of_the_failing_order_and_from_the_order_on_that_was_asked_for() {
    let steps = |schedules| {
        run("fails_the_third_time", |request: &mut Request| request.schedules = schedules).steps
    };
    let all = steps(None);
    assert_eq!(all.iter().filter(|step| step.what == "calls `get`").count(), 1);
    assert_eq!(steps(Some(3)), all);
    assert_eq!(steps(Some(4)), []);
    let untold = run("fails_the_third_time", |request| request.steps = false);
    assert_eq!((untold.outcome, untold.schedules), (Outcome::Failed, 3));
    assert_eq!(untold.steps, []);
}
