//! Every order in which pings, connects, a return and the end can begin and end: P20.

use std::time::Duration;

use crate::graded::{HealthConfig, PoolError};
use harness::tasks::{all_home, home, tasks};
use harness::{Case, clock, fail};
use ledger::{Conn, What};

use crate::desk::{Desk, Outcome, SLACK, between, by_hand, ms, order};
use crate::held::Held;
use crate::words::outcome;

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new("any_order_is_fine", "P20", any_order_is_fine)
            .title("pings, connects, returns and the end, in every order")
            .paused()
            .hard()
            .points(0.5)
            .deadline(Duration::from_secs(20))
            .lesson("every-order")
            .hints(&[
                "The message names the order that failed. Play it through on paper: who holds \
                 which connection at each moment, and on whose place?",
                "Pay attention to what ends after `close`: a ping, a connect, a loan. Each gives \
                 back what it has to a pool that is closed, and a closed pool keeps nothing.",
            ]),
    ]
}

/// What begins or ends at a moment that the case chooses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    PingBegins,
    PingEnds,
    /// Traders ask, more than there are idle ones: at least one connection is opened.
    TradersAsk,
    ConnectEnds,
    Return,
    Close,
}

use Step::{Close, ConnectEnds, PingBegins, PingEnds, Return, TradersAsk};

/// How the ping of the idle connection goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ping {
    Alive,
    Dead,
    Silent,
}

/// A story: its steps in one order, and how they go.
#[derive(Clone, Debug)]
struct Plot {
    steps: Vec<Step>,
    ping: Ping,
    connects: bool,
    returns_good: bool,
    /// How many ask at once.
    traders: usize,
}

/// The moment of a step. No two of them are as far apart as any other two, so that what begins at
/// one and takes as long as from another to a third never ends at a fourth.
fn moment(place: usize) -> Duration {
    let place = u64::try_from(place).expect("a few steps") + 1;
    ms(1_000 * place + 20 * place * place)
}

fn any_order_is_fine() {
    let bools = [true, false];
    for ping in [Ping::Alive, Ping::Dead, Ping::Silent] {
        for (connects, returns_good) in bools.map(|a| bools.map(|b| (a, b))).concat() {
            let plots = [
                // Three ask, and one connection at most is idle.
                (3, vec![(PingBegins, PingEnds), (TradersAsk, ConnectEnds)]),
                // The checker opens what replaces the dead one, from the end of its ping on.
                (1, vec![(PingBegins, PingEnds), (PingEnds, ConnectEnds)]),
            ];
            for (traders, rules) in plots {
                for steps in orders(&rules) {
                    let plot = Plot { steps, ping, connects, returns_good, traders };
                    order(async || plot.play().await);
                }
            }
        }
    }
}

/// All orders of the steps, with and without the end, in which the first of each pair comes before
/// the second.
fn orders(rules: &[(Step, Step)]) -> Vec<Vec<Step>> {
    let all = [PingBegins, PingEnds, TradersAsk, ConnectEnds, Return, Close];
    let mut found = Vec::new();
    for steps in [&all[..], &all[..5]] {
        grow(&mut Vec::new(), steps, rules, &mut found);
    }
    found
}

fn grow(begun: &mut Vec<Step>, steps: &[Step], rules: &[(Step, Step)], found: &mut Vec<Vec<Step>>) {
    if begun.len() == steps.len() {
        found.push(begun.clone());
    }
    for &step in steps {
        let ready = rules.iter().all(|(first, then)| *then != step || begun.contains(first));
        if ready && !begun.contains(&step) {
            begun.push(step);
            grow(begun, steps, rules, found);
            begun.pop();
        }
    }
}

/// The connection that is idle at first, and the one that is lent out.
const IDLE: u32 = 1;
const MIN: u32 = 2;
const MAX: u32 = 4;

impl Plot {
    fn at(&self, step: Step) -> Option<Duration> {
        self.steps.iter().position(|other| *other == step).map(moment)
    }

    /// The time between two steps that are in every plot.
    fn span(&self, from: Step, to: Step) -> Duration {
        self.at(to).unwrap_or_default().saturating_sub(self.at(from).unwrap_or_default())
    }

