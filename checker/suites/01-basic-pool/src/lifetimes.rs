//! The age of connections and the end of a pool: P18 and P19.

use std::time::Duration;

use basic_pool::{PoolConfig, PoolError};
use harness::{Case, clock, fail};

use crate::desk::{Desk, SLACK, all_home, between, ms, outcome};

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
                 will not be handed out anyway.",
            ]),
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

const SECOND: Duration = Duration::from_secs(1);

fn retires_the_old_and_idle() {
    // Too old: not handed out, whether it was ever used or not.
    let lifetime = PoolConfig { max_lifetime: Some(60 * SECOND), ..between(1, 2) };
    let desk = Desk::open(lifetime.clone());
    desk.at(61 * SECOND);
    expect_new(&desk, "never used");
    let desk = Desk::open(lifetime.clone());
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

    // Too old: reaped, below min_connections as well.
    let desk = Desk::open(PoolConfig { min_connections: 2, ..lifetime });
    desk.at(59 * SECOND);
    expect_reaped(&desk, 0, "both idle connections are 59 s old, with a max_lifetime of 60 s");
    desk.at(61 * SECOND);
    expect_reaped(&desk, 2, "both idle connections are 61 s old, with a max_lifetime of 60 s");
    desk.expect_sessions(0, "after all idle connections grew too old: `reap` opens none");

    // Idle for too long: reaped, but min_connections stay, and so does what was used lately.
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

    // Two reap at the same moment, and closing takes time: together they leave min_connections.
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
        fail(
            format!("{call} to close {}: {because}", count(expected)),
            format!("it closed {}", count(closed)),
        );
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

fn the_end_of_a_pool() {
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

    // Idle ones are closed by `close` itself.
    let desk = Desk::open(between(2, 2));
    desk.close();
    desk.expect_sessions(0, "after a pool whose connections were all idle has been closed");

    // Nobody closes this pool: its last handle is dropped while a guard is out.
    let Desk { exchange, pool } = Desk::open(between(2, 2));
    let desk = Desk { exchange: exchange.clone(), pool };
    let held = [desk.need("while two are idle"), desk.need("while one is idle")];
    desk.note("the last Pool is dropped");
    drop(desk);
    for (left, mut held) in [1, 0].into_iter().zip(held) {
        held.order();
        drop(held);
        let open = exchange.sessions();
        if open != left {
            fail(
                format!("{left} left open: the last `Pool` is dropped, and then guard by guard"),
                format!("{open} still open"),
            );
        }
    }
}
