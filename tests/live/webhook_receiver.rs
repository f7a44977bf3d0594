//! A receiver of webhooks with all the ways in which one can misbehave. It speaks TLS, keeps what
//! it was sent, and checks signatures by OpenSSL, so that ours are not their own witness.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use handover::sandbox::Authority;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::Value;
use tempfile::TempDir;

use crate::shop::{Shop, quoted};

/// What a request is answered with; without a plan, `200 OK`.
#[derive(Clone)]
pub(crate) enum Reply {
    /// The connection ends before there is TLS.
    Refuse,
    /// The request is read, and no answer ever comes.
    Hang,
    /// The request is read, and the connection ends.
    Lose,
    /// A status with further header lines and a body.
    Status(&'static str, String, String),
}

impl Reply {
    pub(crate) fn status(line: &'static str) -> Self {
        Self::Status(line, String::new(), String::new())
    }
}

/// One request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Got {
    pub(crate) path: String,
    head: String,
    pub(crate) body: String,
}

impl Got {
    #[track_caller]
    pub(crate) fn header(&self, name: &str) -> &str {
        let lines = self.head.lines().filter_map(|line| line.split_once(':'));
        let mut found = lines.filter(|(key, _)| key.eq_ignore_ascii_case(name));
        let value = found.next().map(|(_, value)| value.trim());
        value.unwrap_or_else(|| panic!("no {name} in {}", self.head))
    }

    pub(crate) fn id(&self) -> String {
        self.header("webhook-id").to_owned()
    }

    #[track_caller]
    pub(crate) fn payload(&self) -> Value {
        serde_json::from_str(&self.body).expect("the body is JSON")
    }

    pub(crate) fn kind(&self) -> String {
        self.payload()["type"].as_str().expect("a kind").to_owned()
    }

    /// Whether the signature is the one that OpenSSL makes of the same bytes.
    #[track_caller]
    pub(crate) fn is_signed_by(&self, key: &[u8]) -> bool {
        let (id, time) = (self.header("webhook-id"), self.header("webhook-timestamp"));
        let option = format!("hexkey:{}", hex::encode(key));
        let mut openssl = Command::new("openssl")
            .args([
                "dgst", "-sha256", "-mac", "HMAC", "-macopt", &option, "-binary",
            ])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("OpenSSL comes with PostgreSQL's packages");
        let mut input = openssl.stdin.take().expect("is piped");
        write!(input, "{id}.{time}.{}", self.body).expect("takes the bytes");
        drop(input);
        let made = openssl.wait_with_output().expect("ends");
        assert!(made.status.success(), "{made:?}");
        self.header("webhook-signature") == format!("v1,{}", STANDARD.encode(made.stdout))
    }
}

#[derive(Default)]
struct Shared {
    plan: Mutex<VecDeque<Reply>>,
    got: Mutex<Vec<Got>>,
    hanging: Mutex<Vec<TcpStream>>,
    /// Answered requests whose client has ended the connection: it has read the answer.
    finished: Mutex<usize>,
    closing: AtomicBool,
}

pub(crate) struct Receiver {
    port: u16,
    authority: Authority,
    folder: TempDir,
    shared: Arc<Shared>,
    accepting: Option<JoinHandle<()>>,
    pub(crate) key: [u8; 32],
    /// What the settings say of the kinds that it wants; without it, what the tests of rotations
    /// are about.
    pub(crate) kinds: &'static str,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("nobody panics with it")
}

