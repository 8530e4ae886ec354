//! `checker reset`: puts the starter back and keeps what was there.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};

use crate::course::{Course, starter};
use crate::judge::session::Session;

/// Resets the task that this means.
pub fn run(session: &Session, asked: &str) -> Result<ExitCode> {
    let course = &session.course;
    let task = course.task(asked)?;
    let exercise = course.exercise(task);
    let Some(starter) = starter::pristine(course, task)? else {
        bail!("there is no starter of {} here to go back to", task.name);
    };
    anstream::println!("{}", reset(course, &exercise, &starter)?);
    Ok(ExitCode::SUCCESS)
}

/// Puts the starter in place of whatever is in `src/` and says where that is now. The new `src/` is
/// complete before the old one is touched, so that a full disk changes nothing.
fn reset(course: &Course, exercise: &Path, starter: &str) -> Result<String> {
    let src = exercise.join("src");
    let lib = starter::lib(exercise);
    if is_untouched(&src, starter) {
        return Ok(format!("{} is the starter already.", course.shown(&lib)));
    }
    let new = exercise.join(format!(".src-{}", std::process::id()));
    if let Err(error) = starter::write(&new.join("lib.rs"), starter) {
        let _ = fs::remove_dir_all(&new);
        return Err(error);
    }
    let kept = match fs::symlink_metadata(&src) {
        Ok(_) => {
            let backup = free_backup(exercise)?;
            fs::rename(&src, backup.join("src"))
                .with_context(|| format!("cannot move {}", src.display()))?;
            format!(
                "What was in {} is kept in {}.",
                course.shown(&src),
                course.shown(&backup.join("src"))
            )
        }
        Err(error) if error.kind() == ErrorKind::NotFound => String::from("Nothing was there."),
        Err(error) => return Err(error).context(format!("cannot read {}", src.display())),
    };
    fs::rename(&new, &src).with_context(|| format!("cannot put {} in place", src.display()))?;
    Ok(format!("{} is the starter again. {kept}", course.shown(&lib)))
}

/// Whether `src/` holds the starter and nothing else.
fn is_untouched(src: &Path, starter: &str) -> bool {
    let Ok(entries) = fs::read_dir(src) else { return false };
    let alone = entries.flatten().all(|entry| entry.file_name() == "lib.rs");
    alone && fs::read(src.join("lib.rs")).is_ok_and(|text| text == starter.as_bytes())
}

/// A new folder `backup-N` beside `src/`, where no snapshot looks and no earlier backup is.
fn free_backup(exercise: &Path) -> Result<PathBuf> {
    for number in 1_u32.. {
        let backup = exercise.join(format!("backup-{number}"));
        match fs::create_dir(&backup) {
            Ok(()) => return Ok(backup),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => {
                return Err(error).context(format!("cannot make {}", backup.display()));
            }
        }
    }
    bail!("there are too many backups in {}", exercise.display())
}
