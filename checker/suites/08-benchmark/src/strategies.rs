//! What each strategy opens, and when: P3 to P6, P11, P17.

use std::time::Duration;

use harness::tasks::ends;
use harness::{Case, clock, connections, fail, watch};
use ledger::Log;
use pool_benchmark::{Report, Strategy, compare};

use crate::bank::{Bank, Fate};
use crate::desk::{SQL, expect_count, expect_time, ms, order, pool, said};

/// A statement that nobody would guess.
const ODD: &str = "SELECT 'it''s odd'; -- \n";

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new("sends_the_statement", "P3", sends_the_statement)
            .title("each request sends the statement once")
            .paused()
            .points(0.5)
            .lesson("one-moment-of-release")
            .hints(&[
                "A task that is spawned must own its statement: a `String`, or an `Arc<str>`.",
            ]),
        Case::new("per_request_opens_one_each", "P4", per_request_opens_one_each)
            .title("connection per request opens one for each")
            .paused()
            .points(0.5)
            .lesson("how-large-is-a-pool")
            .hints(&["Count when `connect` has succeeded; drop the connection when it was asked."]),
        Case::new("a_pool_keeps_to_its_max", "P5", a_pool_keeps_to_its_max)
            .title("a pool opens at most max and uses them again")
            .paused()
            .points(1.0)
            .lesson("how-large-is-a-pool")
            .hints(&[
                "A `Semaphore` with `max` permits: hold one from before you look until after.",
            ]),
        Case::new("min_is_opened_beforehand", "P6", min_is_opened_beforehand)
            .title("min connections are open before the clock starts")
            .paused()
            .points(1.0)
            .lesson("warm-up")
            .hints(&["Open them first, then take the time."]),
    ]
}

pub(crate) fn hard_cases() -> Vec<Case> {
    vec![
        Case::new("all_are_released_together", "P11", all_are_released_together)
            .title("all requests start at the same moment")
            .paused()
            .hard()
            .points(0.5)
            .lesson("open-and-closed-load")
            .hints(&["Does one of your requests wait for something that another one holds?"]),
        Case::new("compares_nine", "P17", compares_nine)
            .title("nine measurements in their order")
            .paused()
            .hard()
            .points(0.5)
            .lesson("how-large-is-a-pool")
            .hints(&["The strategy changes slowly, the number of requests quickly."]),
    ]
}

fn sends_the_statement() {
    for sql in [SQL, ODD, ""] {
        for strategy in [Strategy::PerRequest, pool(2, 4)] {
            order(async || {
                let bank = Bank::new(ms(5), ms(10)).expecting(sql);
                let report = bank.measure(strategy, 9).await;
                let sent = bank.sent();
                if sent != 9 {
                    fail(
                        format!("9 queries from 9 requests with {}", said(strategy)),
                        format!("{sent}"),
                    );
                }
                expect_count("ok", report.ok, 9, "all were answered");
            });
        }
    }
    for fate in [Fate::Fails, Fate::Breaks] {
        order(async || {
            let bank = Bank::new(ms(5), ms(10));
            bank.fate([2], fate);
            bank.measure(Strategy::PerRequest, 4).await;
            let sent = bank.sent();
            if sent != 4 {
                fail("4 queries from 4 requests, one of which fails", sent.to_string());
            }
        });
    }
}

fn per_request_opens_one_each() {
    for count in [1, 50] {
        order(async || {
            let bank = Bank::new(ms(5), ms(10));
            let report = bank.measure(Strategy::PerRequest, count).await;
            let why = format!("with `PerRequest` and {count} requests");
            expect_count("opened", report.opened, count as u64, &why);
            expect_count("ok", report.ok, count as u64, &why);
            let opened = bank.exchange.opened();
            if opened != count {
                fail(format!("{} to be opened, {why}", connections(count)), opened.to_string());
            }
            bank.expect_closed("when `run` has ended").await;
        });
    }
    order(async || {
        let bank = Bank::new(ms(20), ms(10));
        bank.fate(1..=3, Fate::Stalls(ms(500)));
        let look = async {
            tokio::time::sleep(ms(100)).await;
            bank.exchange.sessions()
        };
        let (_, open) = tokio::join!(bank.measure(Strategy::PerRequest, 10), look);
        if open != 3 {
            fail(
                "3 connections open at 100 ms, when 7 of 10 requests have been answered",
                open.to_string(),
            );
        }
    });
}

fn a_pool_keeps_to_its_max() {
    for (min, max, count) in [(0, 1, 20), (0, 5, 200), (3, 5, 200), (5, 5, 200)] {
        order(async || {
            let bank = Bank::new(ms(25), ms(10));
            let report = bank.measure(pool(min, max), count).await;
            let why = format!("with {} and {count} requests", said(pool(min, max)));
            expect_count("ok", report.ok, count as u64, &why);
            let (peak, opened) = (bank.exchange.peak_sessions(), bank.exchange.opened());
            if peak > max as usize || opened > max as usize {
                fail(
                    format!("at most {}, {why}", connections(max as usize)),
                    format!("{opened} were opened, {peak} at the same time"),
                );
            }
            expect_count("opened", report.opened, opened as u64, "as many as the database opened");
            bank.expect_closed("when `run` has ended").await;
        });
    }
}

