//! Who held which connection when, drawn from a case's ledger.

use ledger::Event;

/// The picture, at most `width` columns wide; empty if nothing happened.
pub fn draw(events: &[Event], width: usize) -> String {
    todo!("{events:?} {width}")
}
