//! The line and the connector against servers that are fakes: each says a few packets and
//! writes down what it hears. What real servers say is tested against real servers.

use std::time::Duration;

use mysql_async::prelude::Queryable;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::super::Tls;
use super::classify::{ConnectError, login_outcome};
use super::connector::{Connection, Connector, Parameters};
use super::packet::{ERR, MORE, OK, Packet, PacketReader, SSL, SWITCH};
use crate::model::{LoginOutcome, Node, UnknownCause, UserName};
use crate::secret::Secret;

const PASSWORD: &str = "first-password";

/// `CLIENT_PROTOCOL_41`, `CLIENT_SECURE_CONNECTION`, `CLIENT_PLUGIN_AUTH`.
const CAPABILITIES: u32 = 1 << 9 | 1 << 15 | 1 << 19;

const WANTED: u8 = 4;

fn greeting(capabilities: u32, plugin: &str) -> Vec<u8> {
    let mut payload = vec![10];
    payload.extend_from_slice(b"9.7.4\0");
    payload.extend_from_slice(&42_u32.to_le_bytes());
    payload.extend_from_slice(b"scramble\0");
    payload.extend_from_slice(&capabilities.to_le_bytes()[..2]);
    payload.extend_from_slice(&[255, 2, 0]);
    payload.extend_from_slice(&capabilities.to_le_bytes()[2..]);
    payload.push(21);
    payload.extend_from_slice(&[0; 10]);
    payload.extend_from_slice(b"of-twenty-by\0");
    payload.extend_from_slice(plugin.as_bytes());
    payload.push(0);
    payload
}

fn error(code: u16, text: &str) -> Vec<u8> {
    [&[ERR][..], &code.to_le_bytes(), b"#HY000", text.as_bytes()].concat()
}

async fn say(line: &mut (impl AsyncWrite + Unpin), sequence: u8, payload: &[u8]) {
    let payload = payload.to_vec().into();
    let packet = Packet { sequence, payload };
    packet.write(line).await.expect("the fake speaks");
}

async fn hear(line: &mut (impl AsyncRead + Unpin)) -> Packet {
    let packet = PacketReader::default().read(line).await;
    packet.expect("the fake hears").expect("a packet")
}

/// Everything until the other side closes; that it does is the point of many a test.
async fn hear_all(line: &mut (impl AsyncRead + Unpin)) -> Vec<u8> {
    let mut heard = Vec::new();
    let end = tokio::time::timeout(Duration::from_secs(10), line.read_to_end(&mut heard));
    // A reset is an end, too.
    let _ = end.await.expect("the line is closed");
    heard
}

/// One fake server for one connection; its answer is what it wrote down.
async fn against<T, F: Future<Output = T>>(
    tls: Tls,
    fake: impl FnOnce(TcpStream) -> F,
) -> (Result<Connection, ConnectError>, T) {
    against_within(Duration::from_secs(10), tls, fake).await
}

async fn against_within<T, F: Future<Output = T>>(
    timeout: Duration,
    tls: Tls,
    fake: impl FnOnce(TcpStream) -> F,
) -> (Result<Connection, ConnectError>, T) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("listens");
    let node = Node {
        host: "localhost".to_owned(),
        port: listener.local_addr().expect("bound").port(),
    };
    let connector = Connector::new(&tls).expect("usable settings");
    let user = UserName::new("shop_a").expect("a name");
    let password = Secret::new(PASSWORD.to_owned());
    let login = connector.connect(Parameters {
        node: &node,
        database: None,
        user: &user,
        password: &password,
        application: "handover test",
        timeout,
    });
    let served = async {
        let (line, _) = listener.accept().await.expect("accepts");
        fake(line).await
    };
    tokio::join!(login, served)
}

fn failure(result: Result<Connection, ConnectError>) -> ConnectError {
    match result {
        Ok(_) => panic!("the login should have failed"),
        Err(error) => error,
    }
}

fn tls_words(result: Result<Connection, ConnectError>) -> String {
    match failure(result) {
        ConnectError::Failed(UnknownCause::Tls(words)) => words.as_str().to_owned(),
        error => panic!("{error:?}"),
    }
}

