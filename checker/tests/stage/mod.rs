//! A course of one task, made up for the checker's tests: a stage on which any code may act. Its
//! suite asks for a scene in each case, and a scene is well played if it gives 1.
//!
//! The harness is the real one. All tests share one copy of the course, so that it is compiled
//! once; each has a submission of its own.

#![allow(dead_code, unreachable_pub, reason = "each test uses what it needs")]
#![allow(clippy::format_collect, reason = "a test need not be fast at it")]

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{OnceLock, mpsc};
use std::thread;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

/// The scenes, and what the suite says of each case besides.
const SCENES: [(&str, &str); 27] = [
    ("honest", ""),
    ("wrong", ""),
    ("panics", ""),
    ("panics_twice", ""),
    ("exits", ""),
    ("exits_in_a_thread", ""),
    ("exits_in_drop", ""),
    ("exits_in_a_hook", ""),
    ("exits_with_3", ""),
    ("aborts", ""),
    ("forges", ""),
    ("forges_on_all_descriptors", ""),
    ("hangs", ".deadline(Duration::from_secs(1))"),
    ("spins", ".deadline(Duration::from_secs(1))"),
    ("stops_itself", ".deadline(Duration::from_secs(1))"),
    ("leaves_a_child", ""),
    ("leaves_a_session", ""),
    ("leaves_a_session_and_hangs", ".deadline(Duration::from_secs(1))"),
    ("floods", ""),
    ("prints", ""),
    ("fails_once", ""),
    ("cannot", ""),
    ("till_1", ".uses(\"till\")"),
    ("till_2", ".uses(\"till\")"),
    ("till_3", ".uses(\"till\")"),
    ("waits_for_the_end", ".deadline(Duration::from_secs(60))"),
    ("looks_around", ""),
];

/// A submission that plays every scene well.
pub const GOOD: &str = "pub fn act(_scene: &str) -> u32 { 1 }\n";

/// The reference, and through it the starter.
const SOLUTION: &str = "//! A stage.

/// Plays a scene.
pub fn act(_scene: &str) -> u32 {
    // answer: play it
    1
    // end answer
}
";

/// The starter that it makes.
pub const STARTER: &str = "//! A stage.

#![allow(dead_code, unused_variables, unused_imports, unused_mut)] // remove when you are done

/// Plays a scene.
pub fn act(_scene: &str) -> u32 {
    todo!(\"play it\")
}
";

/// The course; made when it is first asked for.
pub fn course() -> &'static Path {
    static COURSE: OnceLock<PathBuf> = OnceLock::new();
    COURSE.get_or_init(|| {
        let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join("stage");
        make_course(&root);
        root
    })
}

/// Writes the course, unless it is there already: cargo goes by the time of the last change.
pub fn make_course(root: &Path) {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let own = |name: &str, path: &str| {
        format!("{name} = {{ path = {:?} }}\n", repository.join(path).to_str().unwrap())
    };
    let dependencies = own("harness", "checker/harness") + &own("ledger", "fixtures/ledger");
    let manifest = format!("[workspace]\n\n[workspace.dependencies]\n{dependencies}");
    let cases: String = SCENES
        .iter()
        .map(|(name, more)| {
            format!(
                "        .case(Case::new({name:?}, \"P1\", || play({name:?})).real()\
                 .points(1.0).hints(&[\"Play {name}.\"]){more})\n"
            )
        })
        .collect();
    let suite = format!(
        "//! The scenes.\n#![allow(unused_imports)]\nuse harness::{{Case, Suite}};\n\
         use std::time::Duration;\n\n\
         fn play(scene: &str) {{\n    if scene == \"cannot\" {{\n        \
         harness::skip(\"no second stage found\");\n    }}\n    let got = stage::act(scene);\n    \
         if got != 1 {{\n        harness::fail(\"1\", format!(\"{{got}}\"));\n    }}\n}}\n\n\
         pub fn suite() -> Suite {{\n    \
         Suite::new(&[(\"P1\", \"Every scene gives 1, whatever it is.\")])\n{cases}}}\n\nharness::main!(suite);\n"
    );
    put(&root.join("Cargo.toml"), &manifest);
    put(&root.join("Cargo.lock"), &fs::read_to_string(repository.join("Cargo.lock")).unwrap());
    put(&root.join("exercises/01-stage/src/lib.rs"), STARTER);
    put(&root.join("solutions/01-stage/src/lib.rs"), SOLUTION);
    put(&root.join("checker/suites/01-stage/src/lib.rs"), &suite);
    let facts = format!(
        "title = \"A stage\"\npoints = {}.0\nfamily = \"plain\"\npackage = \"stage\"\n\
         suite_dependencies = [\"harness\"]\n",
        SCENES.len()
    );
    put(&root.join("checker/suites/01-stage/suite.toml"), &facts);
}

