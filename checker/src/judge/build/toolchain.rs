//! Cargo and rustc: where they are, and in which environment they run.

use std::env;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, bail};

use crate::process::Limits;

/// What each compiler of a submission may have: several times what an honest one takes. The figures
/// stand in checker/README.md.
pub const COMPILER: Limits =
    Limits { memory: Some(2 << 30), processor: Some(Duration::from_secs(30)), file: None };

/// The compiler's own words on which one it is.
pub fn version(root: &Path) -> Result<Vec<u8>> {
    // Whoever has no cargo is told so, not that there is no rustc.
    cargo()?;
    let rustc = Command::new("rustc")
        .arg("-vV")
        .env_clear()
        .envs(environment())
        .current_dir(root)
        .output()
        .map_err(|error| missing("rustc", error))?;
    Ok(rustc.stdout)
}

/// The cargo to build with: the one that started this program, or the one on PATH.
pub fn cargo() -> Result<PathBuf> {
    let given = env::var_os("CARGO").map(PathBuf::from).filter(|path| path.is_file());
    let name = format!("cargo{}", env::consts::EXE_SUFFIX);
    let on_path = || {
        let folders = env::var_os("PATH").unwrap_or_default();
        env::split_paths(&folders).map(|folder| folder.join(&name)).find(|path| path.is_file())
    };
    match given.or_else(on_path) {
        Some(path) => Ok(path),
        None => bail!(
            "there is no cargo on PATH, and nothing can be built without it: install Rust from \
             https://rustup.rs, open a new terminal and try again"
        ),
    }
}

/// Why a tool did not start.
fn missing(tool: &str, error: io::Error) -> anyhow::Error {
    if error.kind() == io::ErrorKind::NotFound {
        anyhow::anyhow!("there is no {tool} on PATH: install Rust from https://rustup.rs")
    } else {
        anyhow::Error::new(error).context(format!("cannot start {tool}"))
    }
}

/// The caller's environment without what would bend a build: flags, wrappers, other target
/// folders, and what cargo told this program about itself; and without what tells of a PostgreSQL
/// server, which code under test could read while it is compiled. Where cargo finds its home, its
/// registries and its network stays.
pub fn environment() -> Vec<(OsString, OsString)> {
    const KEPT: [&str; 5] =
        ["CARGO_HOME", "CARGO_HTTP_", "CARGO_NET_", "CARGO_REGISTRIES_", "CARGO_REGISTRY_"];
    const BENDING: [&str; 5] = ["CARGO", "RUSTC", "RUSTDOC", "RUSTFLAGS", "RUST_RECURSION_COUNT"];
    const TELLING: [&str; 3] = ["DATABASE_URL", "PG", "POOL_COURSE_"];
    env::vars_os()
        .filter(|(name, _)| {
            let name = name.to_string_lossy();
            let bends = BENDING.iter().any(|start| name.starts_with(start));
            let tells = TELLING.iter().any(|start| name.starts_with(start));
            let kept = KEPT.iter().any(|start| name.starts_with(start));
            (!bends || kept)
                && !tells
                && !matches!(&*name, "MAKEFLAGS" | "MFLAGS" | "CARGO_MAKEFLAGS")
        })
        .collect()
}
