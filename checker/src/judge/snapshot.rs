//! The source under test as it was read at one moment, named by its content: what is built is what
//! was read.
//!
//! Cargo goes by modification times: a source that changed and looks older than the last build is
//! not built again, and the verdict would be on the wrong one. So cargo never sees the source
//! itself, only what was read, written anew whenever it changed.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// More than anybody writes for a task; a guard against a wrong folder.
const MOST_BYTES: u64 = 4 << 20;
/// As above.
const MOST_FILES: usize = 500;

/// The source under test.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// Hash of all files' names and contents.
    pub hash: String,
    /// The files by their names below `src/`, sorted; `lib.rs` among them.
    files: Vec<(PathBuf, String)>,
}

/// Why there is nothing to build; a sentence for the student, not a fault of the call.
#[derive(Clone, Debug)]
pub struct Unreadable(pub String);

impl Snapshot {
    /// Reads the regular `.rs` files below `SOURCE/src/`. `shown` is how the messages name the
    /// source's folder.
    pub fn take(source: &Path, shown: &str) -> Result<Self, Unreadable> {
        read(source, shown).map(Self::of)
    }

    /// The snapshot of a crate that is one file, which need not be on disk: a variant.
    #[cfg(feature = "instructor")]
    pub fn of_text(lib: &str) -> Self {
        Self::of(vec![("lib.rs".into(), lib.to_owned())])
    }

    fn of(files: Vec<(PathBuf, String)>) -> Self {
        Self { hash: hash(&files), files }
    }

    /// The content of `lib.rs`, to compare it with the starter's.
    pub fn lib(&self) -> &str {
        let lib = self.files.iter().find(|(name, _)| name == Path::new("lib.rs"));
        lib.map_or("", |(_, text)| text)
    }

    /// Makes this folder hold the files and nothing else.
    pub fn lay_out(&self, folder: &Path) -> io::Result<()> {
        match fs::remove_dir_all(folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        for (name, text) in &self.files {
            let path = folder.join(name);
            fs::create_dir_all(path.parent().unwrap_or(folder))?;
            fs::write(path, text)?;
        }
        Ok(())
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
