//! The supervisor: a process of the checker's own that starts one other and outlives all of its
//! descendants.
//!
//! It is their *subreaper*: whoever loses its parent becomes the supervisor's child, even in a
//! session of its own, so none gets away. It ends them all when the process that it started has
//! ended, and when its line to the checker closes, as it does when the checker dies of `kill -9`;
//! then it removes their temporary files.
//!
//! The line is a socket on stdin: one line comes in, which is for the process's stdin; one goes
//! out, the [`Ended`].

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::process::{self, Pid, Resource, Rlimit, Signal, WaitOptions};

use super::order::{Ended, Limits, no_folder};
use super::scratch::{Folder, VARIABLES};

/// The argument that makes the checker a supervisor.
pub const NAME: &str = "supervise";

/// How long the descendants may take to die of SIGKILL.
const DYING: Duration = Duration::from_secs(2);

/// Supervises; `args` are the limits, where to make the folder for temporary files, the program, and
/// its arguments.
pub fn main(mut args: impl Iterator<Item = OsString>) {
    let Ok(line) = io::stdin().as_fd().try_clone_to_owned().map(UnixStream::from) else { return };
    let [limits, root, program] =
        [args.next(), args.next(), args.next()].map(Option::unwrap_or_default);
    let ended = limit(&limits)
        .and_then(|()| supervise(Path::new(&root), program, args, &line))
        .unwrap_or_else(|error| Ended { lost: Some(error.to_string()), ..Ended::default() });
    if let Ok(report) = serde_json::to_string(&ended) {
        let _ = (&line).write_all(report.as_bytes());
    }
}

/// Limits this process, and by that all that it starts, which inherit it. A supervisor itself
/// needs next to nothing.
fn limit(limits: &OsStr) -> io::Result<()> {
    let Limits { memory, processor, file } = serde_json::from_slice(limits.as_encoded_bytes())?;
    // A crash is reported in words; its core would only fill the disk.
    let wanted = [
        (Resource::Core, Some(0), 0),
        (Resource::Data, memory, 0),
        // At the very end of its time it would be killed without a reason.
        (Resource::Cpu, processor.map(|limit| limit.as_secs()), 5),
        (Resource::Fsize, file, 0),
    ];
    for (resource, most, more) in wanted {
        let Some(most) = most else { continue };
        // Who is held to less already cannot be given more.
        let given = process::getrlimit(resource).maximum;
        let bound = |most: u64| Some(given.map_or(most, |given| given.min(most)));
        let limit = Rlimit { current: bound(most), maximum: bound(most + more) };
        process::setrlimit(resource, limit)?;
    }
    Ok(())
}

fn supervise(
    root: &Path,
    program: OsString,
    args: impl Iterator<Item = OsString>,
    line: &UnixStream,
) -> io::Result<Ended> {
    process::set_child_subreaper(Some(process::getpid()))?;
    let mut hearing = BufReader::new(line.try_clone()?);
    let mut input = String::new();
    hearing.read_line(&mut input)?;
    let folder = match Folder::make(root) {
        Ok(folder) => folder,
        Err(error) => {
            return Ok(Ended { not_started: Some(no_folder(&error)), ..Ended::default() });
        }
    };

    // In a group of its own, so that a `kill(0)` in there does not hit the supervisor.
    let mut child = Command::new(program)
        .args(args)
        .envs(VARIABLES.iter().map(|name| (name, folder.path())))
        .stdin(Stdio::piped())
        .process_group(0)
        .spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        // Whoever does not read its line misses it.
        let _ = stdin.write_all(input.as_bytes());
    }
    thread::spawn(move || {
        // Nothing more is ever said on the line: it closes when all is to end.
        let _ = hearing.read(&mut [0]);
        kill_descendants();
    });

    let child = Pid::from_child(&child);
    let status = loop {
        match process::wait(WaitOptions::empty()) {
            Ok(Some((pid, status))) if pid == child => break status,
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    };
    Ok(Ended {
        code: status.exit_status(),
        signal: status.terminating_signal(),
        survivors: sweep(),
        ..Ended::default()
    })
}

/// Ends whatever is left; says what was still running at first sight.
fn sweep() -> Vec<String> {
    let mut survivors = None;
    let until = Instant::now() + DYING;
    while Instant::now() < until {
        match process::wait(WaitOptions::NOHANG) {
            // Reaped one that had ended.
            Ok(Some(_)) | Err(Errno::INTR) => {}
            Ok(None) => {
                let living = descendants();
                survivors.get_or_insert_with(|| {
                    living.iter().map(|(pid, name)| format!("{name} (process {pid})")).collect()
                });
                kill(&living);
                thread::sleep(Duration::from_millis(1));
            }
            // No children are left.
            Err(_) => break,
        }
    }
    survivors.unwrap_or_default()
}

fn kill_descendants() {
    kill(&descendants());
}

fn kill(processes: &[(i32, String)]) {
    for pid in processes.iter().filter_map(|(pid, _)| Pid::from_raw(*pid)) {
        let _ = process::kill_process(pid, Signal::KILL);
    }
}

/// All living descendants of this process: (pid, name).
fn descendants() -> Vec<(i32, String)> {
    let mut all: Vec<(i32, i32, String)> = fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .filter_map(|entry| {
            let pid: i32 = entry.ok()?.file_name().to_str()?.parse().ok()?;
            let (parent, name) = living(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)?;
            Some((pid, parent, name))
        })
        .collect();
    let mut family = vec![process::getpid().as_raw_nonzero().get()];
    let mut found = Vec::new();
    let mut next = 0;
    while let Some(&parent) = family.get(next) {
        next += 1;
        all.retain(|(pid, its_parent, name)| {
            let is_child = *its_parent == parent;
            if is_child {
                family.push(*pid);
                found.push((*pid, name.clone()));
            }
            !is_child
        });
    }
    found
}

/// The parent and the name in a line of `/proc/PID/stat`, unless that process has ended. The name
/// stands in parentheses and may hold any character.
fn living(stat: &str) -> Option<(i32, String)> {
    let (name, rest) = stat.split_once('(')?.1.rsplit_once(')')?;
    let mut fields = rest.split_whitespace();
    let state = fields.next()?;
    let parent = fields.next()?.parse().ok()?;
    (!matches!(state, "Z" | "X")).then(|| (parent, name.to_owned()))
}
