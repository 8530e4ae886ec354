//! The checker: from a source to its verdict, one module for each step on the way.
//!
//! `course` → `snapshot` → `package` → `compile` → `run` (over `process`) → `verdict` → `report`;
//! `databases` and `scratch` hold what cases run on; `check` strings them together, `store`
//! remembers, `cli` is on top.

// Modules of a binary say `pub` as those of a library do: for the other modules.
#![allow(unreachable_pub)]
// Text is put together here; a `write!` whose result is thrown away says no more.
#![allow(clippy::format_push_string)]
// The students' edition is built without what only instructors' commands use.
#![cfg_attr(not(feature = "instructor"), allow(dead_code))]

use std::panic;
use std::process::ExitCode;

use clap::Parser;

use crate::cancel::Interrupted;

mod cancel;
mod cargo;
mod check;
mod cli;
mod commands;
mod compile;
mod course;
mod databases;
mod diagnostics;
mod hint;
mod lint;
mod pack;
mod package;
mod process;
mod progress;
mod proof;
mod report;
mod reset;
mod run;
mod scratch;
mod session;
mod slot;
mod snapshot;
mod starter;
mod store;
mod verdict;
#[cfg(feature = "instructor")]
mod verify;
mod watch;

fn main() -> ExitCode {
    // First of all and without a word: each case is started through it.
    #[cfg(target_os = "linux")]
    if std::env::args_os().nth(1).is_some_and(|name| name == process::supervisor::NAME) {
        process::supervisor::main(std::env::args_os().skip(2));
        return ExitCode::SUCCESS;
    }
    end_quietly_with_the_reader();
    match cli::run(cli::Cli::parse()) {
        Ok(code) => code,
        Err(error) if error.is::<Interrupted>() => ExitCode::from(130),
        Err(error) => {
            let words = format!("{error:#}");
            anstream::eprintln!("checker: {}", session::disk_full(&words).unwrap_or(&words));
            ExitCode::from(2)
        }
    }
}

/// Whoever reads only the first lines (`checker check | head`) is not to see a panic.
fn end_quietly_with_the_reader() {
    let usual = panic::take_hook();
    panic::set_hook(Box::new(move |panicked| {
        if panicked.payload_as_str().is_some_and(|text| text.starts_with("failed printing to")) {
            std::process::exit(141);
        }
        usual(panicked);
    }));
}
