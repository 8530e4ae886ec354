//! Every order in which a return, a question, a dropped `get`, a resize, a connect and the end can come:
//! P19.

use std::time::Duration;

use adaptive_pool::{AdaptiveConfig, PoolError, Status};
use harness::tasks::{home, tasks};
use harness::{Case, clock, fail};
use tokio::task::JoinHandle;

use crate::closing;
use crate::desk::{Desk, Outcome, SLACK, between, ms, order};
use crate::dropped;
use crate::held::Held;
use crate::words::outcome;

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new("any_order_is_fine", "P19", any_order_is_fine)
            .title("returns, gets, resizes and the end, in every order")
            .paused()
            .hard()
            .points(0.5)
            .deadline(Duration::from_secs(20))
            .lesson("every-order")
            .hints(&[
                "The message names the order that failed. Play it through on paper: how many places \
                 are there at each moment, and who has them?",
                "What ends after `close`, a connect or a loan, comes to a pool that is closed, and a \
                 closed pool keeps nothing.",
                "A place that is made or taken away, and the connection that goes with it, belong \
                 under one lock, or into a value whose `Drop` knows the way home.",
            ]),
    ]
}

/// What happens at a moment that the case chooses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// A sample is taken, and the pool is resized.
    Resize,
    /// What was begun to be opened by that is open, or refused.
    ConnectEnds,
    /// One that was lent out from the beginning comes back.
    Return,
    /// Two ask, and wait if they must.
    Ask,
    /// One who waits gives up.
    GiveUp,
    Close,
}

use Step::{Ask, Close, ConnectEnds, GiveUp, Resize, Return};

/// Where the story begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Begin {
    /// All of `MIN` are lent out, and two wait: the sample makes it grow.
    Short,
    /// `MAX` places, and one connection of them is lent out: the sample makes it shrink.
    Idle,
}

/// A story: its steps in one order, and how they go.
#[derive(Clone, Debug)]
struct Plot {
    begin: Begin,
    steps: Vec<Step>,
    connects: bool,
    returns_good: bool,
}

const MIN: u32 = 2;
const MAX: u32 = 5;

/// The moment of a step, from the story's beginning. No two of them are as far apart as any other two.
fn moment(place: usize) -> Duration {
    let place = u64::try_from(place).expect("a few steps") + 1;
    ms(1_000 * place + 20 * place * place)
}

fn any_order_is_fine() {
    let bools = [true, false];
    for (connects, returns_good) in bools.map(|a| bools.map(|b| (a, b))).concat() {
        for steps in orders(&[Resize, ConnectEnds, Return, Ask, GiveUp, Close]) {
            let plot = Plot { begin: Begin::Short, steps, connects, returns_good };
            order(async || plot.play().await);
        }
    }
    for returns_good in bools {
        for steps in orders(&[Resize, Return, Ask, Close]) {
            let plot = Plot { begin: Begin::Idle, steps, connects: true, returns_good };
            order(async || plot.play().await);
        }
    }
    dropped::at_each_poll_of_a_get();
    closing::nothing_is_opened();
}

/// All orders of the steps, with and without the last, in which a connect ends after it began.
fn orders(all: &[Step]) -> Vec<Vec<Step>> {
    let mut found = Vec::new();
    for steps in [all, &all[..all.len() - 1]] {
        extend(&mut Vec::new(), steps, &mut found);
    }
    found
}

fn extend(begun: &mut Vec<Step>, steps: &[Step], found: &mut Vec<Vec<Step>>) {
    if begun.len() == steps.len() {
        found.push(begun.clone());
    }
    for &step in steps {
        let ready = step != ConnectEnds || begun.contains(&Resize);
        if ready && !begun.contains(&step) {
            begun.push(step);
            extend(begun, steps, found);
            begun.pop();
        }
    }
}

impl Plot {
    fn at(&self, step: Step) -> Option<Duration> {
        self.steps.iter().position(|other| *other == step).map(moment)
    }

    /// A desk whose next sample is taken at the moment of the resize.
    async fn desk(&self) -> (Desk, Duration) {
        let resize = self.at(Resize).unwrap_or_default();
        match self.begin {
            Begin::Short => {
                let config =
                    AdaptiveConfig { sample_every: resize, grow_after: 1, ..between(MIN, MAX) };
                (Desk::open(config).await, Duration::ZERO)
            }
            Begin::Idle => {
                // The first sample sees the rush that has filled the pool; the second is the first
                // idle one, and the story's.
                let every = resize + ms(1_000);
                let config = AdaptiveConfig {
                    sample_every: every,
                    grow_after: 1,
                    shrink_after: 1,
                    ..between(MIN, MAX)
                };
                let desk = Desk::open(config).await;
                desk.fill_at(MAX, every).await;
                let taken = desk.decisions().last().map_or(Duration::ZERO, |last| last.at);
                // The sample after the last decision still tells of the rush.
                desk.at(taken + every + ms(1_000)).await;
                let begin = desk.now();
                (desk, begin)
            }
        }
    }

