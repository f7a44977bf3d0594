//! A fake, and named as one: the network between the program and the real server, which
//! understands PostgreSQL's messages and fails at the one that a test names.
//!
//! What the program asks with several messages it sends as one piece, which TLS delivers as
//! a whole or not at all; so does this network, and such a request breaks as one message.
//! What the server answers breaks at each message.
//!
//! TLS towards the program ends here, under an authority of this network's own, so that
//! the program runs with its usual settings; towards the server the line is plain. The
//! server then offers no channel binding, which is the one difference that is left.

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, TcpListener as StdListener};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use handover::sandbox::Authority;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

const SSL_REQUEST: u32 = 80_877_103;
const CANCEL_REQUEST: u32 = 80_877_102;

/// Parse, Bind, Describe, Execute, Close: what comes before a Sync.
const REQUEST_PARTS: [u8; 5] = [b'P', b'B', b'D', b'E', b'C'];

/// How long a delayed message is held; no time-out of the tests is as short.
const DELAY: Duration = Duration::from_millis(150);

/// Which connection, told by the name that it gives itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Line {
    /// The managing connection.
    Managing,
    /// The login that verifies the new password: the first after the change.
    Verify,
}

/// Who says a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Speaker {
    Program,
    Server,
}

/// What the network does to a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The message is lost and both sides see the connection end.
    Drop,
    /// The same, and the program is told by a reset.
    Reset,
    /// The message is lost, as is all that follows; both connections stay open.
    Stall,
    /// The message comes late.
    Delay,
    /// The server gets it, does it and answers; then the line is cut, before the answer.
    ReplyLost,
}

/// One message of one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) line: Line,
    pub(crate) speaker: Speaker,
    /// What kind it is; never its content.
    pub(crate) kind: String,
    /// Counted from 1, for each line, speaker and kind: the rows of an answer may be more
    /// or fewer, and do not move what follows them.
    pub(crate) number: usize,
}

/// What is to happen, once.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) message: Message,
    pub(crate) fault: Fault,
}

#[derive(Default)]
struct State {
    plan: Option<Plan>,
    /// The server has said that the change is committed.
    changed: bool,
    seen: Vec<Message>,
}

struct Shared {
    state: Mutex<State>,
    acceptor: TlsAcceptor,
    server_port: u16,
    /// Counts the calls of [`FaultyNetwork::hang_up`].
    hung_up: watch::Sender<u32>,
}

/// The network. It fails once, as [`FaultyNetwork::arm`] says, and is sound otherwise.
pub(crate) struct FaultyNetwork {
    shared: Arc<Shared>,
    port: u16,
    authority_pem: String,
    _runtime: Runtime,
}

