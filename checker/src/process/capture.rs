//! What a process prints, bounded: its first words and its last.

use std::collections::VecDeque;

/// How much is kept of the beginning, and as much of the end.
pub const KEPT: usize = 64 << 10;

/// When so much was thrown away, nobody is in a hurry to read more.
const FLOOD: usize = 1 << 20;

/// The head and the tail of a flood.
#[derive(Debug, Default)]
pub struct Capture {
    head: Vec<u8>,
    tail: VecDeque<u8>,
    dropped: usize,
}

impl Capture {
    /// Takes in what was printed.
    pub fn push(&mut self, bytes: &[u8]) {
        let (first, rest) = bytes.split_at(bytes.len().min(KEPT - self.head.len()));
        self.head.extend_from_slice(first);
        let skipped = rest.len().saturating_sub(KEPT);
        self.tail.extend(&rest[skipped..]);
        let excess = self.tail.len().saturating_sub(KEPT);
        self.tail.drain(..excess);
        self.dropped += skipped + excess;
    }

    /// Whether much more was printed than is kept.
    pub fn is_flooded(&self) -> bool {
        self.dropped > FLOOD
    }

    /// What was kept, with a line in the middle that says how much was not.
    pub fn text(&self) -> String {
        let (front, back) = self.tail.as_slices();
        let tail = [front, back].concat();
        let gap = match self.dropped {
            0 => String::new(),
            count => format!("\n… {count} bytes left out …\n"),
        };
        format!("{}{gap}{}", String::from_utf8_lossy(&self.head), String::from_utf8_lossy(&tail))
    }
}
