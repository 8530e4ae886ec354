//! Takes the answers out of a solution: everything else stays.
//!
//! A solution marks its answers with comments that stand alone on their lines:
//!
//! ```text
//! pub struct Pool<M> {
//!     // answer: the pool's state
//!     slots: Mutex<Slots<M>>,
//!     // starter:
//!     // manager: M,
//!     // end answer
//! }
//!
//! pub fn status(&self) -> Status {
//!     // answer: count what is idle and what is out
//!     let slots = self.slots.lock();
//!     Status { idle: slots.idle.len() }
//!     // end answer
//! }
//! ```
//!
//! The grammar, line by line:
//!
//! - `// answer: WHAT TO DO` opens a region and `// end answer` closes it; regions do not nest.
//! - Without more, the region becomes the line `todo!("WHAT TO DO")`, indented as its opening: that
//!   is what a function's body wants. Opening and end stand inside the braces.
//! - A region that covers fields, imports or items says what takes its place after a line
//!   `// starter:`: comment lines only, each put in without its `// `; none at all leaves nothing.
//!   A comment that the starter should keep is written `// // like this`.
//! - Where nothing takes a region's place, the blank line after it goes as well if there is one
//!   before it, or if the region stood first in its braces.
//!
//! A starter begins with the solution's own module docs, then [`LINT_HEADER`]. What looks like a
//! marker and is none is an error: a misspelt one would give an answer away.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

/// Keeps an unfinished task from drowning in warnings.
pub const LINT_HEADER: &str = "#![allow(dead_code, unused_variables, unused_imports, unused_mut)] // remove when you are done";

const OPEN: &str = "// answer: ";
const STARTER: &str = "// starter:";
const END: &str = "// end answer";

/// A solution's source with its answer regions.
#[derive(Debug)]
pub struct Solution {
    lines: Vec<String>,
    regions: Vec<Region>,
}

/// One answer: lines `open..=end` of the solution, counted from 0.
#[derive(Debug)]
pub struct Region {
    /// What the student is to do, in the solution's words.
    #[cfg_attr(not(feature = "instructor"), expect(dead_code, reason = "`verify` names it"))]
    pub what: String,
    open: usize,
    /// The end of the answer proper: the line of `// starter:` or of `// end answer`.
    answer_end: usize,
    end: usize,
    instead: Vec<String>,
}

#[cfg(feature = "instructor")]
impl Region {
    /// The line of its opening, counted from 1.
    pub fn line(&self) -> usize {
        self.open + 1
    }

    /// Whether this line, counted from 1, belongs to it.
    pub fn holds(&self, line: usize) -> bool {
        (self.open..=self.end).contains(&(line - 1))
    }
}

impl Solution {
    /// Reads the regions of `text`; errors name `path` and the line.
    pub fn parse(path: &Path, text: &str) -> Result<Self> {
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        let mut reader = Reader { path: path.to_owned(), regions: Vec::new(), open: None };
        for (number, line) in lines.iter().enumerate() {
            reader.line(number, line)?;
        }
        if let Some(open) = &reader.open {
            bail!(reader.error(open.line, "this region has no `// end answer`"));
        }
        Ok(Self { lines, regions: reader.regions })
    }

    /// The regions, in the order in which they stand.
    #[cfg(feature = "instructor")]
    pub fn regions(&self) -> &[Region] {
        &self.regions
    }

    /// The starter: no region filled in.
    pub fn starter(&self) -> String {
        self.render(|_| false)
    }

    /// The solution with only the regions that `keep` names (by their place from 0) filled in.
    /// It is the starter in all else: the markers are gone and the lint header is there.
    pub fn render(&self, keep: impl Fn(usize) -> bool) -> String {
        let mut out: Vec<&str> = Vec::new();
        let docs = self.lines.iter().take_while(|line| line.starts_with("//!")).count();
        out.extend(self.lines[..docs].iter().map(String::as_str));
        if docs > 0 {
            out.push("");
        }
        out.push(LINT_HEADER);
        let mut next = docs;
        for (index, region) in self.regions.iter().enumerate() {
            out.extend(self.lines[next..region.open].iter().map(String::as_str));
            next = region.end + 1;
            if keep(index) {
                out.extend(
                    self.lines[region.open + 1..region.answer_end].iter().map(String::as_str),
                );
            } else if region.instead.is_empty() {
                let first = out.last().is_none_or(|line| line.is_empty() || line.ends_with('{'));
                if first && self.lines.get(next).is_some_and(String::is_empty) {
                    next += 1;
                }
            } else {
                out.extend(region.instead.iter().map(String::as_str));
            }
        }
        out.extend(self.lines[next..].iter().map(String::as_str));
        let mut text = out.join("\n");
        text.push('\n');
        text
    }
}

