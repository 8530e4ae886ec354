//! The clock in real time, and a pool on several threads: P20.

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use fixtures::AsyncManageConnection;
use fixtures::exchange::{AsyncLine, AsyncManager, Exchange, ExchangeError};
use harness::tasks::{Patience, ends_in_real_time, nowhere_else};
use harness::{Case, clock, connections, fail};
use pool_benchmark::{Queries, Report, Strategy, run};
use tokio::runtime::{Builder, Runtime};
use tokio::task::yield_now;

use crate::desk::{SQL, ms, pool, said};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new("one_clock_for_all", "P20", one_clock_for_all)
            .title("in real time: the clock starts before the first begins")
            .real()
            .hard()
            .points(0.5)
            .lesson("one-moment-of-release")
            .hints(&[
                "On a real runtime, the tasks do not all run at once: some begin when others are done. \
                 Which clock does such a late one read, its own or that of all?",
                "Read the clock once, before anybody may begin, and give that moment to all.",
            ]),
    ]
}

/// For what takes a moment if it comes to an end at all.
const PATIENCE: Duration = ms(3_000);

/// So many requests, one after the other on a runtime's only thread.
const IN_TURN: u32 = 30;

/// How long each of them keeps the thread.
const EACH: Duration = ms(1);

const CROWD: usize = 1_000;
const MAX: u32 = 8;

fn one_clock_for_all() {
    for strategy in [Strategy::PerRequest, pool(4, 4)] {
        in_turn(strategy);
    }
    for strategy in [Strategy::PerRequest, pool(2, MAX)] {
        on_four_threads(strategy);
    }
}

/// A database whose queries keep their thread, or give way to others.
#[derive(Clone)]
struct Real {
    manager: AsyncManager,
    keeps_its_thread: bool,
    /// Connections on which a query is under way, and one that had two.
    in_use: Arc<Mutex<(BTreeSet<u32>, Option<u32>)>>,
}

impl Real {
    fn new(exchange: &Exchange, keeps_its_thread: bool) -> Self {
        Self { manager: exchange.async_manager(), keeps_its_thread, in_use: Arc::default() }
    }

    fn shared(&self) -> Option<u32> {
        self.in_use.lock().unwrap_or_else(PoisonError::into_inner).1
    }
}

impl AsyncManageConnection for Real {
    type Connection = AsyncLine;
    type Error = ExchangeError;

    fn connect(&self) -> impl Future<Output = Result<AsyncLine, ExchangeError>> + Send {
        self.manager.connect()
    }

    async fn is_valid(&self, line: &mut AsyncLine) -> Result<(), ExchangeError> {
        self.manager.is_valid(line).await
    }

    fn has_broken(&self, line: &mut AsyncLine) -> bool {
        self.manager.has_broken(line)
    }
}

impl Queries for Real {
    async fn query(&self, line: &mut AsyncLine, _: &str) -> Result<(), ExchangeError> {
        if self.keeps_its_thread {
            thread::sleep(EACH);
            return Ok(());
        }
        let id = line.id();
        {
            let mut in_use = self.in_use.lock().unwrap_or_else(PoisonError::into_inner);
            if !in_use.0.insert(id) {
                in_use.1 = Some(id);
            }
        }
        yield_now().await;
        self.in_use.lock().unwrap_or_else(PoisonError::into_inner).0.remove(&id);
        Ok(())
    }
}

fn measured(runtime: &Runtime, real: Real, strategy: Strategy, parallel: usize) -> Report {
    runtime.block_on(async {
        let work = Box::pin(run(real, strategy, parallel, SQL));
        match ends_in_real_time(Patience::new(PATIENCE), work, &nowhere_else).await {
            Ok(report) => report,
            Err(late) => fail(
                format!("`run` with {} and {parallel} requests to end", said(strategy)),
                late.to_string(),
            ),
        }
    })
}

/// One thread, and each query keeps it for a while: the last one to be answered has waited for all.
/// These are lower bounds, which hold however slow the machine is.
fn in_turn(strategy: Strategy) {
    let runtime = Builder::new_current_thread().enable_time().build().expect("a runtime");
    let exchange = runtime.block_on(async { Exchange::for_tasks() });
    let Report { makespan, latency, ok, .. } =
        measured(&runtime, Real::new(&exchange, true), strategy, IN_TURN as usize);
    let why = format!(
        "with {}, when {IN_TURN} requests keep the only thread for {} each, one after the other",
        said(strategy),
        clock(EACH)
    );
    if ok != u64::from(IN_TURN) {
        fail(format!("`ok` {IN_TURN}, {why}"), ok.to_string());
    }
    let least = [
        ("makespan", makespan, EACH * IN_TURN),
        ("latency.max", latency.max, EACH * IN_TURN),
        ("latency.mean", latency.mean, EACH * (IN_TURN + 1) / 2),
        ("latency.p50", latency.p50, EACH * (IN_TURN / 2)),
    ];
    for (name, got, least) in least {
        if got < least {
            fail(
                format!("`{name}` {} at least, {why}", clock(least)),
                format!("{}: some time before it does not count", clock(got)),
            );
        }
    }
}

/// Nothing is lent twice, and `max` holds, when requests run at the same time for real.
fn on_four_threads(strategy: Strategy) {
    let runtime =
        Builder::new_multi_thread().worker_threads(4).enable_time().build().expect("a runtime");
    let exchange = runtime.block_on(async { Exchange::for_tasks() });
    let real = Real::new(&exchange, false);
    let report = measured(&runtime, real.clone(), strategy, CROWD);
    let why = format!("with {} and {CROWD} requests on four threads", said(strategy));
    if (report.ok, report.failed) != (CROWD as u64, 0) {
        fail(
            format!("`ok` {CROWD} and `failed` 0, {why}"),
            format!("{} and {}", report.ok, report.failed),
        );
    }
    if let Some(conn) = real.shared() {
        fail(
            format!("each connection to be lent to one request at a time, {why}"),
            format!("connection {conn} was sent a query while another one was under way on it"),
        );
    }
    let opened = exchange.opened();
    if report.opened != opened as u64 {
        fail(format!("`opened` {opened}, {why}"), report.opened.to_string());
    }
    if report.latency.max > report.makespan {
        fail(
            format!("no latency above the makespan of {}, {why}", clock(report.makespan)),
            clock(report.latency.max),
        );
    }
    let peak = exchange.peak_sessions();
    if let Strategy::Pool { max, .. } = strategy
        && peak > max as usize
    {
        fail(
            format!("at most {} at any moment, {why}", connections(max as usize)),
            peak.to_string(),
        );
    }
}
