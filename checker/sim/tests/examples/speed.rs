//! What 1,000 schedules cost: `cargo run -p sim-tests --release --example speed`.

use std::fs;
use std::process::Command;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

fn main() {
    measure("4 threads, 10 locks each", locks);
    measure("the same, spawned and joined", joined);
    measure("4 waiters on a condition variable", condvar);
    measure("64 threads, 10 locks each", crowd);
    measure("a poller: 1 ms sleeps over 1 s", poller);
    measure("a background thread left running", left);
}

/// The wall clock, which the simulated `std` does not have.
fn uptime() -> f64 {
    let text = fs::read_to_string("/proc/uptime").unwrap_or_default();
    text.split(' ').next().and_then(|first| first.parse().ok()).unwrap_or_default()
}

fn memory() -> u64 {
    let text = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with("VmHWM")).unwrap_or_default().to_owned();
    line.split_whitespace().nth(1).and_then(|kib| kib.parse().ok()).unwrap_or_default()
}

fn measure(what: &str, body: fn()) {
    let _ = Command::new("true");
    let rounds: u32 = 5;
    let start = uptime();
    for round in 0..rounds {
        sim::explore(u64::from(round) * 1_000, 1_000, |lines| panic!("{lines:?}"), body);
    }
    let took = (uptime() - start) / f64::from(rounds);
    println!("{what:40} {:6.0} ms for 1,000 schedules, peak {} MiB", took * 1e3, memory() / 1_024);
}

fn locks() {
    let count = parking_lot::Mutex::new(0);
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
    let count = Arc::new(std::sync::Mutex::new(0));
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
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    assert_eq!(*count.lock().unwrap(), 40);
}

fn condvar() {
    let free = parking_lot::Mutex::new(2);
    let returned = parking_lot::Condvar::new();
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
    let count = parking_lot::Mutex::new(0);
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
    let done = std::sync::atomic::AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            thread::sleep(Duration::from_secs(1));
            done.store(true, std::sync::atomic::Ordering::Release);
        });
        while !done.load(std::sync::atomic::Ordering::Acquire) {
            thread::sleep(Duration::from_millis(1));
        }
    });
}

fn left() {
    let data = Arc::new(std::sync::Mutex::new(vec![0_u8; 1_000]));
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
