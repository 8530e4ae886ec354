//! What is said about the schedule of a case whose threads are real.

use std::thread;

use ledger::{Schedule, Step};

pub(crate) fn seed() -> Option<u64> {
    None
}

pub(crate) fn schedules_run() -> u64 {
    0
}

pub(crate) fn waiting() -> Vec<String> {
    Vec::new()
}

pub(crate) fn woken_early() -> Option<String> {
    None
}

pub(crate) fn current_thread() -> Option<String> {
    None
}

pub(crate) fn taken() -> Option<Schedule> {
    None
}

pub(crate) fn forget_steps() {}

pub(crate) fn steps(_untold: usize) -> Vec<Step> {
    Vec::new()
}

/// There is no other schedule to go on with: stands still until the deadline.
pub(crate) fn give_up() -> ! {
    loop {
        thread::park();
    }
}
