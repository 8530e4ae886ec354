//! Requests that come to nothing: P13 to P15.

use std::time::Duration;

use harness::{Case, connections, fail};
use pool_benchmark::{Report, Strategy};

use crate::bank::{Bank, Fate};
use crate::desk::{
    expect_count, expect_no_latency, expect_rate, expect_time, ms, order, pool, said,
};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new("errors_are_counted_apart", "P13", errors_are_counted_apart)
            .title("who failed is counted, and is in no latency")
            .paused()
            .hard()
            .points(0.5)
            .lesson("who-failed")
            .hints(&["What does a quick error do to a mean that it is counted in?"]),
        Case::new("refused_ones_are_counted", "P13", refused_ones_are_counted)
            .title("who is refused a connection has failed")
            .paused()
            .hard()
            .points(0.5)
            .lesson("who-failed")
            .hints(&["`connect` may say no. That request has failed; nothing was opened."]),
        Case::new("a_panic_is_a_failed_request", "P13", a_panic_is_a_failed_request)
            .title("a request that panics has failed, and no other")
            .paused()
            .hard()
            .points(0.5)
            .lesson("who-failed")
            .hints(&["What does `JoinSet::join_next` return for a task that panicked?"]),
        Case::new("a_failed_place_is_freed", "P14", a_failed_place_is_freed)
            .title("the place of a failed request is free at once")
            .paused()
            .hard()
            .points(0.5)
            .lesson("who-failed")
            .hints(&["A permit that is dropped comes back, also on an early return and a panic."]),
        Case::new("the_broken_are_closed", "P14", the_broken_are_closed)
            .title("broken connections are closed, good ones used on")
            .paused()
            .hard()
            .points(0.5)
            .lesson("who-failed")
            .hints(&["An error does not say that the connection is lost; `has_broken` does."]),
        Case::new("does_without", "P15", does_without)
            .title("what cannot be opened beforehand is done without")
            .paused()
            .hard()
            .points(0.5)
            .lesson("warm-up")
            .hints(&["Nobody ever gives back a permit of a semaphore that has none: what is a `max` of 0?"]),
    ]
}

fn errors_are_counted_apart() {
    order(async || {
        let bank = Bank::new(ms(5), ms(10));
        bank.fate([2, 5], Fate::Fails).fate([5], Fate::Fails);
        let report = bank.measure(pool(1, 1), 5).await;
        let why = "2 of 5 queries were answered with an error";
        expect_count("ok", report.ok, 3, why);
        expect_count("failed", report.failed, 2, why);
        expect_time("latency.mean", report.latency.mean, Duration::from_nanos(26_666_666), why);
        expect_time("latency.max", report.latency.max, ms(40), why);
    });
    for (strategy, last) in [(Strategy::PerRequest, ms(15)), (pool(4, 4), ms(50))] {
        order(async || {
            let bank = Bank::new(ms(5), ms(10));
            bank.fate(1..=20, Fate::Fails);
            let report = bank.measure(strategy, 20).await;
            let why = format!("all 20 failed with {}", said(strategy));
            expect_nobody(&report, 20, last, &why);
        });
    }
}

/// Nobody was answered, and the last one was told so at `last`.
fn expect_nobody(report: &Report, failed: u64, last: Duration, why: &str) {
    expect_count("ok", report.ok, 0, why);
    expect_count("failed", report.failed, failed, why);
    expect_rate(report.throughput, 0.0, why);
    expect_no_latency(&report.latency, why);
    expect_time("makespan", report.makespan, last, &format!("{why}: failed ones count (P7)"));
}

