//! A failing schedule, shown small: its steps, its replay under other schedules, and the search for a
//! smaller one.

use std::path::PathBuf;
use std::time::Duration;

use ledger::{Failure, Outcome, Record, Replay, Request, Schedule, Step, Thing, Turn};

mod example;

#[expect(unreachable_pub, reason = "a part of the checker is used as a part here")]
#[path = "../../src/judge/shrink.rs"]
mod shrink;

const CASES: [&str; 7] = [
    "loses_a_wake_up",
    "checks_then_acts",
    "stands_still",
    "fails_in_two_ways",
    "remembers",
    "spins",
    "passes",
];

/// How the case of this name ends if it is run like this.
fn run(case: &str, like_this: impl FnOnce(&mut Request)) -> Record {
    let number = CASES.iter().position(|name| *name == case).unwrap();
    let number = u32::try_from(number).unwrap();
    // As the compiler was told it: relative to the workspace.
    let source = PathBuf::from("checker/harness/examples");
    let mut request = example::request(Some(number), source);
    like_this(&mut request);
    example::record("racing_suite", &request)
}

fn replay(case: &str, seed: u64, candidates: &[Schedule], like: &Failure, steps: bool) -> Record {
    let (candidates, like) = (candidates.to_vec(), like.clone());
    run_replay(case, seed, Replay { candidates, like, smaller_than: None }, steps)
}

fn run_replay(case: &str, seed: u64, replay: Replay, steps: bool) -> Record {
    run(case, |request| {
        (request.seed, request.steps, request.replay) = (Some(seed), steps, Some(replay));
    })
}

/// The first failing schedule of the case, and the smallest that was found from it, with its steps.
fn shrunk(case: &str) -> (Record, Record) {
    let found = run(case, |_| ());
    assert_eq!(found.outcome, Outcome::Failed, "{case}");
    let (seed, like) = (found.seed.unwrap(), found.failure.clone().unwrap());
    let first = found.schedule.clone().unwrap();
    let small = shrink::shrink(&first, |candidates, smallest| {
        let (candidates, like) = (candidates.to_vec(), like.clone());
        let replay = Replay { candidates, like, smaller_than: Some(smallest) };
        let record = run_replay(case, seed, replay, false);
        Some((record.candidate?, record.schedule?))
    });
    let record = replay(case, seed, &[small.expect("a smaller one")], &like, true);
    assert_eq!(record.outcome, Outcome::Failed, "{case}");
    (found, record)
}

fn told(steps: &[Step]) -> Vec<String> {
    let line = |step: &Step| format!("{}: {}", step.thread, step.what);
    steps.iter().map(line).collect()
}

#[test]
fn a_lost_wake_up_needs_one_preemption() {
    let (_, record) = shrunk("loses_a_wake_up");
    assert_eq!(record.schedule.as_ref().unwrap().size().preemptions, 1);
    assert_eq!(
        told(&record.steps),
        [
            "main: spawned thread 1",
            "main: spawned thread 2",
            "main: waits for thread 2 to end",
            "thread 1: took the lock and gave it back",
            // Here is the preemption: between the look and the wait.
            "thread 2: took the lock and gave it back",
            "thread 2: notified, and nobody waited",
            "main: joined thread 2",
            "main: waits for thread 1 to end",
            "thread 1: took the lock",
            "thread 1: gave the lock back and waits for a notification, until 30 s",
            "thread 1: found its time to be up, took the lock and gave it back",
            "thread 1: took the lock and gave it back",
            "main: joined thread 1",
        ]
    );
}

#[test]
fn a_check_and_an_act_need_one_preemption_between_them() {
    let (found, record) = shrunk("checks_then_acts");
    let (before, after) = (found.schedule.unwrap(), record.schedule.unwrap());
    assert_eq!(after.size().preemptions, 1);
    assert!(before.size().preemptions >= 1, "{before:?}");
    let acts = told(&record.steps).into_iter().filter(|step| !step.starts_with("main"));
    assert_eq!(
        acts.collect::<Vec<_>>(),
        [
            "thread 2: read 0",
            "thread 1: read 0",
            "thread 1: read 0 and wrote 1",
            "thread 2: read 1 and wrote 2",
            "thread 3: read 2",
        ]
    );
    let check = record.steps.iter().find(|step| step.what == "read 0").unwrap();
    let place = check.place.as_ref().expect("the example counts as the student's source");
    assert_eq!(place.file, "src/racing_suite.rs");
}

