//! What must come of a story about one connection, told step by step: the promises as a few lines of
//! plain data. It knows nothing of time, tasks or wakers.

use std::collections::VecDeque;
use std::num::NonZeroU32;

/// What happens at a moment that the case chooses. A trader is told by his code, as `C1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Step {
    Asks(&'static str),
    /// His `get` is dropped, if it has not ended yet.
    Leaves(&'static str),
    /// Whoever holds the connection gives it back.
    Return,
    /// A connect that is under way ends.
    ConnectEnds,
    Close,
}

/// How a story's pool is made, and how its connections fare.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    pub(crate) normal_queue: usize,
    pub(crate) starvation_limit: Option<NonZeroU32>,
    /// What comes back is broken.
    pub(crate) broken: bool,
    /// The next connect is refused.
    pub(crate) refused: bool,
}

/// What a trader is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Told {
    Got,
    QueueFull,
    Connect,
    Closed,
    /// He was opening a connection at the end: either is fine, now or later.
    GotOrClosed,
}

/// The only place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Free,
    Idle,
    Connecting { by: &'static str, refused: bool },
    Held,
}

/// A pool with one connection, which is lent out at first.
pub(crate) struct Model {
    terms: Terms,
    place: Place,
    critical: VecDeque<&'static str>,
    normal: VecDeque<&'static str>,
    /// Critical ones that were served in a row while a normal one waited.
    row: u32,
    closed: bool,
    /// From some step on the task's README leaves free what happens.
    pub(crate) free: bool,
    /// Who was told what by the last step.
    told: Vec<(&'static str, Told)>,
}

impl Model {
    pub(crate) fn new(terms: Terms) -> Self {
        Self {
            terms,
            place: Place::Held,
            critical: VecDeque::new(),
            normal: VecDeque::new(),
            row: 0,
            closed: false,
            free: false,
            told: Vec::new(),
        }
    }

    /// Whether a step changes anything now: whoever leaves waits, what comes back is lent out.
    pub(crate) fn has_to_do(&self, step: Step) -> bool {
        match step {
            // What a pool may have done is not known here.
            _ if self.free => true,
            Step::Asks(_) | Step::Close => true,
            Step::Leaves(code) => {
                let waits = self.critical.contains(&code) || self.normal.contains(&code);
                waits || matches!(self.place, Place::Connecting { by, .. } if by == code)
            }
            Step::Return => self.place == Place::Held,
            Step::ConnectEnds => matches!(self.place, Place::Connecting { .. }),
        }
    }

    /// Takes a step. Who is told what, now.
    pub(crate) fn step(&mut self, step: Step) -> Vec<(&'static str, Told)> {
        match step {
            Step::Asks(code) => self.asks(code),
            Step::Leaves(code) => self.leaves(code),
            Step::Return if self.place == Place::Held => self.pass_on(!self.terms.broken),
            Step::Return => {}
            Step::ConnectEnds => self.connect_ends(),
            Step::Close => self.close(),
        }
        std::mem::take(&mut self.told)
    }

    /// A step, and in the same instant, before anybody can run, this one leaves.
    pub(crate) fn step_and_leave(
        &mut self,
        step: Step,
        code: &'static str,
    ) -> Vec<(&'static str, Told)> {
        let mut told = self.step(step);
        if told.contains(&(code, Told::Got)) {
            // It was his turn, and he has gone.
            told.retain(|(other, _)| *other != code);
            self.pass_on(true);
            told.append(&mut self.told);
            told
        } else {
            told.extend(self.step(Step::Leaves(code)));
            told
        }
    }

    fn asks(&mut self, code: &'static str) {
        let critical = code.starts_with('C');
        match self.place {
            _ if self.closed => self.told.push((code, Told::Closed)),
            Place::Idle => self.got(code),
            Place::Free => self.connects(code),
            _ if critical => self.critical.push_back(code),
            _ if self.normal.len() < self.terms.normal_queue => self.normal.push_back(code),
            _ => self.told.push((code, Told::QueueFull)),
        }
    }

    fn leaves(&mut self, code: &'static str) {
        self.critical.retain(|other| *other != code);
        self.normal.retain(|other| *other != code);
        if let Place::Connecting { by, refused } = self.place
            && by == code
        {
            // A connect that goes on may be refused to the next, or become idle if there is none.
            self.free |= refused || self.critical.is_empty() && self.normal.is_empty();
            self.pass_on(false);
        }
    }

    fn connect_ends(&mut self) {
        if let Place::Connecting { by, refused } = self.place {
            if refused {
                self.told.push((by, Told::Connect));
                self.pass_on(false);
            } else {
                self.got(by);
            }
        }
    }

    fn close(&mut self) {
        self.closed = true;
        if let Place::Connecting { by, .. } = self.place {
            self.told.push((by, Told::GotOrClosed));
        }
        if self.place == Place::Idle {
            self.place = Place::Free;
        }
        let waiting = self.critical.drain(..).chain(self.normal.drain(..));
        self.told.extend(waiting.map(|code| (code, Told::Closed)));
    }

    /// The place is to have, with a good connection in it or none.
    fn pass_on(&mut self, good: bool) {
        self.place = if good && !self.closed { Place::Idle } else { Place::Free };
        let due = self.terms.starvation_limit.is_some_and(|limit| self.row >= limit.get());
        let next = if due && !self.normal.is_empty() { None } else { self.critical.pop_front() };
        if next.is_some() {
            self.row = if self.normal.is_empty() { 0 } else { self.row + 1 };
        }
        let next = next.or_else(|| {
            self.row = 0;
            self.normal.pop_front()
        });
        match next {
            Some(code) if good => self.got(code),
            Some(code) => self.connects(code),
            None => {}
        }
    }

    fn got(&mut self, code: &'static str) {
        self.place = Place::Held;
        // Once it is closed, what he may be told was said at the end.
        if !self.closed {
            self.told.push((code, Told::Got));
        }
    }

    fn connects(&mut self, code: &'static str) {
        let refused = std::mem::take(&mut self.terms.refused);
        self.place = Place::Connecting { by: code, refused };
    }
}