impl FaultyNetwork {
    /// Listens on loopback, in front of the server at `server_port`.
    pub(crate) fn start(server_port: u16) -> Self {
        let authority = Authority::new("handover faulty network").expect("makes an authority");
        let issued = authority.issue().expect("issues a certificate");
        let certificate = CertificateDer::from_pem_slice(issued.certificate_pem.as_bytes());
        let key = PrivateKeyDer::from_pem_slice(issued.key_pem.as_bytes());
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let configuration = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("ring speaks the default versions")
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.expect("is PEM")],
                key.expect("is a private key"),
            )
            .expect("the certificate and its key belong together");
        let shared = Arc::new(Shared {
            state: Mutex::default(),
            acceptor: TlsAcceptor::from(Arc::new(configuration)),
            server_port,
            hung_up: watch::Sender::new(0),
        });
        let listener = StdListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("listens");
        listener.set_nonblocking(true).expect("does not block");
        let port = listener.local_addr().expect("has an address").port();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("makes a runtime");
        let shared_by_listener = Arc::clone(&shared);
        runtime.spawn(async move {
            let listener = TcpListener::from_std(listener).expect("is a listener");
            while let Ok((stream, _)) = listener.accept().await {
                let shared = Arc::clone(&shared_by_listener);
                // A connection that ends badly is what this network is for.
                tokio::spawn(async move { serve(&shared, stream).await });
            }
        });
        Self {
            shared,
            port,
            authority_pem: authority.pem(),
            _runtime: runtime,
        }
    }

    /// Where it listens, on 127.0.0.1.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// The authority that vouches for it.
    pub(crate) fn ca_pem(&self) -> &str {
        &self.authority_pem
    }

    /// Begins to count anew; `plan` happens to the message that it names, once.
    pub(crate) fn arm(&self, plan: Option<Plan>) {
        *self.shared.state() = State {
            plan,
            ..State::default()
        };
    }

    /// Whether the fault has met its message.
    pub(crate) fn struck(&self) -> bool {
        self.shared.state().plan.is_none()
    }

    /// Every message since [`FaultyNetwork::arm`], in the order of their arrival.
    pub(crate) fn seen(&self) -> Vec<Message> {
        self.shared.state().seen.clone()
    }

    /// Ends the connections that are stalled.
    pub(crate) fn hang_up(&self) {
        self.shared.hung_up.send_modify(|count| *count += 1);
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Which line a new connection is, by its startup message.
    fn line_of(&self, startup: &[u8]) -> Option<Line> {
        let parameters = parameters(startup);
        match parameters.get("application_name").map(String::as_str) {
            Some("handover/manage") => Some(Line::Managing),
            Some("handover/probe") if self.state().changed => Some(Line::Verify),
            _ => None,
        }
    }

    /// Notes a message and answers what is to happen to it.
    fn meet(&self, message: &Message) -> Option<Fault> {
        let mut state = self.state();
        state.seen.push(message.clone());
        state.changed |= message.kind == "CommandComplete COMMIT";
        if state.plan.as_ref().map(|plan| &plan.message) != Some(message) {
            return None;
        }
        state.plan.take().map(|plan| plan.fault)
    }
}

/// A message as it travels.
struct Frame {
    bytes: Vec<u8>,
}

impl Frame {
    fn tag(&self) -> u8 {
        self.bytes.first().copied().unwrap_or_default()
    }

    /// What follows the length.
    fn body(&self) -> &[u8] {
        self.bytes.get(5..).unwrap_or_default()
    }
}

async fn serve(shared: &Shared, mut program: TcpStream) -> io::Result<()> {
    let request = read_startup(&mut program).await?;
    if code_of(&request) == Some(CANCEL_REQUEST) {
        let mut server = TcpStream::connect((Ipv4Addr::LOCALHOST, shared.server_port)).await?;
        return server.write_all(&request).await;
    }
    if code_of(&request) != Some(SSL_REQUEST) {
        return Err(io::Error::other("the program speaks without TLS"));
    }
    program.write_all(b"S").await?;
    program.set_nodelay(true)?;
    let program = program.into_std()?;
    let twin = TcpStream::from_std(program.try_clone()?)?;
    let mut program = shared
        .acceptor
        .accept(TcpStream::from_std(program)?)
        .await?;
    let startup = read_startup(&mut program).await?;
    let line = shared.line_of(&startup);
    let server = TcpStream::connect((Ipv4Addr::LOCALHOST, shared.server_port)).await?;
    server.set_nodelay(true)?;
    let conversation = Conversation::begin(line, program, twin, server);
    conversation.carry(shared, startup).await
}

/// One connection and what has been said on it.
struct Conversation {
    line: Option<Line>,
    to_program: WriteHalf<TlsStream<TcpStream>>,
    to_server: WriteHalf<TcpStream>,
    /// The program's socket again, to reset it.
    twin: TcpStream,
    frames: mpsc::Receiver<(Speaker, Frame)>,
    readers: [JoinHandle<()>; 2],
    counts: BTreeMap<(Speaker, String), usize>,
    /// How many messages the program has sent.
    said: usize,
    /// The messages of a request whose last one has not come yet.
    begun: Vec<u8>,
    /// How many requests the server was asked, and how many it has finished.
    asked: usize,
    finished: usize,
    /// The answer to what was asked is awaited, to be lost.
    losing_reply: bool,
}

