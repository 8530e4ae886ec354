//! The sealed suites of a students' edition: one archive, unpacked on first need, so that nobody
//! reads a case by accident. Whoever wants to can; it is no secret, it is a closed envelope.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use flate2::read::GzDecoder;

/// The archive, below the course's root. It holds `NN-name/` with `suite.toml`, `src/` and the
/// pristine starter.
pub const ARCHIVE: &str = "checker/suites.tar.gz";
/// The pristine starter in a suite's folder.
pub const STARTER: &str = "starter.rs";

/// Unpacks the suites of a students' edition into the checker's folder, unless that was done
/// before, and says where they are.
pub fn unpacked_suites(root: &Path, base: &Path) -> Result<PathBuf> {
    let archive = root.join(ARCHIVE);
    let Ok(packed) = fs::read(&archive) else {
        bail!("{} has no suites, and there is no {ARCHIVE}", root.join("checker").display());
    };
    let sealed = base.join("sealed");
    let folder = sealed.join(&blake3::hash(&packed).to_hex()[..16]);
    if folder.is_dir() {
        return Ok(folder);
    }
    // Unpacked under another name first: what has the right name is complete, whoever was ended
    // in the middle and however many checkers begin at once.
    let failed = || format!("cannot unpack {} into {}", archive.display(), sealed.display());
    fs::create_dir_all(&sealed).with_context(failed)?;
    let new = tempfile::tempdir_in(&sealed).with_context(failed)?;
    let made = new.path().join("suites");
    tar::Archive::new(GzDecoder::new(packed.as_slice())).unpack(&made).with_context(failed)?;
    match fs::rename(&made, &folder) {
        Err(_) if folder.is_dir() => Ok(folder),
        renamed => renamed.map(|()| folder).with_context(failed),
    }
}

/// The starter beside a suite as the archive holds it; `None` where the suites are not sealed.
pub fn starter(suite: &Path) -> Result<Option<String>> {
    let path = suite.join(STARTER);
    if !path.is_file() {
        return Ok(None);
    }
    fs::read_to_string(&path).map(Some).with_context(|| format!("cannot read {}", path.display()))
}
