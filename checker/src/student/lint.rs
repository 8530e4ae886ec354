//! Advice after the verdict: clippy on the student's own crate. It never costs a point.

use std::fmt::Write as _;
use std::io::{self, IsTerminal};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::judge::build::toolchain::{self, COMPILER};
use crate::judge::session::Session;
use crate::judge::verdict::{State, TaskVerdict};
use crate::process::cancel::Cancel;
use crate::process::{Event, Limits, Next, Order, Running};

/// More than this is not read.
const SHOWN: usize = 3;
/// Advice that takes longer is none.
const LIMIT: Duration = Duration::from_mins(5);

/// Shows the advice after the verdict on one exercise, where a person reads it.
pub fn after(session: &Session, verdicts: &[TaskVerdict]) {
    if let [verdict] = verdicts
        && io::stdout().is_terminal()
        && let Some(advice) = advice(session, verdict, &session.cancel)
    {
        anstream::println!("\n{advice}");
    }
}

/// What clippy advises; `None` if there is nothing to advise on, clippy has nothing to say or is
/// not installed, or it was stopped.
pub fn advice(session: &Session, verdict: &TaskVerdict, cancel: &Cancel) -> Option<String> {
    if !verdict.is_exercise() || !verdict.build.ok || verdict.state == State::NotBegun {
        return None;
    }
    let task = session.course.task(&verdict.task).ok()?;
    let cargo = toolchain::cargo().ok()?;
    // Asked first: else cargo would complain that there is no such command.
    Command::new(&cargo)
        .args(["clippy", "--version"])
        .output()
        .ok()
        .filter(|out| out.status.success())?;
    let target = session.course.base.join("lint");
    let format = "--message-format=json-diagnostic-rendered-ansi";
    let mut args = vec!["clippy", "--offline", "--quiet", format, "-p", &task.facts.package];
    let target = target.to_string_lossy();
    args.extend(["--target-dir", &target]);
    let mut running = Running::start(&Order {
        program: cargo,
        args: args.into_iter().map(Into::into).collect(),
        folder: Some(session.course.root.clone()),
        env: toolchain::environment(),
        limits: Limits { memory: COMPILER.memory, ..Limits::default() },
        prefix: "{".into(),
        ..Order::default()
    })
    .ok()?;
    let until = Instant::now() + LIMIT;
    let mut lines = Vec::new();
    loop {
        match running.next(until, cancel) {
            Next::Event(Event::Line(line)) => lines.push(line),
            Next::Event(Event::Ended(_)) => break,
            Next::Event(_) => {}
            Next::Late | Next::Cancelled => {
                running.end();
                running.wait();
                return None;
            }
        }
    }
    lines.extend(running.drain().0);
    text(&lines, &task.facts.package)
}

/// The warnings among cargo's lines, as they are shown.
fn text(lines: &[Vec<u8>], package: &str) -> Option<String> {
    let mut warnings: Vec<String> = Vec::new();
    for line in lines {
        let Ok(message) = serde_json::from_slice::<Value>(line) else { continue };
        let about = &message["message"];
        if about["level"] == "warning"
            && !about["code"].is_null()
            && let Some(rendered) = about["rendered"].as_str()
        {
            warnings.push(rendered.trim_end().to_owned());
        }
    }
    let more = warnings.len().saturating_sub(SHOWN);
    warnings.truncate(SHOWN);
    if warnings.is_empty() {
        return None;
    }
    let mut text = format!("Advice, for no points:\n\n{}", warnings.join("\n\n"));
    if more > 0 {
        let _ = write!(text, "\n\nand {more} more: cargo clippy -p {package}");
    }
    Some(text)
}
