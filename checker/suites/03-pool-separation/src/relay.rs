//! A way to PostgreSQL that leads through the case's own thread.
//!
//! A server on the same machine may have answered before the code under test looks for the answer:
//! then there is nothing to wait for at that await, and it cannot be dropped there. The relay's
//! tasks run on the thread on which that code is polled, so no answer comes while it is polled.

#[cfg(unix)]
pub(crate) use sockets::through_this_thread;

/// Where there are no such sockets, the straight way.
#[cfg(not(unix))]
pub(crate) fn through_this_thread(url: &str, _: &std::path::Path) -> std::io::Result<String> {
    Ok(url.to_owned())
}

#[cfg(unix)]
mod sockets {
    use std::io;
    use std::path::{Path, PathBuf};
    use std::str::FromStr;

    use sqlx::ConnectOptions;
    use sqlx::postgres::PgConnectOptions;
    use tokio::io::{AsyncRead, AsyncWrite, copy_bidirectional};
    use tokio::net::{TcpStream, UnixListener, UnixStream};

    /// The way to the server of this URL through a socket in this folder, as a URL of its own. It ends
    /// with the runtime.
    pub(crate) fn through_this_thread(url: &str, folder: &Path) -> io::Result<String> {
        let server = PgConnectOptions::from_str(url).map_err(io::Error::other)?;
        let port = server.get_port();
        let listener = UnixListener::bind(socket(folder, port))?;
        let relayed = server.clone().socket(folder).to_url_lossy().to_string();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = server.clone();
                tokio::spawn(async move {
                    if let Some(folder) = server.get_socket() {
                        relay(client, UnixStream::connect(socket(folder, port)).await).await;
                    } else {
                        relay(client, TcpStream::connect((server.get_host(), port)).await).await;
                    }
                });
            }
        });
        Ok(relayed)
    }

    /// Where PostgreSQL has its socket, by its own rule.
    fn socket(folder: &Path, port: u16) -> PathBuf {
        folder.join(format!(".s.PGSQL.{port}"))
    }

    async fn relay(
        mut client: UnixStream,
        server: io::Result<impl AsyncRead + AsyncWrite + Unpin>,
    ) {
        if let Ok(mut server) = server {
            // Whichever side hangs up: the other is told by the end of its own connection.
            let _ = copy_bidirectional(&mut client, &mut server).await;
        }
    }
}
