//! Deterministic simulation of threads and time.
//!
//! Code that is compiled over the stand-ins for `std` (`sim-std`) and `parking_lot`
//! (`sim-parking-lot`) runs on simulated threads: one at a time, in an order that a seed decides,
//! on virtual time. [`explore`] runs a body under many such schedules.
//!
//! How it works:
//! - A simulated thread is a coroutine of Shuttle's, all on one OS thread. Shuttle switches between
//!   them; who is next is decided here: at random, each that can run being
//!   equally likely. When none can, time moves to the earliest deadline. When there is none either,
//!   nobody will ever run again, and `on_stuck` hears who waits for what.
//! - Every visible operation begins with a [`point`], at which others may go first. Unlocking has
//!   one too, so that others get to see the lock held.
//! - A lock is a [`Gate`]: who holds it, who waits. Giving it back wakes all who wait, and they
//!   compete for it again, so that every order comes up.
//! - A program that polls makes progress: `yield_now` is a short sleep, and one that has done a
//!   thousand things without waiting pays for each further one with some virtual time.
//!
//! - A wait on std's condition variable, and `park`, now and then ends without a reason, as their docs
//!   permit: in each fourth schedule, so that the others show a wake-up that is lost. `parking_lot`'s
//!   condition variable promises that it does not.
//!
//! What is not simulated: weak memory (atomics are sequentially consistent), spurious failures of
//! `compare_exchange_weak`, scheduling points in `Arc`'s counts, and whatever a crate
//! takes from `core` (`core::sync::atomic` works, without scheduling points). The order in which a
//! `HashMap` is walked is the process's own, not the seed's.
//!
//! All but [`explore`] and the questions beside it is for the two stand-ins.

mod did;
mod explore;
mod gate;
mod graph;
mod instant;
mod local;
mod once;
mod place;
mod queue;
mod random;
pub mod raw;
mod reason;
mod script;
mod slot;
mod state;
mod story;
pub mod task;
mod telling;
mod thing;
mod turn;
mod unwind;
mod wait;
mod world;

pub use explore::{
    Plan, current_thread, explore, explore_as, forget_steps, give_up, now, schedules_run, script,
    seed, steps, waiting, woken_early,
};
pub use gate::{Gate, Held};
pub use instant::{Instant, deadline_in};
pub use local::{AccessError, LocalKey};
pub use once::{Once, Progress};
pub use place::TaskId;
pub use queue::Queue;
pub use reason::{Event, Guarded, Mode, Wake};
pub use script::{Script, Turn};
pub use story::tell;
pub use telling::{Step, Thing};
pub use unwind::{catch_unwind, panicking, resume_unwind};
pub use wait::{point, point_in_drop, sleep, yield_now};
pub use world::Schedules;
