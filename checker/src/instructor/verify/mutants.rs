//! `verify --mutants`: small changes that a program makes of the reference, each run as a variant.
//!
//! What survives must stand in the suite's `mutants.txt`, a line each, five at most:
//! `replace > with >= in Pool<M>::reap — P12: why the promise permits it`.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use crate::course::{Task, starter};
use crate::instructor::verify::faulty::apply_diff;
use crate::instructor::verify::judge::Finding;
use crate::instructor::verify::pipeline::{Cases, Order, Pipeline, Ran};
use crate::instructor::verify::report::{Report, Row};
use crate::instructor::verify::variant::Kind;
use crate::judge::session::Session;

/// More than this would say that the suite looks away.
const MAX_SURVIVORS: usize = 5;

/// A mutant as cargo-mutants lists it.
#[derive(Deserialize)]
struct Listed {
    name: String,
    file: String,
    diff: String,
    span: Span,
}

#[derive(Deserialize)]
struct Span {
    start: Place,
}

#[derive(Deserialize)]
struct Place {
    line: usize,
}

/// Fails with the way to get it if cargo-mutants is not there.
pub fn find_tool() -> Result<()> {
    let version = cargo().args(["mutants", "--version"]).output();
    if version.is_ok_and(|output| output.status.success()) {
        return Ok(());
    }
    bail!("cargo-mutants is not installed: `cargo install cargo-mutants --locked`")
}

/// Runs all mutants of a task's reference.
pub fn run(
    session: &Session,
    task: &Task,
    pipeline: &Pipeline<'_>,
    report: &mut Report,
) -> Result<()> {
    let (reference, solution) = starter::solution(&session.course, task)?;
    let permitted = permitted(task, pipeline, report)?;
    let mut mutants: Vec<(String, String)> = Vec::new();
    let mut given = 0;
    for listed in list(session, task)? {
        // Nobody can get wrong what is given.
        if !solution.regions().iter().any(|region| region.holds(listed.span.start.line)) {
            given += 1;
            continue;
        }
        let source = apply_diff(&listed.diff, &reference).with_context(|| listed.name.clone())?;
        mutants.push((bare_name(&listed.name), source));
    }
    report.say(&format!(
        "mutants: {} of the answers; {given} of what is given are left out",
        mutants.len()
    ));
    report.expect(mutants.len());
    let (mut unviable, mut killed, mut survivors) = (0, 0, Vec::new());
    let orders: Vec<Order<'_>> =
        mutants.iter().map(|(_, source)| Order { source, cases: Cases::UntilOneFails }).collect();
    pipeline.run(&orders, |index, Ran { verdict, .. }| {
        let name = &mutants[index].0;
        if !verdict.build.ok {
            unviable += 1;
        } else if verdict.first_failure().is_some() {
            killed += 1;
        } else {
            survivors.push(name.clone());
        }
        report.tick(name);
        true
    })?;
    for name in &survivors {
        let finding = match permitted.get(name) {
            Some(why) => Finding::good(format!("survives, permitted: {why}")),
            None => Finding::bad("survives: no case misses it, and mutants.txt does not permit it"),
        };
        report.row(Row::new(format!("mutant: {name}"), Kind::Faulty, None, finding));
    }
    for name in permitted.keys().filter(|name| !survivors.contains(name)) {
        report.problem(&format!("mutants.txt permits a mutant that does not survive: {name}"));
    }
    if survivors.len() > MAX_SURVIVORS {
        report.problem(&format!("{} mutants survive, {MAX_SURVIVORS} may", survivors.len()));
    }
    report.say(&format!(
        "mutants: {killed} caught, {} survive, {unviable} do not compile",
        survivors.len()
    ));
    Ok(())
}

/// What `mutants.txt` permits: name and reason.
fn permitted(
    task: &Task,
    pipeline: &Pipeline<'_>,
    report: &mut Report,
) -> Result<BTreeMap<String, String>> {
    let text = fs::read_to_string(task.suite.join("mutants.txt")).unwrap_or_default();
    let promises = pipeline.listing()?.promises;
    let mut permitted = BTreeMap::new();
    for line in text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#')) {
        let entry = line.split_once(" — ");
        let promise = entry.and_then(|(_, why)| why.split_once(": ")).map(|(number, _)| number);
        match (entry, promise) {
            (Some((name, why)), Some(promise)) => {
                if !promises.iter().any(|(number, _)| number == promise) {
                    report.problem(&format!("mutants.txt quotes {promise}, which nobody promises"));
                }
                permitted.insert(name.trim().to_owned(), why.trim().to_owned());
            }
            _ => report.problem(&format!("mutants.txt: not `NAME — P1: why`: {line}")),
        }
    }
    Ok(permitted)
}

/// All mutants of the reference.
fn list(session: &Session, task: &Task) -> Result<Vec<Listed>> {
    let package = format!("{}-solution", task.facts.package);
    let output = cargo()
        .args(["mutants", "--list", "--json", "--diff", "--package", &package, "--dir"])
        .arg(&session.course.root)
        .output()
        .context("cannot start cargo mutants")?;
    if !output.status.success() {
        bail!("cargo mutants: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    let mut listed: Vec<Listed> =
        serde_json::from_slice(&output.stdout).context("cannot read what cargo mutants lists")?;
    // A program beside the graded crate is not graded.
    let source = format!("solutions/{}/src/", task.name);
    listed.retain(|listed| listed.file.replace('\\', "/").starts_with(&source));
    let file = format!("{source}lib.rs");
    if let Some(other) = listed.iter().find(|listed| listed.file.replace('\\', "/") != file) {
        bail!("a mutant of {}, which no variant can hold: only lib.rs", other.file);
    }
    Ok(listed)
}

/// The name without the place, which moves with every edit: `replace > with < in f`.
fn bare_name(name: &str) -> String {
    let rest = name.splitn(4, ':').last().unwrap_or(name);
    if name.splitn(4, ':').count() == 4 { rest.trim().to_owned() } else { name.to_owned() }
}

fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}
