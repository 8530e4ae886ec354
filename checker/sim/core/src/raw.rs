//! The locks as `lock_api` wants them: it makes the mutexes and guards of both stand-ins out of
//! these, and they are the very types of the real `parking_lot` but for this.
//!
//! All tasks of a schedule run on one OS thread, and a [`Gate`] says who holds what. Outside a
//! schedule, where no honest program has two OS threads at one such lock, a number does.

use std::num::NonZero;
use std::panic::Location;
use std::sync::atomic::{AtomicIsize, Ordering};
use std::time::Duration;

use lock_api::{GetThreadId, GuardNoSend};

use crate::gate::Gate;
use crate::instant::{Instant, deadline_in};
use crate::place::Place;
use crate::reason::{Guarded, Mode};
use crate::task;
use crate::world;

/// A lock of any kind.
#[derive(Debug)]
struct Lock {
    gate: Gate,
    /// Who holds it outside a schedule: so many readers, or the one writer as -1.
    outside: AtomicIsize,
}

impl Lock {
    const fn new() -> Self {
        Self { gate: Gate::new(Guarded::Lock), outside: AtomicIsize::new(0) }
    }

    fn lock(&self, mode: Mode, at: Place, deadline: Option<Duration>) -> bool {
        if world::inside() {
            return self.gate.lock(mode, at, deadline);
        }
        assert!(
            self.try_outside(mode),
            "a lock is taken outside a simulated schedule while it is held ({at})"
        );
        true
    }

    fn try_lock(&self, mode: Mode, at: Place) -> bool {
        if world::inside() { self.gate.try_lock(mode, at) } else { self.try_outside(mode) }
    }

    fn try_outside(&self, mode: Mode) -> bool {
        let take = |holders: isize| match mode {
            Mode::Exclusive | Mode::Upgradable => (holders == 0).then_some(-1),
            Mode::Shared | Mode::Recursive => (holders >= 0).then_some(holders + 1),
            Mode::Upgrade => (holders == -1).then_some(-1),
        };
        self.outside.fetch_update(Ordering::SeqCst, Ordering::SeqCst, take).is_ok()
    }

    fn unlock(&self, mode: Mode, fair: bool) {
        if !world::inside() {
            let give_back = |holders: isize| Some(if holders > 0 { holders - 1 } else { 0 });
            let _ = self.outside.fetch_update(Ordering::SeqCst, Ordering::SeqCst, give_back);
        } else if fair {
            self.gate.unlock_fair(mode);
        } else {
            self.gate.unlock(mode);
        }
    }

    fn downgrade(&self, from: Mode, to: Mode, at: Place) {
        if world::inside() {
            self.gate.downgrade(from, to, at);
        } else if matches!(to, Mode::Shared) {
            self.outside.store(1, Ordering::SeqCst);
        }
    }

    fn is_held(&self, for_writing: bool, at: Place) -> bool {
        if world::inside() {
            return self.gate.is_held(for_writing, at);
        }
        let holders = self.outside.load(Ordering::SeqCst);
        holders < 0 || (holders > 0 && !for_writing)
    }
}

/// The part of a mutex that has no data.
#[derive(Debug)]
pub struct RawMutex(Lock);

/// Like [`RawMutex`], but every unlock hands the mutex to the one who waits longest.
#[derive(Debug)]
pub struct RawFairMutex(Lock);

/// The part of a reader-writer lock that has no data.
#[derive(Debug)]
pub struct RawRwLock(Lock);

/// Tells simulated threads apart.
#[derive(Debug)]
pub struct RawThreadId;

