//! The age of connections: P18.

use std::time::Duration;

use basic_pool::PoolConfig;
use harness::{Case, fail};

use crate::desk::{Desk, all_home, between, ms};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new("retires_the_old_and_idle", "P18", retires_the_old_and_idle)
            .title("old and idle connections are retired")
            .hard()
            .points(0.5)
            .lesson("lifetimes")
            .hints(&[
                "A connection has two ages: since it was opened, and since it was last used. Which \
                 time-out is about which?",
                "Remember with every connection when it was opened, and with every idle one since \
                 when it has been idle. `get` looks at the first, `reap` at both.",
                "min_connections holds the idle time-out back, not the lifetime: what is too old \
                 will not be handed out anyway. It counts all that remain, in use or idle.",
            ]),
    ]
}

const SECOND: Duration = Duration::from_secs(1);

fn retires_the_old_and_idle() {
    old_ones_are_not_handed_out();
    one_of_two_is_too_old();
    old_ones_are_reaped();
    unused_ones_are_reaped();
    what_is_in_use_remains();
    reap_counts_what_it_closed();
    two_may_reap_at_once();
    without_a_limit_nothing_is_too_old();
}

/// Whether they were ever used or not.
fn old_ones_are_not_handed_out() {
    let lifetime = PoolConfig { max_lifetime: Some(60 * SECOND), ..between(1, 2) };
    let desk = Desk::open(lifetime.clone());
    desk.at(61 * SECOND);
    expect_new(&desk, "never used");
    let desk = Desk::open(lifetime);
    desk.at(59 * SECOND);
    let young = desk.need("at 59 s, with a max_lifetime of 60 s");
    if young.id() != 1 {
        fail(
            "conn 1 at 59 s: it may grow 60 s old, and it is idle",
            format!("conn {}, opened for nothing", young.id()),
        );
    }
    drop(young);
    desk.at(61 * SECOND);
    expect_new(&desk, "last used at 59 s");

    // A thread that has waited for it does not get it either.
    let desk = Desk::open(PoolConfig { max_lifetime: Some(ms(40)), ..between(1, 1) });
    let held = desk.need("from a pool with one idle connection");
    let waiter = desk.trader("thread A", |desk| {
        desk.at(ms(20));
        if desk.need("when one that is too old came back at 50 ms").id() == 1 {
            fail(
                "a new connection for thread A at 50 ms, with a max_lifetime of 40 ms",
                "conn 1, opened at 0 ms and given back at 50 ms",
            );
        }
    });
    desk.at(ms(50));
    drop(held);
    all_home([waiter]);
}

/// Conn 1 is 61 s old, conn 2 only 21 s, and either may have been used last: each is judged by
/// itself, by `get` as by `reap`.
fn one_of_two_is_too_old() {
    for old_is_last in [false, true] {
        let desk = old_and_young(old_is_last);
        let held = desk.need("while two are idle, one of them too old");
        if held.id() != 2 {
            fail(
                "conn 2 at 61 s, with a max_lifetime of 60 s: it is idle, and was opened at 40 s",
                format!("conn {}", held.id()),
            );
        }
        drop(held);
    }
    for old_is_last in [false, true] {
        let desk = old_and_young(old_is_last);
        expect_reaped(&desk, 1, "one of two is 61 s old, the other 21 s (max_lifetime 60 s)");
        expect_left(&desk, 2, "opened at 40 s, with a max_lifetime of 60 s");
    }
    let desk = Desk::open(PoolConfig { max_lifetime: Some(60 * SECOND), ..between(2, 2) });
    desk.at(61 * SECOND);
    let held = desk.need("while two are idle, both too old");
    if held.id() <= 2 {
        fail(
            "a new connection at 61 s, when both idle ones are too old (max_lifetime 60 s)",
            format!("conn {}, opened at 0 s", held.id()),
        );
    }
}

