//! What a harness relies on: the panic hook, and questions from another OS thread.
//!
//! One test alone, since the hook and the answers belong to the process.

use std::panic::{self, Location};
use std::sync::mpsc;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

static HOOKED: Mutex<Vec<String>> = Mutex::new(Vec::new());

#[test]
fn a_harness_freezes_a_failing_schedule_and_asks_about_it() {
    panic::set_hook(Box::new(|info| {
        let thread = sim::current_thread().unwrap_or_default();
        let line = format!("{thread}: {}", info.payload_as_str().unwrap_or_default());
        HOOKED.lock().unwrap_or_else(PoisonError::into_inner).push(line);
    }));

    // A panic on a thread begun by the code under test; the schedules end while threads live.
    let run = sim::explore(
        7,
        3,
        |lines| panic!("{lines:?}"),
        || {
            let here = Location::caller();
            sim::task::spawn(Some("A".into()), here, || {
                let failed = sim::catch_unwind(|| panic!("failed"));
                assert!(failed.is_err());
                sim::task::park(Location::caller(), None);
            });
            sim::sleep(Duration::from_millis(5), here);
        },
    );
    assert_eq!((run, sim::seed()), (3, None));
    assert_eq!(*HOOKED.lock().unwrap(), ["thread A: failed"; 3], "and the ends call no hook");

    // Nobody can go on: the OS thread stays in `on_stuck` for ever, and this one asks.
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        let stuck = move |lines| {
            tell.send(lines).unwrap();
            loop {
                thread::park();
            }
        };
        sim::explore(40, 10, stuck, || {
            let here = Location::caller();
            if sim::seed() == Some(42) {
                sim::sleep(Duration::from_millis(30), here);
                sim::task::park(here, None);
            }
        });
    });
    let lines: Vec<String> = told.recv().unwrap();
    assert_eq!(lines.len(), 1);
    assert!(lines[0].starts_with("main waits since 30 ms in park"), "{}", lines[0]);
    assert_eq!(sim::waiting(), lines);
    assert_eq!((sim::seed(), sim::schedules_run()), (Some(42), 3));
    assert_eq!(sim::now(), Duration::from_millis(30));
    assert_eq!(sim::current_thread(), None);
}
