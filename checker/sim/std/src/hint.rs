//! `std::hint`; spinning lets others go first.

use ::std::panic::Location;

pub use ::std::hint::*;

#[track_caller]
pub fn spin_loop() {
    sim::yield_now(Location::caller());
}
