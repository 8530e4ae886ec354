//! What is initialised once, in whatever order the threads come.

use std::panic::catch_unwind;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Once, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use sim_tests::{fails, passes};

#[test]
fn a_once_lock_is_initialised_once() {
    passes(|| {
        let (value, calls) = (OnceLock::new(), AtomicUsize::new(0));
        let start = Instant::now();
        thread::scope(|scope| {
            for number in 0..4 {
                let (value, calls) = (&value, &calls);
                scope.spawn(move || {
                    let got = value.get_or_init(|| {
                        calls.fetch_add(1, Ordering::SeqCst);
                        thread::sleep(Duration::from_millis(5));
                        number
                    });
                    assert_eq!(Some(got), value.get());
                });
            }
            assert!(*value.wait() < 4);
        });
        assert_eq!(start.elapsed(), Duration::from_millis(5));
        assert_eq!(calls.into_inner(), 1);
        assert!(value.set(9).is_err());
        assert!(value.into_inner().is_some());
    });
}

#[test]
fn a_lazy_lock_is_made_once() {
    static CALLS: AtomicUsize = AtomicUsize::new(0);
    static LAZY: LazyLock<usize> = LazyLock::new(|| {
        thread::sleep(Duration::from_millis(5));
        CALLS.fetch_add(1, Ordering::SeqCst) + 7
    });
    passes(|| {
        thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| assert_eq!(*LAZY, 7));
            }
        });
        let calls = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&calls);
        let lazy = LazyLock::new(move || counted.fetch_add(1, Ordering::SeqCst));
        thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| LazyLock::force(&lazy));
            }
        });
        assert_eq!(calls.load(Ordering::SeqCst), 1);
    });
    assert_eq!(CALLS.load(Ordering::SeqCst), 1, "a static outlives a schedule");
}

#[test]
fn once_runs_once_and_all_wait_for_it() {
    passes(|| {
        let (once, done) = (Once::new(), AtomicUsize::new(0));
        thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    once.call_once(|| {
                        thread::sleep(Duration::from_millis(1));
                        done.fetch_add(1, Ordering::SeqCst);
                    });
                    assert_eq!(done.load(Ordering::SeqCst), 1);
                });
            }
            once.wait();
            assert!(once.is_completed());
        });
    });
}

#[test]
fn a_panic_within_poisons_as_in_std() {
    passes(|| {
        let once = Once::new();
        assert!(
            catch_unwind(|| once.call_once(|| std::panic::resume_unwind(Box::new(1)))).is_err()
        );
        once.call_once_force(|state| assert!(state.is_poisoned()));
        assert!(once.is_completed());

        let value = OnceLock::new();
        let failed =
            catch_unwind(|| _ = value.get_or_init(|| std::panic::resume_unwind(Box::new(1))));
        assert!(failed.is_err());
        assert_eq!(*value.get_or_init(|| 2), 2, "a OnceLock is tried again");
    });
}

#[test]
fn initialising_within_itself_is_stuck() {
    let message = fails(1, || {
        let value: OnceLock<u32> = OnceLock::new();
        value.get_or_init(|| *value.get_or_init(|| 1));
    });
    assert!(
        message.contains("waits since 0 ms for an initialisation that it holds itself"),
        "{message}"
    );
}
