//! Submissions of task 03 that leak connections, drop tables, or leave transactions open or in each
//! other's way: each loses the cases that see it and no other, whoever was on the same server before.
//!
//! The headers of the patches say which: `touches` for those that are lost in any case, `on
//! PostgreSQL` for those that are lost as well where there is one.

mod attack;

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use attack::{Attack, root, submit};

const TASK: &str = "03-pool-separation";

/// A PostgreSQL that outlives a run of the checker, if this machine can have one. It ends when its
/// stdin is closed.
struct Postgres {
    service: Child,
    url: Option<String>,
}

impl Postgres {
    /// Starts the program that the checker has built for itself.
    fn start() -> Self {
        let kept = root().join("target/checker/postgres-service/bin");
        let programs = fs::read_dir(&kept).expect("the checker has built it");
        let program: PathBuf = programs
            .map(|entry| entry.unwrap().path().join("postgres-service"))
            .filter(|program| program.is_file())
            .max_by_key(|program| program.metadata().unwrap().modified().unwrap())
            .expect("the checker keeps it");
        let mut service = Command::new(program)
            .env_remove("DATABASE_URL")
            .env_remove("TMPDIR")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(service.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let said: Value = serde_json::from_str(&line).unwrap();
        let url = said["url"].as_str().map(str::to_owned);
        if url.is_none() {
            eprintln!("skipped on PostgreSQL: {line}");
        }
        Self { service, url }
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        drop(self.service.stdin.take());
        let _ = self.service.wait();
    }
}

/// What is lost that should not be, or the other way round.
fn wrong(who: &str, task: &Value, touched: &[&str]) -> Vec<String> {
    let cases = task["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 20, "{who}: {}", task["build"]["message"]);
    let look = |case: &Value| {
        let name = case["case"].as_str().unwrap();
        let lost = case["outcome"] != "passed";
        let meant = if touched.contains(&name) { "lost" } else { "kept" };
        (lost != touched.contains(&name))
            .then(|| format!("{who}: {name} is to be {meant}: {}", case["message"]))
    };
    cases.iter().filter_map(look).collect()
}

#[test]
#[cfg(target_os = "linux")]
fn a_submission_loses_what_it_spoils_and_nobody_else_does() {
    let reference = root().join("solutions").join(TASK).join("src/lib.rs");
    let reference = fs::read_to_string(reference).unwrap();
    let (_, first) = submit(TASK, &reference, None);
    let mut all_wrong = wrong("the reference", &first, &[]);
    let postgres = Postgres::start();
    let url = postgres.url.as_deref();
    let attacks = Attack::all(TASK);
    assert!(attacks.len() >= 4, "only {} attacks", attacks.len());
    // There and back: each has been before and behind every other one.
    for attack in attacks.iter().chain(attacks.iter().rev()) {
        let mut touched = attack.names("touches");
        if url.is_some() {
            touched.extend(attack.names("on PostgreSQL"));
        }
        touched.retain(|name| *name != "none");
        let (_, task) = attack.submit(url);
        all_wrong.extend(wrong(&attack.name, &task, &touched));
    }
    let (_, last) = submit(TASK, &reference, url);
    all_wrong.extend(wrong("the reference, after all of them", &last, &[]));
    assert!(all_wrong.is_empty(), "{}", all_wrong.join("\n"));
}
