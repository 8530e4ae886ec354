//! Reading and applying the patches of faulty variants.

use anyhow::{Result, bail};

use super::faulty::*;

const REFERENCE: &str = "fn a() {\n    one();\n    two();\n}\n";
const DIFF: &str = "--- a/src/lib.rs\n+++ b/src/lib.rs\n@@ -1,4 +1,4 @@\n fn a() {\n-    one();\n+    three();\n     two();\n }\n";

fn parse(header: &str, diff: &str) -> Result<Faulty> {
    let of = |name: &str| match name {
        "other" => Ok(REFERENCE.replace("two", "four")),
        _ => bail!("no {name}"),
    };
    Faulty::parse(&format!("{header}{diff}"), REFERENCE, of)
}

#[test]
fn a_patch_names_its_case_and_changes_the_reference() {
    let header = "# fault: f\n# case: c\n# also: d, e\n# message: wanted\n# pool: r2d2\n";
    let faulty = parse(header, DIFF).unwrap();
    assert_eq!(faulty.source, "fn a() {\n    three();\n    two();\n}\n");
    assert_eq!((faulty.case.as_str(), faulty.message.as_deref()), ("c", Some("wanted")));
    assert_eq!(faulty.also, ["d", "e"]);
}

#[test]
fn a_patch_may_change_another_variant() {
    let header = "# fault: f\n# case: c\n# of: other\n";
    let faulty = parse(header, &DIFF.replace("two", "four")).unwrap();
    assert_eq!(faulty.source, "fn a() {\n    three();\n    four();\n}\n");
    let error = parse("# fault: f\n# case: c\n# of: none\n", DIFF).unwrap_err();
    assert!(format!("{error:#}").contains("no none"));
}

#[test]
fn what_is_wrong_with_a_patch_is_said() {
    let good = "# fault: f\n# case: c\n";
    let long = format!(
        "--- a/src/lib.rs\n+++ b/src/lib.rs\n@@ -1,1 +1,17 @@\n fn a() {{\n{}",
        "+    more();\n".repeat(16)
    );
    for (header, diff, part) in [
        ("# fault: f\n", DIFF.to_owned(), "# case"),
        ("# case: c\n", DIFF.to_owned(), "# fault"),
        ("# fault: f\n# case: c\n# so: d\n", DIFF.to_owned(), "not known"),
        (good, String::new(), "no diff"),
        (good, DIFF.replace("one", "four"), "does not fit"),
        (good, DIFF.replace("a/src/lib.rs", "a/src/pool.rs"), "not `a/src/lib.rs`"),
        (good, DIFF.replace("three()", "panic!()"), "no panic"),
        (good, long, "changes 16 lines"),
    ] {
        let error = format!("{:#}", parse(header, &diff).unwrap_err());
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn a_diff_may_name_its_file_as_it_likes() {
    let diff = "--- src/lib.rs\n+++ delete match arm \"PostgreSQL\" in f\n\
                @@ -1,2 +1,1 @@\n one\n-two\n";
    assert_eq!(apply_diff(diff, "one\ntwo\n").unwrap(), "one\n");
    assert!(apply_diff("no diff", "one\n").is_err());
}
