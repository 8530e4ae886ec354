//! What breaks, and what must not break with it: P11 to P14.

use std::panic;

use basic_pool::{PoolConfig, PoolError};
use fixtures::exchange::{Exchange, ExchangeError, ScriptedPanic};
use harness::{Case, fail};
use ledger::What;

use crate::desk::{Desk, LONG, all_home, between, ms, outcome};
use crate::{closing, start, waiting};

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = vec![
        Case::new("discards_a_broken_one", "P11", discards_a_broken_one)
            .title("a broken connection is never handed out")
            .points(0.5)
            .lesson("broken-connections")
            .hints(&[
                "At which two moments does a connection cross the pool's counter?",
                "Ask `has_broken` when a connection comes back and when one is taken out, and \
                 close those that are: dropping a connection closes it. Its place is free then.",
            ]),
        Case::new("survives_a_panicking_holder", "P12", waiting::survives_a_panicking_holder)
            .title("a panic gives the connection back")
            .concurrent()
            .points(0.5)
            .lesson("the-guard")
            .hints(&[
                "What still runs when a thread panics while it holds a guard?",
                "`Drop` does. It must do its whole work then too, and it must not panic itself: \
                 a second panic ends the process.",
            ]),
        Case::new("discard_wakes_a_waiter", "P13", discard_wakes_a_waiter)
            .title("a closed connection's place goes to a waiting thread")
            .hard()
            .concurrent()
            .points(0.5)
            .lesson("broken-connections")
            .hints(&[
                "A broken connection goes, and there is room for a new one. Who knows?",
                "Whoever frees a place must wake a waiting thread, just as one who returns a \
                 connection does. And first close, then count: until it is closed, the exchange \
                 still counts it.",
            ]),
        Case::new("failed_connect_costs_nothing", "P14", failed_connect_costs_nothing)
            .title("a connect that fails or panics gives its place back")
            .hard()
            .concurrent()
            .points(0.5)
            .lesson("when-connect-fails")
            .hints(&[
                "The place was counted before `connect` was called. Who counts it back on every \
                 way out of there?",
                "There are three ways out: Ok, Err and a panic. A small value whose `Drop` gives \
                 the place back and wakes somebody covers the last two at once.",
            ]),
    ];
    cases.extend(start::hard_cases());
    cases.extend(waiting::hard_cases());
    cases
}

fn discards_a_broken_one() {
    let desk = Desk::open(between(1, 2));
    let held = desk.need("from a pool with one idle connection");
    let broken = held.id();
    desk.exchange.kill(broken);
    drop(held);
    desk.expect_sessions(0, "after a broken connection was given back");
    let mut held = desk.need("after the only one broke");
    expect_other(held.id(), broken, "broke while it was in use");
    held.order();
    let broken = held.id();
    drop(held);

    desk.exchange.kill(broken);
    let mut held = desk.need("after the only one broke while it was idle");
    expect_other(held.id(), broken, "broke while it was idle");
    held.order();
    desk.expect_sessions(1, "after the broken ones have been replaced");
    drop(held);
    desk.expect_status(1, 0, "after the broken ones have been replaced");

    // Three are idle, and two of them have broken, whichever are looked at first.
    for good in 1..=3 {
        let desk = Desk::open(between(3, 3));
        drop([(); 3].map(|()| desk.need("of three")));
        (1..=3).filter(|&id| id != good).for_each(|id| desk.exchange.kill(id));
        let held = desk.need("while three are idle, two of them broken");
        if held.id() != good && held.id() <= 3 {
            fail(
                format!("conn {good}, the only good one of three idle ones"),
                format!("conn {}, which broke while it was idle", held.id()),
            );
        }
    }
    a_waiting_thread_gets_a_good_one();
}

