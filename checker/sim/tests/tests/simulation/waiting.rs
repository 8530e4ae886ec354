//! The wait graph in words.

use std::sync::{Arc, Barrier, Condvar, Mutex, OnceLock, RwLock, mpsc};
use std::thread;
use std::time::Duration;

/// The lines without their places.
fn plain(lines: &[String]) -> Vec<String> {
    let without = |line: &String| {
        let mut plain = String::new();
        let mut rest = line.as_str();
        while let Some((before, after)) = rest.split_once(" (") {
            plain += before;
            rest = after.split_once(')').expect("closed").1;
        }
        plain + rest
    };
    lines.iter().map(without).collect()
}

fn named(name: &str, body: impl FnOnce() + Send + 'static) {
    thread::Builder::new().name(name.to_owned()).spawn(body).unwrap();
}

#[test]
fn each_thread_has_a_line() {
    // In each fourth schedule, a thread may be in the middle of a wake-up without a reason.
    for first_seed in (0..64).step_by(4) {
        sim::explore(first_seed, 3, |lines| panic!("{lines:?}"), each_says_what_it_waits_for);
    }
}

#[expect(clippy::many_single_char_names, reason = "one for each thread")]
fn each_says_what_it_waits_for() {
    let lock = Arc::new((Mutex::new(()), Condvar::new(), RwLock::new(()), Barrier::new(3)));
    let value: Arc<OnceLock<()>> = Arc::default();
    let [a, b, c, d, e, f] = [(); 6].map(|()| Arc::clone(&lock));
    let (v, w) = (Arc::clone(&value), Arc::clone(&value));
    let (sender, receiver) = mpsc::sync_channel(1);
    thread::sleep(Duration::from_millis(5));
    named("A", move || {
        let _held = a.0.lock().unwrap();
        thread::sleep(Duration::from_millis(75));
    });
    thread::sleep(Duration::from_millis(15));
    named("thread B", move || drop(b.0.lock().unwrap()));
    named("C", move || {
        let other = Mutex::new(());
        drop(c.1.wait(other.lock().unwrap()));
    });
    named("D", move || {
        let other = Mutex::new(());
        drop(d.1.wait_timeout(other.lock().unwrap(), Duration::from_secs(2)));
    });
    named("E", move || {
        let _held = e.2.read().unwrap();
        e.3.wait();
    });
    thread::sleep(Duration::from_micros(1_250));
    named("F", move || drop(f.2.write().unwrap()));
    named("G", move || _ = receiver.recv().and_then(|()| receiver.recv()));
    named("H", move || v.get_or_init(thread::park).to_owned());
    named("I", move || sender.send(()).and_then(|()| sender.send(())).unwrap());
    let last = thread::spawn(move || w.wait().to_owned());
    thread::sleep(Duration::from_millis(1));
    let lines = sim::waiting();
    assert!(lines[1].contains("tests/simulation/waiting.rs:"), "{}", lines[1]);
    assert_eq!(
        plain(&lines),
        [
            "main is running",
            "thread A sleeps until 80 ms",
            "thread B waits since 20 ms for a lock that thread A holds",
            "thread C waits since 20 ms on a condition variable, without a time-out",
            "thread D waits since 20 ms on a condition variable, until 2020 ms",
            "thread E waits since 20 ms at a barrier, where 1 of 3 are",
            "thread F waits since 21.25 ms for a lock that thread E holds for reading",
            "thread H waits since 21.25 ms in park for someone to unpark it, without a time-out",
            "thread 10 waits since 21.25 ms for somebody to initialise a value",
        ]
    );
    drop(last);
}

#[test]
fn a_join_names_the_thread() {
    let message = sim_tests::fails(1, || {
        let thread = thread::Builder::new().name("A".into()).spawn(thread::park).unwrap();
        thread.join().unwrap();
    });
    assert!(message.contains("main waits for thread A to end"), "{message}");
}

#[test]
fn another_os_thread_may_ask() {
    // Nothing runs here; what it says is of the schedule that began last.
    let _ = (sim::waiting(), sim::now(), sim::seed(), sim::schedules_run());
}
