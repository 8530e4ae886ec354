//! Atomics: a scheduling point before each operation.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU8, AtomicUsize, Ordering, fence};
use std::thread;

use sim_tests::{fails, passes};

#[test]
fn adding_is_one_step() {
    passes(|| {
        let count = AtomicUsize::new(0);
        thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| (0..5).for_each(|_| _ = count.fetch_add(1, Ordering::Relaxed)));
            }
        });
        assert_eq!(count.into_inner(), 15);
    });
}

#[test]
fn loading_and_storing_is_two_steps() {
    let message = fails(100, || {
        let count = Arc::new(AtomicUsize::new(0));
        let threads: Vec<_> = (0..2)
            .map(|_| {
                let count = Arc::clone(&count);
                thread::spawn(move || {
                    let before = count.load(Ordering::SeqCst);
                    count.store(before + 1, Ordering::SeqCst);
                })
            })
            .collect();
        for thread in threads {
            thread.join().unwrap();
        }
        assert_eq!(count.load(Ordering::SeqCst), 2, "one addition got lost");
    });
    assert!(message.contains("one addition got lost"), "{message}");
}

#[test]
fn a_loop_of_exchanges_loses_nothing() {
    passes(|| {
        let count = AtomicU8::new(0);
        thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    let more = |before| (before < 2).then_some(before + 1);
                    count.fetch_update(Ordering::AcqRel, Ordering::Acquire, more)
                });
            }
        });
        assert_eq!(count.into_inner(), 2);
    });
}

#[test]
fn they_have_what_the_real_ones_have() {
    passes(|| {
        static FLAG: AtomicBool = AtomicBool::new(false);
        FLAG.store(false, Ordering::Release);
        fence(Ordering::SeqCst);
        assert!(!FLAG.swap(true, Ordering::AcqRel));
        assert!(FLAG.fetch_not(Ordering::Relaxed));
        assert_eq!(
            FLAG.compare_exchange(false, true, Ordering::SeqCst, Ordering::SeqCst),
            Ok(false)
        );
        let mut value = 3;
        let pointer = AtomicPtr::new(&raw mut value);
        assert!(!pointer.load(Ordering::Relaxed).is_null());
        let mut count = AtomicUsize::from(3);
        *count.get_mut() += 1;
        assert_eq!(count.fetch_max(9, Ordering::Relaxed), 4);
        assert_eq!(format!("{count:?} {:?}", AtomicU8::default()), "9 0");
        assert_eq!(count.update(Ordering::Relaxed, Ordering::Relaxed, |before| before + 1), 9);
    });
}