impl Conversation {
    fn begin(
        line: Option<Line>,
        program: TlsStream<TcpStream>,
        twin: TcpStream,
        server: TcpStream,
    ) -> Self {
        let (sender, frames) = mpsc::channel(1);
        let (from_program, to_program) = tokio::io::split(program);
        let (from_server, to_server) = tokio::io::split(server);
        let readers = [
            tokio::spawn(read_frames(from_program, Speaker::Program, sender.clone())),
            tokio::spawn(read_frames(from_server, Speaker::Server, sender)),
        ];
        Self {
            line,
            to_program,
            to_server,
            twin,
            frames,
            readers,
            counts: BTreeMap::new(),
            said: 0,
            begun: Vec::new(),
            asked: 0,
            finished: 0,
            losing_reply: false,
        }
    }

    async fn carry(mut self, shared: &Shared, startup: Vec<u8>) -> io::Result<()> {
        let mut frame = Some((Speaker::Program, Frame { bytes: startup }));
        while let Some((speaker, next)) = frame {
            if !self.pass(shared, speaker, next).await? {
                return Ok(());
            }
            frame = self.frames.recv().await;
            // An empty frame says that a side has ended; so does the whole connection.
            frame = frame.filter(|(_, frame)| !frame.bytes.is_empty());
        }
        self.end(false).await;
        Ok(())
    }

