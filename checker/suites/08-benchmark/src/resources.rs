//! What a measurement leaves behind, and what it needs: P16 and P18.

use harness::{Case, fail};
use ledger::What;
use pool_benchmark::{Strategy, compare, run};

use crate::bank::Bank;
use crate::desk::{SQL, dropped_after, expect_count, ms, order, pool, said};

/// More than anybody needs for three requests, and far from one for each connection that may be.
const A_FEW_TASKS: usize = 50;

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new("a_dropped_run_leaves_nothing", "P16", a_dropped_run_leaves_nothing)
            .title("what is dropped half-way leaves nothing open")
            .paused()
            .hard()
            .points(0.5)
            .lesson("one-moment-of-release")
            .hints(&["A `JoinHandle` that is dropped lets its task go on. A `JoinSet` ends it."]),
        Case::new("needs_no_threads", "P18", needs_no_threads)
            .title("10,000 requests and one thread")
            .paused()
            .hard()
            .points(0.5)
            .lesson("one-moment-of-release")
            .hints(&["`spawn`, not `spawn_blocking`, and nothing of `std::thread`."]),
    ]
}

fn a_dropped_run_leaves_nothing() {
    for strategy in [Strategy::PerRequest, pool(0, 3), pool(3, 3), pool(2, 8)] {
        for time in [5, 25, 35, 47] {
            order(async || {
                let bank = Bank::new(ms(20), ms(1_000));
                dropped_after(ms(time), "`run`", run(bank.clone(), strategy, 20, SQL)).await;
                bank.exchange.write(What::Note { text: "the `run` is dropped".to_owned() });
                let when =
                    format!("after a `run` with {} was dropped at {time} ms", said(strategy));
                bank.expect_closed(&when).await;
                let sent = bank.sent();
                tokio::time::sleep(ms(5_000)).await;
                if bank.sent() != sent {
                    fail(format!("no query {when}"), format!("{} more", bank.sent() - sent));
                }
            });
        }
        order(async || {
            let bank = Bank::new(ms(20), ms(10));
            bank.measure(strategy, 20).await;
            let when = format!("at the moment when a `run` with {} has ended", said(strategy));
            bank.expect_closed_already(&when);
        });
    }
    order(async || {
        let bank = Bank::new(ms(20), ms(1_000));
        dropped_after(ms(47), "`compare`", compare(bank.clone(), SQL)).await;
        bank.expect_closed("after a `compare` was dropped at 47 ms").await;
    });
}

fn needs_no_threads() {
    for strategy in [Strategy::PerRequest, pool(1, 50)] {
        order(async || {
            let bank = Bank::new(ms(20), ms(10));
            let report = bank.measure(strategy, 10_000).await;
            expect_count("ok", report.ok, 10_000, &format!("with {}", said(strategy)));
            let threads = bank.threads();
            if threads != 1 {
                fail(
                    "all requests on the one thread of this runtime",
                    format!("{threads} threads"),
                );
            }
        });
    }
    // The first `max` can be counted; the second one, it does not end well to have so many of anything.
    for max in [10_000, u32::MAX] {
        order(async || {
            let bank = Bank::new(ms(20), ms(10));
            let report = bank.measure(pool(0, max), 3).await;
            let why = format!("with {} and 3 requests", said(pool(0, max)));
            expect_count("ok", report.ok, 3, &why);
            let tasks = bank.most_tasks();
            if tasks > A_FEW_TASKS {
                fail(format!("a few tasks {why}"), format!("{tasks} at a time"));
            }
        });
    }
}
