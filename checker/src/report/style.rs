//! Colours, labels and lines of text.

use anstyle::{AnsiColor, Style};
use ledger::plain::visible;

pub const GOOD: Style = AnsiColor::Green.on_default();
pub const BAD: Style = AnsiColor::Red.on_default().bold();
pub const ODD: Style = AnsiColor::Yellow.on_default();
pub const QUIET: Style = Style::new().dimmed();
pub const STRONG: Style = Style::new().bold();

/// How far a failure's texts are set in.
pub const INDENT: usize = 12;

/// A label and what belongs to it, wrapped at words.
pub fn labelled(label: &str, words: &str, width: usize) -> String {
    let room = width.saturating_sub(INDENT).max(30);
    let lines = wrapped(&plain(words), room);
    let label = paint(QUIET, &format!("{label:9}"));
    format!("  {label} {}\n", lines.join(&format!("\n{:INDENT$}", "")))
}

/// The text in lines of at most so many characters, wrapped at words; a longer word has a longer line.
pub fn wrapped(text: &str, room: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for paragraph in text.lines() {
        let mut line = String::new();
        for word in paragraph.split(' ') {
            if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > room {
                lines.push(std::mem::take(&mut line));
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line += word;
        }
        lines.push(line);
    }
    lines
}

/// Without anything that steers a terminal.
pub fn plain(text: &str) -> String {
    let text = anstream::adapter::strip_str(text).to_string();
    visible(&text.replace('\t', "    ")).into_owned()
}

pub fn shorten(text: &str, room: usize) -> String {
    let text = text.replace('\n', " ");
    if text.chars().count() <= room {
        return text;
    }
    text.chars().take(room.saturating_sub(1)).chain(['…']).collect()
}

pub fn paint(style: Style, text: &str) -> String {
    format!("{style}{text}{style:#}")
}
