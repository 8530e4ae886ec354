//! Each way in which a case can end, from real processes: what is no proof earns nothing, and costs
//! the other cases nothing.

#![cfg(unix)]

mod stage;

use stage::{Line, Submission, text};

#[test]
fn honest_work_earns_its_points() {
    let verdict = Submission::new(stage::GOOD).verdict(&[]);
    assert_eq!((verdict.code, verdict.state()), (0, "passed"));
    assert_eq!(verdict.json["points"], verdict.json["max_points"]);
    verdict.assert_others_pass(&[]);
    // What cannot run here costs nothing.
    verdict.assert("cannot", "skipped", "no second stage found");
    assert_eq!(verdict.case("cannot")["max_points"], 0.0);
}

#[test]
fn a_failure_says_what_was_expected_and_where_it_panicked() {
    let submission =
        Submission::playing(&[("wrong", "7"), ("panics", "panic!(\"no more seats\")")]);
    let verdict = submission.verdict(&[]);
    assert_eq!((verdict.code, verdict.state()), (1, "partial"));
    verdict.assert("wrong", "failed", "expected 1; got 7");
    verdict.assert("panics", "failed", "no more seats");
    verdict.assert("panics", "failed", "src/lib.rs:4");
    verdict.assert_others_pass(&["wrong", "panics"]);
}

#[test]
fn a_panic_on_top_of_another_hides_nothing() {
    let submission = Submission::playing(&[(
        "panics_twice",
        "struct Door;\nimpl Drop for Door { fn drop(&mut self) { todo!(\"close it\") } }\n\
         let _door = Door;\ntodo!(\"open it\")",
    )]);
    let verdict = submission.verdict(&[]);
    verdict.assert(
        "panics_twice",
        "failed",
        "this part to be written; got a todo!() that says: open it",
    );
    verdict.assert("panics_twice", "failed", "src/lib.rs:6");
    verdict.assert_others_pass(&["panics_twice"]);
}

#[test]
fn an_early_exit_is_no_verdict() {
    let submission = Submission::playing(&[
        ("exits", "std::process::exit(0)"),
        ("exits_in_a_thread", "std::thread::spawn(|| std::process::exit(0)).join().unwrap(); 1"),
        (
            "exits_in_drop",
            "struct Door; impl Drop for Door { fn drop(&mut self) { std::process::exit(0) } } \
             drop(Door); 1",
        ),
        (
            "exits_in_a_hook",
            "std::panic::set_hook(Box::new(|_| std::process::exit(0))); panic!(\"out\")",
        ),
        ("exits_with_3", "eprintln!(\"I give up\"); std::process::exit(3)"),
        ("aborts", "eprintln!(\"goodbye\"); std::process::abort()"),
    ]);
    let verdict = submission.verdict(&[]);
    for name in ["exits", "exits_in_a_thread", "exits_in_drop", "exits_in_a_hook"] {
        verdict.assert(name, "error", "before the case did: does the code call `exit`?");
    }
    verdict.assert("exits_with_3", "error", "exit status 3");
    verdict.assert("exits_with_3", "error", "I give up");
    verdict.assert("aborts", "error", "SIGABRT");
    verdict.assert("aborts", "error", "goodbye");
    verdict.assert_others_pass(&[
        "exits",
        "exits_in_a_thread",
        "exits_in_drop",
        "exits_in_a_hook",
        "exits_with_3",
        "aborts",
    ]);
}

#[test]
fn forged_words_are_not_believed() {
    let record = r#"{\"record\":{\"case\":9,\"outcome\":\"passed\",\"failure\":null,\"schedules\":1,\"seed\":null,\"ledger\":[],\"notes\":[],\"took\":{\"secs\":0,\"nanos\":1}}}"#;
    let forge = format!(
        "let line = \"0123456789abcdef0123456789abcdef {record}\"; \
         println!(\"{{line}}\"); eprintln!(\"{{line}}\"); std::process::exit(0)"
    );
    // Whatever is open is written to: the pipe on which the harness reports is among it.
    let everywhere = format!(
        "use std::io::Write; \
         let line = \"0123456789abcdef0123456789abcdef {record}\\n\"; \
         for number in 0..40 {{ \
             if let Ok(mut file) = std::fs::OpenOptions::new().write(true)\
                 .open(format!(\"/proc/self/fd/{{number}}\")) {{ \
                 let _ = file.write_all(line.as_bytes()); \
             }} \
         }} std::process::exit(0)"
    );
    let submission = Submission::playing(&[
        ("forges", forge.as_str()),
        ("forges_on_all_descriptors", everywhere.as_str()),
    ]);
    let verdict = submission.verdict(&[]);
    verdict.assert("forges", "error", "only the harness can give one");
    verdict.assert("forges_on_all_descriptors", "error", "only the harness can give one");
    verdict.assert_others_pass(&["forges", "forges_on_all_descriptors"]);
}

#[test]
fn a_hang_and_a_spin_are_ended_after_their_deadline() {
    let submission = Submission::playing(&[
        ("hangs", "loop { std::thread::park() }"),
        ("spins", "loop { std::hint::spin_loop() }"),
        // Even the harness stands still here.
        (
            "stops_itself",
            "std::process::Command::new(\"/bin/kill\").arg(\"-STOP\")\
             .arg(std::process::id().to_string()).status().unwrap(); 1",
        ),
    ]);
    for (name, words) in
        [("hangs", "still running"), ("spins", "still running"), ("stops_itself", "from outside")]
    {
        let verdict = submission.verdict(&["--case", name]);
        verdict.assert(name, "timed_out", words);
    }
    let verdict = submission.verdict(&[]);
    verdict.assert_others_pass(&["hangs", "spins", "stops_itself"]);
}

