//! The trading desk that the cases are played at: exchanges as a cluster on tokio's paused clock, the
//! student's cluster over them, and traders, each a task with a name.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use fault_tolerant_pool::{Breaker, Cluster, ClusterConfig, ClusterConnection, ClusterError};
use fixtures::exchange::{self, AsyncManager, Exchange};
use harness::fail;
use harness::tasks::{self, Cut, Telling, Work, ends};
use ledger::{Conn, What};
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::chart::{self, Health, Look};
use crate::held::Held;
use crate::words::{said, told};

/// How late something may be that should happen at once: not a task's real slowness (the clock is
/// paused), but room for a cluster whose own tasks have to run first.
pub(crate) const SLACK: Duration = ms(5);

/// When stories begin.
pub(crate) const BEGIN: Duration = ms(100);

pub(crate) type Outcome<T> = Result<T, ClusterError>;

pub(crate) const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

pub(crate) const OPEN_FOR: Duration = ms(10_000);
/// A moment before a breaker has been open for so long.
pub(crate) const ALMOST: Duration = ms(9_990);
pub(crate) const ATTEMPT: Duration = ms(500);

/// Three failures, 10 s, 500 ms, nobody asks how far a replica is behind, four connections a server.
pub(crate) fn usual() -> ClusterConfig {
    ClusterConfig {
        failure_threshold: 3,
        open_for: OPEN_FOR,
        attempt_timeout: ATTEMPT,
        max_lag: None,
        max_connections: 4,
    }
}

/// The largest values that there are.
pub(crate) fn largest() -> ClusterConfig {
    ClusterConfig {
        failure_threshold: u32::MAX,
        open_for: Duration::MAX,
        attempt_timeout: Duration::MAX,
        max_lag: Some(Duration::MAX),
        max_connections: u32::MAX,
    }
}

/// The usual one, with another threshold.
pub(crate) fn after(failures: u32) -> ClusterConfig {
    ClusterConfig { failure_threshold: failures, ..usual() }
}

/// Tells a story at the desk on a paused clock, several times over.
pub(crate) fn story(tell: impl AsyncFn()) {
    tasks::story(&|| at_the_desk(tell()));
}

/// Tells a story at the desk once: one order of its events.
pub(crate) fn order(tell: impl AsyncFn()) {
    tasks::one_order(&|| at_the_desk(tell()));
}

/// Tells a story at the desk once for each way to drop a future in it.
pub(crate) fn at_each_poll(tell: impl AsyncFn(Cut) -> bool) {
    tasks::at_each_poll(&|cut| at_the_desk(tell(cut)));
}

fn at_the_desk<'a, T: 'a>(story: impl Future<Output = T> + 'a) -> Telling<'a, T> {
    let story: Telling<'a, T> = Box::pin(story);
    Box::pin(tasks::known_as("desk", exchange::named("desk", story)))
}

/// Polls a future once: its value, if it has one at once.
pub(crate) async fn poll_once<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
    poll_fn(|context| {
        Poll::Ready(match Pin::new(&mut *future).poll(context) {
            Poll::Ready(value) => Some(value),
            Poll::Pending => None,
        })
    })
    .await
}

/// Servers and the cluster under test. Clones share both.
#[derive(Clone)]
pub(crate) struct Desk {
    /// The primary first. Lines of server 1 are numbered from 1,001, of server 2 from 2,001.
    pub(crate) servers: Vec<Exchange>,
    pub(crate) cluster: Arc<Cluster<AsyncManager>>,
    seen: Arc<Mutex<Vec<Look>>>,
}

impl Desk {
    /// A desk over a primary and so many replicas, all ready at once.
    pub(crate) async fn open(replicas: u32, config: ClusterConfig) -> Self {
        let primary = Exchange::for_tasks();
        harness::watch(primary.log());
        let mut servers = vec![primary.clone()];
        servers.extend((1..=replicas).map(|number| primary.beside(number * 1_000)));
        let desk = Self::over(servers, config);
        desk.at(BEGIN).await;
        desk
    }

    fn over(servers: Vec<Exchange>, config: ClusterConfig) -> Self {
        let said = said(&config);
        let replicas = servers[1..].iter().map(Exchange::async_manager).collect();
        match Cluster::new(servers[0].async_manager(), replicas, config) {
            Ok(cluster) => Self { servers, cluster: Arc::new(cluster), seen: Arc::default() },
            Err(error) => {
                fail(format!("`Cluster::new` to succeed with {said}"), told(&error));
            }
        }
    }

