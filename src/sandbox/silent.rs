//! A fake, and named as one: the server that never answers.

use std::io;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};

use super::SandboxError;

/// Accepts connections on loopback, reads nothing and says nothing, and keeps every
/// connection open until it is dropped: what a stalled or firewalled database looks like.
pub struct SilentServer {
    port: u16,
    closing: Arc<AtomicBool>,
    accepted: Arc<AtomicUsize>,
    acceptor: Option<JoinHandle<()>>,
}

impl SilentServer {
    /// Begins to listen on a port of the system's choice.
    ///
    /// # Errors
    /// [`SandboxError::Io`] when no loopback port can be bound.
    pub fn start() -> Result<Self, SandboxError> {
        let bind = || -> io::Result<(TcpListener, u16)> {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
            let port = listener.local_addr()?.port();
            Ok((listener, port))
        };
        let (listener, port) = bind().map_err(SandboxError::io("listen on loopback"))?;
        let closing = Arc::new(AtomicBool::new(false));
        let seen_by_acceptor = Arc::clone(&closing);
        let accepted = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&accepted);
        let acceptor = thread::spawn(move || {
            let mut held = Vec::new();
            for connection in listener.incoming().flatten() {
                if seen_by_acceptor.load(Ordering::Acquire) {
                    return;
                }
                held.push(connection);
                counted.store(held.len(), Ordering::Release);
            }
        });
        Ok(Self {
            port,
            closing,
            accepted,
            acceptor: Some(acceptor),
        })
    }

    /// Where it listens, on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// How many connections it has accepted. It keeps them all.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.accepted.load(Ordering::Acquire)
    }
}

impl Drop for SilentServer {
    fn drop(&mut self) {
        self.closing.store(true, Ordering::Release);
        // One more connection wakes the acceptor, which then sees that it is over.
        if TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_ok()
            && let Some(acceptor) = self.acceptor.take()
            && acceptor.join().is_err()
        {
            tracing::warn!("the silent server's acceptor panicked");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::time::Duration;

    #[test]
    fn it_accepts_and_never_answers_and_hangs_up_on_drop() {
        let server = SilentServer::start().expect("listens");
        let mut client =
            TcpStream::connect((Ipv4Addr::LOCALHOST, server.port())).expect("is accepted");
        client.write_all(b"anybody there?").expect("sends");
        client
            .set_read_timeout(Some(Duration::from_millis(100)))
            .expect("sets a time limit");
        let error = client.read(&mut [0; 1]).expect_err("nothing is said");
        assert!(matches!(
            error.kind(),
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
        ));
        drop(server);
        client.set_read_timeout(None).expect("no time limit");
        let ended = client.read(&mut [0; 1]);
        assert!(matches!(ended, Ok(0) | Err(_)), "the connection is over");
    }
}
