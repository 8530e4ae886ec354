//! Nobody overtakes who waits, also not in the very instant in which a connection comes back: P16.

use harness::tasks::all_home;
use harness::{Case, clock, fail};
use priority_pool::Priority;

use crate::desk::{BEGIN, Desk, SLACK, ms, poll_once, story, up_to};
use crate::rush::{HOLD, RETURN, Rush};
use crate::words::{outcome, priority, who};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new("nobody_barges", "P16", nobody_barges)
            .title("who asks later does not overtake who waits")
            .paused()
            .hard()
            .points(0.5)
            .lesson("barging")
            .hints(&[
                "A connection comes back, somebody waits, and in the same instant a third one calls \
                 `get`. In which line of your code is the connection then, and does the third one \
                 look there?",
                "If it lies among the idle ones until the waiting task has run, everybody who is \
                 quicker takes it. Hand it over under the same lock under which you see that somebody \
                 waits.",
                "The same for a place without a connection: after a broken one, and after a `connect` \
                 that failed.",
            ]),
    ]
}

/// How a connection comes back, or its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comes {
    Good,
    Broken,
    /// Its place, when a connect has failed.
    Refused,
}

impl Comes {
    fn told(self) -> &'static str {
        match self {
            Self::Good => "a connection came back",
            Self::Broken => "a connection came back broken",
            Self::Refused => "a connect had failed",
        }
    }
}

fn nobody_barges() {
    for comes in [Comes::Good, Comes::Broken, Comes::Refused] {
        for (waits, late) in [("N1", "N2"), ("C1", "C2"), ("C1", "N2")] {
            story(async || in_that_instant(comes, waits, late).await);
        }
    }
    for code in ["N9", "C9"] {
        story(async || greedy(code).await);
    }
    // The line moves on in the same instant: nobody keeps anything.
    story(async || {
        let mut rush = Rush::at_desk(up_to(2)).await;
        let held = rush.desk.need_all(2, "from a pool that may have 2").await;
        rush.ask("N1 N2 N3 N4");
        for later in [0, 1, 2] {
            let code = format!("N{}", 5 + later);
            rush.asks(RETURN + ms(later), &code);
        }
        rush.desk.at(RETURN + ms(5)).await;
        drop(held);
        let mut order: Vec<String> = rush.over().await.into_iter().map(|(code, _)| code).collect();
        // Two are served in one instant: which of the two hears of it first does not matter.
        order.chunks_mut(2).for_each(<[String]>::sort);
        if order != ["N1", "N2", "N3", "N4", "N5", "N6", "N7"] {
            fail(
                "7 to be served two by two, in the order of asking",
                crate::words::in_order(order.iter().map(String::as_str)),
            );
        }
    });
}

/// One waits. In the instant in which its turn comes, before it can run, a later one asks.
async fn in_that_instant(comes: Comes, waits: &'static str, late: &'static str) {
    let desk = Desk::open(up_to(1)).await;
    let mut held = Vec::new();
    let mut failing = None;
    desk.exchange.connect_takes(ms(100));
    if comes == Comes::Refused {
        desk.exchange.refuse_next(1);
        let mut get = Box::pin(desk.get(Priority::Normal));
        drop(poll_once(&mut get).await);
        failing = Some(get);
    } else {
        held = desk.need_all(1, "from a new pool").await;
    }
    desk.exchange.connect_takes(ms(10));
    let asks = desk.now() + ms(20);
    let mut rush = Rush::at(&desk);
    rush.asks(asks, waits);
    desk.at(BEGIN + ms(150)).await;
    if comes == Comes::Broken {
        desk.exchange.kill(held[0].id());
    }
    drop(held);
    if let Some(get) = failing {
        drop(get.await);
    }
    let now = desk.now();
    let mut get = Box::pin(desk.get(priority(late)));
    if let Some(got) = poll_once(&mut get).await {
        fail(
            format!(
                "{} to wait, who asked at {} when {}: {} has waited since {}",
                who(late),
                clock(now),
                comes.told(),
                who(waits),
                clock(asks)
            ),
            outcome(&got),
        );
    }
    let served = rush.over().await.pop().map(|(_, at)| at).unwrap_or_default();
    let due = if comes == Comes::Good { now } else { now + ms(10) };
    if served > due + SLACK {
        fail(
            format!("a connection for {} at {}, when {}", who(waits), clock(due), comes.told()),
            format!("one at {}", clock(served)),
        );
    }
    match get.await {
        Ok(held) => drop(held),
        result => fail(format!("a connection for {} in its turn", who(late)), outcome(&result)),
    }
}

/// One takes and gives back without a pause, a hundred times in one instant; another one waits, of the
/// same priority.
async fn greedy(code: &'static str) {
    let desk = Desk::open(up_to(1)).await;
    let held = desk.need(priority(code), "from a new pool").await;
    let mut rush = Rush::at(&desk);
    let waits = format!("{}1", &code[..1]);
    rush.asks(BEGIN + ms(20), &waits);
    let greedy = desk.trader("the greedy one", async move |desk| {
        desk.at(BEGIN + ms(50)).await;
        drop(held);
        for _ in 0..100 {
            drop(desk.need(priority(code), "in its turn").await);
        }
        desk.now()
    });
    let served = rush.over().await.pop().map(|(_, at)| at).unwrap_or_default();
    if served > BEGIN + ms(50) + SLACK {
        fail(
            format!("a connection for {} at {}", who(&waits), clock(BEGIN + ms(50))),
            format!("one at {}: others took it meanwhile", clock(served)),
        );
    }
    let ended = all_home([greedy]).await.pop().unwrap_or_default();
    if ended < BEGIN + ms(50) + HOLD {
        fail(
            format!(
                "one that takes and gives back a hundred times, from {} on, to wait once until {} \
                 gives back what it was given then",
                clock(BEGIN + ms(50)),
                who(&waits)
            ),
            format!("it took the connection a hundred times until {}", clock(ended)),
        );
    }
}
