//! What the figures mean: P1, P2, P7 to P10, P12.

use std::time::Duration;

use harness::{Case, clock, connections, fail};
use pool_benchmark::{Latency, Strategy, quantile};

use crate::bank::{Bank, Fate};
use crate::desk::{
    expect_count, expect_no_latency, expect_rate, expect_time, ms, order, pool, said,
};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new("quantile_is_the_nearest_rank", "P1", quantile_is_the_nearest_rank)
            .title("a quantile is the nearest rank")
            .points(1.0)
            .lesson("quantiles")
            .hints(&[
                "Of 100 values, which one do 99 of 100 not exceed? Of 10?",
                "The rank is q times the number of values, rounded up; ranks count from 1.",
            ]),
        Case::new("counts_nothing_without_requests", "P2", counts_nothing_without_requests)
            .title("no requests, no figures, no NaN")
            .paused()
            .points(0.5)
            .lesson("one-moment-of-release")
            .hints(&["What is nothing divided by no time, and what by no requests?"]),
        Case::new("latency_has_its_figures", "P8", latency_has_its_figures)
            .title("mean, p50, p90, p99 and max of the answered requests")
            .paused()
            .points(1.0)
            .lesson("quantiles")
            .hints(&["Sort the latencies once, when all have ended, and ask your `quantile`."]),
        Case::new("makespan_ends_with_the_last", "P7", makespan_ends_with_the_last)
            .title("the makespan lasts until the last request has ended")
            .paused()
            .points(1.0)
            .lesson("one-moment-of-release")
            .hints(&["Does the last one to end count if it failed?"]),
        Case::new("waiting_counts", "P9", waiting_counts)
            .title("waiting and connecting are in the latency")
            .paused()
            .points(1.0)
            .lesson("coordinated-omission")
            .hints(&[
                "One clock for all: it starts when they are released, not when one is served.",
            ]),
        Case::new("throughput_is_of_the_answered", "P10", throughput_is_of_the_answered)
            .title("answered requests a second")
            .paused()
            .points(1.0)
            .lesson("open-and-closed-load")
            .hints(&["Divide by the makespan in seconds, fractions included. Who is answered?"]),
    ]
}

pub(crate) fn hard_cases() -> Vec<Case> {
    vec![
        Case::new("a_stall_shows_in_the_tail", "P12", a_stall_shows_in_the_tail)
            .title("a stall is in the latency of all whom it held up")
            .paused()
            .hard()
            .points(0.5)
            .lesson("coordinated-omission")
            .hints(&["Whom does a stall of the only connection hold up, beside its own request?"]),
    ]
}

fn quantile_is_the_nearest_rank() {
    let values: Vec<Duration> = (1..=10_000).map(ms).collect();
    let asked: &[(usize, f64, Option<u64>)] = &[
        (100, 0.5, Some(50)),
        (100, 0.9, Some(90)),
        (100, 0.99, Some(99)),
        (100, 0.991, Some(100)),
        (10, 0.99, Some(10)),
        (10, 0.91, Some(10)),
        (10, 0.5, Some(5)),
        // Shares that are lost in thousandths, or in an `f32`.
        (10_000, 0.999_85, Some(9_999)),
        (10_000, 0.000_45, Some(5)),
        (10, 0.900_000_001, Some(10)),
        (3, 0.5, Some(2)),
        (4, 0.25, Some(1)),
        (4, 0.26, Some(2)),
        (4, 0.5, Some(2)),
        (1, 0.5, Some(1)),
        (2, 0.5, Some(1)),
        (100, 0.0, Some(1)),
        (100, 1.0, Some(100)),
        (100, -0.5, Some(1)),
        (100, -3.0, Some(1)),
        (100, 1.5, Some(100)),
        (100, f64::INFINITY, Some(100)),
        (0, 0.5, None),
        (0, 0.0, None),
        (0, 1.0, None),
    ];
    for &(count, q, rank) in asked {
        let got = quantile(&values[..count], q);
        if got != rank.map(ms) {
            let words = |value: Option<Duration>| value.map_or("`None`".to_owned(), clock);
            fail(
                format!("{} for q = {q} of {count} values (1 ms, 2 ms, …)", words(rank.map(ms))),
                words(got),
            );
        }
    }
}

