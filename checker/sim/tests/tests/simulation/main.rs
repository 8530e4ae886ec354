//! Each primitive works in every schedule, and each kind of fault is found in some.

mod atomics;
mod channels;
mod condvars;
mod locks;
mod once;
mod panics;
mod parking_lots;
mod paths;
mod polling;
mod schedules;
mod steps;
mod threads;
mod time;
mod unmodelled;
mod waiting;