    async fn play(&self) {
        let ping_takes = self.span(PingBegins, PingEnds);
        let connect_from = if self.traders > 1 { TradersAsk } else { PingEnds };
        let silent = self.ping == Ping::Silent;
        let ping_timeout = if silent { ping_takes } else { 2 * ping_takes };
        let desk = Desk::open(between(MIN, MAX), HealthConfig { ping_timeout, ..by_hand() }).await;
        let mut held = Some(self.borrow_second(&desk).await);
        desk.exchange.connect_takes(self.span(connect_from, ConnectEnds));
        match self.ping {
            Ping::Alive => {}
            Ping::Dead => desk.exchange.cut(IDLE),
            Ping::Silent => desk.exchange.silence(IDLE),
        }
        if !silent {
            desk.exchange.query_takes(ping_takes);
        }
        if !self.connects {
            desk.exchange.limit_sessions(0);
        }

        let (mut round, mut traders, mut end) = (None, Vec::new(), None);
        for (place, step) in self.steps.iter().enumerate() {
            desk.at(moment(place)).await;
            match step {
                PingBegins => {
                    round = Some(desk.trader("the round", async |desk| {
                        desk.check().await;
                    }));
                }
                TradersAsk => {
                    traders = ["task A", "task B", "task C"][..self.traders]
                        .iter()
                        .map(|name| desk.trader(name, async |desk| desk.get().await))
                        .collect();
                }
                Return => {
                    if let (Some(held), false) = (&held, self.returns_good) {
                        desk.exchange.kill(held.id());
                    }
                    held = None;
                }
                Close => end = Some(desk.trader("the end", async |desk| desk.close().await)),
                PingEnds | ConnectEnds => {}
            }
        }
        let got = all_home(traders).await;
        self.judge_traders(&desk, &got);
        if let Some(round) = round {
            home(round).await;
        }
        desk.expect_peak(MAX as usize, &self.told());
        drop(got);
        desk.expect_none_pinged_while_held();
        match end {
            Some(end) => {
                home(end).await;
                self.judge_end(&desk).await;
            }
            None => self.judge_pool(&desk).await,
        }
    }

    /// Lends out the second connection, whichever of the two the pool hands out first.
    async fn borrow_second(&self, desk: &Desk) -> Held {
        let mut both = desk.need_all(MIN, "from a pool with two idle ones").await;
        let second = both.iter().position(|held| held.id() != IDLE).unwrap_or_default();
        both.swap_remove(second)
    }

    fn judge_traders(&self, desk: &Desk, got: &[Outcome<Held>]) {
        for result in got {
            let fine = match result {
                Ok(_) => true,
                Err(PoolError::Connect(_)) => !self.connects,
                Err(PoolError::Closed) => self.at(Close).is_some(),
                Err(_) => false,
            };
            if !fine {
                fail(
                    format!("a connection for every task that asks,{}", self.told()),
                    outcome(result),
                );
            }
        }
        let Some(found_dead) = self.at(PingEnds).filter(|_| self.ping != Ping::Alive) else {
            return;
        };
        let handed_out = desk.events().into_iter().find(|event| {
            let late = event.at > found_dead + SLACK;
            late && event.what == What::Got { conn: Conn(IDLE) }
        });
        // Whoever took it before the ping had it unharmed.
        let pinged = self.at(PingBegins) < self.at(TradersAsk);
        if let (Some(event), true) = (handed_out, pinged) {
            fail(
                format!(
                    "conn {IDLE}, found dead at {}, to be gone,{}",
                    clock(found_dead),
                    self.told()
                ),
                format!("it was handed out at {}", clock(event.at)),
            );
        }
    }

    /// After the end, and when everything has come back.
    async fn judge_end(&self, desk: &Desk) {
        desk.at(desk.now() + SLACK).await;
        desk.expect_sessions(
            0,
            &format!("when all have come back to a closed pool,{}", self.told()),
        )
        .await;
        if let late @ (Ok(_) | Err(PoolError::Timeout | PoolError::Connect(_))) = desk.get().await {
            fail(format!("Closed from a closed pool,{}", self.told()), outcome(&late));
        }
        let closed = self.at(Close).unwrap_or_default() + SLACK;
        let late = desk.attempts().into_iter().find(|&attempt| attempt > closed);
        if let Some(late) = late {
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

    /// Nobody closed it: after one more round it is as good as new.
    async fn judge_pool(&self, desk: &Desk) {
        desk.exchange.limit_sessions(usize::MAX).query_takes(ms(0)).connect_takes(ms(0));
        // What the pool has begun by itself comes to its end first.
        desk.at(desk.now() + moment(self.steps.len())).await;
        desk.check().await;
        let open = u32::try_from(desk.exchange.sessions()).unwrap_or(u32::MAX).max(MIN);
        desk.expect_idle(open, &format!("when all have gone home,{}", self.told())).await;
        desk.expect_whole(MAX, &format!("in the end,{}", self.told())).await;
    }

    /// The order, in words; continues a sentence.
    fn told(&self) -> String {
        let step = |step: &Step| match step {
            PingBegins => "ping begins",
            PingEnds => match self.ping {
                Ping::Alive => "ping answered",
                Ping::Dead => "ping fails",
                Ping::Silent => "ping times out",
            },
            TradersAsk if self.traders > 1 => "three ask",
            TradersAsk => "one asks",
            ConnectEnds if self.connects => "connect ends",
            ConnectEnds => "connect refused",
            Return if self.returns_good => "return",
            Return => "return, broken",
            Close => "close",
        };
        let steps: Vec<&str> = self.steps.iter().map(step).collect();
        format!(" in this order: {}", steps.join(" · "))
    }
}
