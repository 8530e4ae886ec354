//! Where there is no subreaper: the process and its group.

use std::process::{Child, ChildStderr, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::time::Duration;
use std::{io, io::Write, thread};

use super::order::{Ended, Event, Order, lost, no_folder};
use super::scratch::{self, Folder, VARIABLES};

/// How often the process is asked whether it has ended.
const GLANCE: Duration = Duration::from_millis(2);

/// A process and its group.
pub struct Tree {
    end: Arc<AtomicBool>,
}

impl Tree {
    /// Starts the process.
    pub fn start(
        order: &Order,
        sender: &Sender<Event>,
    ) -> io::Result<(Self, ChildStdout, ChildStderr)> {
        let scratch =
            Folder::make(scratch::root()).map_err(|error| io::Error::other(no_folder(&error)))?;
        let mut command = Command::new(&order.program);
        command
            .args(&order.args)
            .env_clear()
            .envs(order.env.iter().map(|(name, value)| (name, value)))
            .envs(VARIABLES.iter().map(|name| (name, scratch.path())))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        if let Some(folder) = &order.folder {
            command.current_dir(folder);
        }
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let mut child = command.spawn()?;
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let (Some(stdout), Some(stderr)) = (stdout, stderr) else {
            return Err(io::Error::other("a pipe is missing"));
        };
        if let Some(mut stdin) = child.stdin.take() {
            let _ = stdin.write_all(format!("{}\n", order.input).as_bytes());
        }
        let end = Arc::new(AtomicBool::new(false));
        let (asked, sender) = (Arc::clone(&end), sender.clone());
        thread::spawn(move || {
            let event = loop {
                match child.try_wait() {
                    Ok(Some(status)) => break Event::Ended(ended(&child, status)),
                    Ok(None) if asked.load(Ordering::SeqCst) => {
                        kill_group(&child);
                        let _ = child.kill();
                    }
                    Ok(None) => {}
                    Err(error) => break lost(&error.to_string()),
                }
                thread::sleep(GLANCE);
            };
            drop(scratch);
            let _ = sender.send(event);
        });
        Ok((Self { end }, stdout, stderr))
    }

    /// Ends the process and its group.
    pub fn end(&mut self) {
        self.end.store(true, Ordering::SeqCst);
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        self.end();
    }
}

fn ended(child: &Child, status: std::process::ExitStatus) -> Ended {
    #[cfg(unix)]
    let signal = std::os::unix::process::ExitStatusExt::signal(&status);
    #[cfg(not(unix))]
    let signal = None;
    let survivors = if kill_group(child) { vec!["one of its group".to_owned()] } else { vec![] };
    Ended { code: status.code(), signal, survivors, ..Ended::default() }
}

/// Whether there was somebody to end.
#[cfg(unix)]
fn kill_group(child: &Child) -> bool {
    use rustix::process::{Pid, Signal, kill_process_group};
    kill_process_group(Pid::from_child(child), Signal::KILL).is_ok()
}

#[cfg(not(unix))]
fn kill_group(_child: &Child) -> bool {
    false
}