/// At 61 s, with a lifetime of 60 s.
fn old_and_young(old_is_last: bool) -> Desk {
    let desk = Desk::open(PoolConfig { max_lifetime: Some(60 * SECOND), ..between(0, 2) });
    let old = desk.need("from an empty pool");
    desk.at(40 * SECOND);
    let young = desk.need("while one of two is in use");
    drop(if old_is_last { [young, old] } else { [old, young] });
    desk.at(61 * SECOND);
    desk
}

/// Below `min_connections` as well.
fn old_ones_are_reaped() {
    let lifetime = PoolConfig { max_lifetime: Some(60 * SECOND), ..between(1, 2) };
    let desk = Desk::open(PoolConfig { min_connections: 2, ..lifetime });
    desk.at(59 * SECOND);
    expect_reaped(&desk, 0, "both idle connections are 59 s old, with a max_lifetime of 60 s");
    desk.at(61 * SECOND);
    expect_reaped(&desk, 2, "both idle connections are 61 s old, with a max_lifetime of 60 s");
    desk.expect_sessions(0, "after all idle connections grew too old: `reap` opens none");
}

/// But `min_connections` stay, and so does what was used lately.
fn unused_ones_are_reaped() {
    let desk = Desk::open(PoolConfig { idle_timeout: Some(10 * SECOND), ..between(1, 4) });
    let mut held: Vec<_> = (0..4).map(|_| desk.need("of four")).collect();
    desk.at(20 * SECOND);
    expect_reaped(&desk, 0, "all four connections are in use: none is idle");
    drop(held.split_off(1));
    desk.at(29 * SECOND);
    expect_reaped(&desk, 0, "three came back 9 s ago, with an idle_timeout of 10 s");
    desk.at(31 * SECOND);
    drop(held);
    expect_reaped(&desk, 3, "three came back 11 s ago, the fourth just now (idle_timeout 10 s)");
    desk.expect_status(1, 0, "after the reaping: one was used just now");
    desk.at(100 * SECOND);
    expect_reaped(&desk, 0, "only one connection is left, and min_connections is 1");
    desk.expect_status(1, 0, "after the last reaping");

    // What leaves for its age does not count as staying: the other one is min_connections now.
    let desk = Desk::open(PoolConfig {
        idle_timeout: Some(10 * SECOND),
        max_lifetime: Some(60 * SECOND),
        ..between(1, 2)
    });
    desk.at(30 * SECOND);
    drop([desk.need("while one is idle"), desk.need("while one of two is in use")]);
    desk.at(61 * SECOND);
    expect_reaped(&desk, 1, "one of two is too old, the other, idle for 31 s, is min_connections");

    // It is the unused one that goes, whichever it is.
    for unused in [1, 2] {
        let desk = Desk::open(PoolConfig { idle_timeout: Some(10 * SECOND), ..between(0, 2) });
        let mut held = vec![desk.need("of two"), desk.need("of two")];
        held.retain(|held| held.id() != unused);
        desk.at(11 * SECOND);
        drop(held);
        desk.at(12 * SECOND);
        expect_reaped(&desk, 1, "one came back 12 s ago, the other 1 s ago (idle_timeout 10 s)");
        expect_left(&desk, 3 - unused, "last used at 11 s, with an idle_timeout of 10 s");
    }
}

/// `min_connections` counts all that remain, in use or idle.
fn what_is_in_use_remains() {
    for (min, closes) in [(1, 1), (2, 0)] {
        let desk = Desk::open(PoolConfig { idle_timeout: Some(10 * SECOND), ..between(min, 2) });
        let held = desk.need("of two");
        drop(desk.need("of two"));
        desk.at(11 * SECOND);
        let why = format!(
            "one is idle for 11 s (idle_timeout 10 s), one is in use, and min_connections is {min}"
        );
        expect_reaped(&desk, closes, &why);
        drop(held);
    }
}

