//! Two threads of a real runtime and one connection, over and over: a part of P23.

use std::future::{Future, ready};
use std::hint::spin_loop;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

use fixtures::exchange::Exchange;
use harness::fail;
use harness::tasks::{Patience, ends_in_real_time, nowhere_else};
use priority_pool::{Priority, PriorityConnection, PriorityPool, Status};
use tokio::runtime::Runtime;

use crate::desk::{Outcome, ms, up_to};
use crate::gate::{Gate, Gated};
use crate::real::PATIENCE;
use crate::words::told;

/// Tells them all.
pub(crate) fn tell(runtime: &Runtime) {
    meet(runtime);
    looks(runtime);
}

/// How often two threads meet, unless the machine is so busy that it takes longer than this.
const DUELS: usize = 20_000;
const DUELS_TAKE: Duration = Duration::from_secs(6);

/// So many requests are made around the moment of a return.
const BARGES: usize = 24;

/// Two threads and one connection: one gives it back while the other asks, or goes away, or asks as
/// the second in the queue; a little earlier or later each time.
fn meet(runtime: &Runtime) {
    let exchange = Exchange::for_tasks();
    let manager = Gated { manager: exchange.async_manager(), gate: Gate::default() };
    let entered = runtime.enter();
    let pool = match PriorityPool::new(manager, up_to(1)) {
        Ok(pool) => pool,
        Err(error) => fail("`PriorityPool::new` to succeed", told(&error)),
    };
    drop(entered);
    let over = AtomicBool::new(false);
    // It is lent out; it comes back; it has been looked for.
    let meets = [Meeting::default(), Meeting::default(), Meeting::default()];
    thread::scope(|scope| {
        scope.spawn(|| {
            harness::guarded(|| {
                let _entered = runtime.enter();
                for round in 0.. {
                    let held = must_have(runtime, pool.get(Priority::Normal));
                    meets[0].comes(round);
                    meets[1].comes(round);
                    dawdle(round * 7);
                    drop(held);
                    meets[2].comes(round);
                    if over.load(Ordering::Acquire) {
                        break;
                    }
                }
            });
        });
        let began = Instant::now();
        let _entered = runtime.enter();
        for round in 0.. {
            meets[0].comes(round);
            if round % 8 == 7 {
                asks_behind_one_who_waits(&pool, runtime, &meets[1], round);
            } else if round % 2 == 0 {
                let mut get = Box::pin(pool.get(Priority::Normal));
                meets[1].comes(round);
                dawdle(round * 11);
                drop(match poll(&mut get) {
                    Poll::Ready(got) => must_have(runtime, ready(got)),
                    Poll::Pending => must_have(runtime, get),
                });
            } else {
                // It has asked before, and leaves at the moment of the return.
                let mut get = Box::pin(pool.get(Priority::Normal));
                let asked = poll(&mut get);
                meets[1].comes(round);
                dawdle(round * 11);
                drop((asked, get));
            }
            let last = round + 1 == DUELS || began.elapsed() > DUELS_TAKE;
            over.store(last, Ordering::Release);
            meets[2].comes(round);
            if last {
                break;
            }
        }
    });
}

/// A request waits already, and others are made in the moment of the return: none of them gets what
/// came back, and the one that waits does.
fn asks_behind_one_who_waits(
    pool: &PriorityPool<Gated>,
    runtime: &Runtime,
    meeting: &Meeting,
    round: usize,
) {
    let mut first = Box::pin(pool.get(Priority::Normal));
    let waits = poll(&mut first).is_pending();
    meeting.comes(round);
    for _ in 0..BARGES {
        let mut barges = Box::pin(pool.get(Priority::Normal));
        if waits && poll(&mut barges).is_ready() {
            fail(
                "the only connection, when it comes back, to go to the request that waits for it \
                 already",
                "a request that another thread made in that moment got it at once",
            );
        }
    }
    drop(must_have(runtime, first));
}

/// One thread takes and returns the only connection while another one looks at `status`.
fn looks(runtime: &Runtime) {
    let exchange = Exchange::for_tasks();
    let manager = Gated { manager: exchange.async_manager(), gate: Gate::default() };
    let entered = runtime.enter();
    let pool = match PriorityPool::new(manager, up_to(1)) {
        Ok(pool) => pool,
        Err(error) => fail("`PriorityPool::new` to succeed", told(&error)),
    };
    drop(entered);
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            harness::guarded(|| {
                let _entered = runtime.enter();
                let began = Instant::now();
                for _ in 0..DUELS / 2 {
                    drop(must_have(runtime, pool.get(Priority::Normal)));
                    if began.elapsed() > DUELS_TAKE {
                        break;
                    }
                }
                over.store(true, Ordering::Release);
            });
        });
        while !over.load(Ordering::Acquire) {
            let Status { size, idle, in_use, .. } = pool.status();
            if size > 1 || idle + in_use > 1 {
                fail(
                    "a `status` that counts the only connection once, while another thread takes \
                     and returns it",
                    format!("size {size}, idle {idle}, in_use {in_use}"),
                );
            }
        }
    });
}

type Got = Outcome<PriorityConnection<Gated>>;

fn poll(get: &mut Pin<Box<impl Future<Output = Got>>>) -> Poll<Got> {
    get.as_mut().poll(&mut Context::from_waker(Waker::noop()))
}

/// A connection that is there, or comes back at this moment.
fn must_have(runtime: &Runtime, get: impl Future<Output = Got>) -> PriorityConnection<Gated> {
    let got = ends_in_real_time(Patience::new(PATIENCE), Box::pin(get), &nowhere_else);
    match runtime.block_on(got) {
        Ok(Ok(held)) => held,
        Ok(Err(error)) => fail("a connection from a pool with one that nobody keeps", told(&error)),
        Err(late) => fail(
            "a connection for a thread that asks in the moment in which another one gives it back",
            format!("{late}, and nobody holds it"),
        ),
    }
}

/// Some nanoseconds, more or fewer.
fn dawdle(dice: usize) {
    for _ in 0..dice % 61 {
        spin_loop();
    }
}

/// Where two threads meet: neither goes on before the other has come.
#[derive(Default)]
struct Meeting(AtomicUsize);

impl Meeting {
    fn comes(&self, round: usize) {
        self.0.fetch_add(1, Ordering::AcqRel);
        let mut looks = 0;
        while self.0.load(Ordering::Acquire) < 2 * (round + 1) {
            looks += 1;
            match looks {
                0..2_000 => spin_loop(),
                // Whoever has not come by now waits for a core, perhaps for this one;
                2_000..4_000 => thread::yield_now(),
                // or for ever.
                _ => thread::sleep(ms(1)),
            }
        }
    }
}