/// Writes a file, unless it says that already. Another test's process never sees half of it.
pub fn put(path: &Path, text: &str) {
    if fs::read_to_string(path).is_ok_and(|old| old == text) {
        return;
    }
    let folder = path.parent().unwrap();
    fs::create_dir_all(folder).unwrap();
    let scratch = tempfile::NamedTempFile::new_in(folder).unwrap();
    fs::write(scratch.path(), text).unwrap();
    scratch.persist(path).unwrap();
}

/// A submission in a folder of its own.
pub struct Submission {
    folder: TempDir,
}

impl Submission {
    /// One whose `lib.rs` says this.
    pub fn new(lib: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        put(&folder.path().join("src/lib.rs"), lib);
        Self { folder }
    }

    /// One that no earlier run of the tests has built.
    pub fn unheard_of(lib: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        put(&folder.path().join("src/lib.rs"), &format!("{lib}// {}\n", folder.path().display()));
        Self { folder }
    }

    /// One that plays each of these scenes so, and all others well.
    pub fn playing(scenes: &[(&str, &str)]) -> Self {
        let arms: String = scenes
            .iter()
            .map(|(name, code)| format!("        {name:?} => {{ {code} }}\n"))
            .collect();
        Self::new(&format!(
            "pub fn act(scene: &str) -> u32 {{\n    match scene {{\n{arms}        _ => 1,\n    }}\n}}\n"
        ))
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn lib(&self) -> PathBuf {
        self.folder().join("src/lib.rs")
    }

    /// Where its code may leave something.
    pub fn scratch(&self, name: &str) -> PathBuf {
        self.folder().join(name)
    }

    /// The checker, about to check it.
    pub fn checker(&self, args: &[&str]) -> Command {
        let mut command = checker();
        command.arg("check").arg("01").arg("--source").arg(self.folder()).args(args);
        command
    }

    /// The verdict on it, as JSON.
    pub fn verdict(&self, args: &[&str]) -> Verdict {
        let output = self.checker(args).arg("--json").output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let json: Value =
            serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{said}"));
        assert_eq!(json["schema"], 1);
        Verdict { code: output.status.code().unwrap(), json: json["tasks"][0].clone() }
    }
}

/// The verdict on a task.
pub struct Verdict {
    pub code: i32,
    pub json: Value,
}

impl Verdict {
    pub fn state(&self) -> &str {
        self.json["state"].as_str().unwrap()
    }

    pub fn case(&self, name: &str) -> &Value {
        let mut cases = self.json["cases"].as_array().unwrap().iter();
        cases
            .find(|case| case["case"] == name)
            .unwrap_or_else(|| panic!("no {name}: {}", self.json))
    }

    /// Asserts how a case ended, that it earned what that is worth, and what was said about it.
    #[track_caller]
    pub fn assert(&self, name: &str, outcome: &str, words: &str) {
        let case = self.case(name);
        assert_eq!(case["outcome"], outcome, "{name}: {case}");
        let worth = if outcome == "passed" { 1.0 } else { 0.0 };
        assert_eq!(case["points"], worth, "{name}: {case}");
        let message = case["message"].as_str().unwrap();
        assert!(message.contains(words), "{name}: {message:?} does not say {words:?}");
    }

    /// Asserts that all other cases passed.
    #[track_caller]
    pub fn assert_others_pass(&self, but: &[&str]) {
        for case in self.json["cases"].as_array().unwrap() {
            let name = case["case"].as_str().unwrap();
            if !but.contains(&name) && name != "cannot" {
                assert_eq!(case["outcome"], "passed", "{case}");
            }
        }
    }
}

/// The checker, standing in the course.
pub fn checker() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_checker"));
    command.current_dir(course()).stdin(Stdio::null());
    command
}

/// All that it printed.
pub fn text(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    text(&output.stdout) + &text(&output.stderr)
}

/// A named pipe through which code under test says that it is there, by a line; its end says that
/// every process that held it has gone.
pub struct Line {
    pub path: PathBuf,
}

impl Line {
    pub fn new(folder: &Path) -> Self {
        let path = folder.join("line");
        let made = Command::new("mkfifo").arg(&path).status().unwrap();
        assert!(made.success());
        Self { path }
    }

    /// Waits for the first who speaks.
    pub fn hear(&self) -> Heard {
        let path = self.path.clone();
        let reader = in_time("anybody to speak", move || {
            let mut reader = BufReader::new(File::open(path).unwrap());
            reader.read_line(&mut String::new()).unwrap();
            reader
        });
        Heard { reader }
    }
}

pub struct Heard {
    reader: BufReader<File>,
}

impl Heard {
    /// Waits until nobody is left who could speak.
    pub fn wait_for_silence(mut self) {
        in_time("everybody to be silent", move || {
            self.reader.read_to_end(&mut Vec::new()).unwrap();
        });
    }
}

/// Does what may wait for ever, but no longer than any machine needs.
fn in_time<T: Send + 'static>(what: &str, wait: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, waited) = mpsc::channel();
    thread::spawn(move || done.send(wait()));
    let waited = waited.recv_timeout(Duration::from_mins(3));
    waited.unwrap_or_else(|_| panic!("waited three minutes for {what}"))
}
