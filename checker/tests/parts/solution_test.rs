//! Taking the answers out of a solution.

use std::path::Path;

use anyhow::Result;

use super::solution::*;

const SOLUTION: &str = r#"//! A pool.
//! Of sorts.

// answer: what it needs
use std::sync::Mutex;
// starter:
// end answer

/// The pool.
pub struct Pool {
    // answer: the state
    slots: Mutex<Vec<u32>>,
    // starter:
    // /// Yours.
    // //
    // todo: (),
    // end answer
}

impl Pool {
    pub fn size(&self) -> usize {
        // answer: count "all" {of} them
        let slots = self.slots.lock().unwrap();
        slots.len()
        // end answer
    }
}
"#;

fn parse(text: &str) -> Result<Solution> {
    Solution::parse(Path::new("solutions/01-x/src/lib.rs"), text)
}

#[test]
fn answers_give_way_to_their_starter_text() {
    let solution = parse(SOLUTION).unwrap();
    let expected = format!(
        r#"//! A pool.
//! Of sorts.

{LINT_HEADER}

/// The pool.
pub struct Pool {{
    /// Yours.
    //
    todo: (),
}}

impl Pool {{
    pub fn size(&self) -> usize {{
        todo!("count \"all\" {{{{of}}}} them")
    }}
}}
"#
    );
    assert_eq!(solution.starter(), expected);
    assert_eq!(solution.regions().len(), 3);
    assert_eq!(solution.regions()[2].line(), 22);
}

#[test]
fn with_every_region_filled_in_only_markers_and_header_differ() {
    let full = parse(SOLUTION).unwrap().render(|_| true);
    assert!(full.contains("use std::sync::Mutex;\n\n/// The pool."));
    assert!(full.contains("        slots.len()\n    }"));
    assert!(!full.contains("answer") && !full.contains("starter:") && !full.contains("todo"));
}

#[test]
fn one_region_can_be_emptied_alone() {
    let text = parse(SOLUTION).unwrap().render(|region| region != 1);
    assert!(text.contains("use std::sync::Mutex;"));
    assert!(text.contains("    todo: (),"));
    assert!(text.contains("slots.len()"));
}

#[test]
fn a_region_that_leaves_nothing_leaves_no_double_blank_line() {
    let text = "a\n\n// answer: b\nb\n// starter:\n// end answer\n\nc\n";
    assert_eq!(parse(text).unwrap().starter(), format!("{LINT_HEADER}\na\n\nc\n"));
    let first =
        "impl A {\n    // answer: b\n    b\n    // starter:\n    // end answer\n\n    c\n}\n";
    assert_eq!(parse(first).unwrap().starter(), format!("{LINT_HEADER}\nimpl A {{\n    c\n}}\n"));
}

#[test]
fn faults_are_named_with_file_and_line() {
    for (text, line, part) in [
        ("// answer: a\n// answer: b\n", 2, "inside the one that began in line 1"),
        ("x\n// answer: a\n", 2, "no `// end answer`"),
        ("// end answer\n", 1, "without a region"),
        ("// starter:\n", 1, "outside of a region"),
        ("// answer: a\n// starter:\n// starter:\n", 3, "second `// starter:`"),
        ("// answer: a\n// starter:\ncode();\n// end answer\n", 3, "only comment lines"),
        ("x\n//answer: a\n", 2, "not quite a marker"),
        ("// Answer: a\n", 1, "not quite a marker"),
        ("// answer:\n", 1, "not quite a marker"),
        ("// answer: a\n// End answer\n", 2, "not quite a marker"),
        ("code(); // answer: a\n", 1, "not quite a marker"),
    ] {
        let error = parse(text).expect_err(text).to_string();
        assert!(error.contains(part), "{text:?}: {error}");
        assert!(error.starts_with(&format!("solutions/01-x/src/lib.rs:{line}:")), "{error}");
    }
    assert!(parse("// the answer: it depends\n//! answer: in docs\n").is_ok());
}
