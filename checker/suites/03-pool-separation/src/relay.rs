//! A way to PostgreSQL that leads through the case's own thread.
//!
//! A server on the same machine may have answered before the code under test looks for the answer:
//! then there is nothing to wait for at that await, and it cannot be dropped there. The relay's
//! tasks run on the thread on which that code is polled, so no answer comes while it is polled. And
//! it can stop what goes through at a chosen place, or hang up there.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

#[cfg(unix)]
pub(crate) use sockets::through_this_thread;

/// Where there are no such sockets there is no such way.
#[cfg(not(unix))]
pub(crate) fn through_this_thread(_: &str, _: &tempfile::TempDir) -> std::io::Result<Relay> {
    Err(std::io::ErrorKind::Unsupported.into())
}

/// The way, and what happens on it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Relay {
    /// The way as a URL of its own.
    pub(crate) url: String,
    plan: Arc<Mutex<Option<Plan>>>,
    arrived: Arc<Notify>,
    goes_on: Arc<Notify>,
}

/// What goes through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// A connection that is opened.
    Connection,
    /// What one side says to the other.
    Message,
    /// What the server says.
    Answer,
}

#[derive(Debug)]
struct Plan {
    what: What,
    /// How many there are to come, with the one that is meant.
    left: u32,
    then: Then,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    Stop,
    HangUp,
}

impl Relay {
    /// Stops the n-th of these that comes from now on, until it [goes on](Self::go_on).
    pub(crate) fn stop_at(&self, what: What, number: u32) {
        *self.plan() = Some(Plan { what, left: number, then: Then::Stop });
    }

    /// Hangs up on both sides at the n-th of these that comes from now on, which is lost; at
    /// connections, also at all later ones.
    pub(crate) fn hang_up_at(&self, what: What, number: u32) {
        *self.plan() = Some(Plan { what, left: number, then: Then::HangUp });
    }

    /// Waits until the one that is to be stopped has arrived.
    pub(crate) async fn arrived(&self) {
        self.arrived.notified().await;
    }

    /// Lets it go on.
    pub(crate) fn go_on(&self) {
        self.goes_on.notify_one();
    }

    /// From now on everything goes through. Says whether the one that was meant is still to come.
    pub(crate) fn let_all_through(&self) -> bool {
        self.plan().take().is_some()
    }

    fn plan(&self) -> MutexGuard<'_, Option<Plan>> {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something comes by that is all of these; false if this is where to hang up.
    async fn passes(&self, what: &[What]) -> bool {
        match self.planned(what) {
            None => true,
            Some(Then::HangUp) => false,
            Some(Then::Stop) => {
                self.arrived.notify_one();
                self.goes_on.notified().await;
                true
            }
        }
    }

    fn planned(&self, what: &[What]) -> Option<Then> {
        let mut all = self.plan();
        let plan = all.as_mut().filter(|plan| what.contains(&plan.what))?;
        if plan.left > 1 {
            plan.left -= 1;
            return None;
        }
        let then = plan.then;
        if plan.what != What::Connection || then == Then::Stop {
            *all = None;
        }
        Some(then)
    }
}

#[cfg(unix)]
mod sockets {
    use std::io;
    use std::path::{Path, PathBuf};
    use std::str::FromStr;

    use sqlx::ConnectOptions;
    use sqlx::postgres::PgConnectOptions;
    use tempfile::TempDir;
    use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, split};
    use tokio::net::{TcpStream, UnixListener, UnixStream};

    use super::{Relay, What};

    /// The way to the server of this URL through a socket in this folder. It ends with the runtime.
    pub(crate) fn through_this_thread(url: &str, folder: &TempDir) -> io::Result<Relay> {
        let folder = folder.path();
        let server = PgConnectOptions::from_str(url).map_err(io::Error::other)?;
        let port = server.get_port();
        let listener = UnixListener::bind(socket(folder, port))?;
        let url = server.clone().socket(folder).to_url_lossy().to_string();
        let relay = Relay { url, ..Relay::default() };
        let way = relay.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (server, way) = (server.clone(), way.clone());
                tokio::spawn(async move {
                    if !way.passes(&[What::Connection]).await {
                        return;
                    }
                    if let Some(folder) = server.get_socket() {
                        let server = UnixStream::connect(socket(folder, port)).await;
                        both_ways(&way, client, server).await;
                    } else {
                        let server = TcpStream::connect((server.get_host(), port)).await;
                        both_ways(&way, client, server).await;
                    }
                });
            }
        });
        Ok(relay)
    }

    /// Where PostgreSQL has its socket, by its own rule.
    fn socket(folder: &Path, port: u16) -> PathBuf {
        folder.join(format!(".s.PGSQL.{port}"))
    }

    async fn both_ways(
        way: &Relay,
        client: UnixStream,
        server: io::Result<impl AsyncRead + AsyncWrite>,
    ) {
        let Ok(server) = server else { return };
        let ((asks, hears), (answers, takes)) = (split(client), split(server));
        // Whichever side hangs up, the other is told by the end of its own connection.
        tokio::select! {
            _ = one_way(way, asks, takes, &[What::Message]) => {}
            _ = one_way(way, answers, hears, &[What::Message, What::Answer]) => {}
        }
    }

    async fn one_way(
        way: &Relay,
        mut from: impl AsyncRead + Unpin,
        mut to: impl AsyncWrite + Unpin,
        what: &[What],
    ) -> io::Result<()> {
        let mut said = vec![0; 1 << 14];
        loop {
            let length = from.read(&mut said).await?;
            if length == 0 || !way.passes(what).await {
                return Ok(());
            }
            to.write_all(&said[..length]).await?;
        }
    }
}
