//! How long a case waits for what may never come. Only time in which it could have come counts: not
//! what the machine computes for others meanwhile, and little of what is spent at work for the case.
//! So the limit may be short, and a busy machine still fails nobody.

use std::time::{Duration, Instant};

use ledger::BUSIEST;

use crate::deadline::{computed, had};
use crate::tasks::Telling;

/// How long is waited between two looks.
pub(crate) const LOOK: Duration = Duration::from_millis(20);

/// Whether a server is at work for the case.
pub type Elsewhere<'a> = dyn Fn() -> Telling<'a, bool> + 'a;

/// What is left of a wait in real time.
#[derive(Debug)]
pub struct Patience {
    limit: Duration,
    used: Duration,
}

impl Patience {
    /// As much patience as this, on a machine that does nothing else.
    pub fn new(limit: Duration) -> Self {
        Self { limit, used: Duration::ZERO }
    }

    /// Waits for a moment, and says whether all patience is used up now. `elsewhere` says whether a
    /// server is at work for the case; what it takes to find out does not count.
    pub fn spend<'a>(&'a mut self, elsewhere: &'a Elsewhere<'_>) -> Telling<'a, bool> {
        Box::pin(async move {
            let began = (Instant::now(), computed());
            tokio::time::sleep(LOOK).await;
            let (ended, computed) = (Instant::now(), computed());
            let computed = computed.zip(began.1).map(|(now, then)| now.saturating_sub(then));
            let at_work = threads_at_work() || elsewhere().await;
            self.used += counts(ended - began.0, computed, at_work);
            self.used >= self.limit
        })
    }

    /// Waits until all of it is used up.
    pub(crate) fn used_up<'a>(mut self, elsewhere: &'a Elsewhere<'_>) -> Telling<'a, ()> {
        Box::pin(async move { while !self.spend(elsewhere).await {} })
    }

    /// How much there was in all.
    pub(crate) fn limit(&self) -> Duration {
        self.limit
    }
}

/// What a moment of waiting counts in which the process computed for so long. However long it lasted:
/// who comes late from a short sleep was kept from its core.
fn counts(passed: Duration, computed: Option<Duration>, at_work: bool) -> Duration {
    let had = if at_work { passed / BUSIEST } else { had(passed, computed) };
    had.min(LOOK * 2)
}

/// Whether a thread beside this one could compute right now, or waits for a disk: as far as the system
/// tells.
fn threads_at_work() -> bool {
    let Ok(threads) = std::fs::read_dir("/proc/self/task") else { return false };
    let at_work = threads.flatten().filter(|thread| {
        // `42 (its name) S 1 …`, and the name may hold whatever it likes.
        let stat = std::fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
        let state = stat.rsplit_once(')').map(|(_, rest)| rest.trim_start());
        state.is_some_and(|state| state.starts_with(['R', 'D']))
    });
    at_work.count() > 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_time_in_which_it_could_have_come_counts() {
        let idle = Some(Duration::ZERO);
        assert_eq!(counts(LOOK, idle, false), LOOK, "everybody waits");
        assert_eq!(counts(LOOK, idle, true), LOOK / BUSIEST, "somebody is at work");
        assert_eq!(counts(LOOK, Some(LOOK / 4), false), LOOK / 4, "it shares its core");
        assert_eq!(counts(LOOK * 100, idle, false), LOOK * 2, "it was kept from its core");
        assert_eq!(counts(LOOK, None, false), LOOK, "nobody knows");
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_thread_that_computes_is_seen() {
        use std::sync::atomic::{AtomicBool, Ordering};
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            });
            assert!(threads_at_work());
            stop.store(true, Ordering::Relaxed);
        });
    }
}