fn refused_ones_are_counted() {
    order(async || {
        let bank = Bank::new(ms(20), ms(10));
        bank.exchange.refuse_next(2);
        let report = bank.measure(Strategy::PerRequest, 4).await;
        let why = "2 of 4 were refused a connection, and none tries again";
        expect_count("ok", report.ok, 2, why);
        expect_count("failed", report.failed, 2, why);
        let attempts = bank.exchange.attempts();
        if attempts != 4 {
            fail("4 attempts to connect with `PerRequest` and 4 requests", attempts.to_string());
        }
    });
    order(async || {
        let bank = Bank::new(ms(20), ms(10));
        bank.exchange.limit_sessions(7);
        let report = bank.measure(Strategy::PerRequest, 10).await;
        let why = "the database takes 7 connections, and 10 ask";
        expect_count("ok", report.ok, 7, why);
        expect_count("failed", report.failed, 3, why);
        expect_count("opened", report.opened, 7, why);
    });
    for (strategy, last) in [(Strategy::PerRequest, ms(20)), (pool(0, 3), ms(60))] {
        order(async || {
            let bank = Bank::new(ms(20), ms(10));
            bank.exchange.go_offline();
            let report = bank.measure(strategy, 9).await;
            let why =
                format!("with {}, 20 ms to connect, and the database is down", said(strategy));
            expect_nobody(&report, 9, last, &why);
            expect_count("opened", report.opened, 0, &why);
        });
    }
}

fn a_panic_is_a_failed_request() {
    for strategy in [Strategy::PerRequest, pool(2, 2)] {
        order(async || {
            let bank = Bank::new(ms(20), ms(10));
            bank.fate([1, 4], Fate::Panics);
            let report = bank.measure(strategy, 6).await;
            let why = format!("2 of 6 panicked with {}", said(strategy));
            expect_count("ok", report.ok, 4, &why);
            expect_count("failed", report.failed, 2, &why);
            let opened = bank.exchange.opened() as u64;
            expect_count("opened", report.opened, opened, &format!("{why} when they had asked"));
            bank.expect_closed("when `run` has ended").await;
        });
    }
    order(async || {
        let bank = Bank::new(ms(0), ms(10));
        bank.fate([2], Fate::Panics);
        let report = bank.measure(pool(1, 1), 2).await;
        let why = "the second of two in a row panicked at 20 ms: failed ones count (P7)";
        expect_time("makespan", report.makespan, ms(20), why);
    });
    order(async || {
        let bank = Bank::new(ms(20), ms(10));
        bank.exchange.panic_next(2);
        let report = bank.measure(Strategy::PerRequest, 6).await;
        expect_count("ok", report.ok, 4, "2 of 6 panicked while they connected");
        expect_count("failed", report.failed, 2, "2 of 6 panicked while they connected");
        expect_count("opened", report.opened, 4, "2 of 6 panicked while they connected");
    });
}

fn a_failed_place_is_freed() {
    type Script = fn(&Bank);
    let scripts: [(&str, Script); 4] = [
        ("were refused a connection", |bank| {
            bank.exchange.refuse_next(3);
        }),
        ("panicked while they connected", |bank| {
            bank.exchange.panic_next(3);
        }),
        ("were answered with an error", |bank| {
            bank.fate([1, 2, 3], Fate::Fails);
        }),
        ("panicked", |bank| {
            bank.fate([1, 2, 3], Fate::Panics);
        }),
    ];
    for (what, script) in scripts {
        for max in [1, 2] {
            order(async || {
                let bank = Bank::new(ms(0), ms(10));
                script(&bank);
                let report = bank.measure(pool(0, max), 8).await;
                let why = format!("3 of 8 {what}, over a pool of {max}");
                expect_count("ok", report.ok, 5, &why);
                expect_count("failed", report.failed, 3, &why);
                let rounds = bank.sent().div_ceil(max as usize) as u64;
                expect_time("makespan", report.makespan, ms(10 * rounds), &why);
                expect_peak(&bank, max, &why);
            });
        }
    }
}

fn expect_peak(bank: &Bank, max: u32, why: &str) {
    let peak = bank.exchange.peak_sessions();
    if peak > max as usize {
        fail(format!("{} at a time (P5): {why}", connections(max as usize)), peak.to_string());
    }
}

