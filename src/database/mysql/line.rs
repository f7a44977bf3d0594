//! The line to a MySQL or MariaDB server, from the first byte of TCP to the last.
//!
//! The driver has no TLS here and believes that it speaks to a socket of its own machine,
//! where it sends a password in clear when a server asks for one. It gets to see the server
//! through a relay that lets no password onto a line that is not encrypted:
//!
//! - With TLS, nothing of the driver is sent before the server's certificate has passed.
//! - Without TLS, only proofs of a password pass: a server that wants the password itself
//!   is cut off, and so is a packet that is no proof of the length that was asked for.
//! - Of the authentication plugins, three are let through, since the driver knows no other.
//!
//! A relay lives as long as both ends do, and ends with the first of them.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;

use super::doorway::Doorway;
use super::guard::Guard;
use super::packet::{ERR, Greeting, OK, Packet, PacketError, PacketReader, Refusal, SSL};
use crate::model::{Node, UnknownCause};
use crate::untrusted::Untrusted;

/// How long a silent line is believed to be alive before the system asks.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// How long a server may take to close the line after the goodbye.
pub(super) const FAREWELL: Duration = Duration::from_secs(1);

/// What an end without a word is called.
const CLOSED: &str = "the server closed the connection";

/// What of the handshake response stands before the first name: capabilities, packet size,
/// character set and, on MariaDB, more capabilities. An SSLRequest is just that.
const SSL_REQUEST: usize = 32;

/// Why there is no line.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum LineError {
    /// What happened here.
    Failed(UnknownCause),
    /// The server said no before it was told who comes.
    TurnedAway(Refusal),
}

/// A line on which the server has greeted and nothing was answered yet.
#[derive(Debug)]
pub(super) struct Line {
    server: TcpStream,
    sequence: u8,
    payload: Vec<u8>,
    pub(super) greeting: Greeting,
}

impl Line {
    /// Connects and waits for the greeting, without a time-out of its own.
    pub(super) async fn open(node: &Node) -> Result<Self, LineError> {
        let address = (node.host.as_str(), node.port);
        let failed = |error| LineError::Failed(io_cause(error));
        let mut server = TcpStream::connect(address).await.map_err(failed)?;
        server.set_nodelay(true).map_err(failed)?;
        SockRef::from(&server)
            .set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEP_ALIVE))
            .map_err(failed)?;
        let packet = match PacketReader::default().read(&mut server).await {
            Ok(Some(packet)) => packet,
            Ok(None) => return Err(LineError::Failed(lost(CLOSED))),
            Err(PacketError::TooLong) => return Err(no_greeting()),
            Err(PacketError::Io(error)) => return Err(failed(error)),
        };
        if let Some(refusal) = Refusal::parse(&packet.payload) {
            return Err(LineError::TurnedAway(refusal));
        }
        let greeting = Greeting::parse(&packet.payload).ok_or_else(no_greeting)?;
        Ok(Self {
            server,
            sequence: packet.sequence,
            payload: packet.payload.to_vec(),
            greeting,
        })
    }

    /// Begins to relay to whoever comes through the doorway. `tls` is the configuration and
    /// the name that the certificate must have; `None` for a line without TLS.
    pub(super) fn relay(
        self,
        doorway: Doorway,
        tls: Option<(ClientConfig, ServerName<'static>)>,
    ) -> Result<Relay, LineError> {
        if tls.is_some() && self.greeting.capabilities & SSL == 0 {
            let text = "the server offers no TLS; give it a certificate, or set \
                        `tls.mode: disable` if the network may see everything";
            return Err(LineError::Failed(UnknownCause::Tls(Untrusted::new(text))));
        }
        let fault = Arc::new(Mutex::new(None));
        let seen = Arc::clone(&fault);
        let task = tokio::spawn(async move {
            let mut driver = match doorway.admit().await {
                Ok(driver) => driver,
                Err(error) => {
                    note(&seen, lost(&format!("the private socket failed: {error}")));
                    return;
                }
            };
            if let Err(cause) = converse(self, &mut driver, tls).await {
                note(&seen, cause);
            }
            // Only now does the driver see the end, and whoever asks why finds the fault.
            drop(driver);
        });
        Ok(Relay { task, fault })
    }
}

/// What runs between the driver and the server; it is cut when this is dropped.
pub(super) struct Relay {
    task: JoinHandle<()>,
    fault: Arc<Mutex<Option<UnknownCause>>>,
}

impl Relay {
    /// Why the relay ended, where that was not the driver's wish.
    pub(super) fn fault(&self) -> Option<UnknownCause> {
        let fault = self.fault.lock().unwrap_or_else(PoisonError::into_inner);
        fault.clone()
    }

