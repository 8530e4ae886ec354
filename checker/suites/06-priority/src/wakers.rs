//! Who is woken, and what is held meanwhile: P20.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::task::{Context, Wake, Waker};
use std::thread;
use std::time::Duration;

use harness::fail;
use harness::tasks::{all_home, home};
use priority_pool::{Priority, PriorityConfig, PriorityPool};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::crowd::HANDFUL;
use crate::desk::{BEGIN, Desk, Outcome, SLACK, ms, order, up_to};
use crate::gate::Gated;
use crate::held::Held;
use crate::words::{outcome, priority, who};

pub(crate) fn tell() {
    for code in ["C1", "N1"] {
        order(async || others_come_and_go(code).await);
    }
    for wakes in [
        Wakes::Return,
        Wakes::BrokenReturn,
        Wakes::Drop,
        Wakes::Refusal,
        Wakes::TimeOut,
        Wakes::Close,
    ] {
        for codes in [["C1", "C2"], ["N1", "N2"]] {
            order(async || with_no_lock_held(wakes, codes).await);
        }
    }
}

/// A hundred ask behind the first, and give up one by one. What is that to him?
async fn others_come_and_go(code: &'static str) {
    const OTHERS: u32 = 100;
    let desk = Desk::open(up_to(1)).await;
    let held = desk.need_all(1, "from a new pool").await;
    let first: JoinHandle<usize> = desk.trader(&who(code), async move |desk| {
        let polls = AtomicUsize::new(0);
        let mut get = pin!(desk.pool.get(priority(code)));
        let counted = poll_fn(|context| {
            polls.fetch_add(1, Ordering::Relaxed);
            get.as_mut().poll(context)
        });
        drop(counted.await);
        polls.into_inner()
    });
    let others: Vec<_> = (1..=OTHERS)
        .map(|number| {
            desk.trader("task A", async move |desk| {
                desk.at(BEGIN + ms(1) * number).await;
                drop(timeout(ms(200), desk.pool.get(priority(code))).await);
            })
        })
        .collect();
    all_home(others).await;
    drop(held);
    let polls = home(first).await;
    if polls > HANDFUL {
        fail(
            format!(
                "the `get` of {} to be polled {HANDFUL} times at most, while {OTHERS} ask behind it \
                 and give up",
                who(code)
            ),
            format!("it was polled {polls} times"),
        );
    }
}

/// What makes the pool wake one that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wakes {
    Return,
    BrokenReturn,
    /// One that had its turn is dropped.
    Drop,
    Refusal,
    TimeOut,
    Close,
}

impl Wakes {
    fn told(self) -> &'static str {
        match self {
            Self::Return => "a connection comes back",
            Self::BrokenReturn => "a connection comes back broken",
            Self::Drop => "a `get` is dropped that had its turn",
            Self::Refusal => "a connect is refused",
            Self::TimeOut => "a `get` times out that was connecting",
            Self::Close => "the pool is closed",
        }
    }
}

/// A waker that lets somebody look at the pool, from another thread. If he has to wait until the pool
/// goes on, then so would a task that runs at once.
struct Looks {
    pool: PriorityPool<Gated>,
    when: String,
    /// How long a look may take that waits for nobody, on a machine that is busy.
    patience: Duration,
}

impl Wake for Looks {
    fn wake(self: Arc<Self>) {
        let (tell, told) = mpsc::channel();
        let looks = Arc::clone(&self);
        thread::spawn(move || {
            looks.pool.status();
            let _ = tell.send(());
        });
        if let Err(mpsc::RecvTimeoutError::Timeout) = told.recv_timeout(self.patience) {
            fail(
                format!(
                    "no lock to be held while the pool wakes one that waits, when {}: `status` is \
                     called in his waker, from another thread",
                    self.when
                ),
                "`status` waited until the waker was left",
            );
        }
    }
}

type Get = Pin<Box<dyn Future<Output = Outcome<Held>> + Send>>;

/// Two wait; they are polled with such wakers.
async fn with_no_lock_held(wakes: Wakes, codes: [&'static str; 2]) {
    let limit = if wakes == Wakes::TimeOut { ms(40) } else { ms(60_000) };
    let config = PriorityConfig { connection_timeout: limit, ..up_to(1) };
    let desk = Desk::open(config).await;
    let when = wakes.told().to_owned();
    let looks = Looks { pool: desk.pool.clone(), when, patience: ms(1_500) };
    let looking = Waker::from(Arc::new(looks));
    let mut context = Context::from_waker(&looking);
    let mut held = None;
    let mut opens = None;
    if matches!(wakes, Wakes::Refusal | Wakes::TimeOut) {
        desk.exchange.connect_takes(ms(50)).refuse_next(usize::from(wakes == Wakes::Refusal));
        opens =
            Some(desk.trader("normal 9", async |desk| desk.get(Priority::Normal).await.is_ok()));
        desk.at(BEGIN + ms(10)).await;
    } else {
        held = Some(desk.need(Priority::Normal, "from a new pool").await);
    }
    let mut gets: Vec<Get> = Vec::new();
    for code in codes {
        let desk = desk.clone();
        let mut get: Get = Box::pin(async move { desk.get(priority(code)).await });
        if get.as_mut().poll(&mut context).is_ready() {
            fail(format!("{} to wait for the only connection", who(code)), "an answer at once");
        }
        gets.push(get);
    }
    match (wakes, held) {
        (Wakes::BrokenReturn, Some(held)) => {
            desk.exchange.kill(held.id());
            drop(held);
        }
        (Wakes::Close, held) => {
            desk.pool.close();
            drop(held);
        }
        (_, held) => drop(held),
    }
    desk.at(desk.now() + SLACK).await;
    if wakes == Wakes::Drop {
        drop(gets.remove(0));
        desk.at(desk.now() + SLACK).await;
    }
    if let Some(opens) = opens {
        home(opens).await;
    }
    if wakes == Wakes::TimeOut {
        // Their own time is over as well a little later.
        return;
    }
    let mut first = gets.remove(0);
    let result = poll_fn(|context| first.as_mut().poll(context)).await;
    if result.is_ok() == (wakes == Wakes::Close) {
        let expected = if wakes == Wakes::Close { "Closed" } else { "a connection" };
        fail(format!("{expected} for one that waits, when {}", wakes.told()), outcome(&result));
    }
}