/// The connection that a waiting thread is woken for is too old: closing it takes from 65 to 105 ms.
/// If that is left to the waiting thread, then the next one breaks under its eyes.
fn a_waiting_thread_gets_a_good_one() {
    let desk = Desk::open(PoolConfig { max_lifetime: Some(ms(60)), ..between(0, 2) });
    let old = desk.need("from an empty pool");
    desk.at(ms(55));
    let young = desk.need("while one of two is in use");
    let waiter = desk.trader("thread A", |desk| {
        desk.at(ms(58));
        let mut held = desk.need("within 30 s: one comes back at 65 ms, another at 75 ms");
        if held.query("BUY 100 AAPL").is_err() {
            fail(
                "a connection for thread A that works, after it has waited",
                format!("conn {}, which broke while it was idle", held.id()),
            );
        }
    });
    let b = desk.trader("thread B", move |desk| {
        desk.at(ms(75));
        let id = young.id();
        drop(young);
        desk.at(ms(85));
        desk.exchange.kill(id);
    });
    desk.exchange.close_takes(ms(40));
    desk.at(ms(65));
    drop(old);
    all_home([waiter, b]);
}

fn expect_other(got: u32, broken: u32, how: &str) {
    if got == broken {
        fail(format!("another connection than conn {broken}, which {how}"), format!("conn {got}"));
    }
}

fn discard_wakes_a_waiter() {
    let exchange = Exchange::new();
    exchange.connect_takes(ms(10)).close_takes(ms(4));
    let desk = Desk::over(exchange, between(0, 1));
    let a = desk.trader("thread A", |desk| {
        let held = desk.need("from an empty pool with room for one");
        desk.at(ms(50));
        desk.exchange.kill(held.id());
        drop(held);
    });
    let b = desk.trader("thread B", |desk| {
        desk.at(ms(20));
        let why = "10 ms of opening after thread A's broken one was closed, from 50 to 54 ms";
        desk.need_at(ms(64), why).order();
    });
    // While it is being closed, its place is not free to anybody else either.
    let c = desk.trader("thread C", |desk| {
        desk.at(ms(52));
        desk.need("within 30 s, once thread B has gone").order();
    });
    all_home([a, b, c]);
    desk.expect_peak(
        1,
        ", with max_connections 1: the broken connection's place was given away before it was \
         closed",
    );

    closing::frees_the_place_of_one_found_broken();
    closing::frees_each_place_that_is_reaped();
}

fn failed_connect_costs_nothing() {
    for panics in [false, true] {
        let exchange = Exchange::new();
        exchange.connect_takes(ms(10));
        if panics {
            exchange.panic_next(1);
        } else {
            exchange.refuse_next(1);
        }
        let desk = Desk::over(exchange, between(0, 1));
        let how = if panics { "panicked" } else { "failed" };
        let a = desk.trader("thread A", move |desk| {
            let tried = panic::catch_unwind(panic::AssertUnwindSafe(|| desk.get_timeout(LONG)));
            match tried {
                Ok(Err(PoolError::Connect(ExchangeError::Refused))) if !panics => {}
                Ok(Ok(_)) => fail(
                    format!("no connection from a connect that {how}"),
                    "a connection, opened by a second attempt that nobody asked for",
                ),
                Ok(result) if !panics => {
                    fail("Connect with the exchange's own error", outcome(&result));
                }
                // What a pool makes of a panic in `connect` is its own choice.
                Ok(Err(_)) => {}
                Err(payload) if panics && payload.is::<ScriptedPanic>() => {
                    desk.exchange.write(What::GaveUp { error: "connect panicked".to_owned() });
                }
                Err(payload) => panic::resume_unwind(payload),
            }
        });
        let b = desk.trader("thread B", move |desk| {
            desk.at(ms(5));
            let why = format!("10 ms of opening after thread A's connect {how}, at 10 ms");
            desk.need_at(ms(20), &why).order();
        });
        all_home([a, b]);
        desk.expect_status(1, 0, &format!("after a connect that {how} and one that did not"));
    }
}
