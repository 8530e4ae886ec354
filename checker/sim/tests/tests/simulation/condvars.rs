//! Condition variables, and the wake-ups that get lost around them.

use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use sim_tests::{fails, passes, reaches};

const LONG: Duration = Duration::from_secs(30);
const SOON: Duration = Duration::from_millis(1);

/// As many connections as `free` says, and how one is taken.
#[derive(Default)]
struct Pool {
    free: Mutex<u32>,
    returned: Condvar,
}

impl Pool {
    fn take(&self) -> bool {
        let free = self.free.lock().unwrap();
        let (mut free, wait) =
            self.returned.wait_timeout_while(free, LONG, |free| *free == 0).unwrap();
        *free -= u32::from(!wait.timed_out());
        !wait.timed_out()
    }

    fn put(&self) {
        *self.free.lock().unwrap() += 1;
        self.returned.notify_one();
    }
}

#[test]
fn a_return_wakes_a_waiter() {
    passes(|| {
        let pool = Pool::default();
        pool.put();
        let start = Instant::now();
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    assert!(pool.take());
                    thread::sleep(Duration::from_millis(10));
                    pool.put();
                });
            }
        });
        assert_eq!(start.elapsed(), Duration::from_millis(40));
    });
}

#[test]
fn a_wake_up_between_check_and_wait_is_lost() {
    let message = fails(200, || {
        let pool = Arc::new(Pool::default());
        let other = Arc::clone(&pool);
        let waiter = thread::spawn(move || {
            while *other.free.lock().unwrap() == 0 {
                // The lock is free in between: the return can come here.
                let held = other.free.lock().unwrap();
                drop(other.returned.wait_timeout(held, LONG).unwrap());
            }
        });
        let start = Instant::now();
        pool.put();
        waiter.join().unwrap();
        assert!(start.elapsed() < LONG, "slept although a connection had come back");
    });
    assert_eq!(message, "slept although a connection had come back");
}

#[test]
fn a_notification_without_the_lock_is_lost() {
    let message = fails(200, || {
        let flag =
            Arc::new((std::sync::atomic::AtomicBool::new(false), Mutex::new(()), Condvar::new()));
        let other = Arc::clone(&flag);
        thread::spawn(move || {
            other.0.store(true, std::sync::atomic::Ordering::SeqCst);
            other.2.notify_all();
        });
        let mut held = flag.1.lock().unwrap();
        while !flag.0.load(std::sync::atomic::Ordering::SeqCst) {
            held = flag.2.wait(held).unwrap();
        }
    });
    assert!(message.contains("main waits since 0 ms on a condition variable, without a time-out"));
}

#[test]
fn an_if_instead_of_a_while_is_found() {
    let message = fails(200, || {
        let pool = Pool::default();
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    let mut free = pool.free.lock().unwrap();
                    if *free == 0 {
                        free = pool.returned.wait(free).unwrap();
                    }
                    *free = free.checked_sub(1).expect("took one that is not there");
                    drop(free);
                    pool.put();
                });
            }
            pool.put();
        });
    });
    assert!(message.contains("a scoped thread panicked"), "{message}");
}

/// Waits as a `wait` does and its caller does not look again; fails if that was for nothing.
#[test]
fn a_wait_ends_without_a_reason_now_and_then() {
    let message = fails(200, || {
        let pair = Arc::new((Mutex::new(false), Condvar::new()));
        let other = Arc::clone(&pair);
        let waiter = thread::spawn(move || {
            let mut held = other.0.lock().unwrap();
            if !*held {
                held = other.1.wait(held).unwrap();
            }
            // Asked here, for other tests run schedules of their own meanwhile.
            if *held { None } else { sim::woken_early() }
        });
        thread::sleep(Duration::from_millis(30));
        *pair.0.lock().unwrap() = true;
        pair.1.notify_one();
        if let Some(early) = waiter.join().unwrap() {
            panic!("nothing is there, and {early}");
        }
    });
    let early = message.split_once("nothing is there, and ").expect("it is remembered").1;
    assert!(early.starts_with("thread 1 was woken without a reason at "), "{early}");
    assert!(early.contains("simulation/condvars.rs:"), "{early}");
}