    /// Waits until the relay has ended.
    pub(super) async fn end(&mut self) {
        // A panic in the relay was reported where it happened; the line is closed by it.
        let _ = (&mut self.task).await;
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn note(fault: &Mutex<Option<UnknownCause>>, cause: UnknownCause) {
    let mut fault = fault.lock().unwrap_or_else(PoisonError::into_inner);
    *fault = Some(cause);
}

/// Everything that is said between the driver and the server.
async fn converse(
    line: Line,
    driver: &mut (impl AsyncRead + AsyncWrite + Unpin),
    tls: Option<(ClientConfig, ServerName<'static>)>,
) -> Result<(), UnknownCause> {
    let mut server = line.server;
    let greeting = Packet {
        sequence: line.sequence,
        payload: line.payload.into(),
    };
    greeting.write(driver).await.map_err(io_cause)?;
    let mut from_driver = PacketReader::default();
    let answer = from_driver.read(driver).await.map_err(cause_of)?;
    let Some(mut answer) = answer else {
        return Ok(());
    };
    match tls {
        None => {
            answer.write(&mut server).await.map_err(io_cause)?;
            let guard = Guard::for_open_line();
            relay(from_driver, driver, server, guard).await
        }
        Some((config, name)) => {
            let request = ssl_request(&mut answer)?;
            request.write(&mut server).await.map_err(io_cause)?;
            let connector = TlsConnector::from(Arc::new(config));
            let mut server = connector.connect(name, server).await.map_err(io_cause)?;
            answer.write(&mut server).await.map_err(io_cause)?;
            let guard = Guard::for_encrypted_line();
            relay(from_driver, driver, server, guard).await
        }
    }
}

/// Makes an answer to the greeting the second packet after it, by which TLS is asked for
/// first, and gives that first packet.
fn ssl_request(answer: &mut Packet) -> Result<Packet, UnknownCause> {
    let Some(capabilities) = answer
        .payload
        .get_mut(..SSL_REQUEST)
        .and_then(|head| head.first_chunk_mut())
    else {
        return Err(other("the driver's answer to the greeting is too short"));
    };
    *capabilities = (u32::from_le_bytes(*capabilities) | SSL).to_le_bytes();
    let request = Packet {
        sequence: answer.sequence,
        payload: answer.payload[..SSL_REQUEST].to_vec().into(),
    };
    answer.sequence = answer.sequence.wrapping_add(1);
    Ok(request)
}

/// Packet by packet to the end of the authentication, then whatever comes.
async fn relay(
    mut from_driver: PacketReader,
    driver: &mut (impl AsyncRead + AsyncWrite + Unpin),
    mut server: impl AsyncRead + AsyncWrite + Unpin,
    mut guard: Guard,
) -> Result<(), UnknownCause> {
    let mut from_server = PacketReader::default();
    loop {
        tokio::select! {
            packet = from_driver.read(driver) => {
                let packet = match packet {
                    Ok(Some(packet)) if !packet.is_goodbye() => packet,
                    Ok(_) | Err(PacketError::Io(_)) => return Ok(()),
                    Err(error) => return Err(cause_of(error)),
                };
                let packet = guard.pass_to_server(packet)?;
                packet.write(&mut server).await.map_err(io_cause)?;
            }
            packet = from_server.read(&mut server) => {
                let packet = match packet {
                    Ok(Some(packet)) => packet,
                    Ok(None) => return Err(lost(CLOSED)),
                    Err(error) => return Err(cause_of(error)),
                };
                let packet = guard.pass_to_driver(packet)?;
                packet.write(driver).await.map_err(io_cause)?;
                match packet.payload.first() {
                    Some(&OK) => break,
                    Some(&ERR) => return Ok(()),
                    _ => {}
                }
            }
        }
    }
    copy(driver, server).await
}

/// Copies both ways until one side ends. After the driver's goodbye the server is given a
/// moment to close, so that its session is gone when this ends.
async fn copy(
    driver: &mut (impl AsyncRead + AsyncWrite + Unpin),
    mut server: impl AsyncRead + AsyncWrite + Unpin,
) -> Result<(), UnknownCause> {
    let (mut from_driver, mut to_driver) = tokio::io::split(driver);
    let (mut from_server, mut to_server) = tokio::io::split(&mut server);
    let ended = tokio::select! {
        ended = tokio::io::copy(&mut from_driver, &mut to_server) => ended,
        ended = tokio::io::copy(&mut from_server, &mut to_driver) => {
            return Err(match ended {
                Ok(_) => lost(CLOSED),
                Err(error) => io_cause(error),
            });
        }
    };
    ended.map_err(io_cause)?;
    let farewell = async {
        server.shutdown().await?;
        let mut rest = [0; 1024];
        while server.read(&mut rest).await? > 0 {}
        Ok::<(), io::Error>(())
    };
    // Nobody waits for an answer any more, so a server that hangs is left to itself.
    let _ = tokio::time::timeout(FAREWELL, farewell).await;
    Ok(())
}

fn no_greeting() -> LineError {
    LineError::Failed(other(
        "what answers there does not speak the protocol of MySQL and MariaDB",
    ))
}

fn cause_of(error: PacketError) -> UnknownCause {
    match error {
        PacketError::TooLong => other("a packet of the login is longer than any that is needed"),
        PacketError::Io(error) => io_cause(error),
    }
}

/// TLS reports through the line, too.
fn io_cause(error: io::Error) -> UnknownCause {
    let words = Untrusted::new(&error.to_string());
    let kind = error.kind();
    let tls = error
        .into_inner()
        .is_some_and(|inner| inner.is::<rustls::Error>());
    match kind {
        _ if tls => UnknownCause::Tls(words),
        io::ErrorKind::TimedOut => UnknownCause::TimedOut,
        io::ErrorKind::UnexpectedEof
        | io::ErrorKind::BrokenPipe
        | io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionAborted => lost(CLOSED),
        _ => UnknownCause::Unreachable(words),
    }
}

fn lost(text: &str) -> UnknownCause {
    UnknownCause::Unreachable(Untrusted::new(text))
}

fn other(text: &str) -> UnknownCause {
    UnknownCause::Other(Untrusted::new(text))
}
