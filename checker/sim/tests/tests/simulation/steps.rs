//! A schedule told step by step, and run by a script.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Barrier, Condvar, Mutex, OnceLock, RwLock, mpsc};
use std::thread;
use std::time::Duration;

use sim::{Plan, Schedules, Script, Step, Turn};

const MS: Duration = Duration::from_millis(1);

/// The steps of `body` under the script: until it blocks, each thread runs.
fn told(script: Script, body: impl Fn() + Send + Sync + 'static) -> Vec<Step> {
    let steps = Arc::new(Mutex::new(Vec::new()));
    let inner = Arc::clone(&steps);
    let scripts = Schedules::Scripts { seed: 0, scripts: [script].into() };
    let plan = Plan { schedules: scripts, told: Some(|| 7) };
    let stuck = |lines: Vec<String>| panic!("{lines:?}");
    let run = sim::explore_as(plan, stuck, move || {
        body();
        // Asked here, for other tests run schedules of their own meanwhile.
        *inner.lock().unwrap() = sim::steps(&|place| place.file().ends_with("steps.rs"));
    });
    assert_eq!(run, 1);
    Arc::into_inner(steps).unwrap().into_inner().unwrap()
}

/// What is said of thread 1, in a body in which it does `work` while `main` only waits for it.
#[track_caller]
fn says(work: fn(), expected: &[&str]) {
    let steps = told(Script::default(), move || thread::spawn(work).join().unwrap());
    let of_thread = steps.iter().filter(|step| step.thread == "thread 1");
    // But for the places.
    let what: Vec<String> = of_thread
        .map(|step| match step.what.split_once(" (") {
            Some((before, after)) => format!("{before}{}", after.split_once(')').unwrap().1),
            None => step.what.clone(),
        })
        .collect();
    assert_eq!(what, expected);
}

#[test]
fn each_kind_of_operation_has_its_words() {
    says(
        || {
            let value = AtomicU32::new(1);
            value.store(2, Ordering::SeqCst);
            assert_eq!(value.swap(5, Ordering::SeqCst), 2);
            let _ = value.compare_exchange(4, 6, Ordering::SeqCst, Ordering::SeqCst);
            let _ = value.compare_exchange(5, 6, Ordering::SeqCst, Ordering::SeqCst);
            (0..3).for_each(|_| assert_eq!(value.load(Ordering::SeqCst), 6));
        },
        &[
            "wrote 2",
            "read 2 and wrote 5",
            "read 5 and did not write 6",
            "read 5 and wrote 6",
            "read 6, 3 times",
        ],
    );
    says(
        || {
            let (sender, receiver) = mpsc::channel();
            sender.send(1).unwrap();
            receiver.recv().unwrap();
            receiver.try_recv().unwrap_err();
            drop(sender);
            receiver.recv().unwrap_err();
        },
        &[
            "sent a message",
            "received a message",
            "saw that the channel has no message",
            "saw that the channel's senders are gone",
        ],
    );
    says(
        || {
            let lock = RwLock::new(1);
            let held = lock.read().unwrap();
            assert!(lock.try_write().is_err());
            drop(held);
            drop(lock.write().unwrap());
        },
        &[
            "took the lock for reading",
            "saw that it holds the lock itself",
            "gave the lock back",
            "took the lock and gave it back",
        ],
    );
    says(
        || {
            thread::sleep(MS);
            thread::yield_now();
            thread::park_timeout(MS);
            Barrier::new(1).wait();
            let once = OnceLock::new();
            once.get_or_init(|| Barrier::new(1).wait());
        },
        &[
            "sleeps until 1 ms",
            "gave way to others",
            "waits in park, until 2.01 ms",
            "found its time to be up",
            "was the last of 1 to come to the barrier",
            "took the right to initialise",
            "was the last of 1 to come to the barrier",
            "gave the right to initialise back",
        ],
    );
}

#[test]
fn a_wait_says_for_what_and_who_ended_it() {
    let steps = told(Script::default(), || {
        let pair = (Mutex::new(()), Condvar::new());
        thread::scope(|scope| {
            scope.spawn(|| {
                let held = pair.0.lock().unwrap();
                drop(pair.1.wait(held).unwrap());
            });
            scope.spawn(|| {
                let _held = pair.0.lock().unwrap();
                pair.1.notify_one();
            });
        });
    });
    let told: Vec<String> =
        steps.iter().map(|step| format!("{}: {}", step.thread, step.what)).collect();
    assert_eq!(
        told,
        [
            "main: spawned thread 1",
            "main: spawned thread 2",
            "main: waits for thread 2 to end",
            "thread 1: took the lock",
            "thread 1: gave the lock back and waits for a notification",
            "thread 2: took the lock",
            "thread 2: notified, and woke thread 1",
            "thread 2: gave the lock back",
            "main: joined thread 2",
            "main: waits for thread 1 to end",
            "thread 1: was woken by thread 2, took the lock and gave it back",
            "main: joined thread 1",
        ]
    );
    let waits = &steps[4].things;
    assert!(waits[0].name.starts_with("a notification ("), "{waits:?}");
    assert_eq!((waits.len(), &waits[0].waiting), (1, &vec!["thread 1".to_owned()]));
    let holds = &steps[5].things;
    assert!(holds[0].name.starts_with("the lock ("), "{holds:?}");
    assert_eq!(holds[0].holders, ["thread 2"]);
    assert!(steps.iter().all(|step| step.events == 7 && step.place.is_some()));
}

