//! Stories told by tasks on a runtime of tokio's: over a paused clock, over and over; with an end to
//! each wait; with a future dropped at each of its polls. A suite adds a desk of its own.

mod polled;
mod steps;
mod told;
mod trace;
mod wait;
mod words;

use std::fmt;
use std::future::{Future, poll_fn, ready};
use std::panic;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use tokio::runtime::{Builder, Handle};
use tokio::task::JoinHandle;
use tokio::time;

pub use crate::patience::{Elsewhere, Patience};
pub(crate) use steps::ask_for as ask_for_steps;
pub(crate) use words::tell as tell_steps;

use crate::{fail, order};

/// How often [`story`] tells its story: `tokio::select!` begins with a branch of its own choosing, each
/// time with another one.
const TIMES: u32 = 10;

/// What takes longer than this on a paused clock will never end.
const NEVER: Duration = Duration::from_mins(2);

/// A story that is being told. Boxed, so that what tells it is compiled once and not anew with each
/// story, whenever the code under test changes.
pub type Telling<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;

/// Tells a story on a paused clock, ten times over, each time on a runtime of its own and
/// [counted as an order](crate::order).
pub fn story<'a>(tell: &dyn Fn() -> Telling<'a, ()>) {
    for _ in 0..TIMES {
        one_order(tell);
    }
}

/// Tells a story once, on a paused clock: one order of its events. Time stands still while any task can
/// go on, and then jumps to the next moment for which one waits. Tasks that the story leaves behind
/// are dropped with its runtime.
pub fn one_order<'a>(tell: &dyn Fn() -> Telling<'a, ()>) {
    told(tell);
}

fn told<'a, T>(tell: &dyn Fn() -> Telling<'a, T>) -> T {
    order();
    steps::begin();
    let runtime = Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime without input and output");
    runtime.block_on(tell())
}

/// Something under way. What waits for it is compiled once for each result, not anew with each story,
/// whenever the code under test changes.
pub type Work<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Begins a task of the story; as `tokio::spawn`, for [`Work`].
pub fn spawn<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> {
    let work: Work<'static, T> = Box::pin(work);
    tokio::spawn(work)
}

/// Gives work of the story's a name by which its [steps](ledger::Record::steps) are told. Costs an
/// allocation, and nothing more unless they are asked for.
pub fn known_as<F: Future>(name: &str, work: F) -> impl Future<Output = F::Output> + use<F> {
    told::Task::new(name, work)
}

/// As [`known_as`], for a task that the code under test starts: it gets a number, and its beginning is a
/// step of whoever starts it.
pub fn started<F: Future>(work: F) -> impl Future<Output = F::Output> + use<F> {
    known_as(&steps::start(), work)
}

/// What something comes to that must come to an end; fails if it is still waiting after two minutes of
/// simulated time. `what` begins a sentence: "`close` to come to an end".
pub async fn ends<T>(what: &str, work: impl Future<Output = T> + Send) -> T {
    let work = told::Awaited::call(what, work);
    match ends_within(NEVER, Box::pin(work)).await {
        Ok(value) => value,
        Err(late) => fail(format!("{what} to come to an end"), format!("{late} of simulated time")),
    }
}

/// What something comes to within this time of the runtime's clock, or that it is late, and dropped.
async fn ends_within<T>(limit: Duration, work: Work<'_, T>) -> Result<T, Late> {
    time::timeout(limit, work).await.map_err(|_| Late { limit })
}

/// What something comes to while there is [`Patience`], in real time, or that it is late. For what takes
/// a moment if it comes to an end at all: a limit of a second or two is safe, for only time in which
/// it could have ended counts. `elsewhere` says whether a server is at work for it.
///
/// # Errors
/// [`Late`] when all patience is used up; the work is dropped.
pub fn ends_in_real_time<'a, T: 'a>(
    patience: Patience,
    mut work: Telling<'a, T>,
    elsewhere: &'a Elsewhere<'_>,
) -> Telling<'a, Result<T, Late>> {
    let limit = patience.limit();
    let mut used_up = patience.used_up(elsewhere);
    Box::pin(poll_fn(move |context| match work.as_mut().poll(context) {
        Poll::Ready(value) => Poll::Ready(Ok(value)),
        Poll::Pending => used_up.as_mut().poll(context).map(|()| Err(Late { limit })),
    }))
}

