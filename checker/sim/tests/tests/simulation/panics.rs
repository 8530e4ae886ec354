//! Panics: results of joins, poison, and who is unwinding.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Mutex, RwLock};
use std::thread;
use std::time::Duration;

use sim_tests::{fails, message, passes};

/// A panic that prints nothing.
fn fail() -> ! {
    resume_unwind(Box::new("failed"))
}

#[test]
fn a_panic_is_the_result_of_the_join() {
    passes(|| {
        let thread = thread::spawn(|| fail());
        assert_eq!(message(&*thread.join().unwrap_err()), "failed");
        let scoped = catch_unwind(|| thread::scope(|scope| _ = scope.spawn(|| fail())));
        assert!(scoped.is_err());
        let joined = thread::scope(|scope| scope.spawn(|| fail()).join().is_err());
        assert!(joined, "a panic that was joined does not reach the scope");
    });
}

#[test]
fn a_scope_that_panics_waits_for_its_threads() {
    passes(|| {
        let ended = Mutex::new(false);
        let failed = catch_unwind(AssertUnwindSafe(|| {
            thread::scope(|scope| {
                scope.spawn(|| {
                    thread::sleep(Duration::from_millis(1));
                    *ended.lock().unwrap() = true;
                });
                fail()
            })
        }));
        assert!(failed.is_err() && ended.into_inner().unwrap());
    });
}

#[test]
fn a_panic_poisons_a_lock_of_std_alone() {
    passes(|| {
        let locks = Arc::new((Mutex::new(1), RwLock::new(1), parking_lot::Mutex::new(1)));
        let held = Arc::clone(&locks);
        let thread = thread::spawn(move || {
            let _held = (held.0.lock().unwrap(), held.1.write().unwrap(), held.2.lock());
            fail()
        });
        assert!(thread.join().is_err());
        assert!(locks.0.is_poisoned() && locks.1.is_poisoned());
        assert_eq!(*locks.0.lock().unwrap_err().into_inner(), 1);
        locks.0.clear_poison();
        assert!(locks.0.lock().is_ok() && locks.1.try_read().is_err());
        assert_eq!(*locks.2.lock(), 1);
        let read = Arc::new(RwLock::new(1));
        let held = Arc::clone(&read);
        let thread = thread::spawn(move || {
            let _held = held.read().unwrap();
            fail()
        });
        assert!(thread.join().is_err() && !read.is_poisoned(), "a reader poisons nothing");
    });
}

/// Gives its connection back when it is dropped, for which it has to wait.
struct Guard<'a> {
    pool: &'a Mutex<u32>,
    unwinds: bool,
}

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        assert_eq!(thread::panicking(), self.unwinds);
        let mut free = self.pool.lock().unwrap();
        thread::sleep(Duration::from_millis(1));
        assert_eq!(thread::panicking(), self.unwinds);
        *free += 1;
    }
}

#[test]
fn who_unwinds_is_told_apart() {
    passes(|| {
        let pool = Mutex::new(0);
        thread::scope(|scope| {
            for unwinds in [true, false, true, false] {
                let pool = &pool;
                let thread = move || {
                    let guard = Guard { pool, unwinds };
                    if unwinds {
                        fail();
                    }
                    drop(guard);
                    assert!(!thread::panicking());
                };
                scope.spawn(move || {
                    assert_eq!(catch_unwind(AssertUnwindSafe(thread)).is_err(), unwinds);
                    assert!(!thread::panicking());
                });
            }
        });
        assert_eq!(*pool.lock().expect("nobody panicked while holding it"), 4);
    });
}

#[test]
fn a_schedule_may_end_while_a_thread_unwinds() {
    passes(|| {
        let pool = Arc::new(Mutex::new(0));
        thread::spawn(move || {
            let _guard = Guard { pool: &pool, unwinds: true };
            fail();
        });
        thread::sleep(Duration::from_micros(500));
        assert!(!thread::panicking());
    });
    assert!(!thread::panicking());
}

#[test]
fn a_panic_of_the_body_ends_the_exploration() {
    let message = fails(10, || {
        thread::spawn(|| thread::sleep(Duration::from_hours(1)));
        assert_eq!(sim::schedules_run(), 3, "not the third");
    });
    assert!(message.contains("not the third"), "{message}");
}
