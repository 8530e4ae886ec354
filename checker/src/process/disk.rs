//! The one sentence for a disk that is full.

/// The sentence for a full disk, wherever it shows: the system says it in an error or, through a
/// tool, in words.
pub fn full(text: &str) -> Option<&'static str> {
    const SIGNS: [&str; 4] = [
        "No space left on device",
        "os error 28",
        "Disk quota exceeded",
        "not enough space on the disk",
    ];
    SIGNS.iter().any(|sign| text.contains(sign)).then_some(
        "the disk is full: make some room and try again; nothing of yours was touched, and \
         everything in the course's folder `target` may be deleted, it is made anew",
    )
}
