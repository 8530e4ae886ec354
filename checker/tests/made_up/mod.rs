//! A small course of one task, made up for a test. Its harness has no dependencies, so that it is
//! built in a moment.

#![allow(dead_code, unreachable_pub, reason = "each test uses what it needs")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

/// The reference of the task.
pub const SOLUTION: &str = "//! Sums.

/// The sum.
pub fn sum(a: u32, b: u32) -> u32 {
    // answer: add them
    a + b
    // end answer
}

/// Twice as much.
pub fn twice(a: u32) -> u32 {
    // answer: double it
    2 * a
    // end answer
}
";

/// The starter that it makes.
pub const STARTER: &str = "//! Sums.

#![allow(dead_code, unused_variables, unused_imports, unused_mut)] // remove when you are done

/// The sum.
pub fn sum(a: u32, b: u32) -> u32 {
    todo!(\"add them\")
}

/// Twice as much.
pub fn twice(a: u32) -> u32 {
    todo!(\"double it\")
}
";

const SUITE: &str = r#"//! The cases.
pub fn suite() -> harness::Suite {
    harness::Suite {
        promises: &[("P1", "sum adds."), ("P2", "twice doubles.")],
        cases: &[
            ("adds", "P1", || harness::same("2 + 3", sums::sum(2, 3), 5)),
            ("doubles", "P2", || harness::same("twice 4", sums::twice(4), 8)),
        ],
    }
}
harness::main!(suite);
"#;

/// What the real harness does, without its care.
const HARNESS: &str = r#"//! A harness for honest code.
pub struct Suite {
    pub promises: &'static [(&'static str, &'static str)],
    pub cases: &'static [(&'static str, &'static str, fn() -> Result<(), String>)],
}
pub fn same(what: &str, got: u32, wanted: u32) -> Result<(), String> {
    if got == wanted { Ok(()) } else { Err(format!("{what} is {got}, not {wanted}")) }
}
#[macro_export]
macro_rules! main {
    ($suite:path) => {
        fn main() {
            $crate::serve($suite())
        }
    };
}
pub fn serve(suite: Suite) {
    let mut request = String::new();
    std::io::stdin().read_line(&mut request).unwrap();
    let after = |key: &str| request.split_once(key).unwrap().1;
    let token = after("\"token\":\"").split('"').next().unwrap().to_owned();
    let case = after("\"case\":").split([',', '}']).next().unwrap().to_owned();
    let Ok(case) = case.parse::<usize>() else {
        let promises: Vec<String> =
            suite.promises.iter().map(|(number, text)| format!("[{number:?},{text:?}]")).collect();
        let cases: Vec<String> = suite.cases.iter().enumerate().map(|(number, (name, promise, _))| {
            format!(
                "{{\"number\":{number},\"name\":{name:?},\"promise\":{promise:?},\"title\":\"it {name}\",\
                 \"points\":1.0,\"level\":\"core\",\"world\":\"real\",\"schedules\":1,\
                 \"deadline\":{{\"secs\":10,\"nanos\":0}},\"hints\":[\"think {name}\",\"look {name}\"],\
                 \"lesson\":\"sums\",\"resources\":[],\"held_out\":false}}"
            )
        }).collect();
        let (promises, cases) = (promises.join(","), cases.join(","));
        println!("{token} {{\"listing\":{{\"promises\":[{promises}],\"cases\":[{cases}]}}}}");
        return;
    };
    println!("{token} \"started\"");
    let body = suite.cases[case].2;
    let result = std::thread::spawn(move || body()).join().unwrap_or_else(|_| Err("it panicked".into()));
    let (outcome, failure) = match result {
        Ok(()) => ("passed", "null".to_owned()),
        Err(got) => (
            "failed",
            format!("{{\"expected\":\"as promised\",\"got\":{got:?},\"location\":null,\"waiting\":[]}}"),
        ),
    };
    println!(
        "{token} {{\"record\":{{\"case\":{case},\"outcome\":\"{outcome}\",\"failure\":{failure},\
         \"schedules\":1,\"seed\":null,\"ledger\":[],\"notes\":[],\
         \"took\":{{\"secs\":0,\"nanos\":1}}}}}}"
    );
}
"#;

/// A course in a folder of its own.
pub struct Course {
    folder: TempDir,
}

impl Course {
    /// A sound one: its starter is what its solution makes, its suite catches what it should.
    pub fn new() -> Self {
        let course = Self { folder: tempfile::tempdir().unwrap() };
        let package = |name: &str| {
            format!("[package]\nname = \"{name}\"\nversion = \"0.0.0\"\nedition = \"2024\"\n")
        };
        course.put(
            "Cargo.toml",
            "[workspace]\nmembers = [\"exercises/01-sums\", \"solutions/01-sums\"]\nresolver = \"3\"\n\
             [workspace.dependencies]\nharness = { path = \"checker/harness\" }\n",
        );
        course.put("exercises/01-sums/Cargo.toml", &package("sums"));
        course.put("solutions/01-sums/Cargo.toml", &package("sums-solution"));
        course.put("checker/harness/Cargo.toml", &package("harness"));
        course.put("checker/harness/src/lib.rs", HARNESS);
        course.put(
            "exercises/01-sums/README.md",
            "- **P1** `sum` adds.\n- **P2** `twice` doubles.\n",
        );
        course.put("exercises/01-sums/src/lib.rs", STARTER);
        course.put("solutions/01-sums/src/lib.rs", SOLUTION);
        course.put("checker/suites/01-sums/src/lib.rs", SUITE);
        course.put(
            "checker/suites/01-sums/suite.toml",
            "title = \"Sums\"\npoints = 2.0\nfamily = \"plain\"\npackage = \"sums\"\n\
             suite_dependencies = [\"harness\"]\n",
        );
        let patch = |fault: &str, case: &str, old: &str, new: &str| {
            format!(
                "# fault: {fault}\n# case: {case}\n--- a/src/lib.rs\n+++ b/src/lib.rs\n\
                 @@ -1,1 +1,1 @@\n-    {old}\n+    {new}\n"
            )
        };
        let faulty = "checker/suites/01-sums/faulty";
        course.put(
            &format!("{faulty}/minus.patch"),
            &patch("subtracts", "adds", "a + b", "a.abs_diff(b)"),
        );
        course
            .put(&format!("{faulty}/thrice.patch"), &patch("triples", "doubles", "2 * a", "3 * a"));
        course.put(
            "checker/suites/01-sums/correct/shift.rs",
            "//! Shifts instead of multiplying.\n\
             pub fn sum(a: u32, b: u32) -> u32 { b + a }\npub fn twice(a: u32) -> u32 { a << 1 }\n",
        );
        course
    }

    pub fn root(&self) -> &Path {
        self.folder.path()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.root().join(name)
    }

    pub fn put(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    pub fn change(&self, name: &str, old: &str, new: &str) {
        let text = self.read(name);
        assert!(text.contains(old), "{name} has no {old:?}");
        self.put(name, &text.replace(old, new));
    }

    /// Runs the checker in it.
    pub fn checker(&self, args: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_checker"));
        command.args(args).current_dir(self.root()).output().unwrap()
    }

    /// Runs the checker; gives its exit code and all that it printed.
    pub fn says(&self, args: &[&str]) -> (i32, String) {
        let output = self.checker(args);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code().unwrap(), text(&output.stdout) + &text(&output.stderr))
    }
}