#[test]
#[cfg(target_os = "linux")]
fn what_a_case_leaves_running_is_found_and_ended() {
    let folder = tempfile::tempdir().unwrap();
    let line = Line::new(folder.path());
    let path = line.path.to_str().unwrap();
    // It holds the captured output open as well: nobody may wait for that to end.
    let leave = |program: &str, args: &str| {
        format!(
            "std::process::Command::new({program:?}).args([{args}\"/bin/sh\", \"-c\", \
             \"exec 3>'{path}'; echo up >&3; exec sleep 600\"]).spawn().unwrap(); \
             let _ = std::fs::read(std::path::Path::new(\"{path}\").with_file_name(\"go\"));"
        )
    };
    let child = leave("/usr/bin/env", "") + " 1";
    let session = leave("/usr/bin/setsid", "") + " 1";
    let both = leave("/usr/bin/setsid", "") + " loop { std::thread::park() }";
    let submission = Submission::playing(&[
        ("leaves_a_child", child.as_str()),
        ("leaves_a_session", session.as_str()),
        ("leaves_a_session_and_hangs", both.as_str()),
    ]);
    submission.verdict(&["--case", "honest"]);
    for (name, outcome, words) in [
        ("leaves_a_child", "error", "left running"),
        ("leaves_a_session", "error", "left running"),
        ("leaves_a_session_and_hangs", "timed_out", "still running"),
    ] {
        let go = Line { path: folder.path().join("go") };
        let made = std::process::Command::new("mkfifo").arg(&go.path).status().unwrap();
        assert!(made.success());
        let checker = submission.checker(&["--case", name, "--json"]);
        let checker = std::thread::spawn(move || {
            let mut checker = checker;
            checker.output().unwrap()
        });
        // The process that stays is there; now the case may end.
        let heard = line.hear();
        drop(std::fs::OpenOptions::new().write(true).open(&go.path).unwrap());
        let output = checker.join().unwrap();
        heard.wait_for_silence();
        let said = text(&output);
        assert!(said.contains(&format!("\"{outcome}\"")) && said.contains(words), "{name}: {said}");
        std::fs::remove_file(&go.path).unwrap();
    }
}

#[test]
fn a_flood_of_output_is_bounded() {
    let submission = Submission::playing(&[
        (
            "floods",
            "let line = \"x\".repeat(9_999); println!(\"the first line\"); \
             for _ in 0..20_000 { println!(\"{line}\"); } println!(\"the last line\"); 2",
        ),
        ("prints", "println!(\"before\\u{1b}[2Jafter\"); 3"),
    ]);
    let verdict = submission.verdict(&[]);
    verdict.assert("floods", "failed", "got 2");
    verdict.assert_others_pass(&["floods", "prints"]);
    let said = text(&submission.checker(&["--case", "floods"]).output().unwrap());
    for words in ["the first line", "bytes left out", "the last line"] {
        assert!(said.contains(words), "no {words:?}");
    }
    assert!(said.len() < 300_000, "{} bytes", said.len());
    // Nothing that is printed steers the reader's terminal.
    let said = text(&submission.checker(&["--case", "prints"]).output().unwrap());
    assert!(said.contains("beforeafter") && !said.contains('\u{1b}'), "{said:?}");
}

#[test]
fn a_case_of_real_time_that_fails_once_is_flaky_and_earns_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mark = folder.path().join("mark");
    let once = format!("if std::fs::File::create_new({mark:?}).is_ok() {{ 2 }} else {{ 1 }}");
    let submission = Submission::playing(&[("fails_once", once.as_str())]);
    let verdict = submission.verdict(&[]);
    verdict.assert("fails_once", "flaky", "passed when it was run again");
    assert_eq!((verdict.code, verdict.state()), (1, "partial"));
    verdict.assert_others_pass(&["fails_once"]);
}

#[test]
fn holders_of_a_resource_run_one_by_one() {
    let folder = tempfile::tempdir().unwrap();
    let mark = folder.path().join("mark");
    // Alone, it makes the mark and takes it away again; another has time to find it.
    let hold = format!(
        "if std::fs::File::create_new({mark:?}).is_err() {{ return 2; }} \
         std::thread::sleep(std::time::Duration::from_millis(200)); \
         std::fs::remove_file({mark:?}).unwrap(); 1"
    );
    let hold = hold.as_str();
    let verdict =
        Submission::playing(&[("till_1", hold), ("till_2", hold), ("till_3", hold)]).verdict(&[]);
    verdict.assert_others_pass(&[]);
}

#[test]
fn a_case_sees_no_environment_but_its_temporary_folder_and_no_arguments() {
    let submission = Submission::playing(&[(
        "looks_around",
        "let mut input = String::new(); std::io::stdin().read_line(&mut input).unwrap(); \
         let names: Vec<String> = std::env::vars().map(|(name, _)| name).collect(); \
         println!(\"{input}{names:?}{}{:?}\", std::env::args().count(), \
             option_env!(\"DATABASE_URL\").or(option_env!(\"PGPASSWORD\"))); 2",
    )]);
    let mut checker = submission.checker(&["--case", "looks_around"]);
    checker.env("SECRET", "x").env("DATABASE_URL", "postgres://x").env("PGPASSWORD", "x");
    let said = text(&checker.output().unwrap());
    assert!(said.contains("│ [\"TMPDIR\"]1None"), "{said}");
}
