//! A suite's process as the checker meets it: one request in, messages behind the token out.

use std::path::PathBuf;
use std::process::Output;

use harness::{Case, Suite};
use ledger::{CaseInfo, Listing, Message, Outcome, Record, Request};

mod example;

use example::{TOKEN, messages};

/// What the example of this name answers to a request for the case of this name.
fn ask(case: Option<&str>, postgres: Option<&str>) -> Output {
    let number = case.map(|name| {
        let cases = listing().cases;
        cases.iter().find(|case| case.name == name).expect("the example has the case").number
    });
    send(&Request {
        postgres: postgres.map(str::to_owned),
        ..example::request(number, PathBuf::from("checker/harness/examples"))
    })
}

fn send(request: &Request) -> Output {
    example::send("tiny_suite", request)
}

fn listing() -> Listing {
    let request = example::request(None, PathBuf::new());
    match messages(&send(&request)).pop() {
        Some(Message::Listing(listing)) => listing,
        other => panic!("expected a listing, got {other:?}"),
    }
}

fn record(case: &str) -> Record {
    record_with(case, None)
}

fn record_with(case: &str, postgres: Option<&str>) -> Record {
    let output = ask(Some(case), postgres);
    assert!(output.status.success(), "{case}: {output:?}");
    match messages(&output).as_slice() {
        [Message::Started, Message::Record(record)] => (**record).clone(),
        other => panic!("{case}: expected started and a record, got {other:?}"),
    }
}

#[test]
fn lists_its_cases_and_promises() {
    let listing = listing();
    assert_eq!(listing.promises, [("P1".to_owned(), "It holds.".to_owned())]);
    assert_eq!(listing.cases.len(), 12);
    assert_eq!(listing.cases[4].number, 4);
}

#[test]
fn a_case_that_returns_has_passed() {
    let record = record("passes");
    assert_eq!((record.outcome, record.failure, record.schedules), (Outcome::Passed, None, 1));
}

#[test]
fn a_failure_says_what_was_expected_and_what_was_there() {
    for (case, expected, got) in
        [("fails", "2", "3"), ("fails_on_another_thread", "a guard", "nobody")]
    {
        let record = record(case);
        let failure = record.failure.unwrap();
        assert_eq!(record.outcome, Outcome::Failed);
        assert_eq!((failure.expected.as_str(), failure.got.as_str()), (expected, got));
    }
}

#[test]
fn a_panic_is_a_failure_with_its_place() {
    let failure = record("panics").failure.unwrap();
    assert!(failure.got.contains("the roof is on fire"), "{failure:?}");
    let location = failure.location.expect("the example counts as the student's source");
    assert_eq!(location.file, "src/tiny_suite.rs");

    let failure = record("is_todo").failure.unwrap();
    assert!(failure.got.contains("build the roof"), "{failure:?}");
}

#[test]
fn a_hang_ends_at_its_deadline_with_a_record() {
    let record = record("hangs");
    assert_eq!(record.outcome, Outcome::TimedOut);
    assert!(record.failure.unwrap().expected.contains("0.3 s"));
}

#[test]
fn a_case_that_cannot_run_here_says_why() {
    let record = record("is_skipped");
    assert_eq!(record.outcome, Outcome::Skipped);
    assert_eq!(record.failure.unwrap().got, "no roof here");
}

#[test]
#[cfg(unix)]
fn what_the_case_prints_never_reaches_the_record() {
    let output = ask(Some("prints"), None);
    let out = String::from_utf8(output.stdout.clone()).unwrap();
    assert!(out.lines().all(|line| line.starts_with(TOKEN)), "{out}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("0000"), "{output:?}");
}

#[test]
fn a_case_that_ends_the_process_leaves_no_record() {
    let output = ask(Some("exits"), None);
    assert!(output.status.success());
    assert!(matches!(messages(&output).as_slice(), [Message::Started]), "{output:?}");
}

#[test]
fn a_case_that_does_not_exist_is_an_error() {
    let request = example::request(Some(99), PathBuf::new());
    let output = send(&request);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("no case 99"));
}

#[test]
fn a_case_on_databases_is_told_of_a_postgres_and_says_what_it_ran_on() {
    let databases = |case: &&CaseInfo| case.databases;
    let names: Vec<String> =
        listing().cases.iter().filter(databases).map(|case| case.name.clone()).collect();
    assert_eq!(names, ["runs_on_databases", "fails_on_databases", "hangs_on_databases"]);
    for (case, outcome) in names.iter().zip([Outcome::Passed, Outcome::Failed, Outcome::TimedOut]) {
        let told = record_with(case, Some("PostgreSQL 15"));
        assert_eq!(told.outcome, outcome);
        assert_eq!(
            (told.ran_on, told.left_out),
            (vec!["SQLite 3".into(), "PostgreSQL 15".into()], vec![])
        );
        let untold = record(case);
        assert_eq!(untold.outcome, outcome);
        assert_eq!(untold.ran_on, ["SQLite 3"]);
        assert_eq!(untold.left_out, ["nobody told of a PostgreSQL"]);
    }
}

#[test]
#[should_panic(expected = "case reads: its suite is not `with_databases`")]
fn databases_need_somebody_to_tell() {
    let case = Case::new("reads", "P1", || {}).on_databases().hints(&["Look up."]);
    Suite::new(&[("P1", "It holds.")]).case(case).listing();
}
