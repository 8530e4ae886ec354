//! Traffic scripts: how many connections the desk wants from moment to moment; and what a pool makes
//! of one, played on a paused clock. The table in COURSE.md is made with it, too.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use fixtures::exchange::Exchange;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

/// How long an order keeps its connection, on average.
const ORDER: Duration = Duration::from_millis(500);

/// The time from one look at the desk to the next.
const LOOK: Duration = Duration::from_millis(10);

/// How the load of a desk goes up and down.
#[derive(Clone, Copy, Debug)]
pub struct Script {
    /// Its name.
    pub name: &'static str,
    /// How long it takes, in seconds.
    pub seconds: u32,
    /// How many connections are in use at this second, if nobody has to wait.
    pub wanted: fn(f64) -> f64,
}

/// The four scripts that a pool is judged by.
pub const SCRIPTS: [Script; 4] = [
    Script { name: "step", seconds: 60, wanted: |at| if at < 10.0 { 2.0 } else { 30.0 } },
    Script { name: "saw-tooth", seconds: 80, wanted: |at| 2.0 + 28.0 * (at % 20.0) / 20.0 },
    Script {
        name: "night",
        seconds: 300,
        wanted: |at| if (20.0..280.0).contains(&at) { 1.0 } else { 30.0 },
    },
    Script {
        name: "spike every minute",
        seconds: 240,
        wanted: |at| if (30.0..32.0).contains(&(at % 60.0)) { 30.0 } else { 4.0 },
    },
];

/// What the desk was like between two looks.
#[derive(Clone, Copy, Debug, Default)]
pub struct Look {
    /// Connections wanted: orders under way, and those that wait.
    pub wanted: u32,
    /// Connections that the exchange counts.
    pub open: u32,
    /// The longest that anybody has waited so far who waits at this moment, or has just ended to.
    pub wait: Duration,
}

/// What came of a script.
#[derive(Clone, Debug, Default)]
pub struct Played {
    /// Look by look, one every 10 ms.
    pub looks: Vec<Look>,
    /// How long each order waited for its connection, in the order in which they got it.
    pub waits: Vec<Duration>,
    /// How often the number of open connections had changed from one look to the next.
    pub resizes: u32,
}

impl Played {
    /// The longest wait.
    pub fn longest(&self) -> Duration {
        self.waits.iter().max().copied().unwrap_or_default()
    }

    /// The mean wait.
    pub fn mean(&self) -> Duration {
        let orders = u32::try_from(self.waits.len()).unwrap_or(u32::MAX);
        self.waits.iter().sum::<Duration>().checked_div(orders).unwrap_or_default()
    }

    /// Open connections × time, in connection-seconds.
    pub fn connection_seconds(&self) -> f64 {
        self.looks.iter().map(|look| f64::from(look.open)).sum::<f64>() * LOOK.as_secs_f64()
    }
}

/// Who is at the desk.
#[derive(Debug, Default)]
struct Traders {
    /// Orders that have their connection.
    trading: u32,
    /// Since when the others wait, by the order's number.
    waiting: std::collections::BTreeMap<usize, Instant>,
    waits: Vec<Duration>,
    /// The longest wait that has ended since the last look.
    ended: Duration,
}

/// Plays a script: orders come as it says, each `get`s a connection, keeps it for half a second, more or
/// less, and drops it. The same script is always the same, whatever the pool does.
pub async fn play<C, G, F>(script: &Script, exchange: &Exchange, get: G) -> Played
where
    C: Send + 'static,
    F: Future<Output = Option<C>> + Send + 'static,
    G: Fn() -> F,
{
    let desk = Arc::new(Mutex::new(Traders::default()));
    let at_the_desk = |desk: &Mutex<Traders>, change: &mut dyn FnMut(&mut Traders)| {
        change(&mut desk.lock().unwrap_or_else(PoisonError::into_inner));
    };
    let mut played = Played::default();
    let mut orders = JoinSet::new();
    let mut luck = Luck(5);
    let (mut due, mut number) = (0.0, 0);
    let began = Instant::now();
    let looks = script.seconds * 100;
    for look in 0..looks {
        let at = LOOK * look;
        due += (script.wanted)(at.as_secs_f64()) * LOOK.as_secs_f64() / ORDER.as_secs_f64();
        while due >= 1.0 {
            due -= 1.0;
            number += 1;
            let (number, pause, keep) = (number, LOOK.mul_f64(luck.next()), luck.order());
            let (desk, get) = (Arc::clone(&desk), get());
            orders.spawn(async move {
                sleep(pause).await;
                let asked = Instant::now();
                at_the_desk(&desk, &mut |desk| {
                    desk.waiting.insert(number, asked);
                });
                let conn = get.await;
                at_the_desk(&desk, &mut |desk| {
                    desk.waiting.remove(&number);
                    desk.waits.push(asked.elapsed());
                    desk.ended = desk.ended.max(asked.elapsed());
                    desk.trading += 1;
                });
                sleep(keep).await;
                drop(conn);
                at_the_desk(&desk, &mut |desk| desk.trading -= 1);
            });
        }
        while orders.try_join_next().is_some() {}
        // Just before the next orders come.
        sleep_until(began + at + LOOK).await;
        let open = u32::try_from(exchange.sessions()).unwrap_or(u32::MAX);
        at_the_desk(&desk, &mut |desk| {
            let waiting = u32::try_from(desk.waiting.len()).unwrap_or(u32::MAX);
            let so_far = desk.waiting.values().map(Instant::elapsed).max().unwrap_or_default();
            let wait = so_far.max(std::mem::take(&mut desk.ended));
            played.looks.push(Look { wanted: desk.trading + waiting, open, wait });
        });
    }
    // Those who still wait have waited as well.
    at_the_desk(&desk, &mut |desk| {
        played.waits = std::mem::take(&mut desk.waits);
        played.waits.extend(desk.waiting.values().map(Instant::elapsed));
    });
    let changes = played.looks.windows(2).filter(|two| two[0].open != two[1].open);
    played.resizes = u32::try_from(changes.count()).unwrap_or(u32::MAX);
    played
}

/// Numbers that look as if they came by chance, and are the same each time.
struct Luck(u64);

impl Luck {
    /// From 0 to 1.
    fn next(&mut self) -> f64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        f64::from(u32::try_from(self.0 >> 33).unwrap_or_default()) / f64::from(1_u32 << 31)
    }

    /// How long an order keeps its connection: from half to one and a half of the mean.
    fn order(&mut self) -> Duration {
        ORDER.mul_f64(0.5 + self.next())
    }
}
