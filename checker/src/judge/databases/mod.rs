//! The PostgreSQL that database cases run on: one throw-away server for a run of the checker, made
//! when the first case needs it; or the one that `DATABASE_URL` names.
//!
//! A case is told of it by a line: what `postgres-service` says first, or a URL. Whatever goes wrong
//! on the way there is said in such a line as well, as the reason why there is none. So it costs a
//! case the part that runs on PostgreSQL, and never a point.

use std::env;
use std::ffi::OsString;
use std::io::{self, BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;
use serde_json::{Value, json};

use crate::judge::build::compile::Builder;
use crate::process::cancel::{Cancel, Interrupted};

mod program;

/// How often a wait looks whether it should stop.
const GLANCE: Duration = Duration::from_millis(25);
/// The service itself gives up sooner.
const STARTING: Duration = Duration::from_mins(3);
/// Where the service keeps a fresh cluster, so that it need not make one each time.
const TEMPLATES: &str = "POOL_COURSE_POSTGRES_TEMPLATES";

/// What is known of a PostgreSQL in this run of the checker.
#[derive(Debug, Default)]
pub struct Databases {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
enum State {
    /// Nobody asked yet.
    #[default]
    Unknown,
    /// The service was started and has not said anything yet.
    Coming(Service),
    /// What cases are told. The service is there as long as this is.
    Known { line: String, service: Option<Service> },
}

impl Databases {
    /// Has a server started, if that was not done before, and does not wait for it: there is
    /// something else to do meanwhile. The only error is [`Interrupted`].
    pub fn begin(&self, builder: &Builder<'_>) -> Result<()> {
        let mut state = self.state();
        if matches!(*state, State::Unknown) {
            *state = State::begin(builder)?;
        }
        Ok(())
    }

    /// What a case is told of a PostgreSQL; waits until that is known. A server that somebody ended
    /// is replaced. The only error is [`Interrupted`].
    pub fn line(&self, builder: &Builder<'_>) -> Result<String> {
        let mut state = self.state();
        if let State::Known { service: Some(service), .. } = &mut *state
            && service.has_ended()
        {
            *state = State::Unknown;
        }
        if matches!(*state, State::Unknown) {
            *state = State::begin(builder)?;
        }
        if let State::Coming(service) = &mut *state {
            let line = service.first_line(builder.cancel)?;
            let said: Value = serde_json::from_str(&line).unwrap_or_default();
            let is_there = said["postgres"] == "ready";
            *state = match std::mem::take(&mut *state) {
                State::Coming(service) if is_there => State::Known { line, service: Some(service) },
                _ => State::Known { line, service: None },
            };
        }
        match &*state {
            State::Known { line, .. } => Ok(line.clone()),
            State::Unknown | State::Coming(_) => Ok(none("nobody knows of one")),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn begin(builder: &Builder<'_>) -> Result<Self> {
        if let Some(url) = given() {
            return Ok(Self::Known { line: url, service: None });
        }
        let started = program::ready(builder)
            .and_then(|program| Ok(Service::start(&program, &builder.course.base)?));
        match started {
            Ok(service) => Ok(Self::Coming(service)),
            Err(error) if error.is::<Interrupted>() => Err(error),
            Err(error) => {
                let line = none(&format!("its service cannot be started: {error:#}"));
                Ok(Self::Known { line, service: None })
            }
        }
    }
}

/// The server that the caller has already.
fn given() -> Option<String> {
    let url = env::var("DATABASE_URL").ok()?;
    ["postgres://", "postgresql://"].iter().any(|scheme| url.starts_with(scheme)).then_some(url)
}

/// The line that says that there is none.
fn none(reason: &str) -> String {
    json!({ "postgres": "none", "reason": format!("no PostgreSQL: {reason}") }).to_string()
}

/// A running `postgres-service`. When this is dropped, or this program dies, its stdin closes, and
/// it ends its server and removes every trace of it.
#[derive(Debug)]
struct Service {
    process: Child,
    first: Receiver<io::Result<String>>,
}

impl Service {
    fn start(program: &Path, base: &Path) -> io::Result<Self> {
        let mut process = Command::new(program)
            .env_clear()
            .envs(environment(base))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // Whoever reads this program's stderr to its end is not to wait for the service's end.
            .stderr(Stdio::null())
            .spawn()?;
        let stdout = process.stdout.take();
        let (tell, first) = mpsc::channel();
        thread::spawn(move || {
            let mut line = String::new();
            let read = stdout.map(|stdout| BufReader::new(stdout).read_line(&mut line));
            let _ = tell.send(read.unwrap_or(Ok(0)).map(|_| line));
        });
        Ok(Self { process, first })
    }

    /// What the service says of itself.
    fn first_line(&mut self, cancel: &Cancel) -> Result<String> {
        let until = Instant::now() + STARTING;
        loop {
            cancel.check()?;
            return Ok(match self.first.recv_timeout(GLANCE) {
                Ok(Ok(line)) if line.is_empty() => none("its service ended without a word"),
                Ok(Ok(line)) => line.trim_end().to_owned(),
                Ok(Err(error)) => none(&format!("its service cannot be understood: {error}")),
                Err(RecvTimeoutError::Disconnected) => none("its service was not listened to"),
                Err(RecvTimeoutError::Timeout) if Instant::now() < until => continue,
                Err(RecvTimeoutError::Timeout) => none("its service does not get ready"),
            });
        }
    }

    fn has_ended(&mut self) -> bool {
        matches!(self.process.try_wait(), Ok(Some(_)))
    }
}

/// What the service is told by its environment: where PostgreSQL may be, not where this program's
/// temporary files go, so that it finds the best place itself.
fn environment(base: &Path) -> Vec<(OsString, OsString)> {
    let mut all: Vec<(OsString, OsString)> = env::vars_os().collect();
    all.retain(|(name, _)| !matches!(name.to_str(), Some("TMPDIR" | "DATABASE_URL")));
    if env::var_os(TEMPLATES).is_none() {
        all.push((TEMPLATES.into(), base.join("postgres").into()));
    }
    all
}
