//! Real threads: P20.

use std::thread;
use std::time::Duration;

use fixtures::exchange::Exchange;
use harness::{Case, fail};

use crate::desk::{Desk, all_home, between, ms};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new("serves_real_threads", "P20", serves_real_threads)
            .title("64 real threads share 8 connections")
            .real()
            .hard()
            .points(0.5)
            // A pool that spins is slow on a machine with two cores and other work; it is not wrong.
            .deadline(Duration::from_secs(20))
            .lesson("real-threads")
            .hints(&[
                "Does everything else pass? Then look at what a simulated thread never does: \
                 spin, or block in a way that the simulation does not know.",
                "A thread that is never served here was forgotten by the others: every return, \
                 every discard and every failed connect must wake somebody.",
            ]),
    ]
}

/// How often each of the threads takes a connection.
const ROUNDS: usize = 100;

fn serves_real_threads() {
    let exchange = Exchange::new();
    let desk = Desk::over(exchange, between(2, 8));
    let traders: Vec<_> = (1..=64)
        .map(|number| {
            desk.trader(&format!("trader {number}"), |desk| {
                for round in 0..ROUNDS {
                    let mut held = desk.need("within 30 s: 64 threads share 8 connections");
                    held.order();
                    if round % 25 == 0 {
                        desk.exchange.kill(held.id());
                    }
                    thread::yield_now();
                }
            })
        })
        .collect();
    all_home(traders);
    desk.expect_peak(8, ", with max_connections 8");
    // Nothing was lost: all eight can be had at once.
    let held: Vec<_> = (0..8).map_while(|_| desk.get_timeout(ms(2_000)).ok()).collect();
    if held.len() < 8 {
        fail(
            "8 connections to be had at once when all 64 threads have gone home",
            format!("{} of them, and then none for 2 s", held.len()),
        );
    }
}