    pub(crate) fn primary(&self) -> &Exchange {
        &self.servers[0]
    }

    /// Fails, with a picture of the servers and their breakers over time.
    pub(crate) fn fail(&self, expected: impl Into<String>, got: impl Into<String>) -> ! {
        self.look();
        let picture = chart::draw(&self.seen(), &self.primary().log().events(), self.now());
        fail(expected, format!("{}\n{picture}", got.into()))
    }

    /// The server dies: its lines break, and it refuses new ones.
    pub(crate) fn dies(&self, server: usize) {
        self.servers[server].go_offline();
        self.health(server, Health::Dead);
    }

    /// All lines that a server ever had break; it goes on.
    pub(crate) fn breaks_idle(&self, server: usize) {
        let dials = u32::try_from(self.servers[server].attempts()).unwrap_or_default();
        let first = u32::try_from(server).unwrap_or_default() * 1_000;
        (1..=dials).for_each(|number| self.servers[server].kill(first + number));
    }

    /// The server answers nothing.
    pub(crate) fn hangs(&self, server: usize) {
        self.servers[server].go_silent();
        self.health(server, Health::Silent);
    }

    /// The server is there again, and answers.
    pub(crate) fn comes_back(&self, server: usize) {
        self.servers[server].come_back();
        self.health(server, Health::Well);
    }

    fn health(&self, server: usize, health: Health) {
        self.seen().push(Look::Server(self.now(), server, health));
        let text = format!("server {server} {}", health.in_words());
        self.primary().write(What::Note { text });
    }

    /// The breakers, for the picture as well.
    pub(crate) fn look(&self) -> Vec<Breaker> {
        let states = self.cluster.states();
        self.seen().push(Look::Breakers(self.now(), states.clone()));
        states
    }

    fn seen(&self) -> MutexGuard<'_, Vec<Look>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Calls the cluster's `read`, in the log.
    pub(crate) async fn read(&self) -> Outcome<Held> {
        self.asks(ends("`read`", self.cluster.read())).await
    }

    /// Calls the cluster's `write`, in the log.
    pub(crate) async fn write(&self) -> Outcome<Held> {
        self.asks(ends("`write`", self.cluster.write())).await
    }

    async fn asks(
        &self,
        asking: impl Future<Output = Outcome<ClusterConnection<AsyncManager>>>,
    ) -> Outcome<Held> {
        self.look();
        self.primary().write(What::Asked);
        let result = asking.await;
        self.look();
        match result {
            Ok(taken) => {
                let conn = Conn(taken.id());
                self.primary().write(What::Got { conn });
                Ok(Held::new(taken, conn, self.clone()))
            }
            Err(error) => {
                self.primary().write(What::GaveUp { error: told(&error) });
                Err(error)
            }
        }
    }

    /// Reads one after the other that must open the breaker of server 0: so many.
    pub(crate) async fn fails(&self, reads: u32) {
        for _ in 0..reads {
            drop(self.read().await);
        }
    }

    /// The primary dies, and so many reads find it out and open its breaker. One or two more, if the
    /// breaker counts wrongly: that is another case's.
    pub(crate) async fn opens_by(&self, failures: u32) {
        self.dies(0);
        self.fails(failures).await;
        for _ in 0..2 {
            if self.look()[0] != Breaker::Open {
                self.fails(1).await;
            }
        }
        self.expect_breaker(
            0,
            Breaker::Open,
            &format!("after {failures} failed attempts in a row"),
        );
    }

    /// Time since the desk opened.
    pub(crate) fn now(&self) -> Duration {
        self.primary().elapsed()
    }

    /// Waits for a moment of the story.
    pub(crate) async fn at(&self, moment: Duration) {
        sleep(moment.saturating_sub(self.now())).await;
    }

    /// Starts a trader: a task of this name, at work at the desk.
    pub(crate) fn trader<T: Send + 'static, F>(
        &self,
        name: &str,
        work: impl FnOnce(Desk) -> F,
    ) -> JoinHandle<T>
    where
        F: Future<Output = T> + Send + 'static,
    {
        let work: Work<'static, T> = Box::pin(work(self.clone()));
        tasks::spawn(tasks::known_as(name, exchange::named(name.to_owned(), work)))
    }
}
