//! The command line: what may be asked, and which code the program ends with.

use std::io::{self, IsTerminal};
#[cfg(feature = "instructor")]
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

#[cfg(feature = "instructor")]
use crate::instructor::{pack, starters, verify};
use crate::judge::session::Session;
use crate::student::check::{self, CheckArgs};
use crate::student::hint::{self, HintArgs};
use crate::student::list::{self, ListArgs};
use crate::student::{reset, watch};

/// Everything that was asked for.
#[derive(Debug, Parser)]
#[command(
    name = "checker",
    about = "Checks your work on the course's tasks",
    after_help = "Without a command: watches your files on a terminal, else checks the next \
                  unfinished task. Ends with 0 if all passed, 1 if something failed, 2 if the \
                  call or the course is wrong."
)]
pub struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    /// Look at the files now and then instead of waiting to be told of saves: for network drives
    #[arg(long)]
    poll: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Check tasks: the named ones, or all
    Check(CheckArgs),
    /// Show the tasks, their points and how they stand
    List(ListArgs),
    /// Give a hint on the first failing case
    Hint(HintArgs),
    /// Put a task's starter back; what was there is kept
    Reset {
        /// Number, name or unique prefix
        task: String,
    },
    /// Test the suites themselves: every variant must fare as it is said to
    #[cfg(feature = "instructor")]
    Verify(verify::VerifyArgs),
    /// Write the starters from the solutions
    #[cfg(feature = "instructor")]
    Starters {
        /// Only say which ones differ, and end with 1 if any does
        #[arg(long)]
        check: bool,
    },
    /// Write the students' edition: no solutions, sealed suites
    #[cfg(feature = "instructor")]
    Pack {
        /// A folder that is empty or not there yet
        folder: PathBuf,
    },
}

/// Does what was asked for.
pub fn run(cli: Cli) -> Result<ExitCode> {
    let session = Session::begin()?;
    match cli.command {
        None if io::stdin().is_terminal() && io::stdout().is_terminal() => {
            watch::run(&session, cli.poll)
        }
        None => check::next(&session),
        Some(Command::Check(args)) => check::run(&session, &args),
        Some(Command::List(args)) => list::run(&session, &args),
        Some(Command::Hint(args)) => hint::run(&session, &args),
        Some(Command::Reset { task }) => reset::run(&session, &task),
        #[cfg(feature = "instructor")]
        Some(Command::Verify(args)) => verify::run(&session, &args),
        #[cfg(feature = "instructor")]
        Some(Command::Starters { check }) => starters::run(&session, check),
        #[cfg(feature = "instructor")]
        Some(Command::Pack { folder }) => pack::run(&session, &folder),
    }
}
