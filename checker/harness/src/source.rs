//! The student's code: where it lies, and how much of what it says is told.

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use ledger::{Location, plain};

/// The folder whose files are the student's.
static SOURCE: OnceLock<PathBuf> = OnceLock::new();

/// No text that is told is longer than this, in characters: it may hold whatever the code under test
/// said.
pub(crate) const LONGEST: usize = 2_000;

/// From now on, the files in this folder are the student's.
pub(crate) fn set(folder: PathBuf) {
    let _ = SOURCE.set(folder);
}

/// The location, relative to the student's crate, if the file is the student's.
pub(crate) fn of_student(file: &str, line: u32, column: u32) -> Option<Location> {
    let inside = Path::new(file).strip_prefix(SOURCE.get()?).ok()?;
    let file = Path::new("src").join(inside).to_string_lossy().replace('\\', "/");
    Some(Location { file, line, column })
}

/// A line about the source, with the student's files named as the student knows them.
pub(crate) fn relative(line: &str) -> String {
    let source = SOURCE.get();
    source.map_or_else(|| line.to_owned(), |source| line.replace(&*source.to_string_lossy(), "src"))
}

/// Cuts the text to what is told of it.
pub(crate) fn shorten(text: &mut String) {
    if let Cow::Owned(short) = plain::cut(text, LONGEST) {
        *text = short;
    }
}
