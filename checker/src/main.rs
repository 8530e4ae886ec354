//! The checker: from a source to its verdict.
//!
//! `student` and `instructor` hold what may be asked for, `judge` the way itself, `report` what is
//! said of a verdict, `course` what is on disk, `process` a process and all that it starts. Imports go
//! down that list only.

// Modules of a binary say `pub` as those of a library do: for the other modules.
#![allow(unreachable_pub)]
// Text is put together here; a `write!` whose result is thrown away says no more.
#![allow(clippy::format_push_string)]

use std::panic;
use std::process::ExitCode;

use clap::Parser;

use crate::process::cancel::Interrupted;
use crate::process::disk;

mod cli;
mod course;
#[cfg(feature = "instructor")]
mod instructor;
mod judge;
mod process;
mod report;
mod student;

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
            anstream::eprintln!("checker: {}", disk::full(&words).unwrap_or(&words));
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
