//! A suite on simulated threads, with one case for each way in which a schedule can fail, for the
//! harness's own tests.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use harness::{Case, Suite, fail};
use sim_parking_lot::{Condvar, Mutex};
use sim_std::sync::atomic::{AtomicUsize, Ordering};
use sim_std::thread;

const LONG: Duration = Duration::from_secs(30);

fn suite() -> Suite {
    let cases: [(&str, fn()); 7] = [
        ("loses_a_wake_up", loses_a_wake_up),
        ("checks_then_acts", checks_then_acts),
        ("stands_still", stands_still),
        ("fails_in_two_ways", fails_in_two_ways),
        ("remembers", remembers),
        ("spins", spins),
        ("passes", || thread::sleep(LONG)),
    ];
    cases.into_iter().fold(Suite::new(&[("P1", "It holds.")]), |suite, (name, body)| {
        let case = Case::new(name, "P1", body).concurrent().hints(&["Look up."]);
        suite.case(case.deadline(Duration::from_secs(if name == "spins" { 1 } else { 10 })))
    })
}

/// Looks, lets go of the lock, and only then waits: a connection that comes back in between wakes
/// nobody.
fn loses_a_wake_up() {
    let (free, returned) = (Mutex::new(0), Condvar::new());
    thread::scope(|scope| {
        scope.spawn(|| {
            while *free.lock() == 0 {
                let mut held = free.lock();
                returned.wait_for(&mut held, LONG);
            }
        });
        scope.spawn(|| {
            *free.lock() += 1;
            returned.notify_one();
        });
    });
    let late = sim::now();
    if late >= LONG {
        fail("a connection at 0 ms", format!("one at {} s", late.as_secs()));
    }
}

/// Each looks whether there is room and then takes it.
fn checks_then_acts() {
    let open = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                if open.load(Ordering::SeqCst) == 0 {
                    open.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
    });
    let open = open.into_inner();
    if open > 1 {
        fail("1 connection", format!("{open} of them"));
    }
}

/// Two locks, taken in either order.
fn stands_still() {
    let (one, other) = (Mutex::new(()), Mutex::new(()));
    thread::scope(|scope| {
        scope.spawn(|| {
            let _one = one.lock();
            let _other = other.lock();
        });
        scope.spawn(|| {
            let _other = other.lock();
            let _one = one.lock();
        });
    });
}

fn fails_in_two_ways() {
    let first = Mutex::new(None);
    thread::scope(|scope| {
        for name in ["B", "C"] {
            let first = &first;
            scope.spawn(move || {
                first.lock().get_or_insert(name);
            });
        }
    });
    match first.into_inner() {
        Some("B") => fail("nobody", "the elder one"),
        _ => fail("nobody", "the younger one"),
    }
}

/// How many schedules have been run in this process; no schedule forgets it.
static SCHEDULES: AtomicU64 = AtomicU64::new(0);

fn remembers() {
    if SCHEDULES.fetch_add(1, core::sync::atomic::Ordering::SeqCst) > 0 {
        fail("a first time", "another one");
    }
}

fn spins() {
    let flag = AtomicUsize::new(0);
    while flag.fetch_add(2, Ordering::SeqCst) != 1 {
        thread::sleep(Duration::from_millis(1));
    }
}

fn main() {
    harness::serve(suite(), harness::engine("racing-suite-sim"))
}
