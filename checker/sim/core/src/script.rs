//! Who had the turn for how long: what was decided in a schedule, and what is to be decided in one.

/// A script for a schedule, or a record of one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Script {
    /// Whose turn it is, one after another. One that cannot run is passed over. Behind the last, who
    /// runs goes on until it cannot, and then the first-begun of those that can.
    pub turns: Vec<Turn>,
    /// The other decisions, in order: who of several is notified, whether a wait ends early. Behind the
    /// last, it is who came first, and no wait ends early.
    pub draws: Vec<usize>,
}

/// How long a simulated thread keeps the turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn {
    /// Its number: 0 for the main one, then in the order in which they began.
    pub thread: usize,
    /// For so many decisions, after which it could have gone on; `None`: until it has to wait, even if
    /// its time comes in the next moment, or ends.
    pub decisions: Option<u64>,
}

/// A schedule with more turns than this is not recorded.
const MOST: usize = 10_000;

/// The decisions of the running schedule.
#[derive(Debug, Default)]
pub(crate) struct Decided {
    turns: Vec<Turn>,
    draws: Vec<usize>,
    /// How many decisions the last turn has lasted.
    kept: u64,
}

impl Decided {
    pub(crate) fn clear(&mut self) {
        self.turns.clear();
        self.draws.clear();
        self.kept = 0;
    }

    /// The turn is this thread's; `could_go_on` says it of the one that had the turn before.
    pub(crate) fn turn(&mut self, thread: usize, could_go_on: bool) {
        match self.turns.last_mut() {
            Some(last) if last.thread == thread && could_go_on => self.kept += 1,
            last => {
                if let Some(last) = last.filter(|_| could_go_on) {
                    last.decisions = Some(self.kept);
                }
                self.kept = 1;
                if self.turns.len() <= MOST {
                    self.turns.push(Turn { thread, decisions: None });
                }
            }
        }
    }

    pub(crate) fn draw(&mut self, value: usize) {
        if self.draws.len() <= MOST {
            self.draws.push(value);
        }
    }

    /// The script by which it goes like this again, unless it is too long to tell.
    pub(crate) fn script(&self) -> Option<Script> {
        let fits = self.turns.len() <= MOST && self.draws.len() <= MOST;
        fits.then(|| Script { turns: self.turns.clone(), draws: self.draws.clone() })
    }
}

/// A script, and how far it has been followed.
#[derive(Debug)]
pub(crate) struct Followed {
    script: Script,
    next: usize,
    kept: u64,
    drawn: usize,
}

impl Followed {
    pub(crate) fn new(script: Script) -> Self {
        Self { script, next: 0, kept: 0, drawn: 0 }
    }

    /// Who has the turn, of those who can run; `None` behind the script's end. `could_go_on` says it
    /// of the one that had the turn before.
    pub(crate) fn turn(
        &mut self,
        could_go_on: bool,
        can_run: impl Fn(usize) -> bool,
    ) -> Option<usize> {
        if self.kept > 0 && !could_go_on {
            (self.next, self.kept) = (self.next + 1, 0);
        }
        loop {
            let Turn { thread, decisions } = *self.script.turns.get(self.next)?;
            if can_run(thread) && decisions.is_none_or(|most| self.kept < most) {
                self.kept += 1;
                return Some(thread);
            }
            (self.next, self.kept) = (self.next + 1, 0);
        }
    }

    /// The next of the other decisions, below `n`; `None` behind the script's end.
    pub(crate) fn draw(&mut self, n: usize) -> Option<usize> {
        let drawn = self.script.draws.get(self.drawn).map(|value| (*value).min(n - 1));
        self.drawn += 1;
        drawn
    }
}