#[test]
fn a_standstill_is_shown_with_one_preemption_and_who_holds_what() {
    let (found, record) = shrunk("stands_still");
    assert_eq!(record.schedule.unwrap().size().preemptions, 1);
    assert_eq!(record.failure.unwrap().got, found.failure.unwrap().got);
    let taken = |step: &Step| {
        let what = step.what.split(" (").next().unwrap().to_owned();
        (step.thread.clone(), what)
    };
    let [.., its_own, both, one, two] = record.steps.as_slice() else {
        panic!("{:?}", record.steps)
    };
    assert_eq!(taken(its_own), ("thread 2".into(), "took the lock".into()));
    assert_eq!(taken(both), ("thread 1".into(), "took the lock".into()));
    let (mine, yours) = (&both.things[0].name, &both.things[1].name);
    assert!(yours.starts_with("the lock (src/racing_suite.rs:"), "{yours}");
    assert_eq!(one.what, format!("waits: thread 2 holds {mine}"));
    assert_eq!(two.what, format!("waits: thread 1 holds {yours}"));
    let thing = |name: &str, holder: &str, waiting: &str| Thing {
        name: name.to_owned(),
        holders: vec![holder.to_owned()],
        waiting: vec![waiting.to_owned()],
    };
    let knot = [thing(mine, "thread 2", "thread 1"), thing(yours, "thread 1", "thread 2")];
    assert_eq!(two.things, knot);
}

#[test]
fn a_schedule_goes_again_as_it_went() {
    for case in ["loses_a_wake_up", "checks_then_acts", "stands_still"] {
        let found = run(case, |_| ());
        let (seed, schedule) = (found.seed.unwrap(), found.schedule.clone().unwrap());
        let again = replay(case, seed, &[schedule], found.failure.as_ref().unwrap(), true);
        assert_eq!(again.schedule, found.schedule, "{case}");
        assert_eq!((again.failure, again.ledger), (found.failure, found.ledger), "{case}");
        let by_seed = run(case, |request| {
            (request.seed, request.schedules, request.steps) = (Some(seed), Some(1), true);
        });
        assert_eq!(by_seed.steps, again.steps, "{case}");
        assert!(found.steps.is_empty() && !again.steps.is_empty(), "{case}");
    }
}

#[test]
fn another_failure_is_passed_over() {
    let first = |thread| Schedule {
        turns: vec![Turn { thread: 0, decisions: None }, Turn { thread, decisions: None }],
        draws: Vec::new(),
    };
    let candidates = [first(1), first(2), first(1)];
    let like = |got: &str| Failure {
        expected: "nobody".to_owned(),
        got: got.to_owned(),
        ..Failure::default()
    };
    let case = "fails_in_two_ways";
    let elder = replay(case, 0, &candidates, &like("the elder one"), false);
    assert_eq!((elder.outcome, elder.candidate), (Outcome::Failed, Some(0)));
    let younger = replay(case, 0, &candidates, &like("the younger one"), false);
    assert_eq!((younger.outcome, younger.candidate), (Outcome::Failed, Some(1)));
    assert_eq!(younger.schedule.unwrap().turns[1].thread, 2);
    let neither = replay(case, 0, &candidates, &like("a third one"), false);
    assert_eq!((neither.outcome, neither.candidate), (Outcome::Passed, None));
    assert_eq!(neither.schedules, 3);
}

#[test]
fn what_a_static_remembers_does_not_come_up_in_a_process_of_its_own() {
    let found = run("remembers", |_| ());
    let (like, schedule) = (found.failure.unwrap(), found.schedule.unwrap());
    assert_eq!(found.seed, Some(1));
    let alone = replay("remembers", 1, std::slice::from_ref(&schedule), &like, true);
    assert_eq!((alone.outcome, alone.steps), (Outcome::Passed, Vec::new()));
    let twice = replay("remembers", 1, &[schedule.clone(), schedule], &like, false);
    assert_eq!(twice.candidate, Some(1), "so what was found is run once more, alone");
}

#[test]
fn a_case_at_its_deadline_is_told_by_its_last_steps() {
    let late = run("spins", |request| request.steps = true);
    assert_eq!((late.outcome, late.schedule), (Outcome::TimedOut, None));
    assert!((500..=2_000).contains(&late.steps.len()), "{}", late.steps.len());
    assert!(late.steps[0].at > Duration::ZERO, "the first ones are forgotten");
}

#[test]
fn what_passes_is_not_told() {
    let passed = run("passes", |request| request.steps = true);
    assert_eq!((passed.outcome, passed.schedules), (Outcome::Passed, 1_000));
    assert_eq!((passed.steps, passed.schedule), (Vec::new(), None));
}
