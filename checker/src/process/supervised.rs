//! On Linux a supervisor stands between the checker and a process: see [`super::supervisor`].

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{ChildStderr, ChildStdout, Command, Stdio};
use std::sync::mpsc::Sender;
use std::{io, thread};

use super::order::{Ended, Event, Order, lost};
use super::scratch;
use super::supervisor;

/// A supervisor and what it watches over.
pub struct Tree {
    line: UnixStream,
}

impl Tree {
    /// Starts the supervisor, which starts the process.
    pub fn start(
        order: &Order,
        sender: &Sender<Event>,
    ) -> io::Result<(Self, ChildStdout, ChildStderr)> {
        let (ours, theirs) = UnixStream::pair()?;
        // The program that is running, even if a newer one was put in its place meanwhile.
        let mut command = Command::new("/proc/self/exe");
        command
            .arg(supervisor::NAME)
            .arg(serde_json::to_string(&order.limits)?)
            .arg(scratch::root())
            .arg(&order.program)
            .args(&order.args)
            .env_clear()
            .envs(order.env.iter().map(|(name, value)| (name, value)))
            .stdin(OwnedFd::from(theirs))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0);
        if let Some(folder) = &order.folder {
            command.current_dir(folder);
        }
        let mut child = command.spawn()?;
        // It holds the other end of the line, which must close when the supervisor ends.
        drop(command);
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let (Some(stdout), Some(stderr)) = (stdout, stderr) else {
            return Err(io::Error::other("a pipe is missing"));
        };
        (&ours).write_all(format!("{}\n", order.input).as_bytes())?;
        let (mut hearing, sender) = (ours.try_clone()?, sender.clone());
        thread::spawn(move || {
            let mut report = String::new();
            let heard = hearing.read_to_string(&mut report);
            let _ = child.wait();
            let ended = heard.ok().and_then(|_| serde_json::from_str::<Ended>(&report).ok());
            let event = ended.map_or_else(|| lost("its supervisor was ended"), Event::Ended);
            let _ = sender.send(event);
        });
        Ok((Self { line: ours }, stdout, stderr))
    }

    /// Hangs up, which tells the supervisor to end everything.
    pub fn end(&mut self) {
        let _ = self.line.shutdown(Shutdown::Write);
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        self.end();
    }
}