fn counts_nothing_without_requests() {
    for (strategy, opened) in [(Strategy::PerRequest, 0), (pool(0, 5), 0), (pool(3, 5), 3)] {
        order(async || {
            let bank = Bank::new(ms(20), ms(10));
            let report = bank.measure(strategy, 0).await;
            let why = format!("with {} and no requests", said(strategy));
            expect_count("ok", report.ok, 0, &why);
            expect_count("failed", report.failed, 0, &why);
            expect_count("opened", report.opened, opened as u64, &why);
            expect_time("makespan", report.makespan, ms(0), &why);
            expect_rate(report.throughput, 0.0, &why);
            expect_no_latency(&report.latency, &why);
            let really = bank.exchange.opened();
            if really != opened {
                fail(format!("{} to be opened, {why}", connections(opened)), really.to_string());
            }
        });
    }
    order(async || {
        let report = Bank::new(ms(0), ms(0)).measure(pool(1, 1), 3).await;
        expect_count("ok", report.ok, 3, "though they took no time");
        if report.throughput != 0.0 {
            fail("`throughput` 0, as no time passed", report.throughput.to_string());
        }
    });
}

fn latency_has_its_figures() {
    // One after the other: answered after 10, 20, … ms.
    for count in [1_u32, 4, 10, 100, 101, 200] {
        order(async || {
            let report = Bank::new(ms(5), ms(10)).measure(pool(1, 1), count as usize).await;
            let why = format!("for {count} requests answered one after the other, each in 10 ms");
            let tenth = |part: u32| ms(10) * (count * part).div_ceil(100);
            let Latency { mean, p50, p90, p99, max } = report.latency;
            expect_time("mean", mean, ms(5) * (count + 1), &why);
            expect_time("p50", p50, tenth(50), &why);
            expect_time("p90", p90, tenth(90), &why);
            expect_time("p99", p99, tenth(99), &why);
            expect_time("max", max, tenth(100), &why);
        });
    }
    // The quick ones end first, whoever was first: the latencies have to be sorted.
    order(async || {
        let bank = Bank::new(ms(0), ms(10));
        bank.fate([1], Fate::Stalls(ms(500))).fate([2], Fate::Stalls(ms(200)));
        let latency = bank.measure(pool(4, 4), 4).await.latency;
        let why = "for four at once that took 510, 210, 10 and 10 ms";
        expect_time("p50", latency.p50, ms(10), why);
        expect_time("max", latency.max, ms(510), why);
        expect_time("mean", latency.mean, ms(185), why);
    });
    // So do those of several connections, each of which serves a few.
    order(async || {
        let latency = Bank::new(ms(0), ms(10)).measure(pool(2, 2), 8).await.latency;
        let why = "for 8 over 2 connections, answered in pairs after 10, 20, 30 and 40 ms";
        expect_time("p50", latency.p50, ms(20), why);
        expect_time("p90", latency.p90, ms(40), why);
        expect_time("mean", latency.mean, ms(25), why);
    });
    order(async || {
        let bank = Bank::new(ms(0), ms(10));
        bank.fate([2], Fate::Stalls(ms(10)));
        let latency = bank.measure(pool(3, 3), 3).await.latency;
        let why = "for three at once that took 10, 20 and 10 ms";
        expect_time("mean", latency.mean, Duration::from_nanos(13_333_333), why);
    });
    order(async || {
        let bank = Bank::new(ms(0), ms(10));
        bank.fate([2], Fate::Fails).fate([1], Fate::Stalls(ms(5)));
        let latency = bank.measure(pool(1, 1), 2).await.latency;
        let why = "the only answer came at 15 ms; the second of two in a row failed at 25 ms";
        expect_time("max", latency.max, ms(15), why);
        expect_time("mean", latency.mean, ms(15), why);
    });
}

fn makespan_ends_with_the_last() {
    order(async || {
        let report = Bank::new(ms(20), ms(10)).measure(Strategy::PerRequest, 7).await;
        expect_time(
            "makespan",
            report.makespan,
            ms(30),
            "for 7 at once, 20 ms to connect, 10 to ask",
        );
        let report = Bank::new(ms(20), ms(10)).measure(pool(2, 2), 7).await;
        expect_time("makespan", report.makespan, ms(40), "for 7 over 2 connections, 10 ms each");
    });
    order(async || {
        let bank = Bank::new(ms(0), ms(10));
        bank.fate([2], Fate::Fails).fate([1], Fate::Stalls(ms(5)));
        let report = bank.measure(pool(1, 1), 2).await;
        let why = "the second of two in a row fails at 25 ms";
        expect_time("makespan", report.makespan, ms(25), why);
    });
}

