//! What is printed on, and how wide it is.

use std::io::{self, IsTerminal};

use anyhow::Result;

/// How wide the terminal is; a good width where there is none.
pub fn width() -> usize {
    let is_terminal = io::stdout().is_terminal();
    let columns = is_terminal.then(crossterm::terminal::size).and_then(Result::ok);
    columns.map_or(100, |(columns, _)| usize::from(columns)).clamp(60, 140)
}

/// Prints one JSON document.
pub fn print_json(value: &serde_json::Value) -> Result<()> {
    let text = serde_json::to_string_pretty(value)?;
    anstream::println!("{text}");
    Ok(())
}
