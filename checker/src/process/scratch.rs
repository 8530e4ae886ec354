//! A folder for a process's temporary files, gone when the process is, however that and the checker
//! ended. What stays all the same when the power goes off, the next checker removes.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// How the folders' names begin.
const PREFIX: &str = "pool-course-tmp-";

/// What the system calls the place for temporary files.
pub const VARIABLES: &[&str] = if cfg!(windows) { &["TEMP", "TMP"] } else { &["TMPDIR"] };

/// A new, empty folder. It is gone when this is dropped.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    /// Held as long as the folder is in use; the system lets go of it whatever happens.
    _lock: Option<File>,
}

impl Folder {
    /// Makes one in `root`, which the error names if that cannot be done.
    pub fn make(root: &Path) -> io::Result<Self> {
        loop {
            let path = tempfile::Builder::new().prefix(PREFIX).tempdir_in(root)?.keep();
            let lock = lock(&path);
            // Somebody who sweeps may have been there in between.
            if !cfg!(unix) || (lock.is_some() && path.exists()) {
                return Ok(Self { path, _lock: lock });
            }
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        remove(&self.path);
    }
}

/// Where the folders go: where the caller wants temporary files; else into memory, if there is
/// plenty of it: a database waits for its disk at every commit. The first call sweeps there.
pub fn root() -> &'static Path {
    static ROOT: OnceLock<PathBuf> = OnceLock::new();
    ROOT.get_or_init(|| {
        let wanted = std::env::var_os("TMPDIR").is_some();
        let root = memory().filter(|_| !wanted).unwrap_or_else(std::env::temp_dir);
        // Processes run elsewhere.
        let root = std::path::absolute(&root).unwrap_or(root);
        sweep(&root);
        root
    })
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
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if is_folder && entry.file_name().to_string_lossy().starts_with(PREFIX) {
            // Nobody else's while this is held.
            if let Some(_lock) = lock(&entry.path()) {
                remove(&entry.path());
            }
        }
    }
}

/// The lock of a folder that nobody holds.
fn lock(folder: &Path) -> Option<File> {
    File::open(folder).ok().filter(|folder| folder.try_lock().is_ok())
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
