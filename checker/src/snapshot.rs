//! A copy of the source under test, named by its content: what is built is what was read.
//!
//! Cargo goes by modification times: a source that changed and looks older than the last build is
//! not built again, and the verdict would be on the wrong one. A copy in a folder of its own name
//! cannot be mistaken.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// More than anybody writes for a task; a guard against a wrong folder.
const MOST_BYTES: u64 = 4 << 20;
/// As above.
const MOST_FILES: usize = 500;

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
        match read(source, shown) {
            Ok(files) => Ok(Ok(Self::write(base, files)?)),
            Err(problem) => Ok(Err(problem)),
        }
    }

    /// The snapshot of a crate that is one file, which need not be on disk: a variant.
    pub fn of_text(base: &Path, lib: &str) -> Result<Self> {
        Self::write(base, vec![("lib.rs".into(), lib.to_owned())])
    }

    fn write(base: &Path, files: Vec<(PathBuf, String)>) -> Result<Self> {
        let hash = hash(&files);
        let all = base.join("src");
        let folder = all.join(&hash);
        if !folder.is_dir() {
            fs::create_dir_all(&all)
                .with_context(|| format!("cannot make the folder {}", all.display()))?;
            let copy = || -> io::Result<()> {
                let scratch = tempfile::Builder::new().prefix(".new-").tempdir_in(&all)?;
                for (name, text) in &files {
                    let path = scratch.path().join(name);
                    fs::create_dir_all(path.parent().unwrap_or(&path))?;
                    fs::write(path, text)?;
                }
                // Another checker may have been faster: then its copy is as good.
                match fs::rename(scratch.path(), &folder) {
                    Err(error) if !folder.is_dir() => Err(error),
                    _ => Ok(()),
                }
            };
            copy().with_context(|| format!("cannot copy the source to {}", folder.display()))?;
        }
        let lib = files.into_iter().find(|(name, _)| name == Path::new("lib.rs"));
        Ok(Self { hash, folder, lib: lib.map(|(_, text)| text).unwrap_or_default() })
    }
}

/// What stands in a source just now, as a hash or as the sentence that says why it cannot be read:
/// two looks that differ saw different things.
pub fn look(source: &Path) -> String {
    read(source, "").map_or_else(|Unreadable(why)| why, |files| hash(&files))
}

/// The files below `SOURCE/src/`, by name; links are not followed.
fn read(source: &Path, shown: &str) -> Result<Vec<(PathBuf, String)>, Unreadable> {
    let src = source.join("src");
    if !is(&src, fs::FileType::is_dir) {
        return Err(Unreadable(format!("{shown}/src is missing: the task's code belongs there")));
    }
    if !is(&src.join("lib.rs"), fs::FileType::is_file) {
        let what =
            if src.join("lib.rs").is_symlink() { "is a link, not a file" } else { "is missing" };
        return Err(Unreadable(format!(
            "{shown}/src/lib.rs {what}: the task's code belongs there"
        )));
    }
    let mut files = Vec::new();
    let (mut folders, mut bytes) = (vec![PathBuf::new()], 0);
    while let Some(folder) = folders.pop() {
        let cannot = |error: io::Error| {
            Unreadable(format!("cannot read {shown}/src/{}: {error}", folder.display()))
        };
        for entry in fs::read_dir(src.join(&folder)).map_err(cannot)? {
            let entry = entry.map_err(cannot)?;
            let (name, kind) = (folder.join(entry.file_name()), entry.file_type().map_err(cannot)?);
            if kind.is_dir() {
                folders.push(name);
            } else if kind.is_file() && name.extension().is_some_and(|end| end == "rs") {
                bytes += entry.metadata().map_err(cannot)?.len();
                if bytes > MOST_BYTES || files.len() == MOST_FILES {
                    return Err(Unreadable(format!(
                        "{shown}/src is too large: at most {MOST_FILES} files with {} MiB together",
                        MOST_BYTES >> 20
                    )));
                }
                let text = fs::read(entry.path()).map_err(cannot)?;
                let text =
                    String::from_utf8(text).map_err(|error| not_utf8(shown, &name, &error))?;
                files.push((name, text));
            }
        }
    }
    files.sort();
    Ok(files)
}

fn is(path: &Path, kind: impl Fn(&fs::FileType) -> bool) -> bool {
    path.symlink_metadata().is_ok_and(|facts| kind(&facts.file_type()))
}

fn not_utf8(shown: &str, name: &Path, error: &std::string::FromUtf8Error) -> Unreadable {
    let offset = error.utf8_error().valid_up_to();
    let line = error.as_bytes()[..offset].split(|byte| *byte == b'\n').count();
    Unreadable(format!(
        "{shown}/src/{}:{line} is not UTF-8: byte {offset} of the file (0x{:02x}) does not belong \
         there; save it as UTF-8",
        name.display(),
        error.as_bytes()[offset]
    ))
}

fn hash(files: &[(PathBuf, String)]) -> String {
    let mut hasher = blake3::Hasher::new();
    for (name, text) in files {
        let name = name.to_string_lossy().replace('\\', "/");
        hasher.update(&(name.len() as u64).to_le_bytes()).update(name.as_bytes());
        hasher.update(&(text.len() as u64).to_le_bytes()).update(text.as_bytes());
    }
    hasher.finalize().to_hex()[..32].to_owned()
}
