//! Makespan and mean, to the microsecond, as arithmetic has them: P19.

use std::time::Duration;

use harness::Case;

use crate::bank::Bank;
use crate::desk::{expect_count, expect_rate, expect_time, ms, order, pool};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new("figures_are_exact", "P19", figures_are_exact)
            .title("makespan and mean are what arithmetic says")
            .paused()
            .hard()
            .points(0.5)
            .lesson("how-large-is-a-pool")
            .hints(&["Is a place free in the very instant in which its request ends?"]),
    ]
}

fn figures_are_exact() {
    for (count, max, millis) in [
        (100, 10, 10),
        (1_000, 10, 7),
        (10_000, 10, 1),
        (10_000, 50, 3),
        (101, 10, 10),
        (7, 50, 20),
        // What each division loses adds up, if each latency is divided by itself.
        (9_999, 1, 1),
    ] {
        order(async || {
            let service: Duration = ms(millis);
            let report = Bank::new(ms(40), service).measure(pool(max, max), count).await;
            let rounds = u32::try_from(count).unwrap_or(u32::MAX).div_ceil(max);
            let why = format!(
                "{count} requests over {}, {millis} ms each",
                harness::connections(max as usize)
            );
            expect_count("ok", report.ok, count as u64, &why);
            expect_time("makespan", report.makespan, service * rounds, &why);
            expect_time("latency.max", report.latency.max, service * rounds, &why);
            if count.is_multiple_of(max as usize) {
                expect_time("latency.mean", report.latency.mean, service * (rounds + 1) / 2, &why);
            }
            #[allow(clippy::cast_precision_loss)] // ten thousand at most
            let rate = count as f64 / (service * rounds).as_secs_f64();
            expect_rate(report.throughput, rate, &why);
        });
    }
}
