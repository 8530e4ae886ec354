//! The checker: from a source to its verdict, one module for each step on the way.
//!
//! `course` → `snapshot` → `package` → `compile` → `run` (over `process`) → `verdict` → `report`;
//! `check` strings them together, `store` remembers, `cli` is on top.

// Modules of a binary say `pub` as those of a library do: for the other modules.
#![allow(unreachable_pub)]

use std::process::ExitCode;

use clap::Parser;

use crate::cancel::Interrupted;

mod cancel;
mod check;
mod cli;
mod compile;
mod course;
mod hint;
mod pack;
mod progress;
mod report;
mod reset;
mod run;
mod session;
mod snapshot;
mod starter;
mod store;
mod verdict;

fn main() -> ExitCode {
    match cli::run(cli::Cli::parse()) {
        Ok(code) => code,
        Err(error) if error.is::<Interrupted>() => ExitCode::from(130),
        Err(error) => {
            anstream::eprintln!("checker: {error:#}");
            ExitCode::from(2)
        }
    }
}
