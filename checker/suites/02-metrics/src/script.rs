//! The pool beneath: it has no connections to pool, and answers as the story says.

use std::collections::{BTreeSet, VecDeque};
use std::error::Error;
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::panic;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use fixtures::exchange::ScriptedPanic;
use fixtures::{BlockingPool, Refusal};
use ledger::{Event, Log, What};

/// What the pool does with an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Lends a new connection; if `max` are lent, says so with a time-out when the time is over.
    Lend,
    /// Says that no connection became free in time.
    TimeOut,
    /// Says that no connection could be opened.
    Refuse,
    /// Panics.
    Panic,
}

/// A pool that plays a script. Clones share it.
#[derive(Clone)]
pub(crate) struct ScriptedPool(Arc<Shared>);

struct Shared {
    began: Instant,
    log: Log,
    max: u32,
    state: Mutex<State>,
}

/// A line of the script: what the pool says, after which time, and to whom if not to anybody.
struct Cue {
    thread: Option<&'static str>,
    after: Duration,
    answer: Answer,
}

#[derive(Default)]
struct State {
    /// In the order of the attempts; when there is no line for one, it is lent a connection at once.
    script: VecDeque<Cue>,
    /// The time-outs of the attempts so far.
    asked: Vec<Duration>,
    lent: BTreeSet<u32>,
    loans: u32,
    giving_back_takes: Duration,
    errors: u32,
}

impl ScriptedPool {
    /// A pool that lends up to `max` connections, at once.
    pub(crate) fn new(max: u32) -> Self {
        Self(Arc::new(Shared {
            began: Instant::now(),
            log: Log::default(),
            max,
            state: Mutex::default(),
        }))
    }

    /// The next attempt that has no answer yet gets this one, after this time.
    pub(crate) fn then(&self, after: Duration, answer: Answer) -> &Self {
        self.0.state().script.push_back(Cue { thread: None, after, answer });
        self
    }

    /// The next attempt of the thread with this name gets this answer, after this time.
    pub(crate) fn tells(&self, thread: &'static str, after: Duration, answer: Answer) -> &Self {
        self.0.state().script.push_back(Cue { thread: Some(thread), after, answer });
        self
    }

    /// From now on, giving a connection back takes this long.
    pub(crate) fn giving_back_takes(&self, span: Duration) {
        self.0.state().giving_back_takes = span;
    }

    /// The time-outs with which it has been asked.
    pub(crate) fn asked(&self) -> Vec<Duration> {
        self.0.state().asked.clone()
    }

    /// How many connections it has lent and not got back.
    pub(crate) fn lent(&self) -> usize {
        self.0.state().lent.len()
    }

    pub(crate) fn log(&self) -> &Log {
        &self.0.log
    }

    /// Time since it was made.
    pub(crate) fn elapsed(&self) -> Duration {
        self.0.began.elapsed()
    }

    /// Writes down what the calling thread did.
    pub(crate) fn write(&self, what: What) {
        self.0.write(what);
    }
}

impl Shared {
    fn write(&self, what: What) {
        let thread = thread::current().name().unwrap_or("a thread").to_owned();
        self.log.push(Event { at: self.began.elapsed(), thread, what });
    }

    /// The state. Never held while time passes.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl BlockingPool for ScriptedPool {
    type Connection = Line;
    type Guard = Lent;
    type Error = Fault;

    fn get_timeout(&self, timeout: Duration) -> Result<Lent, Fault> {
        let (after, answer) = {
            let me = thread::current();
            let is_mine = |cue: &Cue| cue.thread.is_none() || cue.thread == me.name();
            let mut state = self.0.state();
            state.asked.push(timeout);
            let next = state.script.iter().position(is_mine);
            let cue = next.and_then(|next| state.script.remove(next));
            cue.map_or((Duration::ZERO, Answer::Lend), |cue| (cue.after, cue.answer))
        };
        pass(after);
        let mut state = self.0.state();
        if answer == Answer::Panic {
            drop(state);
            panic::resume_unwind(Box::new(ScriptedPanic));
        }
        let is_free = state.lent.len() < self.0.max as usize;
        if answer == Answer::Lend && is_free {
            state.loans += 1;
            let number = state.loans;
            state.lent.insert(number);
            drop(state);
            return Ok(Lent { line: Line { number, orders: 0 }, pool: Arc::clone(&self.0) });
        }
        state.errors += 1;
        let number = state.errors;
        drop(state);
        match answer {
            Answer::Refuse => Err(Fault::Refused(number)),
            Answer::TimeOut => Err(Fault::Timeout(number)),
            Answer::Lend | Answer::Panic => {
                pass(timeout.saturating_sub(after));
                Err(Fault::Timeout(number))
            }
        }
    }

    fn refusal(error: &Fault) -> Refusal {
        match error {
            Fault::Timeout(_) => Refusal::Timeout,
            Fault::Refused(_) => Refusal::Connect,
        }
    }

    fn max(&self) -> u32 {
        self.0.max
    }
}

/// No time is no scheduling point either.
fn pass(span: Duration) {
    if !span.is_zero() {
        thread::sleep(span);
    }
}

/// What the pool lends.
#[derive(Debug)]
pub(crate) struct Line {
    /// Which of the lines that were lent, from 1.
    pub(crate) number: u32,
    /// How many orders it has carried.
    pub(crate) orders: u32,
}

/// A line on loan.
pub(crate) struct Lent {
    line: Line,
    pool: Arc<Shared>,
}

impl Deref for Lent {
    type Target = Line;

    fn deref(&self) -> &Line {
        &self.line
    }
}

impl DerefMut for Lent {
    fn deref_mut(&mut self) -> &mut Line {
        &mut self.line
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let span = self.pool.state().giving_back_takes;
        if !span.is_zero() {
            let text =
                format!("giving conn {} back takes {} ms", self.line.number, span.as_millis());
            self.pool.write(What::Note { text });
            pass(span);
        }
        self.pool.state().lent.remove(&self.line.number);
    }
}

/// Why the pool lends nothing; each error has a number of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    Timeout(u32),
    Refused(u32),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Timeout(number) => write!(f, "Timeout (error {number})"),
            Self::Refused(number) => write!(f, "Refused (error {number})"),
        }
    }
}

impl Error for Fault {}
