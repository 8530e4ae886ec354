//! The end of a pool: P19.

use std::thread;

use basic_pool::PoolError;
use fixtures::exchange::Exchange;
use harness::{Case, clock, fail, open_connections};

use crate::desk::{Desk, SLACK, all_home, between, ms, outcome};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new("the_end_of_a_pool", "P19", the_end_of_a_pool)
            .title("a pool that is closed or dropped lets everybody finish")
            .hard()
            .concurrent()
            .points(0.5)
            .lesson("the-end-of-a-pool")
            .hints(&[
                "After `close`, who still sleeps, and what lies in the idle list?",
                "A flag under the same lock: `get` looks at it first, also after every wake-up; \
                 `close` sets it, wakes everybody and closes what is idle; a guard that comes back \
                 sees it.",
                "A guard keeps alive what it needs for its way back (an `Arc`), so it can outlive \
                 the last `Pool`.",
            ]),
    ]
}

fn the_end_of_a_pool() {
    ends_all_waiting();
    closes_what_is_idle();
    closes_what_comes_back_in_that_moment();
    closes_what_is_being_opened();
    ends_with_the_last_pool();
}

fn ends_all_waiting() {
    let desk = Desk::open(between(3, 3));
    let mut held = desk.need("while three are idle");
    let others = [desk.need("while two are idle"), desk.need("while one is idle")];
    let waiting = ["thread A", "thread B"].map(|name| {
        desk.trader(name, |desk| {
            let result = desk.get();
            let now = desk.now();
            if !matches!(result, Err(PoolError::Closed)) || now > ms(50) + SLACK {
                fail(
                    "Closed at 50 ms, when the pool was closed, for a thread that waits",
                    format!("{} at {}", outcome(&result), clock(now)),
                );
            }
        })
    });
    desk.at(ms(50));
    desk.close();
    all_home(waiting);
    desk.expect_waiting(0, "when close() has sent everybody away");
    let late = desk.get_timeout(ms(10));
    if !matches!(late, Err(PoolError::Closed)) {
        fail("Closed from a pool that has been closed", outcome(&late));
    }
    held.order();
    drop(others);
    desk.expect_sessions(1, "when all but one have come back to a closed pool");
    desk.close();
    drop(held);
    desk.expect_sessions(0, "when all have come back to a closed pool");
    desk.expect_status(0, 0, "when all have come back to a closed pool");
}

/// By `close` itself: when it returns, they are closed.
fn closes_what_is_idle() {
    let desk = Desk::open(between(2, 2));
    desk.exchange.close_takes(ms(3));
    desk.close();
    desk.expect_sessions(0, "after a pool whose connections were all idle has been closed");
    desk.expect_status(0, 0, "after a pool whose connections were all idle has been closed");
}

/// Two connections come back in the moment in which the pool is closed, twice, or in which its last
/// handle is dropped. Whoever is quicker: none stays open.
fn closes_what_comes_back_in_that_moment() {
    for closed in [true, false] {
        let desk = Desk::open(between(2, 2));
        let held = [desk.need("while two are idle"), desk.need("while one is idle")];
        let exchange = desk.exchange.clone();
        let names = ["thread A", "thread B"].into_iter();
        let guards = names.zip(held).map(|(name, held)| {
            let exchange = exchange.clone();
            let give_back = move || {
                exchange.sleep_until(ms(50));
                drop(held);
            };
            thread::Builder::new()
                .name(name.to_owned())
                .spawn(|| harness::guarded(give_back))
                .expect("a thread can be started")
        });
        let guards: Vec<_> = guards.collect();
        if closed {
            let other = desk.trader("thread C", |desk| {
                desk.at(ms(50));
                desk.close();
            });
            desk.at(ms(50));
            desk.close();
            all_home(guards.into_iter().chain([other]));
            desk.expect_sessions(
                0,
                "when two came back in the moment in which two threads closed the pool",
            );
        } else {
            desk.at(ms(50));
            desk.note("the last Pool is dropped");
            drop(desk);
            all_home(guards);
            expect_open(
                &exchange,
                0,
                "when two guards and the last `Pool` were dropped in the same moment",
            );
        }
    }
}

/// A connection that is being opened when the pool is closed may still go to the thread that opens
/// it, or not. It does not stay open.
fn closes_what_is_being_opened() {
    let desk = Desk::open(between(0, 1));
    desk.exchange.connect_takes(ms(40));
    let a = desk.trader("thread A", |desk| match desk.get() {
        Ok(mut held) => held.order(),
        Err(PoolError::Closed) => {}
        result => fail(
            "a connection or Closed for thread A, which was opening one when the pool was closed",
            outcome(&result),
        ),
    });
    desk.at(ms(20));
    desk.close();
    all_home([a]);
    desk.at(ms(100));
    desk.expect_sessions(0, "after the pool was closed while thread A opened a connection");
}

/// Nobody closes this pool: its last handle is dropped while two guards are out.
fn ends_with_the_last_pool() {
    let desk = Desk::open(between(3, 3));
    let held = [desk.need("while three are idle"), desk.need("while two are idle")];
    let Desk { exchange, pool } = desk;
    drop(pool.clone());
    expect_open(&exchange, 3, "while one of two handles of the pool is left");
    exchange.write(ledger::What::Note { text: "the last Pool is dropped".to_owned() });
    drop(pool);
    expect_open(&exchange, 2, "after the last `Pool` was dropped, while two guards are out");
    let [mut first, mut second] = held;
    first.order();
    drop(first);
    expect_open(&exchange, 1, "after the last `Pool` and then one of two guards were dropped");
    second.order();
    drop(second);
    expect_open(&exchange, 0, "after the last `Pool` and then both guards were dropped");
}

fn expect_open(exchange: &Exchange, expected: usize, when: &str) {
    let open = exchange.sessions();
    if open != expected {
        fail(format!("{} {when}", open_connections(expected)), open_connections(open));
    }
}
