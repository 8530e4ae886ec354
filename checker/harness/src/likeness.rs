//! Whether a failure found in a replay is the one that was looked for.

use std::borrow::Cow;
use std::sync::OnceLock;

use ledger::{Failure, Outcome, Replay, Size, plain};

use crate::schedule;

/// What is looked for, if this is a replay.
static WANTED: OnceLock<(Failure, Option<Size>)> = OnceLock::new();

/// From now on, only a failure that the replay looks for ends the case.
pub(crate) fn want(replay: &Replay) {
    let _ = WANTED.set((replay.like.clone(), replay.smaller_than));
}

/// Whether the case is to end like this: always, unless it is a replay.
pub(crate) fn is_wanted(outcome: Outcome, failure: &Failure) -> bool {
    let Some((like, most)) = WANTED.get() else { return true };
    let is_small = |most| schedule::taken().is_some_and(|schedule| schedule.size() < most);
    outcome == Outcome::Failed && are_alike(like, failure) && most.is_none_or(is_small)
}

/// Whether both say the same but for numbers, with their units, and for which thread did it. Lines of
/// the source are no such numbers.
fn are_alike(one: &Failure, other: &Failure) -> bool {
    let waiting = |failure: &Failure| {
        let mut lines: Vec<String> = failure.waiting.iter().map(|line| plainer(line)).collect();
        lines.sort();
        lines
    };
    one.location == other.location
        && plainer(&one.expected) == plainer(&other.expected)
        && plainer(&one.got) == plainer(&other.got)
        && waiting(one) == waiting(other)
}

/// The text with `#` for each number and `thread #` for each thread.
fn plainer(text: &str) -> String {
    let text = plain::visible(text);
    let (mut plainer, mut rest): (String, &str) = (String::new(), &text);
    while let Some(first) = rest.chars().next() {
        let begins_a_word = !plainer.ends_with(char::is_alphanumeric);
        let (word, length) = if begins_a_word { word(rest, &plainer) } else { None }
            .unwrap_or_else(|| (Cow::Borrowed(&rest[..first.len_utf8()]), first.len_utf8()));
        plainer.push_str(&word);
        rest = &rest[length..];
    }
    plainer
}

/// What stands for the thread or number that `rest` begins with, and how long that is.
fn word<'a>(rest: &'a str, before: &str) -> Option<(Cow<'a, str>, usize)> {
    const UNITS: [&str; 4] = [" ns", " µs", " ms", " s"];
    let length_of = |text: &str, is_part: fn(char) -> bool| {
        text.find(|letter: char| !is_part(letter)).unwrap_or(text.len())
    };
    let is_name = |letter: char| letter.is_alphanumeric() || letter == '_' || letter == '-';
    if let Some(name) = rest.strip_prefix("thread ") {
        let length = length_of(name, is_name);
        return Some(("thread #".into(), rest.len() - name.len() + length));
    }
    if rest.strip_prefix("main").is_some_and(|rest| !rest.starts_with(is_name)) {
        return Some(("thread #".into(), "main".len()));
    }
    let digits = length_of(rest, |letter| letter.is_ascii_digit());
    if digits == 0 {
        return None;
    }
    if before.ends_with(':') {
        return Some((rest[..digits].into(), digits));
    }
    let number = length_of(rest, |letter| letter.is_ascii_digit() || letter == '.');
    // A full stop at the end of the sentence is not the number's.
    let number = rest[..number].trim_end_matches('.').len();
    let unit = UNITS.iter().find(|unit| {
        rest[number..].strip_prefix(**unit).is_some_and(|rest| !rest.starts_with(is_name))
    });
    Some(("#".into(), number + unit.map_or(0, |unit| unit.len())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_threads_do_not_count() {
        for (text, plain) in [
            (
                "a connection (conn 1) at 30050 ms, 30 s too late",
                "a connection (conn #) at #, # too late",
            ),
            ("a connection for thread B at 0.5 ms.", "a connection for thread # at #."),
            ("main waits for a lock (src/lib.rs:40)", "thread # waits for a lock (src/lib.rs:40)"),
            ("the domain of u64: 3 seconds, 4", "the domain of u64: # seconds, #"),
            ("thread pool-1 held §7", "thread # held §#"),
            ("", ""),
        ] {
            assert_eq!(plainer(text), plain);
        }
    }

    #[test]
    fn what_is_said_where_and_of_whose_wait_counts() {
        let failure = |got: &str, waiting: &[&str]| Failure {
            got: got.to_owned(),
            waiting: waiting.iter().map(ToString::to_string).collect(),
            ..Failure::default()
        };
        let one =
            failure("3 open", &["thread A waits (src/lib.rs:3)", "main waits (src/lib.rs:9)"]);
        let turned =
            failure("4 open", &["thread B waits (src/lib.rs:9)", "main waits (src/lib.rs:3)"]);
        assert!(are_alike(&one, &turned));
        assert!(!are_alike(&one, &failure("4 shut", &[])));
        assert!(!are_alike(&one, &failure("3 open", &["thread A waits (src/lib.rs:3)"])));
        let elsewhere =
            failure("3 open", &["thread A waits (src/lib.rs:4)", "main waits (src/lib.rs:9)"]);
        assert!(!are_alike(&one, &elsewhere));
    }
}
