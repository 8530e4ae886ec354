//! The terminal while watch runs: keys come one by one, and it is put back whatever happens.

use std::io::{self, Write};
use std::sync::mpsc::Sender;
use std::thread;

use anyhow::{Context, Result};
use crossterm::cursor::MoveTo;
use crossterm::event::{self, KeyCode, KeyEventKind, KeyModifiers};
use crossterm::execute;
use crossterm::terminal::{self, Clear, ClearType};

use crate::student::watch::state::{Event, Key};

/// Keys unbuffered and unechoed. Dropping it, also while a panic unwinds, puts the terminal back.
pub struct Terminal(());

impl Terminal {
    /// Takes the terminal; its keys go to `events`, made what they mean here by `wrap`.
    pub fn take<T: Send + 'static>(events: Sender<T>, wrap: fn(Event) -> T) -> Result<Self> {
        terminal::enable_raw_mode().context("cannot read single keys from this terminal")?;
        let taken = Self(());
        keep_line_ends()?;
        // It ends with the program: nothing can wake a read of the terminal.
        thread::spawn(move || {
            while let Some(event) = next() {
                if events.send(wrap(event)).is_err() {
                    break;
                }
            }
        });
        Ok(taken)
    }

    /// An empty screen; what stood there can still be scrolled back to.
    pub fn clear() {
        // Where nobody reads any more there is nothing to clear.
        let _ = execute!(io::stdout(), Clear(ClearType::All), MoveTo(0, 0));
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = terminal::disable_raw_mode();
        let _ = io::stdout().flush();
    }
}

/// The next key that means something; `None` when the terminal is gone.
fn next() -> Option<Event> {
    loop {
        let event::Event::Key(key) = event::read().ok()? else { continue };
        if key.kind != KeyEventKind::Press {
            continue;
        }
        let ctrl = key.modifiers.contains(KeyModifiers::CONTROL);
        return Some(match key.code {
            KeyCode::Char('c' | 'd') if ctrl => Event::Interrupted,
            KeyCode::Char('n') => Event::Key(Key::Next),
            KeyCode::Char('h') => Event::Key(Key::Hint),
            KeyCode::Char('l') => Event::Key(Key::List),
            KeyCode::Char('a') => Event::Key(Key::All),
            KeyCode::Char('q') => Event::Key(Key::Quit),
            _ => Event::Key(Key::Other),
        });
    }
}

/// Raw mode also stops the terminal from going to the first column at the end of a line; whatever
/// this program and its libraries print relies on that.
#[cfg(unix)]
fn keep_line_ends() -> Result<()> {
    use rustix::termios::{OptionalActions, OutputModes, tcgetattr, tcsetattr};
    let stdin = io::stdin();
    let mut attributes = tcgetattr(&stdin)?;
    attributes.output_modes |= OutputModes::OPOST | OutputModes::ONLCR;
    tcsetattr(&stdin, OptionalActions::Now, &attributes)?;
    Ok(())
}

#[cfg(not(unix))]
fn keep_line_ends() -> Result<()> {
    Ok(())
}
