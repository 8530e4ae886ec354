//! What verify found out: lines as it comes, a summary in the end, or one JSON document.

use std::time::Duration;

use anstyle::{AnsiColor, Style};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::{Value, json};

use crate::course::Task;
use crate::instructor::verify::judge::Finding;
use crate::instructor::verify::variant::Kind;
use crate::judge::verdict::TaskVerdict;

const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default().bold();
const ODD: Style = AnsiColor::Yellow.on_default();
const DIM: Style = Style::new().dimmed();

/// A variant and what was found.
pub struct Row {
    name: String,
    kind: Kind,
    expected_case: Option<String>,
    finding: Finding,
    /// The cases that it failed, in the suite's order; false where it passed.
    failed: Vec<bool>,
}

impl Row {
    pub fn new(name: String, kind: Kind, expected_case: Option<String>, finding: Finding) -> Self {
        Self { name, kind, expected_case, finding, failed: Vec::new() }
    }
}

/// The findings on one task.
pub struct Report {
    task: String,
    rows: Vec<Row>,
    problems: Vec<String>,
    remarks: Vec<String>,
    cases: Vec<String>,
    bar: ProgressBar,
    silent: bool,
}

impl Report {
    /// Begins with a task; `silent` prints nothing but the bar.
    pub fn begin(task: &Task, silent: bool) -> Self {
        let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr());
        bar.set_style(
            ProgressStyle::with_template(
                "{spinner} {prefix} {wide_bar} {pos}/{len} {msg} {elapsed}",
            )
            .unwrap_or_else(|_| ProgressStyle::default_bar()),
        );
        bar.set_prefix(task.name.clone());
        bar.enable_steady_tick(Duration::from_millis(120));
        let report = Self {
            task: task.name.clone(),
            rows: Vec::new(),
            problems: Vec::new(),
            remarks: Vec::new(),
            cases: Vec::new(),
            bar,
            silent,
        };
        report.say(&format!("{}: {}", task.name, task.facts.title));
        report
    }

    /// So many more are to come.
    pub fn expect(&self, count: usize) {
        self.bar.inc_length(count as u64);
    }

    /// One is done, with nothing to say about it.
    pub fn tick(&self, message: &str) {
        self.bar.inc(1);
        self.bar.set_message(message.to_owned());
    }

    /// Takes a finding in and says where it stands.
    pub fn row(&mut self, row: Row) -> usize {
        self.bar.inc(1);
        self.say(&line(&row.name, row.kind, row.expected_case.as_deref(), &row.finding));
        self.rows.push(row);
        self.rows.len() - 1
    }

    /// Adds to a finding: the variant was tried harder.
    pub fn strengthen(&mut self, index: usize, more: &Finding) {
        let row = &mut self.rows[index];
        let text = line(&row.name, row.kind, None, more);
        row.finding.ok &= more.ok;
        row.finding.detail = format!("{}; {}", row.finding.detail, more.detail);
        self.say(&text);
    }

    /// Notes which cases a variant failed.
    pub fn fails(&mut self, index: usize, verdict: &TaskVerdict) {
        if self.cases.is_empty() {
            self.cases = verdict.cases.iter().map(|case| case.info.name.clone()).collect();
        }
        self.rows[index].failed = verdict.cases.iter().map(|case| !case.is_fine()).collect();
    }

    /// Takes in what is wrong with the task as a whole.
    pub fn problem(&mut self, problem: &str) {
        self.say(&format!("{BAD}✗{BAD:#} {problem}"));
        self.problems.push(problem.to_owned());
    }

    /// Takes in what is not wrong and should be known.
    pub fn remark(&mut self, remark: &str) {
        self.say(&format!("{ODD}!{ODD:#} {remark}"));
        self.remarks.push(remark.to_owned());
    }

    /// Says something that is no finding.
    pub fn say(&self, text: &str) {
        if !self.silent {
            self.bar.suspend(|| anstream::println!("{text}"));
        }
    }

    /// Whether all is as it must be.
    pub fn is_ok(&self) -> bool {
        self.problems.is_empty() && self.rows.iter().all(|row| row.finding.ok)
    }

    /// Ends with the summary.
    pub fn end(&self) {
        self.bar.finish_and_clear();
        self.say(&self.matrix());
        let bad = self.problems.len() + self.rows.iter().filter(|row| !row.finding.ok).count();
        self.say(&match bad {
            0 => format!(
                "{GOOD}✓{GOOD:#} {}: {} variants, all as they must be",
                self.task,
                self.rows.len()
            ),
            1 => format!("{BAD}✗{BAD:#} {}: 1 thing is wrong", self.task),
            _ => format!("{BAD}✗{BAD:#} {}: {bad} things are wrong", self.task),
        });
    }

    /// Which case catches which faulty variant: a row each, a column for each case.
    fn matrix(&self) -> String {
        let faulty = self.rows.iter().filter(|row| row.kind == Kind::Faulty);
        let faulty: Vec<&Row> = faulty.filter(|row| !row.failed.is_empty()).collect();
        let Some(width) = faulty.iter().map(|row| row.name.chars().count()).max() else {
            return String::new();
        };
        let count = self.cases.len();
        let digit = |n: usize| char::from(b"0123456789"[n % 10]);
        let ones: String = (0..count).map(digit).collect();
        let tens: String =
            (0..count).map(|n| if n % 10 == 0 { digit(n / 10) } else { ' ' }).collect();
        let mut lines = vec![
            String::from("\nWhich case catches which fault (● the named one, ∙ another):"),
            format!("  {:width$}  {DIM}{}{DIM:#}", "", tens.trim_end()),
            format!("  {:width$}  {DIM}{ones}{DIM:#}", ""),
        ];
        for row in faulty {
            let mark = |(case, failed): (&String, &bool)| match (
                failed,
                row.expected_case.as_ref() == Some(case),
            ) {
                (true, true) => '●',
                (true, false) => '∙',
                (false, true) => '!',
                (false, false) => ' ',
            };
            let marks: String = self.cases.iter().zip(&row.failed).map(mark).collect();
            lines.push(format!("  {:width$}  {marks}", row.name));
        }
        let cases = self.cases.iter().enumerate();
        lines.extend(cases.map(|(number, case)| format!("  {DIM}{number:>2} {case}{DIM:#}")));
        lines.join("\n") + "\n"
    }
}

fn line(name: &str, kind: Kind, case: Option<&str>, finding: &Finding) -> String {
    let (mark, style) = if finding.ok { ("✓", GOOD) } else { ("✗", BAD) };
    let kind = format!("{kind:?}").to_lowercase();
    let case = case.map(|case| format!(" → {case}")).unwrap_or_default();
    format!("{style}{mark}{style:#} {kind:9} {name}{case}  {DIM}{}{DIM:#}", finding.detail)
}

/// The document for these reports.
pub fn json(reports: &[Report]) -> Value {
    let tasks: Vec<Value> = reports
        .iter()
        .map(|report| {
            let variants: Vec<Value> = report
                .rows
                .iter()
                .map(|row| {
                    json!({
                        "name": row.name,
                        "kind": row.kind,
                        "expected_case": row.expected_case,
                        "ok": row.finding.ok,
                        "detail": row.finding.detail,
                    })
                })
                .collect();
            json!({
                "task": report.task,
                "variants": variants,
                "problems": report.problems,
                "remarks": report.remarks,
            })
        })
        .collect();
    json!({ "schema": 1, "ok": reports.iter().all(Report::is_ok), "tasks": tasks })
}