#[test]
fn it_does_so_before_its_time_and_says_that_the_time_is_not_over() {
    reaches(|seen| {
        let pair = (Mutex::new(()), Condvar::new());
        let start = Instant::now();
        let held = pair.0.lock().unwrap();
        let (_, wait) = pair.1.wait_timeout(held, Duration::from_millis(100)).unwrap();
        match (wait.timed_out(), start.elapsed().as_millis()) {
            (true, 100) => seen("its time was over"),
            (false, 0) => seen("at once, without a reason"),
            (false, 0..=20) => seen("soon, without a reason"),
            odd => panic!("{odd:?}"),
        }
    })
    .exactly(&["at once, without a reason", "its time was over", "soon, without a reason"]);
}

#[test]
fn most_schedules_wake_nobody_without_a_reason() {
    let woken = Arc::new(Mutex::new(0));
    let inner = Arc::clone(&woken);
    passes(move || {
        let pair = (Mutex::new(()), Condvar::new());
        let held = pair.0.lock().unwrap();
        let (_, wait) = pair.1.wait_timeout(held, LONG).unwrap();
        *inner.lock().unwrap() += u32::from(!wait.timed_out());
    });
    let woken = *woken.lock().unwrap();
    assert!((50..=120).contains(&woken), "{woken} of 1,000: one of three in each fourth");
}

#[test]
fn any_waiter_may_be_the_one_that_is_notified() {
    reaches(|seen| {
        let pair = (Mutex::new(Vec::new()), Condvar::new());
        thread::scope(|scope| {
            for name in ["a", "b", "c"] {
                let pair = &pair;
                scope.spawn(move || {
                    let held = pair.0.lock().unwrap();
                    pair.1.wait(held).unwrap().push(name);
                });
            }
            thread::sleep(Duration::from_millis(1));
            pair.1.notify_one();
            thread::sleep(Duration::from_millis(1));
            seen(pair.0.lock().unwrap()[0]);
            pair.1.notify_all();
        });
    })
    .exactly(&["a", "b", "c"]);
}

#[test]
fn a_time_out_comes_on_time_and_takes_no_notification() {
    passes(|| {
        let pair = Arc::new((Mutex::new(()), Condvar::new()));
        let start = Instant::now();
        let span = Duration::from_millis(50);
        let held = pair.0.lock().unwrap();
        let (held, wait) = pair.1.wait_timeout_while(held, span, |()| true).unwrap();
        assert!(wait.timed_out());
        assert_eq!(start.elapsed(), span);
        drop(held);

        let other = Arc::clone(&pair);
        let patient = thread::spawn(move || {
            let held = other.0.lock().unwrap();
            // Again, if it was for no reason.
            let mut is_first = true;
            let again = |(): &mut ()| std::mem::take(&mut is_first) || sim::now() < span + SOON;
            other.1.wait_timeout_while(held, LONG, again).unwrap().1.timed_out()
        });
        thread::sleep(SOON);
        pair.1.notify_one();
        assert!(!patient.join().unwrap());
    });
}

#[test]
fn a_wait_without_a_span_ends_at_once() {
    passes(|| {
        let pair = (Mutex::new(()), Condvar::new());
        let start = Instant::now();
        let held = pair.0.lock().unwrap();
        assert!(pair.1.wait_timeout(held, Duration::ZERO).unwrap().1.timed_out());
        let held = pair.0.lock().unwrap();
        let (_, wait) = pair.1.wait_timeout_while(held, Duration::ZERO, |()| true).unwrap();
        assert!(wait.timed_out());
        assert_eq!(start.elapsed(), Duration::ZERO);
    });
}
