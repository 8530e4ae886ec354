//! `checker verify`: the suites are tested themselves.
//!
//! Every variant of a task is judged by the task's suite, as a submission would be: `variant` says
//! which there are and what is expected of them, `pipeline` runs them, `judge` compares; `promises`
//! holds README, suite and cases against each other; `stress` and `mutants` go on where asked to.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use ledger::Listing;

use crate::course::Task;
use crate::instructor::starters;
use crate::instructor::verify::judge::{Finding, judge};
use crate::instructor::verify::pipeline::{Order, Pipeline};
use crate::instructor::verify::report::{Report, Row};
use crate::instructor::verify::stress::Tried;
use crate::instructor::verify::variant::{Expect, Kind, Variant};
use crate::judge::session::Session;

mod faulty;
mod judge;
mod mutants;
mod pipeline;
mod promises;
mod report;
mod stress;
mod variant;

/// `verify`.
#[derive(Args, Debug)]
pub struct VerifyArgs {
    /// Numbers, names or unique prefixes; none means all
    pub tasks: Vec<String>,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
    /// Then run every variant so many times with fresh seeds and every core loaded
    #[arg(long, value_name = "ROUNDS")]
    pub stress: Option<u32>,
    /// Then run the mutants that cargo-mutants makes of the reference
    #[arg(long)]
    pub mutants: bool,
}

/// Verifies the suites of the tasks.
pub fn run(session: &Session, args: &VerifyArgs) -> Result<ExitCode> {
    let course = &session.course;
    let tasks: Vec<&Task> = if args.tasks.is_empty() {
        course.tasks.iter().collect()
    } else {
        args.tasks.iter().map(|asked| course.task(asked)).collect::<Result<_>>()?
    };
    if args.mutants {
        mutants::find_tool()?;
    }
    let mut reports = Vec::new();
    for task in tasks {
        let mut report = Report::begin(task, args.json);
        verify(session, task, args, &mut report)?;
        report.end();
        reports.push(report);
    }
    if args.json {
        anstream::println!("{}", report::json(&reports));
    }
    Ok(if reports.iter().all(Report::is_ok) { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

fn verify(session: &Session, task: &Task, args: &VerifyArgs, report: &mut Report) -> Result<()> {
    let (variants, unreadable) = variant::all(&session.course, task)?;
    for (name, why) in unreadable {
        report.row(Row::new(name, Kind::Faulty, None, Finding::bad(why)));
    }
    if let Some(remark) = variant::too_few(&variants) {
        report.remark(&remark);
    }
    let pipeline = Pipeline::new(session, task);
    let mut tried: Vec<Tried> = Vec::new();
    let mut before = 0.0;
    report.expect(variants.len());
    let orders: Vec<Order<'_>> = variants.iter().map(Variant::order).collect();
    let goes_on = pipeline.run(&orders, |index, ran| {
        let variant = &variants[index];
        let mut finding = judge(&variant.expect, &ran.verdict, before);
        if matches!(variant.expect, Expect::Nothing | Expect::NotLess) {
            before = ran.verdict.points();
        }
        // Half-filled starters may warn; what people are given may not.
        let is_whole = !matches!(variant.expect, Expect::Less | Expect::NotLess);
        if finding.ok && ran.warnings() > 0 && is_whole {
            finding = Finding::bad("it compiles with warnings");
        }
        let ok = finding.ok;
        let case = variant.expected_case().map(str::to_owned);
        let row = report.row(Row::new(variant.name.clone(), variant.kind, case, finding));
        report.fails(row, &ran.verdict);
        if index == 0 || args.stress.is_some() {
            tried.push(Tried { variant: variant.clone(), ran, row });
        }
        ok || index > 0
    })?;
    if !goes_on {
        report.problem("the reference itself fails: the rest was not run");
        return Ok(());
    }
    for why in tried.first().map(|reference| reference.ran.verdict.left_out()).unwrap_or_default() {
        report.remark(&format!("what needs PostgreSQL was not tried: {why}"));
    }
    for problem in static_problems(session, task, &pipeline.listing()?, &variants)? {
        report.problem(&problem);
    }
    if let Some(rounds) = args.stress {
        stress::run(session, &pipeline, &tried, rounds, report)?;
    }
    if args.mutants {
        mutants::run(session, task, &pipeline, report)?;
    }
    Ok(())
}

/// What is wrong without any variant being run.
fn static_problems(
    session: &Session,
    task: &Task,
    listing: &Listing,
    variants: &[Variant],
) -> Result<Vec<String>> {
    let course = &session.course;
    let readme: PathBuf = course.exercise(task).join("README.md");
    let kills: BTreeSet<String> =
        variants.iter().filter_map(Variant::expected_case).map(str::to_owned).collect();
    let mut problems = match fs::read_to_string(&readme) {
        Ok(text) => promises::disagreements(&text, listing, &kills),
        Err(error) => vec![format!("{} cannot be read: {error}", course.shown(&readme))],
    };
    if !starters::is_current(course, task)? {
        problems.push(String::from(
            "the starter is not what its solution makes: write it with `checker starters`",
        ));
    }
    Ok(problems)
}