fn waiting_counts() {
    order(async || {
        let latency = Bank::new(ms(30), ms(10)).measure(pool(1, 1), 3).await.latency;
        expect_time(
            "latency.max",
            latency.max,
            ms(30),
            "the third waits 20 ms and is served 10 ms",
        );
        expect_time("latency.p50", latency.p50, ms(20), "the second waits 10 ms");
    });
    order(async || {
        let latency = Bank::new(ms(30), ms(10)).measure(Strategy::PerRequest, 3).await.latency;
        expect_time("latency.p50", latency.p50, ms(40), "each connects for 30 ms and asks for 10");
        let latency = Bank::new(ms(30), ms(10)).measure(pool(0, 1), 1).await.latency;
        expect_time("latency.mean", latency.mean, ms(40), "the only one finds no connection open");
    });
}

fn throughput_is_of_the_answered() {
    order(async || {
        let report = Bank::new(ms(5), ms(10)).measure(pool(2, 2), 8).await;
        expect_rate(report.throughput, 200.0, "8 requests in 40 ms");
        let report = Bank::new(ms(5), ms(1_500)).measure(pool(1, 1), 2).await;
        expect_rate(report.throughput, 2.0 / 3.0, "2 requests in 3 s");
    });
    order(async || {
        let bank = Bank::new(ms(5), ms(10));
        bank.fate([2, 3, 4], Fate::Fails);
        let report = bank.measure(pool(1, 1), 8).await;
        expect_rate(report.throughput, 62.5, "5 of 8 were answered in 80 ms");
    });
    order(async || {
        let bank = Bank::new(ms(5), ms(10));
        bank.fate([4], Fate::Fails);
        let report = bank.measure(pool(1, 1), 4).await;
        expect_rate(report.throughput, 75.0, "3 were answered by 30 ms, the last failed at 40 ms");
    });
    for (micros, rate) in [(1_500, 2_000.0), (250, 12_000.0)] {
        order(async || {
            let bank = Bank::new(ms(0), ms(0));
            let span = Duration::from_micros(micros);
            bank.fate([3], Fate::StallsExactly(span));
            let report = bank.measure(pool(1, 1), 3).await;
            expect_rate(report.throughput, rate, &format!("3 requests in {}", clock(span)));
        });
    }
}

fn a_stall_shows_in_the_tail() {
    order(async || {
        let bank = Bank::new(ms(5), ms(10));
        bank.fate([11], Fate::Stalls(ms(1_000)));
        let latency = bank.measure(pool(1, 1), 100).await.latency;
        let why = "the only connection stalled for a second with the 11th of 100 requests";
        expect_time("latency.p50", latency.p50, ms(1_500), why);
        expect_time("latency.p99", latency.p99, ms(1_990), why);
        expect_time("latency.mean", latency.mean, ms(1_405), why);
    });
    order(async || {
        let bank = Bank::new(ms(5), ms(10));
        bank.fate([99, 100], Fate::Stalls(ms(2_000)));
        let latency = bank.measure(Strategy::PerRequest, 100).await.latency;
        expect_time("latency.p99", latency.p99, ms(2_015), "2 of 100 stalled for 2 s");
        expect_time("latency.p90", latency.p90, ms(15), "2 of 100 stalled for 2 s");
    });
    order(async || {
        let bank = Bank::new(ms(5), ms(10));
        bank.fate([1], Fate::Stalls(Duration::from_hours(2)));
        let report = bank.measure_for_hours(pool(1, 1), 3).await;
        let why = "the only connection stalled for two hours with the first of 3 requests";
        expect_count("ok", report.ok, 3, why);
        let hours = Duration::from_hours(2);
        expect_time("latency.p50", report.latency.p50, hours + ms(20), why);
        expect_time("latency.max", report.latency.max, hours + ms(30), why);
    });
}