#[test]
fn a_preemption_shows_the_lock_held() {
    let turns = [(0, None), (1, Some(2)), (2, None)];
    let turns = turns.map(|(thread, decisions)| Turn { thread, decisions }).to_vec();
    let steps = told(Script { turns, draws: Vec::new() }, || {
        let lock = Mutex::new(());
        thread::scope(|scope| {
            scope.spawn(|| drop(lock.lock().unwrap()));
            scope.spawn(|| drop(lock.lock().unwrap()));
        });
    });
    let waits = steps.iter().find(|step| step.what == "waits: thread 1 holds the lock");
    let thing = &waits.expect("thread 2 came while it was held").things[0];
    assert_eq!(
        (&thing.holders[..], &thing.waiting[..]),
        (&["thread 1".into()][..], &["thread 2".into()][..])
    );
}

#[test]
fn nothing_is_said_that_nobody_asks_for() {
    let here = std::panic::Location::caller();
    sim_tests::passes(move || {
        sim::tell(here, || unreachable!("nobody asked"));
        assert_eq!(sim::steps(&|_| true), []);
    });
}

#[test]
fn a_script_passes_over_who_cannot_run_and_then_the_eldest_goes_on() {
    let order = Arc::new(Mutex::new(Vec::new()));
    let inner = Arc::clone(&order);
    let turn = |thread| Turn { thread, decisions: None };
    let script = |threads: &[usize]| Script {
        turns: threads.iter().map(|thread| turn(*thread)).collect(),
        draws: Vec::new(),
    };
    let scripts = [script(&[]), script(&[0, 3, 2]), script(&[9, 0, 0, 2, 9])];
    let schedules = Schedules::Scripts { seed: 3, scripts: scripts.into() };
    let plan = Plan { schedules, told: None };
    let run = sim::explore_as(
        plan,
        |lines| panic!("{lines:?}"),
        move || {
            let order = Mutex::new(Vec::new());
            thread::scope(|scope| {
                for name in 1..=3 {
                    let order = &order;
                    scope.spawn(move || (0..3).for_each(|_| order.lock().unwrap().push(name)));
                }
            });
            assert_eq!(sim::seed(), Some(3));
            inner.lock().unwrap().push(order.into_inner().unwrap());
        },
    );
    let expected = [[1, 2, 3], [3, 2, 1], [2, 1, 3]];
    let expected = expected.map(|order| order.map(|name| [name; 3]).concat());
    assert_eq!((run, &order.lock().unwrap()[..]), (3, &expected[..]));
}

#[test]
fn a_schedule_goes_again_by_its_script() {
    /// What three threads did under the schedules, and the scripts.
    fn run(schedules: Schedules) -> Vec<(String, Script)> {
        let all = Arc::new(Mutex::new(Vec::new()));
        let inner = Arc::clone(&all);
        let plan = Plan { schedules, told: None };
        sim::explore_as(
            plan,
            |lines| panic!("{lines:?}"),
            move || {
                let (log, pair) = (Mutex::new(String::new()), (Mutex::new(()), Condvar::new()));
                thread::scope(|scope| {
                    for name in ['a', 'b', 'c'] {
                        let (log, pair) = (&log, &pair);
                        scope.spawn(move || {
                            for _ in 0..3 {
                                let held = pair.0.lock().unwrap();
                                drop(pair.1.wait_timeout(held, 20 * MS).unwrap());
                                log.lock().unwrap().push(name);
                                pair.1.notify_one();
                            }
                        });
                    }
                });
                let log = format!("{} at {:?}", log.into_inner().unwrap(), sim::now());
                inner.lock().unwrap().push((log, sim::script().unwrap()));
            },
        );
        Arc::into_inner(all).unwrap().into_inner().unwrap()
    }
    // In each fourth of them waits end early.
    for seed in 0..40 {
        let first = run(Schedules::Seeds { first: seed, count: 1 });
        let scripts = [first[0].1.clone()].into();
        assert_eq!(run(Schedules::Scripts { seed, scripts }), first);
    }
}

#[test]
fn a_schedule_that_is_given_up_is_left_as_it_stands() {
    let ended = Arc::new(Mutex::new(0));
    let inner = Arc::clone(&ended);
    sim_tests::passes(move || {
        let lock = Arc::new(Mutex::new(()));
        let _held = lock.lock().unwrap();
        let other = Arc::clone(&lock);
        thread::spawn(move || drop(other.lock()));
        if !sim::schedules_run().is_multiple_of(3) {
            sim::give_up();
        }
        *inner.lock().unwrap() += 1;
    });
    assert_eq!(*ended.lock().unwrap(), 333);
}