fn contains(heard: &[u8], needle: &str) -> bool {
    heard
        .windows(needle.len())
        .any(|window| window == needle.as_bytes())
}

#[tokio::test]
async fn a_fake_that_offers_no_tls_hears_nothing() {
    let (result, heard) = against(Tls::Require, |mut line| async move {
        say(
            &mut line,
            0,
            &greeting(CAPABILITIES, "caching_sha2_password"),
        )
        .await;
        hear_all(&mut line).await
    })
    .await;
    let words = tls_words(result);
    assert!(words.contains("offers no TLS"), "{words}");
    assert_eq!(heard, b"");
}

#[tokio::test]
async fn a_fake_that_wants_the_password_without_tls_does_not_get_it() {
    let (result, (proof, rest)) = against(Tls::Disable, |mut line| async move {
        say(
            &mut line,
            0,
            &greeting(CAPABILITIES | SSL, "caching_sha2_password"),
        )
        .await;
        let proof = hear(&mut line).await;
        say(&mut line, 2, &[MORE, WANTED]).await;
        (proof, hear_all(&mut line).await)
    })
    .await;
    let words = tls_words(result);
    assert!(words.contains("can only be proven over TLS"), "{words}");
    assert!(contains(&proof.payload, "shop_a"));
    assert!(
        contains(&proof.payload, "handover test"),
        "the application's name"
    );
    assert!(!contains(&proof.payload, PASSWORD));
    assert_eq!(rest, b"", "the line is cut");
}

#[tokio::test]
async fn a_fake_that_switches_to_a_plugin_in_clear_does_not_get_the_password() {
    for plugin in [
        "mysql_clear_password",
        "sha256_password",
        "dialog",
        "parsec",
    ] {
        let (result, rest) = against(Tls::Disable, move |mut line| async move {
            say(
                &mut line,
                0,
                &greeting(CAPABILITIES, "mysql_native_password"),
            )
            .await;
            hear(&mut line).await;
            let switch = [
                &[SWITCH][..],
                plugin.as_bytes(),
                b"\0scramble-of-twenty-by\0",
            ]
            .concat();
            say(&mut line, 2, &switch).await;
            hear_all(&mut line).await
        })
        .await;
        let words = tls_words(result);
        assert!(
            words.contains("can only be proven over TLS"),
            "{plugin}: {words}"
        );
        assert_eq!(rest, b"", "{plugin}");
    }
}

#[tokio::test]
async fn a_switch_to_a_plugin_that_proves_is_followed() {
    let (result, proof) = against(Tls::Disable, |mut line| async move {
        say(
            &mut line,
            0,
            &greeting(CAPABILITIES, "caching_sha2_password"),
        )
        .await;
        hear(&mut line).await;
        let switch = [
            &[SWITCH][..],
            b"mysql_native_password\0scramble-of-twenty-by\0",
        ]
        .concat();
        say(&mut line, 2, &switch).await;
        let proof = hear(&mut line).await;
        say(&mut line, 4, &error(1045, "Access denied")).await;
        proof
    })
    .await;
    assert_eq!((proof.sequence, proof.payload.len()), (3, 20));
    let outcome = login_outcome(&failure(result));
    assert_eq!(outcome, LoginOutcome::PasswordRefused);
}

#[tokio::test]
async fn a_fake_that_does_not_greet_as_a_server_does_is_named_so() {
    let page = b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec();
    let short = [&[3, 0, 0, 0][..], &[10, b'9', 0]].concat();
    let old = {
        let payload = greeting(1 << 15, "mysql_native_password");
        let length = u8::try_from(payload.len()).expect("short");
        [&[length, 0, 0, 0][..], &payload].concat()
    };
    let huge = vec![0xff, 0xff, 0xff, 0];
    for bytes in [page, short, old, huge] {
        let (result, heard) = against(Tls::Require, move |mut line| async move {
            line.write_all(&bytes).await.expect("the fake speaks");
            hear_all(&mut line).await
        })
        .await;
        let ConnectError::Failed(UnknownCause::Other(words)) = failure(result) else {
            panic!("another cause");
        };
        assert!(
            words.as_str().contains("does not speak the protocol"),
            "{words}"
        );
        assert_eq!(heard, b"");
    }
}