macro_rules! raw_mutex {
    ($raw:ident, fair: $fair:expr) => {
        // SAFETY: `lock` returns, and `try_lock` returns true, only when the gate (outside a
        // schedule: the number) has nobody else as its holder, and nobody becomes the holder before
        // `unlock`. A holder of an earlier schedule is forgotten, but it never runs again.
        unsafe impl lock_api::RawMutex for $raw {
            const INIT: Self = Self(Lock::new());

            type GuardMarker = GuardNoSend;

            #[track_caller]
            fn lock(&self) {
                self.0.lock(Mode::Exclusive, Location::caller(), None);
            }

            #[track_caller]
            fn try_lock(&self) -> bool {
                self.0.try_lock(Mode::Exclusive, Location::caller())
            }

            unsafe fn unlock(&self) {
                self.0.unlock(Mode::Exclusive, $fair);
            }

            #[track_caller]
            fn is_locked(&self) -> bool {
                self.0.is_held(false, Location::caller())
            }
        }

        // SAFETY: as for `RawMutex`; the one it is handed to is the new holder.
        unsafe impl lock_api::RawMutexFair for $raw {
            unsafe fn unlock_fair(&self) {
                self.0.unlock(Mode::Exclusive, true);
            }
        }

        // SAFETY: as for `RawMutex`.
        unsafe impl lock_api::RawMutexTimed for $raw {
            type Duration = Duration;
            type Instant = Instant;

            #[track_caller]
            fn try_lock_for(&self, timeout: Duration) -> bool {
                self.0.lock(Mode::Exclusive, Location::caller(), deadline_in(timeout))
            }

            #[track_caller]
            fn try_lock_until(&self, timeout: Instant) -> bool {
                self.0.lock(Mode::Exclusive, Location::caller(), Some(timeout.deadline()))
            }
        }
    };
}

raw_mutex!(RawMutex, fair: false);
raw_mutex!(RawFairMutex, fair: true);

// SAFETY: a reader is let in only when the gate (outside a schedule: the number) has no writer, a
// writer only when it has nobody, and they stay its holders until they unlock. A holder of an
// earlier schedule is forgotten, but it never runs again.
unsafe impl lock_api::RawRwLock for RawRwLock {
    const INIT: Self = Self(Lock::new());

    type GuardMarker = GuardNoSend;

    #[track_caller]
    fn lock_shared(&self) {
        self.0.lock(Mode::Shared, Location::caller(), None);
    }

    #[track_caller]
    fn try_lock_shared(&self) -> bool {
        self.0.try_lock(Mode::Shared, Location::caller())
    }

    unsafe fn unlock_shared(&self) {
        self.0.unlock(Mode::Shared, false);
    }

    #[track_caller]
    fn lock_exclusive(&self) {
        self.0.lock(Mode::Exclusive, Location::caller(), None);
    }

    #[track_caller]
    fn try_lock_exclusive(&self) -> bool {
        self.0.try_lock(Mode::Exclusive, Location::caller())
    }

    unsafe fn unlock_exclusive(&self) {
        self.0.unlock(Mode::Exclusive, false);
    }

    #[track_caller]
    fn is_locked(&self) -> bool {
        self.0.is_held(false, Location::caller())
    }

    #[track_caller]
    fn is_locked_exclusive(&self) -> bool {
        self.0.is_held(true, Location::caller())
    }
}

// SAFETY: as for `RawRwLock`; the one it is handed to is a new holder.
unsafe impl lock_api::RawRwLockFair for RawRwLock {
    unsafe fn unlock_shared_fair(&self) {
        self.0.unlock(Mode::Shared, true);
    }

    unsafe fn unlock_exclusive_fair(&self) {
        self.0.unlock(Mode::Exclusive, true);
    }
}

// SAFETY: the writer becomes a reader in one step.
unsafe impl lock_api::RawRwLockDowngrade for RawRwLock {
    #[track_caller]
    unsafe fn downgrade(&self) {
        self.0.downgrade(Mode::Exclusive, Mode::Shared, Location::caller());
    }
}

// SAFETY: as for `RawRwLock`.
unsafe impl lock_api::RawRwLockTimed for RawRwLock {
    type Duration = Duration;
    type Instant = Instant;

    #[track_caller]
    fn try_lock_shared_for(&self, timeout: Duration) -> bool {
        self.0.lock(Mode::Shared, Location::caller(), deadline_in(timeout))
    }

    #[track_caller]
    fn try_lock_shared_until(&self, timeout: Instant) -> bool {
        self.0.lock(Mode::Shared, Location::caller(), Some(timeout.deadline()))
    }

    #[track_caller]
    fn try_lock_exclusive_for(&self, timeout: Duration) -> bool {
        self.0.lock(Mode::Exclusive, Location::caller(), deadline_in(timeout))
    }

