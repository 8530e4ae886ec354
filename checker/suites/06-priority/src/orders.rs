//! Every order in which requests, returns, cancellations, connects and the end can come: P22.

use std::collections::{BTreeSet, VecDeque};
use std::mem;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use harness::{Case, clock, fail};
use priority_pool::{PriorityConfig, PriorityError};
use tokio::task::JoinHandle;

use crate::desk::{Desk, SLACK, ms, order, up_to};
use crate::held::Held;
use crate::model::Step::{Asks, Close, ConnectEnds, Leaves, Return};
use crate::model::{Model, Step, Terms, Told};
use crate::words::{outcome, priority, who};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new("any_order_is_fair", "P22", any_order_is_fair)
            .title("requests, returns, cancellations, connects and the end, in every order")
            .paused()
            .hard()
            .points(0.5)
            .deadline(Duration::from_secs(20))
            .lesson("every-order-of-a-queue")
            .hints(&[
                "The message names the order that failed. Play it through on paper, for one \
                 connection: who waits at each moment, and who has the place?",
                "After each step there is exactly one owner of the place: a guard, a message on its \
                 way, a future that connects, or the idle list. Who is it in your code?",
            ]),
    ]
}

/// What happens at one moment: a step, and who leaves in the same instant, before anybody can run.
type Moment = (Step, Option<&'static str>);

/// A story: its moments in one order, and on what terms.
#[derive(Clone, Debug)]
struct Plot {
    moments: Vec<Moment>,
    /// How many of them make the order; behind them, what it takes to serve all who wait.
    order: usize,
    terms: Terms,
    /// Who leaves does so in the instant of the return before it, if it follows one.
    hasty: bool,
}

fn any_order_is_fair() {
    let plain = Terms { normal_queue: 100, starvation_limit: None, broken: false, refused: false };
    // Four who ask, and one of them leaves; the connection comes back twice, and is always good.
    for leaves in ["N1", "N2", "C1", "C2"] {
        let asks = [Asks("N1"), Asks("N2"), Asks("C1"), Asks("C2")];
        let steps = [&asks[..], &[Return, Return, Leaves(leaves)]].concat();
        let one = NonZeroU32::new(1);
        for (terms, hasty) in [
            (plain, false),
            (plain, true),
            (Terms { normal_queue: 1, ..plain }, false),
            (Terms { starvation_limit: one, ..plain }, false),
        ] {
            play_all(&steps, terms, hasty);
        }
    }
    // Three who ask; what comes back is broken, and another one is opened.
    for leaves in ["N1", "N2", "C1"] {
        let steps =
            [Asks("N1"), Asks("N2"), Asks("C1"), Return, Return, ConnectEnds, Leaves(leaves)];
        for refused in [false, true] {
            play_all(&steps, Terms { broken: true, refused, ..plain }, false);
        }
    }
    // Two who ask, and the end.
    for leaves in ["N1", "C1"] {
        let steps = [Asks("N1"), Asks("C1"), Return, ConnectEnds, Leaves(leaves), Close];
        for (broken, refused) in [(false, false), (true, false), (true, true)] {
            play_all(&steps, Terms { broken, refused, ..plain }, false);
        }
    }
}

/// Plays all orders of these steps in which nobody leaves before he asks. Equals ask in the order of
/// their numbers, and two returns are the same. Orders that differ only in steps which have nothing to
/// do, as a return when nobody holds anything, come to the same: one of them is played.
fn play_all(steps: &[Step], terms: Terms, hasty: bool) {
    let mut played = BTreeSet::new();
    grow(&mut Vec::new(), steps, &mut |steps| {
        let plot = Plot::new(steps, terms, hasty);
        let differs = !hasty || plot.moments.iter().any(|(_, leaves)| leaves.is_some());
        if differs && played.insert(plot.moments.clone()) {
            order(async || plot.play().await);
        }
    });
}

fn grow(begun: &mut Vec<Step>, left: &[Step], play: &mut impl FnMut(&[Step])) {
    if left.is_empty() {
        play(begun);
    }
    for (place, &step) in left.iter().enumerate() {
        let repeated = left[..place].contains(&step);
        let early = left.iter().any(|other| comes_before(*other, step));
        if !repeated && !early {
            let rest = [&left[..place], &left[place + 1..]].concat();
            begun.push(step);
            grow(begun, &rest, play);
            begun.pop();
        }
    }
}

/// Whether the first of two steps has to come before the other.
fn comes_before(first: Step, then: Step) -> bool {
    match (first, then) {
        (Asks("N1"), Asks("N2")) | (Asks("C1"), Asks("C2")) => true,
        (Asks(one), Leaves(other)) => one == other,
        _ => false,
    }
}

/// The moment of a step.
fn moment(place: usize) -> Duration {
    ms(1_000) * (u32::try_from(place).expect("a few steps") + 1)
}

/// Who was told what.
type Answer = (&'static str, Told);

/// What the traders have in common.
#[derive(Clone, Default)]
struct Floor {
    holding: Arc<Mutex<VecDeque<Held>>>,
    answers: Arc<Mutex<Vec<Answer>>>,
}

impl Floor {
    fn holding(&self) -> MutexGuard<'_, VecDeque<Held>> {
        self.holding.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answers(&self) -> MutexGuard<'_, Vec<Answer>> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Plot {
    /// The steps that have something to do, by their moments, and as many returns behind them as it
    /// takes to serve all who wait.
    fn new(steps: &[Step], terms: Terms, hasty: bool) -> Self {
        let mut model = Model::new(terms);
        let mut plot = Self { moments: Vec::new(), order: 0, terms, hasty };
        let mut steps = steps.to_vec();
        let ordered = steps.len();
        steps.extend([ConnectEnds, Return].repeat(5));
        let mut place = 0;
        while let Some(&step) = steps.get(place) {
            place += 1;
            if !model.has_to_do(step) {
                continue;
            }
            let leaves = match (step, steps.get(place)) {
                (Return, Some(&Leaves(code))) if hasty && model.has_to_do(Leaves(code)) => {
                    place += 1;
                    Some(code)
                }
                _ => None,
            };
            match leaves {
                Some(code) => model.step_and_leave(step, code),
                None => model.step(step),
            };
            plot.moments.push((step, leaves));
            if place <= ordered {
                plot.order = plot.moments.len();
            }
        }
        plot
    }

    async fn play(&self) {
        let Terms { normal_queue, starvation_limit, refused, .. } = self.terms;
        let config = PriorityConfig { normal_queue, starvation_limit, ..up_to(1) };
        let desk = Desk::open(PriorityConfig { connection_timeout: Duration::MAX, ..config }).await;
        let floor = Floor::default();
        let held = desk.need_all(1, "from a new pool").await;
        floor.holding().extend(held);
        desk.gate.shut();
        desk.exchange.refuse_next(usize::from(refused));

        let mut traders: Vec<(&str, JoinHandle<()>)> = Vec::new();
        let mut model = Model::new(self.terms);
        // Who was opening a connection at the end: what he is told, and when, is up to the pool.
        let mut late = None;
        for (place, (step, leaves)) in self.moments.iter().copied().enumerate() {
            desk.at(moment(place)).await;
            let mut gone = leaves;
            match step {
                Asks(code) => traders.push((code, asks(&desk, &floor, code))),
                Leaves(code) => gone = Some(code),
                Return => self.returns(&desk, &floor),
                ConnectEnds => desk.gate.ends(),
                Close => desk.pool.close(),
            }
            let gone = traders.iter().filter(|(code, _)| Some(*code) == gone);
            gone.for_each(|(_, trader)| trader.abort());
            let told = match leaves {
                Some(code) => model.step_and_leave(step, code),
                None => model.step(step),
            };
            let opening = told.iter().find(|(_, told)| *told == Told::GotOrClosed);
            late = late.or(opening.map(|(code, _)| *code));
            desk.at(moment(place) + SLACK).await;
            let answers = mem::take(&mut *floor.answers());
            if !model.free {
                let known = |answers: Vec<Answer>| -> Vec<Answer> {
                    answers.into_iter().filter(|(code, _)| Some(*code) != late).collect()
                };
                self.judge(place, known(told), known(answers));
            }
        }
        if let Some((code, _)) = traders.iter().find(|(_, trader)| !trader.is_finished()) {
            fail(
                format!("nobody to wait in the end,{}", self.told()),
                format!("{} still waits", who(code)),
            );
        }
        self.judge_end(&desk).await;
    }

    /// Whoever holds the connection gives it back.
    fn returns(&self, desk: &Desk, floor: &Floor) {
        let held = floor.holding().pop_front();
        if let (Some(held), true) = (&held, self.terms.broken) {
            desk.exchange.kill(held.id());
        }
    }

    /// Holds what the traders were told at a moment against what they had to be told.
    fn judge(&self, place: usize, mut told: Vec<Answer>, mut answers: Vec<Answer>) {
        told.sort_unstable();
        answers.sort_unstable();
        if answers != told {
            fail(
                format!("{} at {},{}", in_words(&told), clock(moment(place)), self.until(place)),
                in_words(&answers),
            );
        }
    }

    /// When everything has come back, and connects end by themselves again.
    async fn judge_end(&self, desk: &Desk) {
        desk.gate.open();
        desk.at(desk.now() + SLACK).await;
        if self.moments.contains(&(Close, None)) {
            let when = format!("when all have gone home from a closed pool,{}", self.told());
            desk.expect_sessions(0, &when).await;
        } else {
            desk.expect_whole(1, &format!("in the end,{}", self.told())).await;
        }
        desk.expect_peak(1, &format!(", with max_connections 1,{}", self.told()));
    }

    /// The order, in words; continues a sentence.
    fn told(&self) -> String {
        self.in_words(&self.moments[..self.order])
    }

    /// The order up to a moment, in words; what came after it does not matter.
    fn until(&self, place: usize) -> String {
        self.in_words(&self.moments[..=place])
    }

    fn in_words(&self, moments: &[Moment]) -> String {
        let step = |step: Step| match step {
            Asks(code) => format!("{} asks", who(code)),
            Leaves(code) => format!("{} is dropped", who(code)),
            Return if self.terms.broken => "return, broken".to_owned(),
            Return => "return".to_owned(),
            ConnectEnds => "connect ends".to_owned(),
            Close => "close".to_owned(),
        };
        let steps = moments.iter().flat_map(|(step, leaves)| [Some(*step), leaves.map(Leaves)]);
        let steps: Vec<String> = steps.flatten().map(step).collect();
        let Terms { normal_queue, starvation_limit, refused, .. } = self.terms;
        let limit = starvation_limit.map(|limit| format!(", starvation_limit {limit}"));
        let terms = [
            (normal_queue < 100).then(|| format!(", normal_queue {normal_queue}")),
            limit,
            refused.then(|| ", the first connect refused".to_owned()),
            self.hasty
                .then(|| ", whoever is dropped after a return in its very instant".to_owned()),
        ];
        let terms: String = terms.into_iter().flatten().collect();
        format!(" in this order, one second apart: {}{terms}", steps.join(" · "))
    }
}

/// A trader who asks, says what he was told, and puts what he got where it can be given back.
fn asks(desk: &Desk, floor: &Floor, code: &'static str) -> JoinHandle<()> {
    let floor = floor.clone();
    desk.trader(&who(code), async move |desk| {
        let told = match desk.get(priority(code)).await {
            Ok(held) => {
                floor.holding().push_back(held);
                Told::Got
            }
            Err(PriorityError::QueueFull) => Told::QueueFull,
            Err(PriorityError::Connect(_)) => Told::Connect,
            Err(PriorityError::Closed) => Told::Closed,
            other => fail(format!("no such answer for {}", who(code)), outcome(&other)),
        };
        floor.answers().push((code, told));
    })
}

/// Answers in words: `a connection for critical 1, Closed for normal 1`.
fn in_words(answers: &[Answer]) -> String {
    let word = |(code, told): &Answer| {
        let told = match told {
            Told::Got | Told::GotOrClosed => "a connection",
            Told::QueueFull => "QueueFull",
            Told::Connect => "Connect",
            Told::Closed => "Closed",
        };
        format!("{told} for {}", who(code))
    };
    let words: Vec<String> = answers.iter().map(word).collect();
    if words.is_empty() { "nothing for anybody".to_owned() } else { words.join(", ") }
}
