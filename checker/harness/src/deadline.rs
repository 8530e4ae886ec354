//! How much of its time a case has used: what it computes and what it waits count, what the machine
//! computes for others meanwhile does not. So a busy machine fails nobody.

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use ledger::BUSIEST;

/// The parts of its time after which a case is looked at.
const LOOKS: u32 = 10;
/// Who computes for less than this part of a while is waiting, and nobody keeps it from its core.
const IDLE: u32 = 100;

/// What is sent before `deadline` is used up; else whether the case has spent it computing, if the
/// system knows.
pub(crate) fn receive<T>(receiver: &Receiver<T>, deadline: Duration) -> Result<T, Option<bool>> {
    let began = (Instant::now(), computed());
    let (mut used, mut seen) = (Duration::ZERO, began);
    loop {
        match receiver.recv_timeout(deadline / LOOKS) {
            Ok(sent) => return Ok(sent),
            Err(RecvTimeoutError::Disconnected) => return Err(None),
            Err(RecvTimeoutError::Timeout) => {}
        }
        let now = (Instant::now(), computed());
        let since = |then: (Instant, Option<Duration>)| {
            (now.0 - then.0, now.1.zip(then.1).map(|(now, then)| now.saturating_sub(then)))
        };
        let (passed, computed) = since(seen);
        used += had(passed, computed);
        if used >= deadline {
            let (passed, computed) = since(began);
            return Err(computed.map(|computed| computes(passed, computed)));
        }
        seen = now;
    }
}

/// What a case has had of a while in which it computed for so long: at least a part of it, for whoever
/// hangs may have a thread that computes a little.
pub(crate) fn had(passed: Duration, computed: Option<Duration>) -> Duration {
    match computed {
        Some(computed) if computes(passed, computed) => computed.clamp(passed / BUSIEST, passed),
        _ => passed,
    }
}

/// Whether somebody who computed for so long of a while did more than wait.
fn computes(passed: Duration, computed: Duration) -> bool {
    computed >= passed / IDLE
}

/// For how long all threads of this process have computed, if the system knows. What the machine
/// computes for others does not count, so a case may hold what one thing costs against what another
/// does.
#[cfg(unix)]
pub fn computed() -> Option<Duration> {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Some(Duration::new(time.tv_sec.try_into().ok()?, time.tv_nsec.try_into().ok()?))
}

/// For how long all threads of this process have computed: this system does not say.
#[cfg(not(unix))]
pub fn computed() -> Option<Duration> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn only_what_the_case_computes_or_waits_counts() {
        let of_a_second = |computed: u64| had(SECOND, Some(Duration::from_millis(computed)));
        assert_eq!(of_a_second(0), SECOND, "it waits");
        assert_eq!(of_a_second(9), SECOND, "it waits, and looks now and then");
        assert_eq!(of_a_second(250), SECOND / 4, "four share its core");
        assert_eq!(of_a_second(50), SECOND / BUSIEST, "twenty do, or it mostly waits");
        assert_eq!(of_a_second(1_000), SECOND, "it has a core of its own");
        assert_eq!(of_a_second(2_000), SECOND, "it has two");
        assert_eq!(had(SECOND, None), SECOND, "nobody knows");
        assert!(computes(SECOND, SECOND / 20) && !computes(SECOND, SECOND / 1_000));
    }

    #[test]
    #[cfg(unix)]
    fn what_is_computed_counts() {
        let (began, wall) = (computed().unwrap(), Instant::now());
        while wall.elapsed() < Duration::from_millis(5) || computed().unwrap() == began {}
        assert!(computed().unwrap() > began);
    }

    #[test]
    fn who_waits_and_who_spins_comes_to_the_deadline() {
        let (sender, receiver) = mpsc::channel::<()>();
        let deadline = Duration::from_millis(50);
        assert!(receive(&receiver, deadline).is_err());
        std::thread::scope(|scope| {
            let (stop, stopped) = mpsc::channel::<()>();
            scope.spawn(move || while stopped.try_recv() == Err(mpsc::TryRecvError::Empty) {});
            assert!(receive(&receiver, deadline).is_err());
            drop(stop);
        });
        sender.send(()).unwrap();
        assert_eq!(receive(&receiver, deadline), Ok(()));
        drop(sender);
        assert_eq!(receive(&receiver, deadline), Err(None));
    }
}
