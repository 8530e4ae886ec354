//! What a primary and its breaker come to, step by step: the contract as a small program.

use std::time::Duration;

use fault_tolerant_pool::Breaker;

/// What happens at one moment of a story, one second apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Dies,
    Returns,
    Read,
    Write,
    /// A read that is dropped in the middle of its attempt.
    Cancelled,
    /// A guard that was lent out at the beginning, and now comes back broken.
    Breaks,
}

/// What a request is told: by which server it is served, or that no one does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    Nothing,
    ServedBy(usize),
    Unavailable,
}

/// How a step goes: what is told, when, and the breaker in between and afterwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Course {
    pub(crate) told: Told,
    /// How long it takes.
    pub(crate) takes: Duration,
    pub(crate) is_probe: bool,
    pub(crate) after: Breaker,
}

/// How long an attempt takes, whatever comes of it.
pub(crate) const TAKES: Duration = Duration::from_millis(100);
pub(crate) const OPEN_FOR: Duration = Duration::from_millis(2_500);
pub(crate) const THRESHOLD: u32 = 2;

pub(crate) struct Model {
    alive: bool,
    failures: u32,
    opened: Option<Duration>,
    /// Whether it has never opened: the guards of the beginning still count.
    first_era: bool,
}

impl Model {
    pub(crate) fn new() -> Self {
        Self { alive: true, failures: 0, opened: None, first_era: true }
    }

    /// A step that begins now.
    pub(crate) fn step(&mut self, step: Step, now: Duration) -> Course {
        let tries = self.opened.is_none_or(|opened| now >= opened + OPEN_FOR);
        let is_probe = self.opened.is_some() && tries;
        let (mut told, mut takes) = (Told::Nothing, Duration::ZERO);
        match step {
            Step::Dies => self.alive = false,
            Step::Returns => self.alive = true,
            Step::Breaks if self.first_era => self.fails(now),
            Step::Breaks | Step::Cancelled => {}
            Step::Read | Step::Write => {
                let otherwise =
                    if step == Step::Read { Told::ServedBy(1) } else { Told::Unavailable };
                told = if tries && self.alive { Told::ServedBy(0) } else { otherwise };
                if tries {
                    takes = TAKES;
                    if self.alive { self.succeeds() } else { self.fails(now + TAKES) }
                }
            }
        }
        let after = if self.opened.is_some() { Breaker::Open } else { Breaker::Closed };
        let asks = matches!(step, Step::Read | Step::Write | Step::Cancelled);
        Course { told, takes, is_probe: is_probe && asks, after }
    }

    fn fails(&mut self, now: Duration) {
        self.failures += 1;
        if self.opened.is_some() || self.failures >= THRESHOLD {
            self.opened = Some(now);
            self.first_era = false;
        }
    }

    fn succeeds(&mut self) {
        self.failures = 0;
        self.opened = None;
    }
}
