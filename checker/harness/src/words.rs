//! Times, counts and repetitions as people say them.

use std::time::Duration;

/// A moment or a span: `50 ms`, `1.5 s`, `0.4 ms`, and `Duration::MAX` by its name.
///
/// ```
/// use std::time::Duration;
/// use harness::clock;
///
/// assert_eq!(clock(Duration::from_millis(50)), "50 ms");
/// assert_eq!(clock(Duration::from_micros(1_400)), "1.4 ms");
/// assert_eq!(clock(Duration::from_millis(1_500)), "1.5 s");
/// assert_eq!(clock(Duration::from_millis(30_050)), "30050 ms");
/// assert_eq!(clock(Duration::MAX), "Duration::MAX");
/// ```
pub fn clock(time: Duration) -> String {
    if time == Duration::MAX {
        return "Duration::MAX".to_owned();
    }
    let (millis, rest) = (time.as_nanos() / 1_000_000, time.as_nanos() % 1_000_000);
    match (rest, millis) {
        (0, 0..1_000) => format!("{millis} ms"),
        (0, _) if millis.is_multiple_of(100) => format!("{} s", time.as_secs_f64()),
        (0, _) => format!("{millis} ms"),
        _ => format!("{millis}.{} ms", format!("{rest:06}").trim_end_matches('0')),
    }
}

/// So many connections: `1 connection`, `3 connections`.
///
/// ```
/// assert_eq!(harness::connections(1), "1 connection");
/// assert_eq!(harness::connections(3), "3 connections");
/// ```
pub fn connections(count: usize) -> String {
    if count == 1 { "1 connection".to_owned() } else { format!("{count} connections") }
}

/// So many connections are open: `no connection open`, `1 connection open`.
///
/// ```
/// assert_eq!(harness::open_connections(0), "no connection open");
/// assert_eq!(harness::open_connections(2), "2 connections open");
/// ```
pub fn open_connections(count: usize) -> String {
    if count == 0 {
        return "no connection open".to_owned();
    }
    format!("{} open", connections(count))
}

/// So often: `once`, `twice`, `3 times`.
///
/// ```
/// assert_eq!(harness::times(2), "twice");
/// assert_eq!(harness::times(3), "3 times");
/// ```
pub fn times(count: usize) -> String {
    match count {
        1 => "once".to_owned(),
        2 => "twice".to_owned(),
        n => format!("{n} times"),
    }
}
