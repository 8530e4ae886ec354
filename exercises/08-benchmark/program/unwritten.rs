//! What is said when the task comes first: a `todo!` that was reached, in words.

use std::any::Any;
use std::panic;
use std::sync::Mutex;

/// How the message of a `todo!` begins.
const TODO: &str = "not yet implemented";

/// The first panic, and where it was.
static FIRST: Mutex<Option<(String, String)>> = Mutex::new(None);

/// From now on, a panic is written down and not printed.
pub(crate) fn keep_quiet() {
    panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        if let Ok(mut first) = FIRST.lock() {
            first.get_or_insert((said(panic.payload()), place));
        }
    }));
}

/// The first `todo!` that was reached, if one was, for whoever waits for figures. A benchmark that
/// survives the panics of its requests goes on after it.
pub(crate) fn words() -> Option<String> {
    let (said, place) = first()?;
    let what = said.strip_prefix(TODO)?.trim_start_matches([':', ' ']).to_owned();
    Some(format!(
        "The task comes first. In {place} there is still this to write:\n  {what}\n\
         `cargo course check 08` says how far you are; when it is content, come back."
    ))
}

/// The same, or any other panic that ended the benchmark.
pub(crate) fn why() -> String {
    let panic = || {
        let (said, place) = first()?;
        Some(format!(
            "The benchmark panicked in {place}:\n  {said}\n`cargo course check 08` says more."
        ))
    };
    words().or_else(panic).unwrap_or_else(|| "The measurement was ended from outside.".to_owned())
}

fn first() -> Option<(String, String)> {
    FIRST.lock().ok().and_then(|first| first.clone())
}

fn said(payload: &dyn Any) -> String {
    let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_default()
}
