//! Hostile submissions of task 01: each is an error for the cases that it touches and for no other.
//!
//! They are patches of the reference in `checker/attacks/`, whose headers say what they do, which
//! cases they touch, and what the checker must say of those.

use std::fs;
use std::iter;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::thread::{self, ScopedJoinHandle};
use std::time::Duration;

use serde_json::Value;

/// A touched case may go on for so long after its deadline.
const GRACE: Duration = Duration::from_secs(2);
/// What the cases of task 01 have.
const DEADLINE: Duration = Duration::from_secs(10);

struct Attack {
    name: String,
    touches: Vec<String>,
    says: String,
    source: String,
}

impl Attack {
    fn read(file: &Path, reference: &str) -> Self {
        let text = fs::read_to_string(file).unwrap();
        let name = file.file_stem().unwrap().to_string_lossy().into_owned();
        let header = |key: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(&format!("# {key}: ")));
            line.unwrap_or_else(|| panic!("{name} has no line `# {key}: …`")).to_owned()
        };
        let diff = &text[text.find("--- a/").expect("a diff")..];
        let patch = diffy::Patch::from_str(diff).unwrap();
        Self {
            touches: header("touches").split(", ").map(str::to_owned).collect(),
            says: header("says"),
            source: diffy::apply(reference, &patch).unwrap_or_else(|e| panic!("{name}: {e}")),
            name,
        }
    }

    /// What of it is not as it should be.
    fn judge(&self, root: &Path) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("src")).unwrap();
        fs::write(folder.path().join("src/lib.rs"), &self.source).unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_checker"))
            .args(["check", "01", "--json", "--fresh", "--source"])
            .arg(folder.path())
            .current_dir(root)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        let json: Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{}: {error}\n{said}", self.name));
        let task = &json["tasks"][0];
        let cases = task["cases"].as_array().unwrap();
        assert_eq!(cases.len(), 20, "{}: {}", self.name, task["build"]["message"]);
        let mut wrong: Vec<String> = cases.iter().filter_map(|case| self.look_at(case)).collect();
        if output.status.code() != Some(1) {
            wrong.push(format!("{}: the checker ended with {}", self.name, output.status));
        }
        wrong
    }

    fn look_at(&self, case: &Value) -> Option<String> {
        let name = case["case"].as_str().unwrap();
        let outcome = case["outcome"].as_str().unwrap();
        let message = case["message"].as_str().unwrap_or_default();
        let touched = self.touches.iter().any(|touched| touched == name || touched == "all");
        let seconds = case["seconds"].as_f64().unwrap();
        let in_time = seconds < (DEADLINE + GRACE).as_secs_f64();
        let as_it_should = if touched {
            outcome != "passed" && case["points"] == 0.0 && message.contains(&self.says) && in_time
        } else {
            outcome == "passed" && case["points"] == case["max_points"]
        };
        (!as_it_should).then(|| {
            let meant = if touched { "touched" } else { "not touched" };
            format!("{}: {name}, {meant}, is {outcome} after {seconds} s: {message}", self.name)
        })
    }
}

#[test]
#[cfg(target_os = "linux")]
fn an_attack_earns_nothing_where_it_strikes_and_spares_the_rest() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let reference = fs::read_to_string(root.join("solutions/01-basic-pool/src/lib.rs")).unwrap();
    let entries = fs::read_dir(root.join("checker/attacks/01-basic-pool")).unwrap();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(paths.len() >= 12, "only {} attacks", paths.len());
    let attacks: Vec<Attack> = paths.iter().map(|path| Attack::read(path, &reference)).collect();
    // Some spend their time at deadlines, so a few run side by side; more would only wait for each
    // other's processors, and be late for that.
    let queue = Mutex::new(attacks.iter());
    let next = || queue.lock().unwrap().next();
    let wrong: Vec<String> = thread::scope(|scope| {
        let work = || iter::from_fn(next).flat_map(|attack| attack.judge(root)).collect();
        let runs: Vec<ScopedJoinHandle<'_, Vec<String>>> =
            (0..3).map(|_| scope.spawn(work)).collect();
        runs.into_iter().flat_map(|run| run.join().unwrap()).collect()
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
