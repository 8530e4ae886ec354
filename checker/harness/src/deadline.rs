//! How much of its time a case has used: what it computes and what it waits count, what the machine
//! computes for others meanwhile does not. So a busy machine fails nobody.

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

/// The parts of its time after which a case is looked at.
const LOOKS: u32 = 10;
/// Who computes for less than this part of a while is waiting, and nobody keeps it from its core.
const IDLE: u32 = 100;

/// What is sent before `deadline` is used up; else whether the case was computing in the end, if the
/// system knows.
pub(crate) fn receive<T>(receiver: &Receiver<T>, deadline: Duration) -> Result<T, Option<bool>> {
    let (mut used, mut seen) = (Duration::ZERO, (Instant::now(), computed()));
    loop {
        match receiver.recv_timeout(deadline / LOOKS) {
            Ok(sent) => return Ok(sent),
            Err(RecvTimeoutError::Disconnected) => return Err(None),
            Err(RecvTimeoutError::Timeout) => {}
        }
        let now = (Instant::now(), computed());
        let passed = now.0 - seen.0;
        let time = now.1.zip(seen.1).map(|(now, then)| now.saturating_sub(then));
        seen = now;
        used += had(passed, time);
        if used >= deadline {
            return Err(time.map(|time| time >= passed / IDLE));
        }
    }
}

/// What a case has had of a while in which it computed for so long.
fn had(passed: Duration, computed: Option<Duration>) -> Duration {
    computed.filter(|time| *time >= passed / IDLE).map_or(passed, |time| time.min(passed))
}

/// For how long all threads of this process have computed, if the system knows.
#[cfg(unix)]
fn computed() -> Option<Duration> {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Some(Duration::new(time.tv_sec.try_into().ok()?, time.tv_nsec.try_into().ok()?))
}

#[cfg(not(unix))]
fn computed() -> Option<Duration> {
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
        assert_eq!(of_a_second(50), Duration::from_millis(50), "twenty share its core");
        assert_eq!(of_a_second(1_000), SECOND, "it has a core of its own");
        assert_eq!(of_a_second(2_000), SECOND, "it has two");
        assert_eq!(had(SECOND, None), SECOND, "nobody knows");
    }

    #[test]
    fn who_waits_and_who_spins_comes_to_the_deadline() {
        let (sender, receiver) = mpsc::channel::<()>();
        let deadline = Duration::from_millis(50);
        assert_eq!(receive(&receiver, deadline), Err(computed().map(|_| false)));
        std::thread::scope(|scope| {
            let (stop, stopped) = mpsc::channel::<()>();
            scope.spawn(move || while stopped.try_recv() == Err(mpsc::TryRecvError::Empty) {});
            assert_eq!(receive(&receiver, deadline), Err(computed().map(|_| true)));
            drop(stop);
        });
        sender.send(()).unwrap();
        assert_eq!(receive(&receiver, deadline), Ok(()));
        drop(sender);
        assert_eq!(receive(&receiver, deadline), Err(None));
    }
}
