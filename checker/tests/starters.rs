//! Starters, reset and hints, on a made-up course.

mod made_up;

use std::fs;

use made_up::{Course, SOLUTION, STARTER};

const LIB: &str = "exercises/01-sums/src/lib.rs";

#[test]
fn starters_are_written_from_solutions_and_compared() {
    let course = Course::new();
    assert_eq!(course.says(&["starters", "--check"]), (0, String::new()));
    course.put(LIB, "something else");
    let (code, said) = course.says(&["starters", "--check"]);
    assert_eq!(code, 1);
    assert!(said.contains(LIB), "{said}");
    assert_eq!(course.read(LIB), "something else");
    assert_eq!(course.says(&["starters"]).0, 0);
    assert_eq!(course.read(LIB), STARTER);
    course.put("solutions/01-sums/src/lib.rs", &SOLUTION.replace("// end answer", ""));
    let (code, said) = course.says(&["starters"]);
    assert_eq!(code, 2);
    assert!(said.contains("solutions/01-sums/src/lib.rs:12: a region inside"), "{said}");
}

#[test]
fn reset_restores_the_starter_and_keeps_what_was_there() {
    let course = Course::new();
    let (code, said) = course.says(&["reset", "1"]);
    assert!(code == 0 && said.contains("starter already"), "{said}");
    course.put(LIB, "mine");
    course.put("exercises/01-sums/src/more/extra.rs", "more of mine");
    let (code, said) = course.says(&["reset", "sums"]);
    assert!(code == 0 && said.contains("exercises/01-sums/backup-1/src"), "{said}");
    assert_eq!(course.read(LIB), STARTER);
    assert!(!course.path("exercises/01-sums/src/more").exists());
    assert_eq!(course.read("exercises/01-sums/backup-1/src/lib.rs"), "mine");
    assert_eq!(course.read("exercises/01-sums/backup-1/src/more/extra.rs"), "more of mine");
    course.put(LIB, "mine again");
    assert_eq!(course.says(&["reset", "1"]).0, 0);
    assert_eq!(course.read("exercises/01-sums/backup-1/src/lib.rs"), "mine");
    assert_eq!(course.read("exercises/01-sums/backup-2/src/lib.rs"), "mine again");
    fs::remove_dir_all(course.path("exercises/01-sums/src")).unwrap();
    assert_eq!(course.says(&["reset", "1"]).0, 0);
    assert_eq!(course.read(LIB), STARTER);
}

#[test]
fn hints_come_one_by_one_for_the_first_failing_case() {
    let course = Course::new();
    let (code, said) = course.says(&["hint"]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("adds (P1)") && said.contains("think adds"), "{said}");
    assert!(!said.contains("look adds") && said.contains("hint 01 --level 2"), "{said}");
    let (_, said) = course.says(&["hint", "1", "--level", "2"]);
    assert!(said.contains("look adds") && said.contains("COURSE.md#sums"), "{said}");
    course.put(LIB, &SOLUTION.replace("2 * a", "a"));
    assert!(course.says(&["hint"]).1.contains("think doubles"));
    assert!(course.says(&["hint", "--case", "adds"]).1.contains("think adds"));
    let (code, said) = course.says(&["hint", "--case", "ads"]);
    assert!(code == 2 && said.contains("did you mean `adds`?"), "{said}");
    course.put(LIB, SOLUTION);
    assert!(course.says(&["hint"]).1.contains("nothing to hint at"));
    course.put(LIB, "nonsense");
    let (code, said) = course.says(&["hint"]);
    assert!(code == 2 && said.contains("does not compile yet"), "{said}");
}