fn the_broken_are_closed() {
    order(async || {
        let bank = Bank::new(ms(5), ms(10));
        bank.fate([2, 4], Fate::Breaks);
        let report = bank.measure(pool(1, 1), 6).await;
        let why = "the connection broke with the 2nd and the 4th of 6 queries";
        expect_count("ok", report.ok, 4, why);
        expect_count("failed", report.failed, 2, why);
        expect_count("opened", report.opened, 3, why);
        expect_peak(&bank, 1, why);
    });
    order(async || {
        let bank = Bank::new(ms(5), ms(10));
        bank.fate([2, 4], Fate::BreaksAnswered);
        let report = bank.measure(pool(1, 1), 6).await;
        let why = "the connection broke after its answer to the 2nd and to the 4th of 6 queries";
        expect_count("ok", report.ok, 6, why);
        expect_count("failed", report.failed, 0, why);
        expect_count("opened", report.opened, 3, why);
        expect_peak(&bank, 1, why);
    });
    for fate in [Fate::Breaks, Fate::BreaksAnswered] {
        order(async || {
            let bank = Bank::new(ms(0), ms(10));
            bank.fate([1], fate);
            let report = bank.measure(pool(2, 2), 8).await;
            let why =
                "one of 2 connections broke with the first of 8 queries, to connect takes no time";
            expect_time("makespan", report.makespan, ms(40), why);
        });
    }
    order(async || {
        let bank = Bank::new(ms(5), ms(10));
        bank.fate([2, 4], Fate::Fails);
        let report = bank.measure(pool(1, 1), 6).await;
        expect_count(
            "opened",
            report.opened,
            1,
            "2 of 6 queries failed on a connection still good",
        );
        expect_time("makespan", report.makespan, ms(60), "6 queries of 10 ms over one connection");
    });
}

fn does_without() {
    type Script = fn(&Bank);
    let scripts: [(&str, Script); 2] = [
        ("was refused", |bank| {
            bank.exchange.refuse_next(1);
        }),
        ("panicked", |bank| {
            bank.exchange.panic_next(1);
        }),
    ];
    for (what, script) in scripts {
        order(async || {
            let bank = Bank::new(ms(50), ms(10));
            script(&bank);
            let report = bank.measure(pool(3, 3), 2).await;
            let why = format!("the first of 3 beforehand {what}, the other 2 wait for 2 requests");
            expect_time("latency.max", report.latency.max, ms(10), &why);
        });
        order(async || {
            let bank = Bank::new(ms(0), ms(10));
            script(&bank);
            let report = bank.measure(pool(2, 2), 4).await;
            let why = format!("4 requests use both places, though one of 2 beforehand {what}");
            expect_count("ok", report.ok, 4, &why);
            expect_time("makespan", report.makespan, ms(20), &why);
        });
    }
    order(async || {
        let bank = Bank::new(ms(20), ms(10));
        bank.exchange.refuse_next(1).panic_next(1);
        let report = bank.measure(pool(3, 3), 6).await;
        let why = "a refusal and a panic met 2 of the 3 that were opened beforehand";
        expect_count("ok", report.ok, 6, why);
        expect_count("failed", report.failed, 0, why);
        if !(1..=3).contains(&report.opened) {
            fail(format!("`opened` from 1 to 3: {why}"), report.opened.to_string());
        }
    });
    for (min, makespan) in [(0, ms(80)), (2, ms(60))] {
        order(async || {
            let bank = Bank::new(ms(20), ms(10));
            let report = bank.measure(pool(min, 0), 6).await;
            let why = format!("with {}: a `max` of 0 counts as 1", said(pool(min, 0)));
            expect_count("ok", report.ok, 6, &why);
            expect_count("opened", report.opened, 1, &why);
            expect_time("makespan", report.makespan, makespan, &why);
        });
    }
}