/// And not what others took or gave back while it did.
fn reap_counts_what_it_closed() {
    for gives_back in [true, false] {
        let desk = Desk::open(PoolConfig { idle_timeout: Some(10 * SECOND), ..between(0, 2) });
        let held = desk.need("of two");
        drop(desk.need("of two"));
        desk.at(11 * SECOND);
        let mut held = Some(held).filter(|_| gives_back);
        desk.exchange.close_takes(ms(50));
        let reaper = desk.trader("thread A", |desk| {
            desk.note("reap()");
            let said = desk.pool.reap();
            if said != 1 {
                fail(
                    "reap() at 11 s to return 1: it closed one, whatever else came or went meanwhile",
                    format!("it returned {said}"),
                );
            }
        });
        desk.at(11 * SECOND + ms(20));
        match held.take() {
            Some(held) => drop(held),
            None => held = Some(desk.need("that was given back just before")),
        }
        all_home([reaper]);
        drop(held);
    }
}

/// Closing takes time; together they leave `min_connections`.
fn two_may_reap_at_once() {
    let desk = Desk::open(PoolConfig { idle_timeout: Some(10 * SECOND), ..between(1, 4) });
    drop((0..4).map(|_| desk.need("of four")).collect::<Vec<_>>());
    desk.exchange.close_takes(ms(3));
    desk.at(11 * SECOND);
    let other = desk.trader("thread A", |desk| {
        desk.pool.reap();
    });
    desk.pool.reap();
    all_home([other]);
    desk.expect_sessions(1, "after two threads called reap() at once, with min_connections 1");
}

/// `None` is no limit, and the longest `Duration` is never over.
fn without_a_limit_nothing_is_too_old() {
    for (limit, name) in [(None, "None"), (Some(Duration::MAX), "Some(Duration::MAX)")] {
        let limits = PoolConfig { max_lifetime: limit, idle_timeout: limit, ..between(0, 1) };
        let desk = Desk::open(limits);
        drop(desk.need("from an empty pool"));
        desk.at(24 * 60 * 60 * SECOND);
        let why = format!("max_lifetime and idle_timeout are {name}, and one day is not too long");
        expect_reaped(&desk, 0, &why);
        expect_left(&desk, 1, &format!("one day old, with a max_lifetime of {name}"));
    }
}

/// Fails unless the idle connection is this one.
fn expect_left(desk: &Desk, id: u32, which: &str) {
    let held = desk.need("that is idle");
    if held.id() != id {
        fail(format!("conn {id} to be left: {which}"), format!("conn {}", held.id()));
    }
}

fn expect_new(desk: &Desk, used: &str) {
    let held = desk.need("in the place of one that is too old");
    if held.id() == 1 {
        fail(
            "a new connection at 61 s, with a max_lifetime of 60 s",
            format!("conn 1, opened at 0 s, {used}"),
        );
    }
    drop(held);
    desk.expect_sessions(1, "after the one that was too old has been replaced");
}

fn expect_reaped(desk: &Desk, expected: usize, because: &str) {
    let now = desk.now().as_secs();
    let before = (desk.exchange.sessions(), desk.exchange.opened());
    let said = desk.pool.reap();
    desk.note(&format!("reap() = {said}"));
    let closed = before.0.saturating_sub(desk.exchange.sessions());
    let opened = desk.exchange.opened() - before.1;
    let call = format!("reap() at {now} s");
    if closed != expected {
        let got = if said > closed {
            format!("it returned {said}, and had closed {} by then", count(closed))
        } else {
            format!("it closed {}", count(closed))
        };
        fail(format!("{call} to close {}: {because}", count(expected)), got);
    }
    if said != expected {
        fail(
            format!("{call} to return {expected}: that many it closed"),
            format!("it returned {said}"),
        );
    }
    if opened > 0 {
        fail(format!("{call} to open none"), format!("it opened {opened}"));
    }
}

fn count(connections: usize) -> String {
    if connections == 0 { "none".to_owned() } else { connections.to_string() }
}
