//! The cases that are still to run, and what only one of them at a time may use.

use std::collections::HashSet;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use ledger::CaseInfo;

/// The named things that only one case at a time may use, whichever suite it belongs to.
#[derive(Debug, Default)]
pub struct Resources {
    in_use: Mutex<HashSet<String>>,
    freed: Condvar,
}

impl Resources {
    fn in_use(&self) -> MutexGuard<'_, HashSet<String>> {
        self.in_use.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The cases that are still to run. One whose resource is in use waits; others overtake it.
pub struct Queue<'a> {
    cases: &'a [CaseInfo],
    waiting: Mutex<Vec<usize>>,
    resources: &'a Resources,
}

/// What of a queue can run now.
enum Free {
    /// This one.
    Case(usize),
    /// None, until somebody gives back what it needs.
    Busy,
    /// None is left.
    Done,
}

impl<'a> Queue<'a> {
    /// All of these, in their order.
    pub fn new(cases: &'a [CaseInfo], resources: &'a Resources) -> Self {
        Self { cases, waiting: Mutex::new((0..cases.len()).collect()), resources }
    }

    /// The next case that may run; waits for one, unless none is left.
    pub fn take(&self) -> Option<usize> {
        let mut in_use = self.resources.in_use();
        loop {
            match self.first_free(&in_use) {
                Free::Case(index) => {
                    in_use.extend(self.cases[index].resources.iter().cloned());
                    return Some(index);
                }
                Free::Done => return None,
                Free::Busy => {}
            }
            in_use = self.resources.freed.wait(in_use).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// The first that is waiting for nothing.
    fn first_free(&self, in_use: &HashSet<String>) -> Free {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let is_free =
            |index: &usize| self.cases[*index].resources.iter().all(|name| !in_use.contains(name));
        let place = waiting.iter().position(is_free);
        match place {
            Some(place) => Free::Case(waiting.remove(place)),
            None if waiting.is_empty() => Free::Done,
            None => Free::Busy,
        }
    }

    /// The case has ended: what it used is free again.
    pub fn give_back(&self, index: usize) {
        let mut in_use = self.resources.in_use();
        for name in &self.cases[index].resources {
            in_use.remove(name);
        }
        self.resources.freed.notify_all();
    }
}
