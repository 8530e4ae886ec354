//! A copy of the source under test, named by its content: what is built is what was read.

use std::path::{Path, PathBuf};

use anyhow::Result;

/// The source under test, copied.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// Hash of all files' names and contents.
    pub hash: String,
    /// `BASE/src/<hash>`: holds `lib.rs`.
    pub folder: PathBuf,
    /// The content of `lib.rs`, to compare it with the starter's.
    pub lib: String,
}

/// Why there is nothing to build; a sentence for the student, not a fault of the call.
#[derive(Clone, Debug)]
pub struct Unreadable(pub String);

impl Snapshot {
    /// Copies the regular `.rs` files below `SOURCE/src/`. `shown` is how the messages name the
    /// source's folder. The outer error is the checker's own (a full disk), the inner one the
    /// submission's.
    pub fn take(base: &Path, source: &Path, shown: &str) -> Result<Result<Self, Unreadable>> {
        todo!("{base:?} {source:?} {shown}")
    }

    /// The snapshot of a crate that is one file, which need not be on disk: a variant.
    pub fn of_text(base: &Path, lib: &str) -> Result<Self> {
        todo!("{base:?} {lib}")
    }
}
