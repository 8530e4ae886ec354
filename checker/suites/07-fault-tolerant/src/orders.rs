//! Every order in which requests, a death, a return and broken connections can come: P22.

use std::time::Duration;

use fault_tolerant_pool::{Breaker, ClusterConfig};
use harness::tasks::home;
use harness::{Case, clock};

use crate::desk::{BEGIN, Desk, SLACK, after, ms, order};
use crate::held::Held;
use crate::model::Step::{Breaks, Cancelled, Dies, Read, Returns, Write};
use crate::model::{Course, Model, OPEN_FOR, Step, TAKES, THRESHOLD, Told};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new("any_order_is_right", "P22", any_order_is_right)
            .title("requests, a death, a return and broken connections, in every order")
            .paused()
            .hard()
            .points(0.5)
            .deadline(Duration::from_secs(20))
            .lesson("one-probe")
            .hints(&[
                "The message names the order that failed. Play it through on paper: the state of the \
                 breaker, its count, and since when it is open.",
                "Write the breaker as a function of (its state, what happened, when) that knows no \
                 server and no `await`. Then each line of it can be read against the README.",
            ]),
    ]
}

fn any_order_is_right() {
    for steps in [
        &[Dies, Returns, Read, Read, Read, Write, Cancelled][..],
        &[Dies, Read, Read, Write, Cancelled, Cancelled, Breaks],
        &[Dies, Returns, Read, Read, Write, Breaks, Breaks],
        &[Read, Write, Breaks, Breaks, Breaks, Cancelled],
    ] {
        grow(&mut Vec::new(), steps, &mut |steps| order(async || play(steps).await));
    }
}

/// Plays all orders of these steps in which it does not return before it dies; equals are the same.
fn grow(begun: &mut Vec<Step>, left: &[Step], play: &mut impl FnMut(&[Step])) {
    if left.is_empty() {
        play(begun);
    }
    for (place, &step) in left.iter().enumerate() {
        let repeated = left[..place].contains(&step);
        let early = step == Returns && left.contains(&Dies);
        if !repeated && !early {
            let rest = [&left[..place], &left[place + 1..]].concat();
            begun.push(step);
            grow(begun, &rest, play);
            begun.pop();
        }
    }
}

/// The moment of a step.
fn moment(place: usize) -> Duration {
    BEGIN + ms(1_000) * (u32::try_from(place).expect("a few steps") + 1)
}

/// Requests behind the steps: what the story comes to in the end.
const BEHIND: [Step; 4] = [Read, Read, Read, Write];

async fn play(steps: &[Step]) {
    let config = ClusterConfig { open_for: OPEN_FOR, ..after(THRESHOLD) };
    let desk = Desk::open(1, config).await;
    let mut guards: Vec<Held> = Vec::new();
    for _ in 0..3 {
        guards.push(desk.must_read(0, "from a new cluster").await);
    }
    desk.primary().connect_takes(TAKES / 2).query_takes(TAKES / 2);
    let mut model = Model::new();
    for (place, &step) in steps.iter().chain(&BEHIND).enumerate() {
        desk.at(moment(place)).await;
        let course = model.step(step, moment(place));
        let so_far: Vec<Step> = steps.iter().chain(&BEHIND).take(place + 1).copied().collect();
        let story = format!(
            "in this order, one second apart, with failure_threshold {THRESHOLD} and open_for {}: {}",
            clock(OPEN_FOR),
            in_words(&so_far)
        );
        match step {
            Dies => desk.dies(0),
            Returns => desk.comes_back(0),
            Breaks => {
                if let Some(guard) = guards.pop() {
                    guard.breaks();
                }
            }
            Read | Write | Cancelled => asks(&desk, step, course, &story).await,
        }
        if step == Cancelled && course.is_probe {
            // What it leaves in `states` is free.
            continue;
        }
        desk.expect_breaker(0, course.after, &story);
    }
}

/// A request, looked at in the middle of its attempt and at its end.
async fn asks(desk: &Desk, step: Step, course: Course, story: &str) {
    let began = desk.now();
    let trader = desk.trader("trader", async move |desk| {
        let result = if step == Write { desk.write().await } else { desk.read().await };
        let told = match &result {
            Ok(held) => Told::ServedBy(held.server()),
            Err(_) => Told::Unavailable,
        };
        (told, desk.now())
    });
    desk.at(began + TAKES / 4).await;
    if course.is_probe {
        desk.expect_breaker(0, Breaker::HalfOpen, &format!("during the last of these, {story}"));
    }
    if step == Cancelled {
        trader.abort();
        desk.at(began + SLACK + TAKES / 4).await;
        return;
    }
    let (told, at) = home(trader).await;
    // A new line is as slow as two answers, and an idle one as one: so much is free.
    let by = began + course.takes + SLACK;
    if told != course.told || at > by {
        let word = |told: Told| match told {
            Told::ServedBy(server) => format!("a connection of server {server}"),
            Told::Unavailable | Told::Nothing => "none".to_owned(),
        };
        desk.fail(
            format!("the last of these to get {} by {}, {story}", word(course.told), clock(by)),
            format!("{} at {}", word(told), clock(at)),
        );
    }
}

fn in_words(steps: &[Step]) -> String {
    let word = |step: &Step| match step {
        Dies => "the primary dies",
        Returns => "it is back",
        Read => "read",
        Write => "write",
        Cancelled => "a read that is dropped",
        Breaks => "a guard comes back broken",
    };
    steps.iter().map(word).collect::<Vec<_>>().join(" · ")
}