fn min_is_opened_beforehand() {
    for (min, max, count, opened) in [(4, 4, 4, 4), (3, 9, 2, 3), (7, 2, 4, 2), (u32::MAX, 3, 3, 3)]
    {
        order(async || {
            let bank = Bank::new(ms(500), ms(10));
            let report = bank.measure(pool(min, max), count).await;
            let why = format!("with {} and {count} requests", said(pool(min, max)));
            expect_count("opened", report.opened, opened, &why);
            let makespan = ms(10 * (count as u64).div_ceil(opened));
            let why = format!("{why}: to connect takes 500 ms, to ask 10");
            expect_time("makespan", report.makespan, makespan, &why);
            expect_time("latency.max", report.latency.max, makespan, &why);
        });
    }
}

fn all_are_released_together() {
    for count in [2, 100, 1_000, 10_000] {
        order(async || {
            let bank = Bank::new(ms(20), ms(10));
            let report = bank.measure(Strategy::PerRequest, count).await;
            let why =
                format!("{count} requests with `PerRequest` connect at once for 20 ms, ask for 10");
            expect_time("makespan", report.makespan, ms(30), &why);
            let peak = bank.exchange.peak_sessions();
            if peak != count {
                fail(format!("{} at the same time, {why}", connections(count)), peak.to_string());
            }
        });
    }
    for (max, count) in [(1_000, 2), (1_000, 100), (1_000, 1_000), (3_000, 3_000)] {
        order(async || {
            let bank = Bank::new(ms(20), ms(10));
            let report = bank.measure(pool(0, max), count).await;
            if report.makespan > ms(30) {
                let strategy = said(pool(0, max));
                let peak = connections(bank.exchange.peak_sessions());
                fail(
                    format!(
                        "a `makespan` of 30 ms at most: {count} requests with {strategy}, 20 ms to \
                         connect, 10 to ask"
                    ),
                    format!("{}, and {peak} at most at a time", clock(report.makespan)),
                );
            }
        });
    }
    order(async || {
        let bank = Bank::new(ms(0), ms(10));
        bank.fate([1], Fate::Stalls(ms(1_000)));
        let latency = bank.measure(pool(2, 2), 8).await.latency;
        let why = "one of 2 connections stalls until 1010 ms, and the other one serves 7 requests by \
                   70 ms";
        expect_time("latency.mean", latency.mean, Duration::from_micros(161_250), why);
    });
}

fn compares_nine() {
    order(async || {
        let bank = Bank::new(ms(20), ms(10)).expecting(ODD);
        let reports = ends("`compare`", compare(bank.clone(), ODD)).await;
        // Of so many requests, a picture would show the last few.
        watch(&Log::default());
        bank.expect_sound("`compare`");
        expect_nine(&reports, "");
        let strategies = [Strategy::PerRequest, pool(1, 10), pool(5, 50)];
        let counts = [100_u64, 1_000, 10_000];
        for (number, report) in reports.iter().enumerate() {
            let (strategy, count) = (strategies[number / 3], counts[number % 3]);
            let why =
                format!("in report {number}, counted from 0: {}, {count} requests", said(strategy));
            expect_count("ok", report.ok, count, &why);
            let (low, high) = match strategy {
                Strategy::PerRequest => (count, count),
                Strategy::Pool { min, max } => (u64::from(min), u64::from(max)),
            };
            if !(low..=high).contains(&report.opened) {
                fail(
                    format!("`opened` between {low} and {high}, {why}"),
                    report.opened.to_string(),
                );
            }
            if strategy == Strategy::PerRequest {
                expect_time("makespan", report.makespan, ms(30), &why);
            } else {
                let least = ms(10 * count / high);
                if report.makespan < least || report.makespan > least + ms(40) {
                    fail(
                        format!("`makespan` from {} to 40 ms more, {why}", clock(least)),
                        clock(report.makespan),
                    );
                }
            }
        }
        let peak = bank.exchange.peak_sessions();
        if peak > 10_000 {
            fail("one measurement after the other", format!("{peak} connections at the same time"));
        }
        bank.expect_closed("when `compare` has ended").await;
    });
    order(async || {
        let bank = Bank::new(ms(20), ms(10));
        bank.exchange.go_offline();
        let reports = ends("`compare`", compare(bank.clone(), SQL)).await;
        watch(&Log::default());
        expect_nine(&reports, " of a server that refuses all connections");
    });
}

fn expect_nine(reports: &[Report], of: &str) {
    if reports.len() != 9 {
        fail(format!("nine reports{of}"), reports.len().to_string());
    }
}
