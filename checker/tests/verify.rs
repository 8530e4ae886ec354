//! `verify` on a made-up course: what is sound is accepted, and each thing that can be wrong is told.

mod made_up;

use std::fs;
use std::path::Path;

use made_up::{Course, SOLUTION};
use serde_json::Value;

const FAULTY: &str = "checker/suites/01-sums/faulty/minus.patch";

/// Verifies and gives the code, the variants that are not ok, and the problems.
fn verify(course: &Course) -> (i32, Vec<String>, Vec<String>) {
    let output = course.checker(&["verify", "1", "--json"]);
    let said = String::from_utf8_lossy(&output.stderr);
    let json: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{said}"));
    let task = &json["tasks"][0];
    assert_eq!(json["schema"], 1);
    assert_eq!(json["ok"].as_bool().unwrap(), output.status.code() == Some(0));
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let bad = |row: &&Value| row["ok"] == false;
    let rows = task["variants"].as_array().unwrap().iter().filter(bad);
    let problems = task["problems"].as_array().unwrap().iter().map(text).collect();
    let rows =
        rows.map(|row| format!("{}: {}", text(&row["name"]), text(&row["detail"]))).collect();
    (output.status.code().unwrap(), rows, problems)
}

#[test]
fn a_sound_suite_is_accepted() {
    let course = Course::new();
    let (code, said) = course.says(&["verify"]);
    assert_eq!(code, 0, "{said}");
    for part in ["reference", "shift", "minus → adds", "no answer", "the first 2 of 2", "●"] {
        assert!(said.contains(part), "no {part} in {said}");
    }
    let (code, said) = course.says(&["verify", "--stress", "2"]);
    assert_eq!(code, 0, "{said}");
    // Not wrong for a course that somebody makes up, and to be known all the same.
    assert!(said.contains("! 1 correct and 2 faulty variants say little"), "{said}");
    assert!(said.contains("caught 2/2") && said.contains("passed 2/2"), "{said}");
}

#[test]
fn what_is_wrong_with_a_variant_is_told() {
    let course = Course::new();
    course.change("checker/suites/01-sums/correct/shift.rs", "<< 1", "<< 2");
    course.change(FAULTY, "# case: adds", "# case: doubles");
    course.change("exercises/01-sums/src/lib.rs", "add them", "think");
    course.change(
        "checker/suites/01-sums/faulty/thrice.patch",
        "# case",
        "# message: sixteen\n# case",
    );
    course.put(
        "checker/suites/01-sums/faulty/stale.patch",
        &course.read(FAULTY).replace("a + b", "b + a"),
    );
    let (code, rows, problems) = verify(&course);
    assert_eq!(code, 1);
    let expected = [
        ("stale", "does not fit"),
        ("shift", "doubles fails: "),
        ("minus", "doubles does not catch it"),
        ("thrice", "doubles does not say “sixteen”"),
    ];
    assert_eq!(rows.len(), expected.len(), "{rows:?}");
    for (row, (name, why)) in rows.iter().zip(expected) {
        assert!(row.starts_with(name) && row.contains(why), "{row}");
    }
    assert_eq!(problems[0], "adds is the named killer of no faulty variant");
    assert!(problems[1].contains("the starter is not what its solution makes"), "{problems:?}");
}

#[test]
fn an_answer_that_no_case_misses_is_told() {
    let course = Course::new();
    let late = "// answer: think\n    // starter:\n    // end answer\n    // answer: add them";
    course.put("solutions/01-sums/src/lib.rs", &SOLUTION.replace("// answer: add them", late));
    course.change(FAULTY, "@@ -1,1", "@@ -8,1");
    let (code, rows, problems) = verify(&course);
    assert_eq!(code, 1);
    assert!(rows[0].contains("no case misses this answer"), "{rows:?}");
    assert!(problems.is_empty(), "{problems:?}");
}

#[test]
fn without_a_sound_reference_nothing_else_is_tried() {
    let course = Course::new();
    course.change("solutions/01-sums/src/lib.rs", "2 * a", "3 * a");
    let (code, rows, problems) = verify(&course);
    assert_eq!(code, 1);
    assert!(rows.iter().any(|row| row.starts_with("reference: ")), "{rows:?}");
    assert_eq!(problems, ["the reference itself fails: the rest was not run"]);
}

#[test]
fn the_suites_of_this_course_have_met_enough_variants() {
    let suites = Path::new(env!("CARGO_MANIFEST_DIR")).join("suites");
    for suite in fs::read_dir(suites).unwrap().map(|entry| entry.unwrap().path()) {
        let count = |folder: &str, end: &str| {
            let files = fs::read_dir(suite.join(folder)).into_iter().flatten();
            let names = files.map(|entry| entry.unwrap().path());
            names.filter(|name| name.extension().is_some_and(|found| found == end)).count()
        };
        let (correct, faulty) = (count("correct", "rs"), count("faulty", "patch"));
        assert!(correct >= 5 && faulty >= 12, "{}: {correct}, {faulty}", suite.display());
    }
}
