//! Keeping the head and the tail of a flood.

use super::capture::*;

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