#[tokio::test]
async fn a_fake_that_turns_away_is_heard_and_proves_nothing() {
    for (code, text) in [
        (1040, "Too many connections"),
        (1129, "is blocked"),
        (1045, "no"),
    ] {
        let (result, heard) = against(Tls::Require, move |mut line| async move {
            say(&mut line, 0, &error(code, text)).await;
            hear_all(&mut line).await
        })
        .await;
        let LoginOutcome::Unknown(cause) = login_outcome(&failure(result)) else {
            panic!("{code} says something of the password");
        };
        assert_eq!(cause.to_string(), text);
        assert_eq!(heard, b"");
    }
}

#[tokio::test]
async fn a_fake_that_goes_away_during_the_login_is_not_blamed_on_the_driver() {
    let (result, ()) = against(Tls::Disable, |mut line| async move {
        say(
            &mut line,
            0,
            &greeting(CAPABILITIES, "caching_sha2_password"),
        )
        .await;
        hear(&mut line).await;
    })
    .await;
    let ConnectError::Failed(UnknownCause::Unreachable(words)) = failure(result) else {
        panic!("another cause");
    };
    assert_eq!(words.as_str(), "the server closed the connection");
}

/// The second falls silent when the relay runs already, the third within the handshake.
#[tokio::test]
async fn a_fake_that_falls_silent_is_left_in_time_and_nothing_goes_on() {
    let limit = Duration::from_millis(100);
    for (tls, packets) in [(Tls::Require, 0), (Tls::Disable, 1), (Tls::Require, 1)] {
        let (result, _) = against_within(limit, tls, |mut line| async move {
            for _ in 0..packets {
                let offer = greeting(CAPABILITIES | SSL, "caching_sha2_password");
                say(&mut line, 0, &offer).await;
                hear(&mut line).await;
            }
            hear_all(&mut line).await
        })
        .await;
        let error = failure(result);
        assert_eq!(error, ConnectError::Failed(UnknownCause::TimedOut));
    }
}

#[tokio::test]
async fn the_goodbye_does_not_hang_on_a_fake_that_neither_reads_nor_closes() {
    let (result, mut line) = against(Tls::Disable, let_in).await;
    let connection = result.expect("is in");
    assert_eq!((connection.id, &connection.certificate), (42, &None));
    connection.close().await;
    let heard = hear_all(&mut line).await;
    assert_eq!(
        heard,
        [1, 0, 0, 0, 1],
        "COM_QUIT, and then the line is closed"
    );
}

#[tokio::test]
async fn a_session_that_a_fake_ends_is_explained_by_the_line() {
    let (result, line) = against(Tls::Disable, let_in).await;
    let mut connection = result.expect("is in");
    drop(line);
    let error = connection.conn.query_drop("SELECT 1").await;
    let cause = connection.cause(&error.expect_err("nobody answers"));
    assert_eq!(cause.to_string(), "the server closed the connection");
    connection.close().await;
}

/// What a server does that knows the password from an earlier login.
async fn let_in(mut line: TcpStream) -> TcpStream {
    say(
        &mut line,
        0,
        &greeting(CAPABILITIES, "caching_sha2_password"),
    )
    .await;
    hear(&mut line).await;
    say(&mut line, 2, &[MORE, 3]).await;
    say(&mut line, 3, &[OK, 0, 0, 2, 0, 0, 0]).await;
    answer_the_drivers_question(&mut line).await;
    line
}

/// `SELECT @@wait_timeout`, in the protocol's oldest form: one column, one row.
async fn answer_the_drivers_question(line: &mut (impl AsyncRead + AsyncWrite + Unpin)) {
    let question = hear(line).await;
    assert!(contains(&question.payload, "@@wait_timeout"));
    let column = [
        &b"\x03def\x00\x00\x00\x01w\x00\x0c\x3f\x00"[..],
        &[20, 0, 0, 0, 8, 0, 0, 0, 0, 0],
    ]
    .concat();
    let end: &[u8] = &[0xfe, 0, 0, 2, 0];
    let answer: [&[u8]; 5] = [&[1], &column, end, b"\x0528800", end];
    for (sequence, payload) in (1..).zip(answer) {
        say(line, sequence, payload).await;
    }
}

