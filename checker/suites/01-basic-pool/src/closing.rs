//! What closing a connection is to others: nobody waits for it (P16), and when it is done, its place
//! is free (P13). Told as parts of the two cases, for each call that closes something.

use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use basic_pool::{PoolConfig, PoolError};
use harness::{clock, fail};

use crate::desk::{Desk, Held, SLACK, all_home, at_once, between, ms, outcome};

/// P16: in each story thread A closes one connection, from 20 to 120 ms, while others are at work.
pub(crate) fn blocks_nobody() {
    given_back_broken();
    found_broken();
    reaped();
    closed_with_the_pool();
    given_back_late();
    opened_too_late();
}

/// A desk with three connections, all in use, that may be reaped when they were idle for 10 ms.
fn three_in_use() -> (Desk, [Held; 3]) {
    let desk = Desk::open(PoolConfig { idle_timeout: Some(ms(10)), ..between(0, 3) });
    let held = [(); 3].map(|()| desk.need("of three"));
    desk.exchange.close_takes(ms(100));
    (desk, held)
}

fn given_back_broken() {
    let (desk, [broken, _kept, held]) = three_in_use();
    desk.exchange.kill(broken.id());
    let a = desk.trader("thread A", |desk| {
        desk.at(ms(20));
        drop(broken);
    });
    others_work(&desk, held, 1, "thread A gives a broken one back", a);
}

fn found_broken() {
    let (desk, [broken, _kept, held]) = three_in_use();
    let id = broken.id();
    drop(broken);
    desk.exchange.kill(id);
    let a = desk.trader("thread A", |desk| {
        desk.at(ms(20));
        drop(desk.need("after it had closed a broken one"));
    });
    others_work(&desk, held, 1, "thread A's get closes a broken one", a);
}

fn reaped() {
    let (desk, [unused, used, held]) = three_in_use();
    drop(unused);
    let a = desk.trader("thread A", |desk| {
        desk.at(ms(20));
        desk.note("reap()");
        desk.pool.reap();
    });
    desk.at(ms(15));
    drop(used);
    others_work(&desk, held, 2, "thread A's reap() closes another one", a);
}

/// One is given back, the status is asked for, and what is idle then can be had: all at once.
fn others_work(desk: &Desk, held: Held, idle: usize, others: &str, closing: JoinHandle<()>) {
    desk.at(ms(30));
    drop(held);
    at_once(desk, ms(30), "giving a connection back", others);
    ask_for_the_status(desk, others);
    desk.at(ms(50));
    let held: Vec<_> =
        (0..idle).map(|_| desk.need_at(ms(50), &format!("idle while {others}"))).collect();
    all_home([closing]);
    drop(held);
}

fn closed_with_the_pool() {
    let (desk, [idle, _kept, _held]) = three_in_use();
    drop(idle);
    let a = desk.trader("thread A", |desk| {
        desk.at(ms(20));
        desk.close();
    });
    others_hear_closed(&desk, "thread A's close() closes an idle one", a);
}

fn given_back_late() {
    let (desk, [late, _kept, _held]) = three_in_use();
    desk.close();
    let a = desk.trader("thread A", |desk| {
        desk.at(ms(20));
        drop(late);
    });
    others_hear_closed(&desk, "thread A gives one back to a closed pool", a);
}

/// Whether thread A gets what it was opening when the pool was closed is free; it is closed at 20 ms
/// in any case.
fn opened_too_late() {
    let desk = Desk::open(between(0, 1));
    desk.exchange.connect_takes(ms(20)).close_takes(ms(100));
    let a = desk.trader("thread A", |desk| drop(desk.get()));
    desk.at(ms(10));
    desk.close();
    others_hear_closed(&desk, "one is closed that was being opened when the pool was", a);
}

fn others_hear_closed(desk: &Desk, others: &str, closing: JoinHandle<()>) {
    ask_for_the_status(desk, others);
    desk.at(ms(50));
    let result = desk.get();
    at_once(desk, ms(50), "get()", others);
    if !matches!(result, Err(PoolError::Closed)) {
        fail(format!("Closed from get() while {others}"), outcome(&result));
    }
    all_home([closing]);
}

fn ask_for_the_status(desk: &Desk, others: &str) {
    desk.at(ms(40));
    desk.note("status()");
    desk.pool.status();
    at_once(desk, ms(40), "status()", others);
}

/// P13: while `get` closes what it finds broken, from 20 to 24 ms, its place is not free to anybody.
pub(crate) fn frees_the_place_of_one_found_broken() {
    let desk = Desk::open(between(1, 1));
    desk.exchange.kill(1);
    desk.exchange.connect_takes(ms(10)).close_takes(ms(4));
    let traders = [("thread A", ms(20)), ("thread B", ms(22))].map(|(name, asks)| {
        desk.trader(name, move |desk| {
            desk.at(asks);
            desk.need("within 30 s, once the broken one is closed").order();
        })
    });
    all_home(traders);
    desk.expect_peak(
        1,
        ", with max_connections 1: get gave the place of a broken connection away before it was \
         closed",
    );
}

/// P13: `reap` closes two from 50 ms on, for 20 ms each: one after the other, or both at once.
pub(crate) fn frees_each_place_that_is_reaped() {
    let desk = Desk::open(PoolConfig { idle_timeout: Some(ms(10)), ..between(0, 2) });
    drop([desk.need("from an empty pool"), desk.need("while one of two is in use")]);
    desk.exchange.close_takes(ms(20));
    let served = Arc::new(Mutex::new(Vec::new()));
    let waiting = [("thread B", ms(60)), ("thread C", ms(62))].map(|(name, asks)| {
        let served = Arc::clone(&served);
        desk.trader(name, move |desk| {
            desk.at(asks);
            let held = desk.need("when reap() had closed one of two idle ones");
            served.lock().expect("nobody panics under it").push(desk.now());
            desk.at(ms(100));
            drop(held);
        })
    });
    desk.at(ms(50));
    desk.note("reap()");
    desk.pool.reap();
    all_home(waiting);
    // Which of the two is served first is free.
    let served = served.lock().expect("nobody panics under it");
    for (&served, closed) in served.iter().zip([ms(70), ms(90)]) {
        if served > closed + SLACK {
            fail(
                format!(
                    "a connection for one of two threads that wait at {}, when reap() had closed \
                     one more of two idle ones",
                    clock(closed)
                ),
                format!("none before {}", clock(served)),
            );
        }
    }
    desk.expect_peak(
        2,
        ", with max_connections 2: the place of a reaped connection was given away before it was \
         closed",
    );
}
