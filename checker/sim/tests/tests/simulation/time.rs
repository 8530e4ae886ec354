//! Virtual time.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use sim_tests::passes;

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

#[test]
fn sleeps_end_at_their_instant() {
    passes(|| {
        assert_eq!(sim::now(), Duration::ZERO);
        let start = Instant::now();
        thread::scope(|scope| {
            for span in [30, 10, 20] {
                scope.spawn(move || {
                    thread::sleep(ms(span));
                    assert_eq!(start.elapsed(), ms(span));
                    assert_eq!(sim::now(), ms(span));
                    thread::sleep(ms(100));
                    assert_eq!(start.elapsed(), ms(span + 100));
                });
            }
        });
        assert_eq!(start.elapsed(), ms(130));
    });
}

#[test]
fn a_parked_thread_goes_on_in_time() {
    passes(|| {
        let start = Instant::now();
        // It may end before its time, for no reason, and never after it.
        let parks_until = |moment: Duration| {
            while start.elapsed() < moment {
                thread::park_timeout(moment.saturating_sub(start.elapsed()));
            }
        };
        parks_until(ms(40));
        assert_eq!(start.elapsed(), ms(40));
        let main = thread::current();
        let waker = thread::spawn(move || {
            thread::sleep(ms(5));
            main.unpark();
        });
        parks_until(ms(45));
        assert_eq!(start.elapsed(), ms(45));
        waker.join().unwrap();
        thread::current().unpark();
        thread::park();
        assert_eq!(start.elapsed(), ms(45), "an unpark before a park ends it");
    });
}

#[test]
fn working_takes_no_time() {
    passes(|| {
        let start = Instant::now();
        let data = Arc::new(parking_lot::Mutex::new(0));
        for _ in 0..100 {
            *data.lock() += 1;
        }
        assert_eq!(start.elapsed(), Duration::ZERO);
    });
}

#[test]
fn instants_have_all_operators() {
    passes(|| {
        let start = Instant::now();
        let hour = Duration::from_hours(1);
        assert!(start - hour < start, "the machine has been up for long");
        assert_eq!(start + ms(5) - ms(5), start);
        assert_eq!(start + ms(5) - start, ms(5));
        assert_eq!(start.duration_since(start + ms(5)), Duration::ZERO);
        assert_eq!(start.checked_duration_since(start + ms(5)), None);
        assert_eq!((start + ms(5)).saturating_duration_since(start), ms(5));
        assert!(start.checked_add(Duration::MAX).is_none());
        assert!(start.checked_sub(Duration::MAX).is_none());
        let mut later = start;
        later += ms(7);
        later -= ms(2);
        assert_eq!(later, start + ms(5));
        assert_eq!(later.max(start), later);
        assert!(format!("{later:?}").starts_with("Instant"));
    });
}

#[test]
fn a_span_too_long_to_tell_never_ends() {
    passes(|| {
        let main = thread::current();
        thread::spawn(move || main.unpark());
        thread::park_timeout(Duration::MAX);
    });
}