    #[track_caller]
    fn try_lock_exclusive_until(&self, timeout: Instant) -> bool {
        self.0.lock(Mode::Exclusive, Location::caller(), Some(timeout.deadline()))
    }
}

// SAFETY: as for `RawRwLock`: recursive readers are readers.
unsafe impl lock_api::RawRwLockRecursive for RawRwLock {
    #[track_caller]
    fn lock_shared_recursive(&self) {
        self.0.lock(Mode::Recursive, Location::caller(), None);
    }

    #[track_caller]
    fn try_lock_shared_recursive(&self) -> bool {
        self.0.try_lock(Mode::Recursive, Location::caller())
    }
}

// SAFETY: as for `RawRwLock`.
unsafe impl lock_api::RawRwLockRecursiveTimed for RawRwLock {
    #[track_caller]
    fn try_lock_shared_recursive_for(&self, timeout: Duration) -> bool {
        self.0.lock(Mode::Recursive, Location::caller(), deadline_in(timeout))
    }

    #[track_caller]
    fn try_lock_shared_recursive_until(&self, timeout: Instant) -> bool {
        self.0.lock(Mode::Recursive, Location::caller(), Some(timeout.deadline()))
    }
}

// SAFETY: an upgradable reader is let in like a reader, and only when there is none of its kind; it
// becomes the writer only when there are no other readers.
unsafe impl lock_api::RawRwLockUpgrade for RawRwLock {
    #[track_caller]
    fn lock_upgradable(&self) {
        self.0.lock(Mode::Upgradable, Location::caller(), None);
    }

    #[track_caller]
    fn try_lock_upgradable(&self) -> bool {
        self.0.try_lock(Mode::Upgradable, Location::caller())
    }

    unsafe fn unlock_upgradable(&self) {
        self.0.unlock(Mode::Upgradable, false);
    }

    #[track_caller]
    unsafe fn upgrade(&self) {
        self.0.lock(Mode::Upgrade, Location::caller(), None);
    }

    #[track_caller]
    unsafe fn try_upgrade(&self) -> bool {
        self.0.try_lock(Mode::Upgrade, Location::caller())
    }
}

// SAFETY: as for `RawRwLock`; the one it is handed to is a new holder.
unsafe impl lock_api::RawRwLockUpgradeFair for RawRwLock {
    unsafe fn unlock_upgradable_fair(&self) {
        self.0.unlock(Mode::Upgradable, true);
    }
}

// SAFETY: each becomes the other in one step.
unsafe impl lock_api::RawRwLockUpgradeDowngrade for RawRwLock {
    #[track_caller]
    unsafe fn downgrade_upgradable(&self) {
        self.0.downgrade(Mode::Upgradable, Mode::Shared, Location::caller());
    }

    #[track_caller]
    unsafe fn downgrade_to_upgradable(&self) {
        self.0.downgrade(Mode::Exclusive, Mode::Upgradable, Location::caller());
    }
}

// SAFETY: as for `RawRwLockUpgrade`.
unsafe impl lock_api::RawRwLockUpgradeTimed for RawRwLock {
    #[track_caller]
    fn try_lock_upgradable_for(&self, timeout: Duration) -> bool {
        self.0.lock(Mode::Upgradable, Location::caller(), deadline_in(timeout))
    }

    #[track_caller]
    fn try_lock_upgradable_until(&self, timeout: Instant) -> bool {
        self.0.lock(Mode::Upgradable, Location::caller(), Some(timeout.deadline()))
    }

    #[track_caller]
    unsafe fn try_upgrade_for(&self, timeout: Duration) -> bool {
        self.0.lock(Mode::Upgrade, Location::caller(), deadline_in(timeout))
    }

    #[track_caller]
    unsafe fn try_upgrade_until(&self, timeout: Instant) -> bool {
        self.0.lock(Mode::Upgrade, Location::caller(), Some(timeout.deadline()))
    }
}

// SAFETY: no two tasks of a schedule have the same number.
unsafe impl GetThreadId for RawThreadId {
    const INIT: Self = Self;

    fn nonzero_thread_id(&self) -> NonZero<usize> {
        NonZero::<usize>::MIN.saturating_add(task::current().id().1)
    }
}
