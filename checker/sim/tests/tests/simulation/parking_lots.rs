//! The stand-in for `parking_lot`.

use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::{
    Condvar, FairMutex, MappedMutexGuard, Mutex, MutexGuard, Once, OnceState, ReentrantMutex,
    RwLock, RwLockUpgradableReadGuard, RwLockWriteGuard, const_mutex, const_rwlock,
};
use sim_tests::{passes, reaches};

static COUNT: Mutex<u32> = const_mutex(0);
static SHARED: RwLock<u32> = const_rwlock(0);

#[test]
fn a_pool_on_a_condition_variable_works() {
    passes(|| {
        let pool = (Mutex::new(1), Condvar::new());
        let start = Instant::now();
        thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    let mut free = pool.0.lock();
                    let deadline = Instant::now() + Duration::from_secs(30);
                    let wait = pool.1.wait_while_until(&mut free, |free| *free == 0, deadline);
                    assert!(!wait.timed_out());
                    *free -= 1;
                    MutexGuard::unlocked(&mut free, || thread::sleep(Duration::from_millis(10)));
                    *free += 1;
                    pool.1.notify_one();
                });
            }
        });
        assert_eq!(start.elapsed(), Duration::from_millis(30));
        assert_eq!((pool.1.notify_one(), pool.1.notify_all()), (false, 0));
    });
}

#[test]
fn time_outs_come_on_time() {
    passes(|| {
        let (mutex, shared) = (Mutex::new(0), RwLock::new(0));
        let barrier = Barrier::new(2);
        thread::scope(|scope| {
            scope.spawn(|| {
                let _held = (mutex.lock(), shared.read());
                barrier.wait();
                thread::sleep(Duration::from_millis(50));
            });
            barrier.wait();
            let start = Instant::now();
            assert!(mutex.try_lock_for(Duration::from_millis(10)).is_none());
            assert!(shared.try_write_for(Duration::from_millis(10)).is_none());
            assert_eq!(start.elapsed(), Duration::from_millis(20));
            assert!(shared.try_read().is_some(), "the writer has given up");
            assert!(mutex.try_lock_until(start + Duration::from_millis(60)).is_some());
            assert_eq!(start.elapsed(), Duration::from_millis(50));
        });
        let (mut held, never) = (mutex.lock(), Condvar::new());
        let start = Instant::now();
        assert!(never.wait_for(&mut held, Duration::from_millis(7)).timed_out());
        assert!(never.wait_until(&mut held, start + Duration::from_millis(9)).timed_out());
        assert_eq!(start.elapsed(), Duration::from_millis(9));
    });
}

#[test]
fn an_upgradable_reader_becomes_the_writer() {
    passes(|| {
        let lock = RwLock::new(0);
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    let read = lock.upgradable_read();
                    let before = *read;
                    let mut write = RwLockUpgradableReadGuard::upgrade(read);
                    *write = before + 1;
                    let read = RwLockWriteGuard::downgrade(write);
                    assert!(*read > before);
                });
                scope.spawn(|| drop(lock.read()));
            }
        });
        assert_eq!(lock.into_inner(), 2);
    });
}

#[test]
fn a_fair_unlock_hands_over() {
    let race = |fair: bool| {
        move |seen: &dyn Fn(&str)| {
            let mutex = Arc::new(Mutex::new("nobody"));
            let other = Arc::clone(&mutex);
            let mut held = mutex.lock();
            let thread = thread::spawn(move || *other.lock() = "the waiter");
            thread::sleep(Duration::from_millis(1));
            if fair {
                MutexGuard::bump(&mut held);
            } else {
                MutexGuard::unlocked(&mut held, || ());
            }
            seen(&held);
            drop(held);
            thread.join().unwrap();
        }
    };
    reaches(race(true)).exactly(&["the waiter"]);
    reaches(race(false)).exactly(&["nobody", "the waiter"]);
}

#[test]
fn the_rest_works_too() {
    passes(|| {
        let mutex = ReentrantMutex::new(1);
        thread::scope(|scope| {
            let (_once, _twice) = (mutex.lock(), mutex.lock());
            scope.spawn(|| drop(mutex.lock()));
            scope.spawn(|| {
                let _held = mutex.lock();
                thread::sleep(Duration::from_millis(1));
                assert!(mutex.try_lock().is_some());
            });
        });
        let pair = Mutex::new((1, 2));
        let mapped: MappedMutexGuard<'_, i32> = MutexGuard::map(pair.lock(), |pair| &mut pair.1);
        assert_eq!(*mapped, 2);
        drop(mapped);
        assert!(MutexGuard::try_map(pair.lock(), |_| None::<&mut i32>).is_err());
        let fair = FairMutex::new(0);
        thread::scope(|scope| (0..3).for_each(|_| _ = scope.spawn(|| *fair.lock() += 1)));
        assert_eq!(fair.into_inner(), 3);
        let once = Once::new();
        assert_eq!(once.state(), OnceState::New);
        once.call_once(|| assert_eq!(once.state(), OnceState::InProgress));
        assert!(once.state().done());
        *COUNT.lock() += 1;
        *SHARED.write() += 1;
        assert!(*SHARED.read_recursive() > 0);
        assert!(!COUNT.is_locked());
    });
}

#[test]
#[should_panic(expected = "attempted to use a condition variable with more than one mutex")]
fn a_condition_variable_with_two_mutexes_panics() {
    passes(|| {
        let locks = (Mutex::new(()), Mutex::new(()), Condvar::new());
        thread::scope(|scope| {
            scope.spawn(|| locks.2.wait_for(&mut locks.0.lock(), Duration::from_millis(9)));
            thread::sleep(Duration::from_millis(1));
            locks.2.wait(&mut locks.1.lock());
        });
    });
}
