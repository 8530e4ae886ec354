//! A folder for each case's temporary files, gone when the case is, however it ended. What a checker
//! left that was killed, the next one removes.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};

/// How the folders' names begin.
const PREFIX: &str = "pool-course-cases-";
/// Held as long as a folder is in use; the system lets go of it whatever happens.
const LOCK: &str = "lock";
/// For so long a folder without a lock may be one that is just being made.
const MAKING: Duration = Duration::from_mins(1);

/// The folders of one run of the checker, below one of its own.
#[derive(Debug, Default)]
pub struct Scratch {
    own: Mutex<Option<Own>>,
    count: AtomicU64,
}

#[derive(Debug)]
struct Own {
    folder: PathBuf,
    _lock: File,
}

/// A case's folder. It is gone when this is dropped.
#[derive(Debug)]
pub struct Folder(PathBuf);

impl Scratch {
    /// A new folder, empty.
    pub fn folder(&self) -> Result<Folder> {
        let number = self.count.fetch_add(1, Ordering::Relaxed).to_string();
        let make = || -> io::Result<PathBuf> {
            let mut own = self.own.lock().unwrap_or_else(PoisonError::into_inner);
            if own.is_none() {
                *own = Some(Own::make(&root())?);
            }
            let folder = own.as_ref().map(|own| own.folder.join(number)).unwrap_or_default();
            fs::create_dir(&folder)?;
            Ok(folder)
        };
        make().map(Folder).context("cannot make a folder for temporary files")
    }
}

impl Folder {
    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        remove(&self.0);
    }
}

impl Own {
    fn make(root: &Path) -> io::Result<Self> {
        sweep(root);
        loop {
            let folder = tempfile::Builder::new().prefix(PREFIX).tempdir_in(root)?.keep();
            let path = folder.join(LOCK);
            let lock = File::create(&path)?;
            // Somebody who sweeps may have been there in between.
            if lock.try_lock().is_ok() && path.exists() {
                return Ok(Self { folder, _lock: lock });
            }
        }
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        remove(&self.folder);
    }
}

/// Where the folders go: where the caller wants temporary files; else into memory, if there is
/// plenty of it: a database waits for its disk at every commit.
fn root() -> PathBuf {
    let wanted = std::env::var_os("TMPDIR").is_some();
    memory().filter(|_| !wanted).unwrap_or_else(std::env::temp_dir)
}

#[cfg(target_os = "linux")]
fn memory() -> Option<PathBuf> {
    /// What the cases of a task leave there at once is a hundredth of this.
    const PLENTY: u64 = 2 << 30;
    let folder = PathBuf::from("/dev/shm");
    let about = rustix::fs::statvfs(&folder).ok()?;
    let may_write = rustix::fs::access(&folder, rustix::fs::Access::WRITE_OK).is_ok();
    let room = about.f_bavail.saturating_mul(about.f_frsize);
    (may_write && room >= PLENTY).then_some(folder)
}

#[cfg(not(target_os = "linux"))]
fn memory() -> Option<PathBuf> {
    None
}

/// Removes what was left behind.
fn sweep(root: &Path) {
    let entries = fs::read_dir(root).into_iter().flatten().filter_map(Result::ok);
    for entry in entries {
        if entry.file_name().to_string_lossy().starts_with(PREFIX)
            && let Ok(Some(_lock)) = abandoned(&entry.path())
        {
            remove(&entry.path());
        }
    }
}

/// The lock of a folder that nobody uses any more; an error if it is somebody else's.
fn abandoned(folder: &Path) -> io::Result<Option<File>> {
    let about = fs::symlink_metadata(folder)?;
    if !about.is_dir() {
        return Ok(None);
    }
    let age = about.modified()?.elapsed().unwrap_or_default();
    let mut open = File::options();
    let lock = open.write(true).create(age > MAKING).truncate(false).open(folder.join(LOCK))?;
    Ok(lock.try_lock().is_ok().then_some(lock))
}

/// Removes a folder, also if a case has closed one in it to everybody.
fn remove(folder: &Path) {
    if fs::remove_dir_all(folder).is_err() && folder.exists() {
        open_up(folder);
        let _ = fs::remove_dir_all(folder);
    }
}

#[cfg(unix)]
fn open_up(folder: &Path) {
    use std::os::unix::fs::PermissionsExt;
    let _ = fs::set_permissions(folder, fs::Permissions::from_mode(0o700));
    for entry in fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok) {
        // Not through a link.
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            open_up(&entry.path());
        }
    }
}

#[cfg(not(unix))]
fn open_up(_: &Path) {}
