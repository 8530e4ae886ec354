//! The variants of a task: its reference, its starter in all stages, and what `correct/` and
//! `faulty/` hold.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde::Serialize;

use crate::course::solution::Solution;
use crate::course::{Course, Task, starter};
use crate::instructor::verify::faulty::Faulty;
use crate::instructor::verify::pipeline::{Cases, Order};

/// What a variant is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    Reference,
    /// The starter, or one of its stages on the way to the reference.
    Starter,
    Correct,
    Faulty,
}

/// How a variant must fare.
#[derive(Clone, Debug)]
pub enum Expect {
    /// Every case passes.
    Full,
    /// No case passes, and none hangs.
    Nothing,
    /// The named case catches it.
    Killed(Fault),
    /// It loses points against the reference.
    Less,
    /// It earns no less than the one before it.
    NotLess,
}

/// Who must catch a faulty variant, and saying what.
#[derive(Clone, Debug, Default)]
pub struct Fault {
    pub case: String,
    pub also: Vec<String>,
    pub message: Option<String>,
}

/// A variant: a whole `lib.rs` and what is expected of it.
#[derive(Clone, Debug)]
pub struct Variant {
    pub name: String,
    pub kind: Kind,
    pub source: String,
    pub expect: Expect,
}

impl Variant {
    /// What of the suite it is run through: as much as is needed to say how it fares.
    pub fn order(&self) -> Order<'_> {
        let cases = match &self.expect {
            Expect::Killed(fault) => Cases::CoreAnd(&fault.case),
            Expect::Less => Cases::UntilOneFails,
            Expect::Full | Expect::Nothing | Expect::NotLess => Cases::All,
        };
        Order { source: &self.source, cases }
    }

    /// The case that must catch it.
    pub fn expected_case(&self) -> Option<&str> {
        match &self.expect {
            Expect::Killed(fault) => Some(&fault.case),
            _ => None,
        }
    }
}

/// A suite that accepts fewer designs may take its author's for the only one.
const LEAST_CORRECT: usize = 5;
/// A suite that has met fewer faults may have been lucky.
const LEAST_FAULTY: usize = 12;

/// What is to be said if a suite has met too few variants to be trusted.
pub fn too_few(variants: &[Variant]) -> Option<String> {
    let count = |kind: Kind| variants.iter().filter(|variant| variant.kind == kind).count();
    let (correct, faulty) = (count(Kind::Correct), count(Kind::Faulty));
    (correct < LEAST_CORRECT || faulty < LEAST_FAULTY).then(|| {
        format!(
            "{correct} correct and {faulty} faulty variants say little of a suite: it should have \
             at least {LEAST_CORRECT} and {LEAST_FAULTY}"
        )
    })
}

/// The names of those that cannot be read, and what is wrong with them.
pub type Unreadable = Vec<(String, String)>;

/// All variants of a task.
pub fn all(course: &Course, task: &Task) -> Result<(Vec<Variant>, Unreadable)> {
    let (reference, solution) = starter::solution(course, task)?;
    if solution.regions().is_empty() {
        bail!("{}: the solution has no `// answer:` region, so there is nothing to do", task.name);
    }
    let mut variants = vec![new("reference", Kind::Reference, reference.clone(), Expect::Full)];
    for path in files(&task.suite.join("correct"), "rs")? {
        variants.push(new(&stem(&path), Kind::Correct, read(&path)?, Expect::Full));
    }
    let mut unreadable = Vec::new();
    for path in files(&task.suite.join("faulty"), "patch")? {
        match Faulty::read(&path, &reference, &task.suite.join("correct")) {
            Ok(Faulty { case, also, message, source }) => {
                let expect = Expect::Killed(Fault { case, also, message });
                variants.push(new(&stem(&path), Kind::Faulty, source, expect));
            }
            Err(error) => unreadable.push((stem(&path), format!("{error:#}"))),
        }
    }
    stages(&solution, &mut variants);
    Ok((variants, unreadable))
}

/// The starter, each answer taken out alone, and the answers put in one by one.
fn stages(solution: &Solution, variants: &mut Vec<Variant>) {
    let mut push = |name: String, source, expect| {
        variants.push(Variant { name, kind: Kind::Starter, source, expect });
    };
    for (index, region) in solution.regions().iter().enumerate() {
        let name = format!("without the answer in line {}: {}", region.line(), region.what);
        push(name, solution.render(|other| other != index), Expect::Less);
    }
    push("no answer".to_owned(), solution.starter(), Expect::Nothing);
    for count in 1..=solution.regions().len() {
        let name = format!("the first {count} of {} answers", solution.regions().len());
        let last = count == solution.regions().len();
        let expect = if last { Expect::Full } else { Expect::NotLess };
        push(name, solution.render(|other| other < count), expect);
    }
}

fn new(name: &str, kind: Kind, source: String, expect: Expect) -> Variant {
    Variant { name: name.to_owned(), kind, source, expect }
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

fn stem(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

/// The files of a folder with this extension, by name; none if there is no folder.
fn files(folder: &Path, extension: &str) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    if folder.is_dir() {
        for entry in
            fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?
        {
            let path = entry?.path();
            if path.extension().is_some_and(|found| found == extension) {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}