/// Nothing is at work elsewhere: all that could make a wait end is this process.
pub fn nowhere_else<'a>() -> Telling<'a, bool> {
    Box::pin(ready(false))
}

/// Something was still waiting when its time was over; reads "it was still waiting after 8 s".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Late {
    limit: Duration,
}

impl fmt::Display for Late {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "it was still waiting after {} s", self.limit.as_secs_f64())
    }
}

/// Waits on a paused clock for a trader to go home; a panic of his is the case's.
///
/// # Panics
/// When the trader's task has panicked, with its panic.
pub async fn home<T: Send>(trader: JoinHandle<T>) -> T {
    joined(ends("a task of the story", trader).await)
}

/// What a task returned.
///
/// # Panics
/// When the task has panicked, with its panic: it is the case's.
pub fn joined<T>(ended: Result<T, tokio::task::JoinError>) -> T {
    ended.unwrap_or_else(|error| panic::resume_unwind(error.into_panic()))
}

/// Waits for all of them to go [`home`].
pub async fn all_home<T: Send>(traders: impl IntoIterator<Item = JoinHandle<T>>) -> Vec<T> {
    let mut values = Vec::new();
    for trader in traders {
        values.push(home(trader).await);
    }
    values
}

/// How many tasks there are beside the story's own.
pub fn tasks() -> usize {
    Handle::current().metrics().num_alive_tasks()
}

/// When a future is dropped: after how many polls, and whether at once or only when it has been
/// woken and would be polled once more.
#[derive(Clone, Copy, Debug)]
pub struct Cut {
    polls: usize,
    woken: bool,
}

impl fmt::Display for Cut {
    /// Continues "dropped".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.polls, self.woken) {
            (0, _) => write!(f, "before its first poll"),
            (polls, false) => write!(f, "after poll number {polls}"),
            (polls, true) => write!(f, "after poll number {polls}, when it had just been woken"),
        }
    }
}

impl Cut {
    /// Polls `work` up to the cut and drops it there: `None`. Its value, if it is quicker.
    pub async fn apply<F: Future>(self, work: F) -> Option<F::Output> {
        let work = told::Awaited::new(format!("what it awaits, {self}"), work);
        let mut work = Some(Box::pin(work));
        let mut polled = 0;
        poll_fn(|context| {
            let Some(running) = work.as_mut().filter(|_| polled < self.polls) else {
                work = None;
                return Poll::Ready(None);
            };
            polled += 1;
            let poll = running.as_mut().poll(context).map(Some);
            if poll.is_pending() && polled == self.polls && !self.woken {
                work = None;
                return Poll::Ready(None);
            }
            poll
        })
        .await
    }
}

/// Tells a story once for each way to drop a future in it, each time [from the
/// beginning](one_order): after every number of polls, woken and not. `tell` applies the cut and says
/// whether the future came to its end by itself; with that, all ways have been tried.
pub fn at_each_poll<'a>(tell: &dyn Fn(Cut) -> Telling<'a, bool>) {
    for woken in [false, true] {
        let mut cuts = (0..).map(|polls| Cut { polls, woken });
        cuts.find(|cut| told(&|| tell(*cut)));
    }
}

#[cfg(test)]
mod tests {
    use std::future;
    use std::time::Instant;

    use super::*;

    #[test]
    fn what_never_ends_is_late_and_what_ends_is_not() {
        let runtime = Builder::new_current_thread().enable_time().build().unwrap();
        let patience = || Patience::new(Duration::from_millis(100));
        runtime.block_on(async {
            let quick = Box::pin(ready(1));
            assert_eq!(ends_in_real_time(patience(), quick, &nowhere_else).await, Ok(1));
            let never = Box::pin(future::pending::<()>());
            let late = ends_in_real_time(patience(), never, &nowhere_else).await;
            assert_eq!(late.unwrap_err().to_string(), "it was still waiting after 0.1 s");
            // While a server is at work there is more time than this.
            let began = Instant::now();
            let busy = || -> Telling<'_, bool> { Box::pin(ready(true)) };
            let work = Box::pin(time::sleep(Duration::from_millis(300)));
            assert_eq!(ends_in_real_time(patience(), work, &busy).await, Ok(()));
            assert!(began.elapsed() >= Duration::from_millis(300));
        });
    }
}