/// A region that is being read.
struct Open {
    line: usize,
    indent: String,
    what: String,
    /// Where `// starter:` stood, and the lines after it.
    instead: Option<(usize, Vec<String>)>,
}

struct Reader {
    path: PathBuf,
    regions: Vec<Region>,
    open: Option<Open>,
}

impl Reader {
    fn error(&self, line: usize, what: &str) -> String {
        format!("{}:{}: {what}", self.path.display(), line + 1)
    }

    fn line(&mut self, number: usize, line: &str) -> Result<()> {
        let text = line.trim();
        if let Some(what) = text.strip_prefix(OPEN) {
            self.opening(number, line, what.trim())
        } else if text == STARTER {
            let again = self.error(number, "a second `// starter:` in one region");
            let outside = self.error(number, "`// starter:` outside of a region");
            match &mut self.open {
                None => bail!(outside),
                Some(Open { instead: Some(_), .. }) => bail!(again),
                Some(open) => open.instead = Some((number, Vec::new())),
            }
            Ok(())
        } else if text == END {
            self.end(number)
        } else if is_near_marker(text) {
            bail!(self.error(
                number,
                "not quite a marker: write `// answer: what to do`, `// starter:` or \
                 `// end answer`, alone on its line",
            ))
        } else {
            self.starter_line(number, line)
        }
    }

    fn opening(&mut self, number: usize, line: &str, what: &str) -> Result<()> {
        if let Some(open) = &self.open {
            let began = open.line + 1;
            bail!(
                self.error(number, &format!("a region inside the one that began in line {began}"))
            );
        }
        if what.is_empty() {
            bail!(self.error(number, "say what to do: `// answer: what to do`"));
        }
        let indent = line[..line.len() - line.trim_start().len()].to_owned();
        self.open = Some(Open { line: number, indent, what: what.to_owned(), instead: None });
        Ok(())
    }

    fn end(&mut self, number: usize) -> Result<()> {
        let Some(open) = self.open.take() else {
            bail!(self.error(number, "`// end answer` without a region"));
        };
        let todo = || vec![format!("{}todo!({})", open.indent, literal(&open.what))];
        let (answer_end, instead) = open.instead.unwrap_or_else(|| (number, todo()));
        self.regions.push(Region {
            what: open.what,
            open: open.line,
            answer_end,
            end: number,
            instead,
        });
        Ok(())
    }

    /// A line that is no marker: only after `// starter:` does it matter what it says.
    fn starter_line(&mut self, number: usize, line: &str) -> Result<()> {
        let text = line.trim_start();
        let indent = &line[..line.len() - text.len()];
        let strays = self.error(number, "after `// starter:` only comment lines `// …` can stand");
        let Some((_, instead)) = self.open.as_mut().and_then(|open| open.instead.as_mut()) else {
            return Ok(());
        };
        if text == "//" {
            instead.push(String::new());
        } else if let Some(code) = text.strip_prefix("// ") {
            instead.push(format!("{indent}{code}"));
        } else {
            bail!(strays);
        }
        Ok(())
    }
}

/// Whether a line was probably meant as a marker: `//answer:`, `// End answer`, `code(); // answer: …`.
fn is_near_marker(text: &str) -> bool {
    if text.starts_with("//!") || text.starts_with("///") {
        return false;
    }
    let Some((code, comment)) = text.split_once("//") else { return false };
    let words = comment.trim().to_lowercase();
    let squeezed: String = words.chars().filter(|c| !c.is_whitespace()).collect();
    squeezed.starts_with("answer:")
        || squeezed == "starter:"
        || ["endanswer", "end-answer", "end_answer", "endanswer.", "endofanswer"]
            .contains(&squeezed.as_str())
        || (code.trim().is_empty() && words == "answer")
}

/// `what` as the literal of a format string.
fn literal(what: &str) -> String {
    let mut out = String::from("\"");
    for c in what.chars() {
        match c {
            '"' | '\\' => {
                let _ = write!(out, "\\{c}");
            }
            '{' | '}' => {
                let _ = write!(out, "{c}{c}");
            }
            _ => out.push(c),
        }
    }
    out.push('"');
    out
}