impl Receiver {
    pub(crate) fn start() -> Self {
        let authority = Authority::new("receiver").expect("an authority");
        let issued = authority.issue().expect("issues");
        let certificates = CertificateDer::pem_slice_iter(issued.certificate_pem.as_bytes());
        let certificates = certificates.collect::<Result<Vec<_>, _>>().expect("PEM");
        let key = PrivateKeyDer::from_pem_slice(issued.key_pem.as_bytes()).expect("PEM");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(certificates, key)
            .expect("a key that fits");
        let config = Arc::new(config);
        // The listener is held as long as the port is named, so that nobody else gets it.
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("listens");
        let port = listener.local_addr().expect("an address").port();
        let shared = Arc::new(Shared::default());
        let of_thread = Arc::clone(&shared);
        let accepting = std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if of_thread.closing.load(Ordering::Acquire) {
                    return;
                }
                let (shared, config) = (Arc::clone(&of_thread), Arc::clone(&config));
                std::thread::spawn(move || serve(stream, config, &shared));
            }
        });
        let mut secret = [0; 32];
        getrandom::fill(&mut secret).expect("random bytes");
        Self {
            port,
            authority,
            folder: tempfile::tempdir().expect("makes a folder"),
            shared,
            accepting: Some(accepting),
            key: secret,
            kinds: "[rotation.*, retire.*, audit.gap]",
        }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("https://localhost:{}{path}", self.port)
    }

    pub(crate) fn secret(&self) -> String {
        format!("whsec_{}", STANDARD.encode(self.key))
    }

    /// The next requests are answered so, in this order.
    pub(crate) fn plan(&self, replies: impl IntoIterator<Item = Reply>) {
        locked(&self.shared.plan).extend(replies);
    }

    /// Everything that it was sent so far.
    pub(crate) fn got(&self) -> Vec<Got> {
        locked(&self.shared.got).clone()
    }

    pub(crate) fn kinds(&self) -> Vec<String> {
        self.got().iter().map(Got::kind).collect()
    }

    pub(crate) fn finished(&self) -> usize {
        *locked(&self.shared.finished)
    }

    /// A shop whose webhook this is, with more lines for its database in the settings.
    pub(crate) fn shop(&self, name: &str, settings: &str) -> Shop {
        let shop = Shop::bare(name, crate::shop::ShopOptions::default());
        shop.write_settings(&format!("{settings}{}", self.settings()));
        shop.init();
        self.init_key(&shop, &format!("{{fn::secret: {}}}", self.secret()));
        shop
    }

    /// The lines of the settings that name it.
    pub(crate) fn settings(&self) -> String {
        let authority = self.folder.path().join("receiver.pem");
        std::fs::write(&authority, self.authority.pem()).expect("writes");
        format!(
            "webhooks:\n  - url: {}\n    secret: ${{environments.shop.hooks.key}}\n    ca: {}\n    \
             kinds: {}\n",
            quoted(&self.url("/hook")),
            quoted(&authority.display().to_string()),
            self.kinds,
        )
    }

    /// Puts its key, as it is written in a document, into the environment that the settings name.
    pub(crate) fn init_key(&self, shop: &Shop, key: &str) {
        let file = shop.file("hooks.yaml");
        std::fs::write(&file, format!("values:\n  key: {key}\n")).expect("writes");
        let file = file.display().to_string();
        shop.run(&["env", "init", "shop/hooks", "-f", &file])
            .expect_code(0);
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.shared.closing.store(true, Ordering::Release);
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
        if let Some(accepting) = self.accepting.take() {
            let _ = accepting.join();
        }
    }
}

fn serve(stream: TcpStream, config: Arc<ServerConfig>, shared: &Shared) {
    let reply = locked(&shared.plan).pop_front();
    let reply = reply.unwrap_or_else(|| Reply::status("200 OK"));
    if matches!(reply, Reply::Refuse) {
        return;
    }
    let held = stream.try_clone().expect("a second handle");
    let connection = ServerConnection::new(config).expect("TLS");
    let mut stream = StreamOwned::new(connection, stream);
    let Some(got) = read_request(&mut stream) else {
        return;
    };
    locked(&shared.got).push(got);
    let (status, headers, body) = match reply {
        Reply::Refuse | Reply::Lose => return,
        Reply::Hang => return locked(&shared.hanging).push(held),
        Reply::Status(status, headers, body) => (status, headers, body),
    };
    let head = format!(
        "HTTP/1.1 {status}\r\n{headers}content-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    // Whoever has read enough may have gone.
    let _ = stream.write_all(head.as_bytes());
    let _ = stream.write_all(body.as_bytes());
    let _ = stream.flush();
    let _ = stream.read(&mut [0]);
    *locked(&shared.finished) += 1;
}

fn read_request(stream: &mut impl Read) -> Option<Got> {
    let mut read = Vec::new();
    let mut piece = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&read);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let mut got = Got {
                path: head.split(' ').nth(1)?.to_owned(),
                head: head.to_owned(),
                body: body.to_owned(),
            };
            let length: usize = got.header("content-length").parse().ok()?;
            if got.body.len() >= length {
                got.body.truncate(length);
                return Some(got);
            }
        }
        match stream.read(&mut piece) {
            Ok(0) | Err(_) => return None,
            Ok(count) => read.extend(&piece[..count]),
        }
    }
}
