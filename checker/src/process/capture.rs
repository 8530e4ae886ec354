//! What a process prints, bounded: its first words and its last.

use std::collections::VecDeque;

/// How much is kept of the beginning, and as much of the end.
const KEPT: usize = 64 << 10;

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn little_is_kept_whole() {
        let mut capture = Capture::default();
        capture.push(b"first\n");
        capture.push("zweite Zeile: größer\n".as_bytes());
        assert_eq!(capture.text(), "first\nzweite Zeile: größer\n");
    }

    #[test]
    fn of_a_flood_the_first_and_the_last_words_are_kept() {
        let mut capture = Capture::default();
        capture.push(b"begin");
        for _ in 0..40 {
            capture.push(&vec![b'x'; KEPT / 4]);
        }
        capture.push(b"end");
        let text = capture.text();
        assert!(text.starts_with("beginxxx"));
        assert!(text.ends_with("xxxend"));
        let dropped = KEPT * 10 + 8 - 2 * KEPT;
        assert!(text.contains(&format!("… {dropped} bytes left out …")));
    }
}
