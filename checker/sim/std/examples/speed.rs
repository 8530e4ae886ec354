//! What 1,000 schedules cost: `cargo run -p sim-std --release --example speed`.

use std::fs;
use std::time::{Duration, Instant};

use sim_parking_lot::{Condvar, Mutex};
use sim_std::sync::Arc;
use sim_std::sync::atomic::{AtomicBool, Ordering};
use sim_std::{sync, thread};

const ROUNDS: u32 = 5;

fn main() {
    measure("4 threads, 10 locks each", locks);
    measure("the same, spawned and joined", joined);
    measure("4 waiters on a condition variable", condvar);
    measure("64 threads, 10 locks each", crowd);
    measure("a poller: 1 ms sleeps over 1 s", poller);
    measure("a background thread left running", left);
}

/// The most memory that the process has had, where the system tells.
fn memory() -> u64 {
    let text = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with("VmHWM")).unwrap_or_default().to_owned();
    line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).unwrap_or_default()
        / 1_024
}

fn measure(what: &str, body: fn()) {
    let start = Instant::now();
    for round in 0..ROUNDS {
        sim::explore(u64::from(round) * 1_000, 1_000, |lines| panic!("{lines:?}"), body);
    }
    let took = start.elapsed() / ROUNDS;
    println!("{what:40} {:6} ms for 1,000 schedules, peak {} MiB", took.as_millis(), memory());
}

fn locks() {
    let count = Mutex::new(0);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..10 {
                    *count.lock() += 1;
                }
            });
        }
    });
    assert_eq!(count.into_inner(), 40);
}

fn joined() {
    let count = Arc::new(sync::Mutex::new(0));
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let count = Arc::clone(&count);
            thread::spawn(move || {
                for _ in 0..10 {
                    *count.lock().unwrap() += 1;
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    assert_eq!(*count.lock().unwrap(), 40);
}

fn condvar() {
    let free = Mutex::new(2);
    let returned = Condvar::new();
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut held = free.lock();
                while *held == 0 {
                    returned.wait_for(&mut held, Duration::from_secs(30));
                }
                *held -= 1;
                drop(held);
                thread::sleep(Duration::from_millis(5));
                *free.lock() += 1;
                returned.notify_one();
            });
        }
    });
}

fn crowd() {
    let count = Mutex::new(0);
    thread::scope(|scope| {
        for _ in 0..64 {
            scope.spawn(|| {
                for _ in 0..10 {
                    *count.lock() += 1;
                }
            });
        }
    });
}

fn poller() {
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            thread::sleep(Duration::from_secs(1));
            done.store(true, Ordering::Release);
        });
        while !done.load(Ordering::Acquire) {
            thread::sleep(Duration::from_millis(1));
        }
    });
}

fn left() {
    let data = Arc::new(sync::Mutex::new(vec![0_u8; 1_000]));
    for _ in 0..2 {
        let data = Arc::clone(&data);
        thread::spawn(move || {
            loop {
                thread::sleep(Duration::from_millis(10));
                data.lock().unwrap()[0] += 1;
            }
        });
    }
    thread::sleep(Duration::from_millis(50));
}
