//! An example's process, asked as the checker asks a suite's.

#![allow(dead_code, reason = "not every test needs all of it")]

use std::env;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use ledger::{Message, Record, Request};

/// What proves its answers.
pub(crate) const TOKEN: &str = "c0ffee";

/// Asks for the case of this number, or for the listing; its code under test lies in this folder.
pub(crate) fn request(case: Option<u32>, source: PathBuf) -> Request {
    Request {
        token: TOKEN.to_owned(),
        case,
        seed: None,
        schedules: None,
        source,
        postgres: None,
        deadline: None,
        steps: false,
        replay: None,
    }
}

/// What the example of this name answers.
pub(crate) fn send(name: &str, request: &Request) -> Output {
    let tests = env::current_exe().unwrap();
    let examples = tests.parent().and_then(|deps| deps.parent()).unwrap().join("examples");
    let mut process = Command::new(examples.join(name))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("cargo test builds the example");
    let request = serde_json::to_string(request).unwrap();
    process.stdin.take().unwrap().write_all(request.as_bytes()).unwrap();
    process.wait_with_output().unwrap()
}

/// Its messages, without what was printed beside them.
pub(crate) fn messages(output: &Output) -> Vec<Message> {
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    let proven = text.lines().filter_map(|line| line.strip_prefix(TOKEN)?.strip_prefix(' '));
    proven.map(|json| serde_json::from_str(json).unwrap()).collect()
}

/// The record that it ends with.
pub(crate) fn record(name: &str, request: &Request) -> Record {
    match messages(&send(name, request)).pop() {
        Some(Message::Record(record)) => *record,
        other => panic!("{other:?}"),
    }
}
