//! Hostile submissions of task 01: each is an error for the cases that it touches and for no other.
//!
//! Their headers say which cases they touch, and what the checker must say of those.

mod attack;

use std::iter;
use std::sync::Mutex;
use std::thread::{self, ScopedJoinHandle};
use std::time::Duration;

use serde_json::Value;

use attack::Attack;

/// What a case of task 01 has at most: six times its longest deadline, if the machine is busy, and a
/// little to end.
const IN_TIME: Duration = Duration::from_secs(6 * 20 + 2);

/// What of an attack is not as it should be.
fn judge(attack: &Attack) -> Vec<String> {
    let (status, task) = attack.submit(None);
    let cases = task["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 20, "{}: {}", attack.name, task["build"]["message"]);
    let mut wrong: Vec<String> = cases.iter().filter_map(|case| look_at(attack, case)).collect();
    if status.code() != Some(1) {
        wrong.push(format!("{}: the checker ended with {status}", attack.name));
    }
    wrong
}

fn look_at(attack: &Attack, case: &Value) -> Option<String> {
    let name = case["case"].as_str().unwrap();
    let outcome = case["outcome"].as_str().unwrap();
    let message = case["message"].as_str().unwrap_or_default();
    let says = attack.says("says").expect("a line `# says: …`");
    let touched = attack.names("touches").iter().any(|touched| [name, "all"].contains(touched));
    let seconds = case["seconds"].as_f64().unwrap();
    let in_time = seconds < IN_TIME.as_secs_f64();
    let as_it_should = if touched {
        outcome != "passed" && case["points"] == 0.0 && message.contains(says) && in_time
    } else {
        outcome == "passed" && case["points"] == case["max_points"]
    };
    (!as_it_should).then(|| {
        let meant = if touched { "touched" } else { "not touched" };
        format!("{}: {name}, {meant}, is {outcome} after {seconds} s: {message}", attack.name)
    })
}

#[test]
#[cfg(target_os = "linux")]
fn an_attack_earns_nothing_where_it_strikes_and_spares_the_rest() {
    let attacks = Attack::all("01-basic-pool");
    assert!(attacks.len() >= 12, "only {} attacks", attacks.len());
    // Some spend their time at deadlines, so a few run side by side; more would only wait for each
    // other's processors, and be late for that.
    let queue = Mutex::new(attacks.iter());
    let next = || queue.lock().unwrap().next();
    let wrong: Vec<String> = thread::scope(|scope| {
        let work = || iter::from_fn(next).flat_map(judge).collect();
        let runs: Vec<ScopedJoinHandle<'_, Vec<String>>> =
            (0..3).map(|_| scope.spawn(work)).collect();
        runs.into_iter().flat_map(|run| run.join().unwrap()).collect()
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
