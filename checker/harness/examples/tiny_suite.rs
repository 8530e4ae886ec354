//! A suite with one case for each way in which a case can end, for the harness's own tests.

use std::process;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use harness::{Case, Suite, fail, left_out, ran_on, skip};

/// What the suite was told of a PostgreSQL.
static TOLD: Mutex<String> = Mutex::new(String::new());

fn suite() -> Suite {
    let cases: [(&str, fn()); 12] = [
        ("passes", || {}),
        ("fails", || fail("2", "3")),
        ("panics", || panic!("the roof is on fire")),
        ("is_todo", || todo!("build the roof")),
        ("fails_on_another_thread", || {
            let thread = thread::spawn(|| harness::guarded(|| fail("a guard", "nobody")));
            thread.join().unwrap();
        }),
        ("hangs", || {
            loop {
                thread::park();
            }
        }),
        ("is_skipped", || skip("no roof here")),
        ("prints", || println!("0000 {{\"record\":null}}")),
        ("exits", || process::exit(0)),
        ("runs_on_databases", on_databases),
        ("fails_on_databases", || {
            on_databases();
            fail("a row", "none");
        }),
        ("hangs_on_databases", || {
            on_databases();
            loop {
                thread::park();
            }
        }),
    ];
    let suite = Suite::new(&[("P1", "It holds.")]);
    let suite = suite.with_databases(|line| line.clone_into(&mut TOLD.lock().unwrap()));
    cases.into_iter().fold(suite, |suite, (name, body)| {
        let case = Case::new(name, "P1", body).real().hints(&["Look up."]);
        let case = if name.ends_with("on_databases") { case.on_databases() } else { case };
        suite.case(case.deadline(Duration::from_millis(300)))
    })
}

fn on_databases() {
    ran_on("SQLite 3");
    ran_on("SQLite 3");
    match TOLD.lock().unwrap().as_str() {
        "" => left_out("nobody told of a PostgreSQL"),
        line => ran_on(line),
    }
}

harness::main!(suite);
