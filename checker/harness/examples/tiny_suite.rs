//! A suite with one case for each way in which a case can end, for the harness's own tests.

use std::process;
use std::thread;
use std::time::Duration;

use harness::{Case, Suite, fail, skip};

fn main() {
    harness::serve(suite(), harness::real)
}

fn suite() -> Suite {
    let cases: [(&str, fn()); 9] = [
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
    ];
    cases.into_iter().fold(Suite::new(&[("P1", "It holds.")]), |suite, (name, body)| {
        let case = Case::new(name, "P1", body).real().hints(&["Look up."]);
        suite.case(case.deadline(Duration::from_millis(300)))
    })
}
