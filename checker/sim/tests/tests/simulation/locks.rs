//! Locks exclude, and what goes wrong around them is found.

use std::sync::{Arc, Barrier, Mutex, RwLock, TryLockError};
use std::thread;
use std::time::{Duration, Instant};

use sim_tests::{fails, passes, reaches};

#[test]
fn a_mutex_excludes() {
    passes(|| {
        let count = Arc::new(Mutex::new(0));
        let threads: Vec<_> = (0..4)
            .map(|_| {
                let count = Arc::clone(&count);
                thread::spawn(move || {
                    for _ in 0..5 {
                        let mut held = count.lock().unwrap();
                        let before = *held;
                        thread::sleep(Duration::from_millis(1));
                        *held = before + 1;
                    }
                })
            })
            .collect();
        for thread in threads {
            thread.join().unwrap();
        }
        assert_eq!(*count.lock().unwrap(), 20);
    });
}

#[test]
fn checking_and_acting_apart_is_a_race() {
    let message = fails(100, || {
        let open = Mutex::new(0);
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    let free = *open.lock().unwrap() < 1;
                    if free {
                        *open.lock().unwrap() += 1;
                    }
                });
            }
        });
        assert!(open.into_inner().unwrap() <= 1, "opened too many");
    });
    assert_eq!(message, "opened too many");
}

#[test]
fn two_locks_in_two_orders_deadlock() {
    let message = fails(100, || {
        let (first, second) = (Mutex::new(()), Mutex::new(()));
        thread::scope(|scope| {
            let other = || {
                let _second = second.lock().unwrap();
                let _first = first.lock().unwrap();
            };
            thread::Builder::new().name("B".into()).spawn_scoped(scope, other).unwrap();
            let _first = first.lock().unwrap();
            let _second = second.lock().unwrap();
        });
    });
    assert!(
        message.contains("main waits since 0 ms for a lock that thread B holds ("),
        "{message}"
    );
    assert!(
        message.contains("thread B waits since 0 ms for a lock that main holds ("),
        "{message}"
    );
    assert!(message.contains("; thread B took it at "), "{message}");
    assert!(message.contains("; main took it at "), "{message}");
}

#[test]
fn a_lock_taken_twice_deadlocks() {
    let message = fails(1, || {
        let lock = Mutex::new(());
        let _once = lock.lock().unwrap();
        let _twice = lock.lock().unwrap();
    });
    assert!(message.contains("a lock that it holds itself"), "{message}");
}

#[test]
fn try_lock_sees_a_lock_held() {
    reaches(|seen| {
        let lock = Arc::new(Mutex::new(()));
        let other = Arc::clone(&lock);
        let thread = thread::spawn(move || drop(other.lock().unwrap()));
        seen(match lock.try_lock() {
            Ok(_) => "free",
            Err(TryLockError::WouldBlock) => "held",
            Err(TryLockError::Poisoned(_)) => "poisoned",
        });
        thread.join().unwrap();
    })
    .exactly(&["free", "held"]);
}

#[test]
fn readers_share_and_writers_exclude() {
    passes(|| {
        let lock = RwLock::new(0);
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    let mut value = lock.write().unwrap();
                    *value += 1;
                    thread::sleep(Duration::from_millis(1));
                    *value += 1;
                });
                scope.spawn(|| assert_eq!(*lock.read().unwrap() % 2, 0));
            }
        });
        assert_eq!(lock.into_inner().unwrap(), 4);
    });
    passes(|| {
        // Both hold it at once, else the barrier would never let them go.
        let (lock, barrier) = (RwLock::new(()), Barrier::new(2));
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    let _read = lock.read().unwrap();
                    barrier.wait();
                });
            }
        });
    });
}

#[test]
fn a_writer_becomes_a_reader() {
    passes(|| {
        let lock = RwLock::new(0);
        thread::scope(|scope| {
            scope.spawn(|| {
                let mut write = lock.write().unwrap();
                *write = 1;
                let read = std::sync::RwLockWriteGuard::downgrade(write);
                thread::sleep(Duration::from_millis(1));
                assert_eq!(*read, 1);
            });
            scope.spawn(|| *lock.write().unwrap() = 2);
            scope.spawn(|| drop(lock.read().unwrap()));
        });
    });
}

#[test]
fn reading_twice_around_a_writer_deadlocks() {
    let message = fails(200, || {
        let lock = RwLock::new(());
        thread::scope(|scope| {
            scope.spawn(|| drop(lock.write().unwrap()));
            let _once = lock.read().unwrap();
            let _twice = lock.read().unwrap();
        });
    });
    assert!(message.contains("that it holds itself for reading, behind thread 1"), "{message}");
}

#[test]
fn a_lock_left_in_a_static_is_free_in_the_next_schedule() {
    static LOCK: Mutex<u64> = Mutex::new(0);
    sim::explore(
        0,
        100,
        |lines| panic!("{lines:?}"),
        || {
            thread::spawn(|| {
                let _held = LOCK.lock().unwrap();
                thread::sleep(Duration::from_hours(1));
            });
            let start = Instant::now();
            *LOCK.lock().unwrap() += 1;
            // Whoever comes first: the other one sleeps for an hour, and then it goes on.
            assert!([0, 3_600].contains(&start.elapsed().as_secs()));
            thread::sleep(Duration::from_millis(1));
        },
    );
    assert_eq!(*LOCK.lock().unwrap(), 100, "what lies in it survives");
}

#[test]
fn locks_are_unsized_like_the_real_ones() {
    trait Shape {
        fn area(&self) -> u32;
    }
    impl Shape for u32 {
        fn area(&self) -> u32 {
            *self
        }
    }
    passes(|| {
        let shape: Arc<Mutex<dyn Shape + Send>> = Arc::new(Mutex::new(3_u32));
        assert_eq!(shape.lock().unwrap().area(), 3);
        let shapes: Arc<RwLock<[u8]>> = Arc::new(RwLock::new([1, 2]));
        assert_eq!(shapes.read().unwrap().len(), 2);
        let shape: Box<parking_lot::Mutex<dyn Shape>> = Box::new(parking_lot::Mutex::new(4_u32));
        assert_eq!(shape.lock().area(), 4);
    });
}

#[test]
fn outside_a_schedule_a_lock_is_a_lock() {
    let lock = Mutex::new(1);
    let held = lock.lock().unwrap();
    assert!(lock.try_lock().is_err());
    assert_eq!(format!("{lock:?}"), "Mutex { data: <locked>, poisoned: false, .. }");
    drop(held);
    assert_eq!(format!("{lock:?}"), "Mutex { data: 1, poisoned: false, .. }");
    let lock = RwLock::new(1);
    let (_one, _two) = (lock.read().unwrap(), lock.read().unwrap());
    assert!(lock.try_write().is_err());
}
