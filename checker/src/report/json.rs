//! `--json`: one document, the schema of which is a promise.

use serde_json::{Value, json};

use crate::judge::verdict::{CaseVerdict, Standing, TaskVerdict};

/// The document of `check`.
pub fn check(verdicts: &[TaskVerdict]) -> Value {
    json!({
        "schema": 1,
        "points": verdicts.iter().map(TaskVerdict::points).sum::<f64>(),
        "max_points": verdicts.iter().map(|verdict| verdict.max_points).sum::<f64>(),
        "tasks": verdicts.iter().map(task).collect::<Vec<_>>(),
    })
}

/// The document of `list`.
pub fn list(standings: &[Standing]) -> Value {
    let tasks: Vec<Value> = standings
        .iter()
        .map(|standing| {
            let verdict = standing.verdict.as_ref();
            json!({
                "task": standing.task,
                "title": standing.title,
                "state": verdict.map(|verdict| verdict.state),
                "changed": standing.has_changed,
                "points": verdict.map_or(0.0, TaskVerdict::points),
                "max_points": standing.points,
            })
        })
        .collect();
    json!({ "schema": 1, "tasks": tasks })
}

fn task(verdict: &TaskVerdict) -> Value {
    json!({
        "task": verdict.task,
        "source": verdict.source,
        "state": verdict.state,
        "points": verdict.points(),
        "max_points": verdict.max_points,
        "build": {
            "ok": verdict.build.ok,
            "seconds": verdict.build.seconds,
            "message": verdict.build.message.as_deref().map(plain),
        },
        "cases": verdict.cases.iter().map(case).collect::<Vec<_>>(),
    })
}

fn case(verdict: &CaseVerdict) -> Value {
    json!({
        "case": verdict.info.name,
        "promise": verdict.info.promise,
        "title": verdict.info.title,
        "level": verdict.info.level,
        "outcome": verdict.outcome,
        "points": verdict.points(),
        "max_points": verdict.max_points(),
        "message": plain(&verdict.message),
        "schedules": verdict.schedules,
        "shrunk": verdict.shrunk,
        "seconds": verdict.seconds,
        "servers": verdict.ran_on,
        "left_out": verdict.left_out.iter().map(|why| plain(why)).collect::<Vec<_>>(),
    })
}

/// Without a terminal's colours.
fn plain(text: &str) -> String {
    anstream::adapter::strip_str(text).to_string()
}