    /// Brings one message to the other side; `false` when that was the last one.
    async fn pass(
        &mut self,
        shared: &Shared,
        speaker: Speaker,
        mut frame: Frame,
    ) -> io::Result<bool> {
        self.said += usize::from(speaker == Speaker::Program);
        let kind = kind_of(speaker, self.said, &frame);
        let is_answered = self.said == 1 || matches!(frame.tag(), b'Q' | b'S');
        if speaker == Speaker::Program && self.said > 1 {
            if REQUEST_PARTS.contains(&frame.tag()) {
                self.begun.extend(frame.bytes);
                return Ok(true);
            }
            self.begun.append(&mut frame.bytes);
        }
        let number = self.counts.entry((speaker, kind.clone())).or_default();
        *number += 1;
        let number = *number;
        let fault = self.line.and_then(|line| {
            shared.meet(&Message {
                line,
                speaker,
                kind,
                number,
            })
        });
        match fault {
            None => {}
            Some(Fault::Drop) => {
                self.end(false).await;
                return Ok(false);
            }
            Some(Fault::Reset) => {
                self.end(true).await;
                return Ok(false);
            }
            Some(Fault::Stall) => {
                self.stall(shared).await;
                return Ok(false);
            }
            Some(Fault::Delay) => tokio::time::sleep(DELAY).await,
            Some(Fault::ReplyLost) => self.losing_reply = true,
        }
        match speaker {
            Speaker::Program => {
                self.asked += usize::from(is_answered);
                frame.bytes.append(&mut self.begun);
                self.to_server.write_all(&frame.bytes).await?;
                self.to_server.flush().await?;
            }
            Speaker::Server => {
                self.finished += usize::from(frame.tag() == b'Z');
                if !self.losing_reply {
                    self.to_program.write_all(&frame.bytes).await?;
                    self.to_program.flush().await?;
                } else if self.finished == 0 || self.finished == self.asked {
                    // While logging in, each answer is one message.
                    self.end(false).await;
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    /// Ends both connections.
    async fn end(&mut self, by_reset: bool) {
        if by_reset {
            // Closing then sends RST, and nothing that was not yet delivered.
            self.twin.set_zero_linger().expect("is a socket");
        }
        self.stop_reading().await;
    }

    async fn stop_reading(&mut self) {
        for reader in &mut self.readers {
            reader.abort();
            // Its half of the connection is gone when it is.
            let _ = reader.await;
        }
    }

    /// Keeps both connections open and carries nothing, until somebody hangs up.
    async fn stall(&mut self, shared: &Shared) {
        let mut hung_up = shared.hung_up.subscribe();
        self.stop_reading().await;
        // The network itself may be gone first, which hangs up as well.
        let _ = hung_up.changed().await;
    }
}

async fn read_frames(
    mut stream: ReadHalf<impl AsyncRead + AsyncWrite>,
    speaker: Speaker,
    frames: mpsc::Sender<(Speaker, Frame)>,
) {
    loop {
        let bytes = read_frame(&mut stream).await.unwrap_or_default();
        let over = bytes.is_empty();
        if frames.send((speaker, Frame { bytes })).await.is_err() || over {
            // The half is kept until the conversation ends as a whole.
            return;
        }
    }
}

async fn read_frame(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Vec<u8>> {
    let tag = stream.read_u8().await?;
    let mut bytes = vec![tag];
    bytes.extend(read_startup(stream).await?);
    Ok(bytes)
}

/// A message without a tag: its length, which counts itself, and its body.
async fn read_startup(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Vec<u8>> {
    let length = stream.read_u32().await?;
    let rest = usize::try_from(length.saturating_sub(4)).map_err(io::Error::other)?;
    let mut bytes = length.to_be_bytes().to_vec();
    bytes.resize(4 + rest, 0);
    stream.read_exact(&mut bytes[4..]).await?;
    Ok(bytes)
}

fn code_of(startup: &[u8]) -> Option<u32> {
    let bytes = startup.get(4..8)?;
    Some(u32::from_be_bytes(bytes.try_into().ok()?))
}

fn parameters(startup: &[u8]) -> BTreeMap<String, String> {
    let texts: Vec<String> = startup
        .get(8..)
        .unwrap_or_default()
        .split(|byte| *byte == 0)
        .map(|text| String::from_utf8_lossy(text).into_owned())
        .collect();
    texts
        .chunks_exact(2)
        .map(|pair| (pair[0].clone(), pair[1].clone()))
        .collect()
}

/// The kind of a message, in the protocol's own words.
fn kind_of(speaker: Speaker, number: usize, frame: &Frame) -> String {
    let name = match (speaker, frame.tag()) {
        (Speaker::Program, _) if number == 1 => "StartupMessage",
        (Speaker::Program, b'p') if number == 2 => "SASLInitialResponse",
        (Speaker::Program, b'p') => "SASLResponse",
        (Speaker::Program, b'Q') => return format!("Query {}", first_word(frame.body())),
        (Speaker::Program, b'S') => "Parse to Sync",
        (Speaker::Program, b'X') => "Terminate",
        (Speaker::Server, b'R') => "Authentication",
        (Speaker::Server, b'S') => "ParameterStatus",
        (Speaker::Server, b'K') => "BackendKeyData",
        (Speaker::Server, b'Z') => "ReadyForQuery",
        (Speaker::Server, b'1') => "ParseComplete",
        (Speaker::Server, b'2') => "BindComplete",
        (Speaker::Server, b't') => "ParameterDescription",
        (Speaker::Server, b'T') => "RowDescription",
        (Speaker::Server, b'D') => "DataRow",
        (Speaker::Server, b'n') => "NoData",
        (Speaker::Server, b'C') => return format!("CommandComplete {}", first_word(frame.body())),
        (Speaker::Server, b'E') => "ErrorResponse",
        (Speaker::Server, b'N') => "NoticeResponse",
        (_, tag) => return format!("message {:?}", char::from(tag)),
    };
    name.to_owned()
}

/// Enough to know a statement by; S3 is told from the other SETs by what it is about.
fn first_word(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    if text.contains("ALTER ROLE") {
        return "ALTER".to_owned();
    }
    text.trim_end_matches('\0')
        .split([' ', ';'])
        .next()
        .unwrap_or_default()
        .to_owned()
}
