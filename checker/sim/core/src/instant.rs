//! Virtual time as the code under test sees it.

use std::ops::{Add, AddAssign, Sub, SubAssign};
use std::panic::Location;
use std::time::Duration;

use crate::wait;

/// How long the machine had been up when the schedule began: `Instant::now() - 30 min` works on
/// most machines, and here.
const UPTIME: Duration = Duration::from_hours(100 * 24);

/// `std::time::Instant` on virtual time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(Duration);

impl Instant {
    /// The instant it is now.
    #[must_use]
    #[track_caller]
    pub fn now() -> Self {
        let now = wait::read_clock(Location::caller()).unwrap_or_default();
        Self(UPTIME + now)
    }

    /// How much later this is than `earlier`; zero, if it is not.
    #[must_use]
    pub fn duration_since(&self, earlier: Self) -> Duration {
        self.saturating_duration_since(earlier)
    }

    /// How much later this is than `earlier`; `None`, if it is earlier itself.
    #[must_use]
    pub fn checked_duration_since(&self, earlier: Self) -> Option<Duration> {
        self.0.checked_sub(earlier.0)
    }

    /// How much later this is than `earlier`; zero, if it is not.
    #[must_use]
    pub fn saturating_duration_since(&self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }

    /// How long ago this is.
    #[must_use]
    #[track_caller]
    pub fn elapsed(&self) -> Duration {
        Self::now().saturating_duration_since(*self)
    }

    /// The instant `duration` later, if it can be told.
    #[must_use]
    pub fn checked_add(&self, duration: Duration) -> Option<Self> {
        self.0.checked_add(duration).map(Self)
    }

    /// The instant `duration` earlier, if it can be told.
    #[must_use]
    pub fn checked_sub(&self, duration: Duration) -> Option<Self> {
        self.0.checked_sub(duration).map(Self)
    }

    /// The virtual time since the schedule's start at which a wait until this instant ends.
    pub fn deadline(self) -> Duration {
        self.0.saturating_sub(UPTIME)
    }
}

/// The virtual time at which a wait of `span`, begun now, ends; `None` for one too long to tell.
#[track_caller]
pub fn deadline_in(span: Duration) -> Option<Duration> {
    Instant::now().checked_add(span).map(Instant::deadline)
}

impl Add<Duration> for Instant {
    type Output = Self;

    #[track_caller]
    fn add(self, other: Duration) -> Self {
        self.checked_add(other).expect("overflow when adding duration to instant")
    }
}

impl AddAssign<Duration> for Instant {
    #[track_caller]
    fn add_assign(&mut self, other: Duration) {
        *self = *self + other;
    }
}

impl Sub<Duration> for Instant {
    type Output = Self;

    #[track_caller]
    fn sub(self, other: Duration) -> Self {
        self.checked_sub(other).expect("overflow when subtracting duration from instant")
    }
}

impl SubAssign<Duration> for Instant {
    #[track_caller]
    fn sub_assign(&mut self, other: Duration) {
        *self = *self - other;
    }
}

impl Sub<Instant> for Instant {
    type Output = Duration;

    fn sub(self, other: Instant) -> Duration {
        self.duration_since(other)
    }
}
