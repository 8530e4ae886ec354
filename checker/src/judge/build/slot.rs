//! A slot: a place of its own to build in, so that several suites can be built at once.
//!
//! A slot holds a target directory, the generated workspaces and the sources that are built in it.
//! Whoever builds has a slot to himself. What every suite stands on is compiled in the first slot
//! only; the others begin as a copy of that, made of hard links.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};

use crate::course::Task;
use crate::judge::progress::{Step, Watcher};
use crate::process::cancel::Cancel;

/// How often a checker that waits for a slot looks again.
const GLANCE: Duration = Duration::from_millis(50);
/// Files of this size are what compilers write, and they never write into one that is there. Smaller
/// ones may be cargo's own notes, which it overwrites.
const LINKED: u64 = 64 << 10;

/// A place to build in, held until it is dropped.
#[derive(Debug)]
pub struct Slot {
    folder: PathBuf,
    _held: File,
}

/// What must stand in a slot before a suite is built there.
#[derive(Clone, Copy, Debug)]
pub struct Needs<'a> {
    /// The generated workspace that is built.
    pub family: &'a str,
    /// [Everything that its suites stand on](crate::judge::key::Keys::foundation), hashed.
    pub foundation: &'a str,
}

impl Slot {
    /// The first slot, where what suites stand on is compiled.
    pub fn first(base: &Path, watcher: Watcher<'_>, cancel: &Cancel) -> Result<Self> {
        wait_for(watcher, cancel, || Self::hold(base, 0))
    }

    /// A free slot in which these needs are met; or the first one, where they are to be met.
    ///
    /// There is one slot more than the machine has cores: whoever fills the cores leaves one to the
    /// next who asks.
    pub fn take(
        base: &Path,
        needs: Needs<'_>,
        watcher: Watcher<'_>,
        cancel: &Cancel,
    ) -> Result<Self> {
        wait_for(watcher, cancel, || {
            if let Some(first) = Self::hold(base, 0)? {
                return Ok(Some(first));
            }
            let first = folder(base, 0);
            for number in 1..=cores() {
                // Whoever compiles what all stand on does it for everybody.
                if !is_ready(&first, needs) {
                    break;
                }
                let Some(slot) = Self::hold(base, number)? else { continue };
                if is_ready(&slot.folder, needs) || slot.begin_as(&first, needs)? {
                    return Ok(Some(slot));
                }
            }
            Ok(None)
        })
    }

    /// Where cargo builds.
    pub fn target(&self) -> PathBuf {
        self.folder.join(TARGET)
    }

    /// The generated workspace of a family.
    pub fn workspace(&self, family: &str) -> PathBuf {
        self.folder.join(family)
    }

    /// Where a task's snapshot is laid out to be built: always the same place, so that the compiler
    /// knows again what did not change since the last one. Not in the generated workspace, where
    /// the compiler would name it by a relative path.
    pub fn source(&self, task: &Task) -> PathBuf {
        self.folder.join("src").join(&task.name)
    }

    /// Whether everything that the family's suites stand on is compiled here.
    pub fn is_ready(&self, needs: Needs<'_>) -> bool {
        is_ready(&self.folder, needs)
    }

    /// From now on nobody may rely on what was compiled here for another foundation: it is about to
    /// be replaced.
    pub fn forget_others(&self, needs: Needs<'_>) -> Result<()> {
        let marks = fs::read_dir(self.folder.join(MARKS)).into_iter().flatten();
        for mark in marks.filter_map(Result::ok).map(|mark| mark.path()) {
            if !fs::read_to_string(&mark).is_ok_and(|said| said == needs.foundation) {
                fs::remove_file(&mark)
                    .with_context(|| format!("cannot remove {}", mark.display()))?;
            }
        }
        Ok(())
    }

    /// Everything that the family's suites stand on has been compiled here.
    pub fn set_ready(&self, needs: Needs<'_>) -> Result<()> {
        let mark = mark(&self.folder, needs.family);
        let write = || {
            fs::create_dir_all(mark.parent().unwrap_or(&self.folder))?;
            fs::write(&mark, needs.foundation)
        };
        write().with_context(|| format!("cannot write {}", mark.display()))
    }

    /// This slot, if nobody has it.
    fn hold(base: &Path, number: usize) -> Result<Option<Self>> {
        let folder = folder(base, number);
        fs::create_dir_all(&folder)
            .with_context(|| format!("cannot make the folder {}", folder.display()))?;
        let path = folder.join("lock");
        let held =
            File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
        match held.try_lock() {
            Ok(()) => Ok(Some(Self { folder, _held: held })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => {
                Err(anyhow!(error).context(format!("cannot lock {}", path.display())))
            }
        }
    }

    /// Takes over what is compiled in the first slot. False if that was compiled anew meanwhile.
    fn begin_as(&self, first: &Path, needs: Needs<'_>) -> Result<bool> {
        let marks = self.folder.join(MARKS);
        for old in [&marks, &self.target()] {
            match fs::remove_dir_all(old) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(error).with_context(|| format!("cannot remove {}", old.display()));
                }
                _ => {}
            }
        }
        copy(&first.join(TARGET), &self.target())
            .with_context(|| format!("cannot make the build slot {}", self.folder.display()))?;
        if !is_ready(first, needs) {
            return Ok(false);
        }
        self.set_ready(needs)?;
        Ok(true)
    }
}

/// Where a slot's target directory is.
const TARGET: &str = "build";
/// Where it says what is compiled there.
const MARKS: &str = "ready";

fn folder(base: &Path, number: usize) -> PathBuf {
    base.join("slots").join(number.to_string())
}

fn mark(slot: &Path, family: &str) -> PathBuf {
    slot.join(MARKS).join(family)
}

fn is_ready(slot: &Path, needs: Needs<'_>) -> bool {
    fs::read_to_string(mark(slot, needs.family)).is_ok_and(|said| said == needs.foundation)
}

/// How many suites are built at once.
pub fn cores() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// Waits until there is a slot.
fn wait_for(
    watcher: Watcher<'_>,
    cancel: &Cancel,
    slot: impl Fn() -> Result<Option<Slot>>,
) -> Result<Slot> {
    let mut said = false;
    loop {
        if let Some(slot) = slot()? {
            return Ok(slot);
        }
        if !said {
            watcher(Step::WaitingForSlot);
            said = true;
        }
        cancel.check()?;
        thread::sleep(GLANCE);
    }
}

/// Copies a target directory while cargo may be at work there: what the generated packages left in it
/// is of no use elsewhere, and may go while this looks at it. Times are kept, for cargo goes by them.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (old, new) = (entry.path(), to.join(entry.file_name()));
        let copied = match entry.file_type() {
            Ok(kind) if kind.is_dir() && entry.file_name() == "incremental" => Ok(()),
            Ok(kind) if kind.is_dir() => copy(&old, &new),
            Ok(_) => copy_file(&old, &new),
            Err(error) => Err(error),
        };
        match copied {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

fn copy_file(old: &Path, new: &Path) -> io::Result<()> {
    let about = fs::metadata(old)?;
    if about.len() >= LINKED && fs::hard_link(old, new).is_ok() {
        return Ok(());
    }
    fs::copy(old, new)?;
    // Read-only ones are opened as they may be.
    let new = File::options().write(true).open(new).or_else(|_| File::open(new))?;
    new.set_modified(about.modified()?)
}
