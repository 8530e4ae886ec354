//! What goes on while one waits, and the bar that shows it on stderr.

use std::io::{self, IsTerminal};
use std::sync::Once;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::judge::verdict::CaseVerdict;

/// A wait shorter than this needs no bar.
const PATIENCE: Duration = Duration::from_millis(700);
/// A build with more crates to go than these is the first one, which takes its time.
const MANY: u64 = 12;

/// A step on the way to a verdict.
pub enum Step<'a> {
    /// Other checkers build wherever that can be done; this one waits for them.
    WaitingForSlot,
    /// The first build fetches what the course depends on.
    Fetching,
    /// Cargo has built so many of so many crates.
    Building {
        /// Crates built.
        done: u64,
        /// Crates in all.
        total: u64,
    },
    /// The build is over, one way or the other.
    Built,
    /// It is known what the task promises: (`P3`, its sentence).
    Promises(&'a [(String, String)]),
    /// The first case, in the suite's order, that something is left to do about. Others may still run.
    FirstFailure(&'a CaseVerdict),
    /// A case has ended.
    Case {
        /// Its verdict.
        #[cfg_attr(
            not(feature = "instructor"),
            expect(dead_code, reason = "`verify` looks at it")
        )]
        verdict: &'a CaseVerdict,
        /// How many have ended.
        done: usize,
        /// How many there are.
        total: usize,
    },
}

/// Whoever shows the steps; called from several threads.
pub type Watcher<'a> = &'a (dyn Fn(Step<'_>) + Sync);

/// Shows the steps on stderr: a bar on a terminal, else a sentence where the wait may be long.
pub struct Bar {
    drawn: ProgressBar,
    is_terminal: bool,
    began: Instant,
    said: Once,
}

impl Default for Bar {
    fn default() -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        let style = ProgressStyle::with_template("{msg} {bar:30} {pos}/{len}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        let is_terminal = io::stderr().is_terminal();
        Self { drawn: bar, is_terminal, began: Instant::now(), said: Once::new() }
    }
}

impl Bar {
    /// Shows a step.
    pub fn show(&self, step: &Step<'_>) {
        match step {
            Step::WaitingForSlot => {
                self.say("other checkers are building here; waiting for one of them");
            }
            Step::Fetching => self.say("fetching what the course depends on, this once"),
            Step::Building { done, total } => {
                if total - done > MANY && !self.is_terminal {
                    self.said.call_once(|| self.say("building, which takes a while this once"));
                }
                self.draw("building", *done, *total);
            }
            Step::Built => self.drawn.finish_and_clear(),
            Step::Promises(_) | Step::FirstFailure(_) => {}
            Step::Case { done, total, .. } => self.draw("checking", *done as u64, *total as u64),
        }
    }

    fn say(&self, text: &str) {
        self.drawn.suspend(|| anstream::eprintln!("{text}"));
    }

    fn draw(&self, what: &'static str, done: u64, total: u64) {
        if self.began.elapsed() > PATIENCE {
            self.drawn.set_message(what);
            self.drawn.set_length(total);
            self.drawn.set_position(done);
        }
        if what == "checking" && done == total {
            self.drawn.finish_and_clear();
        }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.drawn.finish_and_clear();
    }
}
