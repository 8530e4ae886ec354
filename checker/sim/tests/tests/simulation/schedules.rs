//! Seeds, and what is left over when a schedule ends.

use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use sim_tests::{passes, reaches};

/// What three threads did, in which order, under `schedules` schedules from `first_seed` on.
fn orders(first_seed: u64, schedules: u64) -> Vec<String> {
    let orders = Arc::new(Mutex::new(Vec::new()));
    let inner = Arc::clone(&orders);
    sim::explore(
        first_seed,
        schedules,
        |lines| panic!("{lines:?}"),
        move || {
            let order = Mutex::new(String::new());
            thread::scope(|scope| {
                for name in ['a', 'b', 'c'] {
                    let order = &order;
                    scope.spawn(move || (0..4).for_each(|_| order.lock().unwrap().push(name)));
                }
            });
            inner.lock().unwrap().push(order.into_inner().unwrap());
        },
    );
    let orders = orders.lock().unwrap();
    orders.clone()
}

#[test]
fn the_same_seed_gives_the_same_schedule() {
    let all = orders(7, 50);
    assert_eq!(all, orders(7, 50));
    assert_eq!(all[20..30], orders(27, 10), "it depends on nothing but its own seed");
    assert!(all.windows(2).any(|pair| pair[0] != pair[1]));
    assert_eq!(orders(u64::MAX, 2)[1], orders(0, 1)[0], "seeds go round");
}

#[test]
fn a_schedule_knows_its_seed_and_number() {
    assert_eq!(sim::explore(5, 0, |_| (), || unreachable!()), 0);
    sim::explore(
        5,
        10,
        |lines| panic!("{lines:?}"),
        || {
            assert_eq!(sim::seed(), Some(4 + sim::schedules_run()));
            thread::scope(|scope| {
                let thread = thread::Builder::new().name("A".into());
                let name = thread.spawn_scoped(scope, sim::current_thread).unwrap().join().unwrap();
                assert_eq!(name.as_deref(), Some("thread A"));
            });
            assert_eq!(sim::current_thread().as_deref(), Some("main"));
        },
    );
    assert_eq!(sim::current_thread(), None);
}

#[test]
fn every_order_comes_up() {
    reaches(|seen| {
        let order = Mutex::new(String::new());
        thread::scope(|scope| {
            for name in ['a', 'b', 'c'] {
                let order = &order;
                scope.spawn(move || order.lock().unwrap().push(name));
            }
        });
        seen(&order.into_inner().unwrap());
    })
    .exactly(&["abc", "acb", "bac", "bca", "cab", "cba"]);
}

/// Tells when it is dropped.
struct Tell(Arc<Mutex<u32>>);

impl Drop for Tell {
    fn drop(&mut self) {
        *self.0.lock().unwrap() += 1;
    }
}

#[test]
fn threads_left_running_are_left_alone() {
    let dropped = Arc::new(Mutex::new(0));
    let inner = Arc::clone(&dropped);
    passes(move || {
        let stop = Arc::new(parking_lot::Mutex::new(false));
        for number in 0..3 {
            let (tell, stop) = (Tell(Arc::clone(&inner)), Arc::clone(&stop));
            thread::spawn(move || {
                let _tell = tell;
                // One loops for ever, one waits for ever, one may never have begun.
                while number == 0 && !*stop.lock() {
                    thread::sleep(Duration::from_millis(10));
                }
                loop {
                    thread::park();
                }
            });
        }
        if sim::schedules_run().is_multiple_of(2) {
            thread::sleep(Duration::from_millis(35));
        }
    });
    assert_eq!(*dropped.lock().unwrap(), 0);
}

#[test]
fn when_stuck_is_told_and_returns_no_further_schedule_runs() {
    let told = Arc::new(Mutex::new(None));
    let inner = Arc::clone(&told);
    // The seed is asked for here, for other tests run schedules of their own meanwhile.
    let on_stuck = move |lines: Vec<String>| *inner.lock().unwrap() = Some((sim::seed(), lines));
    assert_eq!(sim::explore(0, 10, on_stuck, thread::park), 1);
    let (seed, told) = told.lock().unwrap().take().unwrap();
    assert_eq!(seed, Some(0));
    assert!(told[0].starts_with("main waits since 0 ms in park for someone to unpark it, without"));
}
