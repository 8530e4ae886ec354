//! Notices that something was saved. It only says that it is time to look: what is there decides.

use std::path::Path;
use std::sync::mpsc::Sender;
use std::time::Duration;

use notify::event::{AccessKind, AccessMode};
use notify::{Config, EventKind, RecommendedWatcher, RecursiveMode, Watcher};

/// How long after a sign of a save the source is read: an editor that empties the file and then
/// writes it, or writes another and renames it, is done by then.
pub const SETTLE: Duration = Duration::from_millis(30);
/// How often the source is read without any sign where signs come.
const NOW_AND_THEN: Duration = Duration::from_secs(2);
/// How often where none come: network file systems, or `--poll`.
const POLL: Duration = Duration::from_millis(300);

/// Signs of saves below a folder.
pub struct Files {
    /// How often to look without a sign.
    pub every: Duration,
    /// Why no signs come, if they should.
    pub trouble: Option<String>,
    _watcher: Option<RecommendedWatcher>,
}

impl Files {
    /// Sends `sign` for what happens below `folder`; with `poll`, relies on looking.
    pub fn watch<T: Clone + Send + 'static>(
        folder: &Path,
        poll: bool,
        events: Sender<T>,
        sign: T,
    ) -> Self {
        let polling = |trouble| Self { every: POLL, trouble, _watcher: None };
        if poll {
            return polling(None);
        }
        let told = move |event: notify::Result<notify::Event>| {
            if event.is_ok_and(|event| may_be_save(event.kind)) {
                // The receiver is gone when watch ends.
                let _ = events.send(sign.clone());
            }
        };
        let watcher = RecommendedWatcher::new(told, Config::default()).and_then(|mut watcher| {
            watcher.watch(folder, RecursiveMode::Recursive)?;
            Ok(watcher)
        });
        match watcher {
            Ok(watcher) => Self { every: NOW_AND_THEN, trouble: None, _watcher: Some(watcher) },
            Err(error) => polling(Some(format!(
                "The system does not tell of saves here ({error}): the files are read every {} ms.",
                POLL.as_millis()
            ))),
        }
    }
}

/// Reading is none, or each look would cause the next.
fn may_be_save(kind: EventKind) -> bool {
    match kind {
        EventKind::Access(access) => access == AccessKind::Close(AccessMode::Write),
        _ => true,
    }
}