/// With TLS; the certificates are made by what makes those of throw-away servers.
#[cfg(feature = "sandbox")]
mod encrypted {
    use super::*;
    use std::sync::Arc;

    use rcgen::CertifiedKey;
    use rustls::ServerConfig;
    use rustls::pki_types::PrivateKeyDer;
    use sha2::{Digest, Sha256};
    use tokio_rustls::{TlsAcceptor, server::TlsStream};

    fn certificate() -> CertifiedKey<rcgen::KeyPair> {
        rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("generates")
    }

    fn acceptor(of: &CertifiedKey<rcgen::KeyPair>) -> TlsAcceptor {
        let key = PrivateKeyDer::try_from(of.signing_key.serialize_der()).expect("a key");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![of.cert.der().clone()], key)
            .expect("a usable certificate");
        TlsAcceptor::from(Arc::new(config))
    }

    /// Greets, hears the request for TLS, and shakes hands.
    async fn begin(mut line: TcpStream, acceptor: TlsAcceptor) -> (Packet, TlsStream<TcpStream>) {
        let offer = greeting(CAPABILITIES | SSL, "caching_sha2_password");
        say(&mut line, 0, &offer).await;
        let request = hear(&mut line).await;
        let line = acceptor.accept(line).await.expect("shakes hands");
        (request, line)
    }

    #[tokio::test]
    async fn a_fake_with_tls_gets_the_password_and_sequence_numbers_that_fit() {
        let certificate = certificate();
        let acceptor = acceptor(&certificate);
        let (result, mut line) = against(Tls::Require, |line| async move {
            let (request, mut line) = begin(line, acceptor).await;
            assert_eq!((request.sequence, request.payload.len()), (1, 32));
            let answer = hear(&mut line).await;
            assert_eq!(answer.sequence, 2);
            assert_eq!(answer.payload[..32], request.payload[..]);
            assert_eq!(request.payload[1] & 8, 8, "CLIENT_SSL");
            say(&mut line, 3, &[MORE, WANTED]).await;
            let password = hear(&mut line).await;
            assert_eq!(password.sequence, 4);
            assert_eq!(&password.payload[..], b"first-password\0");
            say(&mut line, 5, &[OK, 0, 0, 2, 0, 0, 0]).await;
            answer_the_drivers_question(&mut line).await;
            line
        })
        .await;
        let connection = result.expect("is in");
        let shown = hex::encode(Sha256::digest(certificate.cert.der()));
        assert_eq!(connection.certificate.as_deref(), Some(shown.as_str()));
        let farewell = async move {
            let goodbye = hear(&mut line).await;
            line.shutdown().await.expect("the fake closes");
            goodbye
        };
        let ((), goodbye) = tokio::join!(connection.close(), farewell);
        assert_eq!((goodbye.sequence, &goodbye.payload[..]), (0, &[1][..]));
    }

    #[tokio::test]
    async fn a_fake_with_an_unknown_certificate_hears_no_name() {
        let acceptor = acceptor(&certificate());
        let trusted = Tls::VerifyFull {
            authority: Some(certificate().cert.pem()),
        };
        let (result, handshake) = against(trusted, |mut line| async move {
            let offer = greeting(CAPABILITIES | SSL, "caching_sha2_password");
            say(&mut line, 0, &offer).await;
            let request = hear(&mut line).await;
            assert!(!contains(&request.payload, "shop_a"));
            acceptor.accept(line).await.map(|_| ())
        })
        .await;
        let words = tls_words(result);
        assert!(words.contains("certificate"), "{words}");
        handshake.expect_err("the client leaves");
    }

    #[tokio::test]
    async fn an_unknown_plugin_is_named_and_answered_with_nothing() {
        let acceptor = acceptor(&certificate());
        let (result, rest) = against(Tls::Require, |line| async move {
            let (_, mut line) = begin(line, acceptor).await;
            hear(&mut line).await;
            say(&mut line, 3, b"\xfeparsec\0scramble").await;
            hear_all(&mut line).await
        })
        .await;
        let LoginOutcome::Unknown(UnknownCause::Other(words)) = login_outcome(&failure(result))
        else {
            panic!("another outcome");
        };
        assert!(words.as_str().contains("`parsec`"), "{words}");
        assert_eq!(rest, b"");
    }
}
