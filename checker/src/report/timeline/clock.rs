//! A moment, as the picture writes it.

use std::time::Duration;

/// A moment, as people say it.
pub fn clock(time: Duration) -> String {
    let micros = time.as_micros();
    if micros.is_multiple_of(1_000_000) && micros > 0 {
        format!("{} s", micros / 1_000_000)
    } else if micros.is_multiple_of(1_000) {
        format!("{} ms", micros / 1_000)
    } else {
        format!("{:.1} ms", time.as_secs_f64() * 1_000.0)
    }
}
