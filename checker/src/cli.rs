//! The command line: what may be asked, and which code the program ends with.

use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Parser, Subcommand};

use crate::commands;
use crate::hint::{self, HintArgs};
#[cfg(feature = "instructor")]
use crate::pack;
use crate::reset;
use crate::session::Session;
#[cfg(feature = "instructor")]
use crate::starter;
#[cfg(feature = "instructor")]
use crate::verify;
use crate::watch;

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

/// `check`.
#[derive(Args, Debug)]
pub struct CheckArgs {
    /// Numbers, names or unique prefixes; none means all
    pub tasks: Vec<String>,
    /// Check the reference solutions instead of the exercises
    #[arg(long, conflicts_with = "source")]
    pub solutions: bool,
    /// Check the folder that holds `src/lib.rs` as the task's submission
    #[arg(long, value_name = "DIR")]
    pub source: Option<PathBuf>,
    /// Run this case only
    #[arg(long, value_name = "NAME OR NUMBER")]
    pub case: Option<String>,
    /// Run the schedule with this seed only
    #[arg(long, requires = "case")]
    pub seed: Option<u64>,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
    /// Use no stored verdict
    #[arg(long)]
    pub fresh: bool,
}

/// `list`.
#[derive(Args, Debug)]
pub struct ListArgs {
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

/// Does what was asked for.
pub fn run(cli: Cli) -> Result<ExitCode> {
    let session = Session::begin()?;
    match cli.command {
        None if io::stdin().is_terminal() && io::stdout().is_terminal() => {
            watch::run(&session, cli.poll)
        }
        None => commands::next(&session),
        Some(Command::Check(args)) => commands::check(&session, &args),
        Some(Command::List(args)) => commands::list(&session, &args),
        Some(Command::Hint(args)) => hint::run(&session, &args),
        Some(Command::Reset { task }) => reset::run(&session, &task),
        #[cfg(feature = "instructor")]
        Some(Command::Verify(args)) => verify::run(&session, &args),
        #[cfg(feature = "instructor")]
        Some(Command::Starters { check }) => starter::generate::run(&session, check),
        #[cfg(feature = "instructor")]
        Some(Command::Pack { folder }) => pack::seal::run(&session, &folder),
    }
}