    async fn play(&self) {
        let (desk, begin) = self.desk().await;
        let mut held = self.borrow(&desk).await;
        let takes = self
            .at(ConnectEnds)
            .unwrap_or_default()
            .saturating_sub(self.at(Resize).unwrap_or_default());
        desk.exchange.connect_takes(takes);
        if !self.connects {
            desk.exchange.limit_sessions(desk.exchange.sessions());
        }
        let mut traders: Vec<JoinHandle<Outcome<Held>>> = Vec::new();
        let mut impatient = None;
        if self.begin == Begin::Short {
            traders.push(desk.trader("task A", async |desk| desk.get().await));
            impatient = Some(desk.trader("task B", async |desk| desk.get().await));
        }
        let mut end = None;
        for (place, step) in self.steps.iter().enumerate() {
            desk.at(begin + moment(place)).await;
            match step {
                Return => {
                    if let (Some(one), false) = (held.last(), self.returns_good) {
                        desk.exchange.kill(one.id());
                    }
                    held.pop();
                }
                Ask => {
                    let ask = async |desk: Desk| desk.get().await;
                    traders.extend(["task C", "task D"].map(|name| desk.trader(name, ask)));
                }
                GiveUp => {
                    if let Some(waits) = impatient.take() {
                        waits.abort();
                        // Dropped by now, or ended before.
                        let _ = waits.await;
                    }
                }
                Close => end = Some(desk.trader("the end", async |desk| desk.close().await)),
                Resize | ConnectEnds => {}
            }
            self.look(&desk, *step).await;
        }
        desk.exchange.limit_sessions(usize::MAX).connect_takes(ms(0));
        // Those who still wait are served by what comes home.
        drop(held);
        for trader in traders {
            self.judge_trader(&home(trader).await);
        }
        desk.expect_peak(MAX, &self.told());
        match end {
            Some(end) => {
                home(end).await;
                self.judge_end(&desk).await;
            }
            None => self.judge_pool(&desk).await,
        }
    }

    /// Lends out what is lent out from the beginning.
    async fn borrow(&self, desk: &Desk) -> Vec<Held> {
        let count = if self.begin == Begin::Short { MIN } else { 1 };
        desk.need_all(count, "from a pool in which nothing is lent out").await
    }

    /// At no moment does somebody wait while a connection is idle or a place is empty, and there are never fewer places
    /// than `MIN`.
    async fn look(&self, desk: &Desk, step: Step) {
        tokio::time::sleep(SLACK).await;
        if self.at(Close).is_some_and(|close| Some(close) <= self.at(step)) {
            return;
        }
        let Status { size, idle, in_use, waiting } = desk.pool.status();
        // What is being opened for a growth counts as a session.
        let is_free = idle > 0 || desk.exchange.sessions() < size as usize;
        if (is_free && waiting > 0) || !(MIN..=MAX).contains(&size) || idle + in_use > MAX {
            fail(
                format!(
                    "nobody to wait while a place is free, and {MIN} to {MAX} places, when {step:?} has \
                     happened,{}",
                    self.told()
                ),
                format!("size {size}, idle {idle}, in_use {in_use}, waiting {waiting}"),
            );
        }
    }

    fn judge_trader(&self, result: &Outcome<Held>) {
        let fine = match result {
            Ok(_) => true,
            Err(PoolError::Closed) => self.at(Close).is_some(),
            // In the place of one that broke, a task connects for itself.
            Err(PoolError::Connect(_)) => !self.connects && !self.returns_good,
            Err(_) => false,
        };
        if !fine {
            fail(format!("a connection for every task that asks,{}", self.told()), outcome(result));
        }
    }

    /// After the end, and when everything has come back.
    async fn judge_end(&self, desk: &Desk) {
        let when = format!("when all have come back to a closed pool,{}", self.told());
        desk.expect_sessions(0, &when).await;
        if let late @ (Ok(_) | Err(PoolError::Timeout | PoolError::Connect(_))) = desk.get().await {
            fail(format!("Closed from a closed pool,{}", self.told()), outcome(&late));
        }
        let attempts = desk.exchange.attempts();
        desk.at(desk.now() + 2 * moment(self.steps.len())).await;
        if desk.exchange.attempts() > attempts {
            let late = desk.attempts().last().copied().unwrap_or_default();
            fail(
                format!("nothing to be opened after the end,{}", self.told()),
                format!("an attempt at {}", clock(late)),
            );
        }
        if tasks() > 0 {
            fail(
                format!("no task of the pool left after the end,{}", self.told()),
                format!("{} left", tasks()),
            );
        }
    }

    /// Nobody closed it: it is as good as new.
    async fn judge_pool(&self, desk: &Desk) {
        // What the pool has begun comes to its end first.
        desk.at(desk.now() + moment(self.steps.len()) + ms(3)).await;
        let size = desk.pool.status().size;
        desk.expect_whole(size, &format!("in the end,{}", self.told())).await;
    }

    /// The order, in words; continues a sentence.
    fn told(&self) -> String {
        let step = |step: &Step| match (step, self.begin) {
            (Resize, Begin::Short) => "a growth begins",
            (Resize, Begin::Idle) => "a shrink",
            (ConnectEnds, _) if self.connects => "connects end",
            (ConnectEnds, _) => "connects refused",
            (Return, _) if self.returns_good => "return",
            (Return, _) => "return, broken",
            (Ask, _) => "two ask",
            (GiveUp, _) => "one gives up",
            (Close, _) => "close",
        };
        let steps: Vec<&str> = self.steps.iter().map(step).collect();
        format!(" in this order: {}", steps.join(" · "))
    }
}
