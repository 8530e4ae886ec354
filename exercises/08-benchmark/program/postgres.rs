//! A throw-away PostgreSQL, if this machine can have one.

use std::env;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use fixtures::db::{Server, hand_over, servers};
use tokio::sync::oneshot;

/// A server that is there as long as this is: its service ends it when its stdin closes, which it
/// does even if this program is killed.
#[derive(Debug)]
pub(crate) struct Postgres {
    server: Server,
    service: Child,
}

impl Postgres {
    /// Starts one, or takes the one in `DATABASE_URL`; why there is none, in words.
    pub(crate) async fn start() -> Result<Self, String> {
        let (tell, told) = oneshot::channel();
        let mut service = service().map_err(|error| format!("cargo cannot be run: {error}"))?;
        let stdout = service.stdout.take();
        std::thread::spawn(move || {
            let mut line = String::new();
            if let Some(stdout) = stdout {
                // What cannot be read is said by an empty line as well.
                let _ = BufReader::new(stdout).read_line(&mut line);
            }
            let _ = tell.send(line);
        });
        // From here on, dropping ends the service.
        let mut postgres = Self { server: Server::sqlite(), service };
        let line = told.await.unwrap_or_default();
        if line.trim().is_empty() {
            return Err("no PostgreSQL: its service ended without a word".to_owned());
        }
        hand_over(line.trim());
        let servers = servers();
        match (servers.run.into_iter().nth(1), servers.skipped) {
            (Some(server), _) => postgres.server = server,
            (None, why) => return Err(why.unwrap_or_else(|| "no PostgreSQL".to_owned())),
        }
        Ok(postgres)
    }

    pub(crate) fn server(&self) -> &Server {
        &self.server
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        drop(self.service.stdin.take());
        // When it has ended, nothing of its server is left.
        let _ = self.service.wait();
    }
}

/// What makes the server quicker or slower than another one, in words.
pub(crate) fn what_it_is() -> &'static str {
    if env::var("DATABASE_URL").is_ok_and(|url| url.starts_with("postgres")) {
        return "the server in DATABASE_URL";
    }
    "a throw-away server on this machine, reached through a socket without TLS; it logs each \
     statement and makes nothing safe on disk"
}

/// Builds the course's `postgres-service` unless it is there, and starts it.
fn service() -> std::io::Result<Child> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    Command::new(cargo)
        .args(["run", "--quiet", "--package", "fixtures", "--features", "service"])
        .args(["--bin", "postgres-service"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
}
