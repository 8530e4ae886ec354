//! Threads begin, end, are joined, and have values of their own.

use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::sync::{Arc, Barrier, Mutex};
use std::thread;
use std::time::Duration;

use sim_tests::passes;

#[test]
fn joining_gives_the_result() {
    passes(|| {
        let thread = thread::spawn(|| {
            thread::sleep(Duration::from_millis(1));
            7
        });
        assert!(!thread.is_finished());
        assert_eq!(thread.join().unwrap(), 7);
        let quick = thread::spawn(|| ());
        thread::sleep(Duration::from_millis(1));
        assert!(quick.is_finished());
    });
}

#[test]
fn threads_have_names_and_ids() {
    passes(|| {
        assert_eq!(thread::current().name(), Some("main"));
        let builder = thread::Builder::new().name("A".to_owned()).stack_size(1);
        let named = builder.spawn(|| thread::current().name().map(str::to_owned)).unwrap();
        let unnamed = thread::spawn(|| thread::current().name().is_none());
        let ids: HashSet<_> =
            [thread::current().id(), named.thread().id(), unnamed.thread().id()].into();
        assert_eq!(ids.len(), 3);
        assert_eq!(named.thread().name(), Some("A"));
        assert_eq!(named.join().unwrap().as_deref(), Some("A"));
        assert!(unnamed.join().unwrap());
        assert_eq!(thread::available_parallelism().unwrap().get(), 4);
    });
}

#[test]
fn a_scope_waits_for_its_threads() {
    passes(|| {
        let mut words = vec!["a"];
        let count = Mutex::new(0);
        let result = thread::scope(|scope| {
            scope.spawn(|| {
                thread::sleep(Duration::from_millis(1));
                // One begun by another one of the scope.
                scope.spawn(|| *count.lock().unwrap() += 1);
                *count.lock().unwrap() += 1;
            });
            let handle = scope.spawn(|| words.push("b"));
            handle.join().unwrap();
            3
        });
        assert_eq!((result, count.into_inner().unwrap(), words.len()), (3, 2, 2));
    });
}

#[test]
fn a_barrier_lets_all_go_at_once() {
    passes(|| {
        let barrier = Arc::new(Barrier::new(3));
        let threads: Vec<_> = (0..3)
            .map(|number| {
                let barrier = Arc::clone(&barrier);
                thread::spawn(move || {
                    thread::sleep(Duration::from_millis(number));
                    let first = barrier.wait().is_leader();
                    assert_eq!(sim::now(), Duration::from_millis(2));
                    let second = barrier.wait().is_leader();
                    u32::from(first) + u32::from(second)
                })
            })
            .collect();
        let leaders: u32 = threads.into_iter().map(|thread| thread.join().unwrap()).sum();
        assert_eq!(leaders, 2);
    });
}

thread_local! {
    static PLAIN: RefCell<Vec<u32>> = RefCell::new(vec![1]);
    static COUNT: Cell<u32> = const { Cell::new(5) };
}

#[test]
fn each_thread_has_its_own_values() {
    passes(|| {
        COUNT.set(6);
        PLAIN.with_borrow_mut(|values| values.push(2));
        let other = thread::spawn(|| (COUNT.replace(9), PLAIN.take(), COUNT.get()));
        assert_eq!(other.join().unwrap(), (5, vec![1], 9));
        assert_eq!((COUNT.take(), PLAIN.with_borrow(Vec::len)), (6, 2));
        PLAIN.set(vec![]);
        assert!(PLAIN.replace(vec![3]).is_empty());
        assert_eq!(PLAIN.try_with(|values| values.borrow()[0]), Ok(3));
    });
}

#[test]
fn a_threads_values_are_dropped_at_its_end() {
    struct Tell(Arc<Mutex<Vec<&'static str>>>, &'static str);
    impl Drop for Tell {
        fn drop(&mut self) {
            let gone = FIRST.try_with(|_| ()).is_err();
            self.0.lock().unwrap().push(if gone { "first again" } else { self.1 });
        }
    }
    thread_local! {
        static FIRST: RefCell<Option<Tell>> = const { RefCell::new(None) };
        static SECOND: RefCell<Option<Tell>> = const { RefCell::new(None) };
    }
    passes(|| {
        let told = Arc::new(Mutex::new(Vec::new()));
        let tell = Arc::clone(&told);
        thread::spawn(move || {
            FIRST.set(Some(Tell(Arc::clone(&tell), "first")));
            SECOND.set(Some(Tell(tell, "second")));
        })
        .join()
        .unwrap();
        assert_eq!(*told.lock().unwrap(), ["second", "first again"]);
    });
}

#[test]
fn what_nobody_joins_is_dropped() {
    passes(|| {
        let value = Arc::new(());
        let thread = {
            let value = Arc::clone(&value);
            thread::spawn(move || value)
        };
        drop(thread);
        thread::sleep(Duration::from_millis(1));
        assert_eq!(Arc::strong_count(&value), 1);
    });
}
