//! A program that polls is honest, and makes progress.

use std::hint;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use sim_tests::passes;

const AWAY: Duration = Duration::from_millis(100);
const LONG: Duration = Duration::from_secs(30);

/// One connection is away for 100 ms; a thread polls for it in the way given, and gets it.
fn polls(wait: impl Fn(&Mutex<bool>) -> bool + Send + Sync + 'static) {
    sim::explore(
        0,
        100,
        |lines| panic!("{lines:?}"),
        move || {
            let free = Mutex::new(false);
            thread::scope(|scope| {
                scope.spawn(|| {
                    thread::sleep(AWAY);
                    *free.lock().unwrap() = true;
                });
                let start = Instant::now();
                while !wait(&free) {
                    assert!(start.elapsed() < LONG);
                }
                let took = start.elapsed();
                assert!(took >= AWAY && took <= AWAY + Duration::from_millis(2), "{took:?}");
            });
        },
    );
}

#[test]
fn with_sleeps() {
    polls(|free| {
        thread::sleep(Duration::from_millis(1));
        *free.lock().unwrap()
    });
}

#[test]
fn with_yields() {
    polls(|free| {
        thread::yield_now();
        *free.lock().unwrap()
    });
}

#[test]
fn with_spin_loops_and_try_lock() {
    polls(|free| {
        hint::spin_loop();
        free.try_lock().is_ok_and(|free| *free)
    });
}

#[test]
fn with_nothing_but_locks() {
    polls(|free| *free.lock().unwrap());
}

#[test]
fn two_of_them_at_once() {
    passes(|| {
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    while !done.load(Ordering::Acquire) {
                        thread::yield_now();
                    }
                });
            }
            thread::sleep(Duration::from_millis(5));
            done.store(true, Ordering::Release);
        });
    });
}

#[test]
fn the_clock_alone_makes_time_pass() {
    passes(|| {
        let start = Instant::now();
        while start.elapsed() < Duration::from_millis(5) {}
    });
}

#[test]
fn for_thirty_seconds() {
    sim::explore(
        0,
        20,
        |lines| panic!("{lines:?}"),
        || {
            for poll in [|| thread::sleep(Duration::from_millis(1)), thread::yield_now, || ()] {
                let start = Instant::now();
                while start.elapsed() < LONG {
                    poll();
                }
                assert!(start.elapsed() <= LONG + Duration::from_millis(2));
            }
        },
    );
}
