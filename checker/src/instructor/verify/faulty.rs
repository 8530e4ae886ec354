//! A faulty variant: a small patch of the reference that says which case must catch it.
//!
//! ```text
//! # fault: the slot of a connection that could not be opened is not given back
//! # case: failed_connect_frees_slot
//! # also: rejects_when_full, times_out
//! # message: 1 of 2 slots
//! # pool: r2d2 0.8.10
//! --- a/src/lib.rs
//! +++ b/src/lib.rs
//! @@ -10,3 +10,2 @@
//! ```
//!
//! `also` names the other *core* cases that the fault cannot but fail; `message` is a piece of what
//! the catching case must say; `pool` is the real pool that had it; `of` is the correct variant that
//! is patched instead of the reference, for a slip that the reference's design has no place for.
//! `also`, `message`, `pool` and `of` are optional.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use diffy::{Hunk, Line, Patch};

/// No more than this may be changed: a fault is a slip, not another design.
pub const MAX_CHANGED_LINES: usize = 15;

/// A faulty variant, read from its patch.
#[derive(Debug)]
pub struct Faulty {
    /// The case that must catch it.
    pub case: String,
    /// Core cases that it may fail besides.
    pub also: Vec<String>,
    /// A piece of the message that the case must give.
    pub message: Option<String>,
    /// The whole `lib.rs` with the fault in it.
    pub source: String,
}

impl Faulty {
    /// Reads the patch at `path` and applies it to the reference, or to the variant in `correct`
    /// that it names.
    pub fn read(path: &Path, reference: &str, correct: &Path) -> Result<Self> {
        let read = |path: &Path| -> Result<String> {
            let text = fs::read_to_string(path);
            Ok(text
                .with_context(|| format!("cannot read {}", path.display()))?
                .replace("\r\n", "\n"))
        };
        let of = |name: &str| read(&correct.join(name).with_extension("rs"));
        let faulty = read(path).and_then(|text| Self::parse(&text, reference, of));
        faulty.with_context(|| format!("{}", path.display()))
    }

    /// Reads a patch's text and applies it to the reference, or to what `of` gives for the name of
    /// another base.
    pub fn parse(
        text: &str,
        reference: &str,
        of: impl FnOnce(&str) -> Result<String>,
    ) -> Result<Self> {
        let begin = match text.find("\n--- ") {
            Some(at) => at + 1,
            None => bail!("no diff in it: it must have a line `--- a/src/lib.rs`"),
        };
        let (header, diff) = text.split_at(begin);
        let mut faulty =
            Self { case: String::new(), also: vec![], message: None, source: String::new() };
        let (mut fault, mut base) = (None, None);
        for line in header.lines().filter(|line| !line.trim().is_empty()) {
            let (key, value) = line
                .strip_prefix('#')
                .and_then(|line| line.split_once(':'))
                .map(|(key, value)| (key.trim(), value.trim()))
                .with_context(|| format!("a header line is `# key: value`, this is not: {line}"))?;
            match key {
                "fault" => fault = Some(value),
                "case" => value.clone_into(&mut faulty.case),
                "also" => faulty.also.extend(value.split(',').map(|name| name.trim().to_owned())),
                "message" => faulty.message = Some(value.to_owned()),
                "of" => base = Some(value),
                "pool" => {}
                _ => bail!("`# {key}:` is not known: fault, case, also, message, of or pool"),
            }
        }
        if fault.is_none_or(str::is_empty) || faulty.case.is_empty() {
            bail!("its header must have `# fault: …` and `# case: …`");
        }
        faulty.source = match base {
            Some(name) => apply(diff, &of(name)?)?,
            None => apply(diff, reference)?,
        };
        Ok(faulty)
    }
}

fn apply(diff: &str, reference: &str) -> Result<String> {
    let patch = Patch::from_str(diff).context("the diff cannot be read")?;
    let file = patch.original().unwrap_or_default();
    if file != "a/src/lib.rs" {
        bail!("it changes `{file}`, not `a/src/lib.rs`");
    }
    let changed = changed_lines(&patch);
    if changed > MAX_CHANGED_LINES {
        bail!("it changes {changed} lines, {MAX_CHANGED_LINES} are allowed");
    }
    if let Some(line) = added_panic(&patch) {
        bail!("a fault adds no panic, this one does: {line}");
    }
    apply_diff(diff, reference)
}

/// Applies a unified diff of one file to its text. How the diff names the file does not matter:
/// cargo-mutants writes a sentence there, with quotation marks at times.
pub fn apply_diff(diff: &str, text: &str) -> Result<String> {
    let hunks = diff.find("@@ ").context("the diff has no hunk")?;
    let diff = format!("--- a\n+++ b\n{}", &diff[hunks..]);
    let patch = Patch::from_str(&diff).context("the diff cannot be read")?;
    diffy::apply(text, &patch).context("it does not fit the reference; make it anew")
}

/// A line that was replaced counts once.
fn changed_lines(patch: &Patch<'_, str>) -> usize {
    let count = |hunk: &Hunk<'_, str>, wanted: fn(&Line<'_, str>) -> bool| {
        hunk.lines().iter().filter(|line| wanted(line)).count()
    };
    patch
        .hunks()
        .iter()
        .map(|hunk| {
            let added = count(hunk, |line| matches!(line, Line::Insert(_)));
            added.max(count(hunk, |line| matches!(line, Line::Delete(_))))
        })
        .sum()
}

fn added_panic<'a>(patch: &'a Patch<'_, str>) -> Option<&'a str> {
    let panics = ["panic!(", "todo!(", "unimplemented!(", "unreachable!("];
    patch.hunks().iter().flat_map(Hunk::lines).find_map(|line| match line {
        Line::Insert(text) if panics.iter().any(|panic| text.contains(panic)) => Some(text.trim()),
        _ => None,
    })
}
