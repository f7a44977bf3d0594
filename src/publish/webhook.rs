//! One notice to one webhook, by the Standard Webhooks scheme: an id that stays the same at every
//! attempt, the time of the attempt, and a signature over both and the body.
//!
//! Whoever answers with 2xx has the notice. Everything else is a failure: a redirect, which is
//! not followed, and an answer that never came, although the receiver may have the notice then.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use reqwest::header::{CONTENT_TYPE, LOCATION, USER_AGENT};
use reqwest::{Client, Response, StatusCode, Url, redirect, retry};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::process::certificate_authorities;
use crate::secret::Secret;
use crate::untrusted::Untrusted;

/// The pause after the first failure, and the longest one.
const FIRST_PAUSE: Duration = Duration::from_secs(5);
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);
/// So much of an answer is read: enough for a sentence that says what is wrong.
const LONGEST_ANSWER: usize = 2048;
/// What the scheme wants of a key at least, in bytes.
const SHORTEST_KEY: usize = 24;
const PREFIX: &str = "whsec_";

/// The pause after so many failures: doubled each time up to an hour, of which `chance` takes up
/// to a half away, so that many senders do not come back together.
#[must_use]
pub fn pause_after(failures: u32, chance: u64) -> Duration {
    let doubled = FIRST_PAUSE.saturating_mul(1 << failures.saturating_sub(1).min(20));
    let half = doubled.min(LONGEST_PAUSE) / 2;
    let milliseconds = u64::try_from(half.as_millis()).unwrap_or(u64::MAX);
    half + Duration::from_millis(chance % (milliseconds + 1))
}

/// The key that a webhook and its receiver share.
pub struct SigningKey(Zeroizing<Vec<u8>>);

impl SigningKey {
    /// Reads `whsec_` with base64 behind it.
    ///
    /// # Errors
    /// A sentence with the remedy when it is anything else. The text is not in it.
    pub fn new(text: &Secret) -> Result<Self, String> {
        let remedy = "write `whsec_` and, right behind it, what `openssl rand -base64 32` prints";
        let Some(encoded) = text.expose().trim().strip_prefix(PREFIX) else {
            return Err(format!(
                "the webhook's secret does not begin with `whsec_`; {remedy}"
            ));
        };
        let key = STANDARD.decode(encoded).map(Zeroizing::new);
        let key = key.map_err(|_| format!("the webhook's secret is not base64; {remedy}"))?;
        match key.len() {
            SHORTEST_KEY.. => Ok(Self(key)),
            _ => Err(format!(
                "the webhook's secret is shorter than {SHORTEST_KEY} bytes; {remedy}"
            )),
        }
    }

    /// `v1,` and the signature of a message at a time.
    fn sign(&self, message: &Message<'_>, timestamp: i64) -> String {
        let mut code =
            Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes keys of any length");
        code.update(format!("{}.{timestamp}.{}", message.id, message.body).as_bytes());
        format!("v1,{}", STANDARD.encode(code.finalize().into_bytes()))
    }
}

/// What is sent.
#[derive(Debug, Clone, Copy)]
pub struct Message<'a> {
    /// The same at every attempt.
    pub id: &'a str,
    /// JSON.
    pub body: &'a str,
}

/// What came of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The receiver has it.
    Taken(String),
    /// The receiver wants nothing of this any more.
    Gone(String),
    /// It is to be tried again; why, in words that are safe to draw.
    Failed(String),
}

impl Answer {
    /// What was answered, in words.
    #[must_use]
    pub fn words(&self) -> &str {
        match self {
            Self::Taken(words) | Self::Gone(words) | Self::Failed(words) => words,
        }
    }
}

/// Where notices go.
pub struct Receiver {
    url: Url,
    client: Client,
}

impl Receiver {
    /// A receiver whose certificate is checked against `authority`, or the system's without
    /// one. It is asked over a connection of its own, through no proxy, and answers within
    /// `limit`.
    ///
    /// # Errors
    /// A sentence when the address or the authority cannot be used.
    pub fn new(url: &str, authority: Option<&str>, limit: Duration) -> Result<Self, String> {
        let url = Url::parse(url).map_err(|error| format!("the address is malformed: {error}"))?;
        let roots = certificate_authorities(authority)?;
        let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| format!("TLS cannot be set up: {error}"))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let client = Client::builder()
            .tls_backend_preconfigured(config)
            .https_only(true)
            .redirect(redirect::Policy::none())
            .retry(retry::never())
            .no_proxy()
            .pool_max_idle_per_host(0)
            .timeout(limit)
            .build()
            .map_err(|error| format!("HTTP cannot be set up: {}", chain(&error)))?;
        Ok(Self { url, client })
    }

    /// Sends a message once. `timestamp` is the time of this attempt, in seconds since 1970.
    pub async fn send(&self, key: &SigningKey, message: &Message<'_>, timestamp: i64) -> Answer {
        let request = self
            .client
            .post(self.url.clone())
            .header(CONTENT_TYPE, "application/json")
            .header(USER_AGENT, concat!("handover/", env!("CARGO_PKG_VERSION")))
            .header("webhook-id", message.id)
            .header("webhook-timestamp", timestamp)
            .header("webhook-signature", key.sign(message, timestamp))
            .body(message.body.to_owned());
        match request.send().await {
            Ok(response) => answer(response).await,
            Err(error) => Answer::Failed(failure(&error)),
        }
    }
}

async fn answer(response: Response) -> Answer {
    let status = response.status();
    if status.is_success() {
        return Answer::Taken(status.to_string());
    }
    if status.is_redirection() {
        let to = response.headers().get(LOCATION);
        let to = to.map(|to| Untrusted::new(&String::from_utf8_lossy(to.as_bytes())));
        let to = to.map(|to| format!(" to {to}")).unwrap_or_default();
        return Answer::Failed(format!(
            "{status}: a redirect{to}, which is not followed; write the final address"
        ));
    }
    let words = match read_some(response).await {
        text if text.trim().is_empty() => status.to_string(),
        text => format!("{status}: {}", Untrusted::new(text.trim())),
    };
    match status {
        StatusCode::GONE => Answer::Gone(words),
        _ => Answer::Failed(words),
    }
}

/// The beginning of an answer. One that never ends must not fill the memory, and what breaks
/// off in its middle is no other answer for that.
async fn read_some(mut response: Response) -> String {
    let mut read = Vec::new();
    while let Ok(Some(piece)) = response.chunk().await {
        let room = LONGEST_ANSWER - read.len();
        read.extend(piece.iter().take(room));
        if read.len() == LONGEST_ANSWER {
            break;
        }
    }
    String::from_utf8_lossy(&read).into_owned()
}

fn failure(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "no answer in time".to_owned();
    }
    let what = match error.is_connect() {
        true => "cannot be reached",
        false => "the answer never came",
    };
    format!("{what}: {}", chain(error))
}

/// The innermost words of an error: those around them repeat the address.
fn chain(error: &reqwest::Error) -> Untrusted {
    let mut innermost: &dyn std::error::Error = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    Untrusted::new(&innermost.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> Result<SigningKey, String> {
        SigningKey::new(&Secret::new(text.to_owned()))
    }

    /// The test vector of the Standard Webhooks' own libraries.
    #[test]
    fn a_signature_is_that_of_the_published_vector() {
        let key = key("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").expect("a key");
        let message = Message {
            id: "msg_p5jXN8AQM9LWM0D4loKWxJek",
            body: "{\"test\": 2432232314}",
        };
        assert_eq!(
            key.sign(&message, 1_614_265_330),
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
        );
    }

    #[test]
    fn a_secret_that_is_no_key_is_refused_with_the_remedy_and_not_shown() {
        for (text, part) in [
            ("first-password", "begin with `whsec_`"),
            ("whsec_first-password!", "not base64"),
            ("whsec_Zmlyc3Q=", "shorter than 24 bytes"),
        ] {
            let Err(words) = key(text) else {
                panic!("{text} is a key");
            };
            assert!(words.contains(part), "{words}");
            assert!(words.contains("openssl rand -base64 32"), "{words}");
            assert!(!words.contains("first"), "{words}");
        }
    }

    #[test]
    fn pauses_double_up_to_an_hour_and_chance_takes_up_to_a_half() {
        let seconds = |failures| {
            [0, u64::MAX - 1].map(|chance| pause_after(failures, chance).as_secs_f64().ceil())
        };
        let longest = |failures: u32| {
            let chances = (0..7200).map(|step| pause_after(failures, step * 1000));
            chances.max().expect("some")
        };
        assert!(seconds(1)[0] <= 3.0 && longest(1) <= Duration::from_secs(5));
        let mut before = Duration::ZERO;
        for failures in 1..=10 {
            let shortest = pause_after(failures, 0);
            assert!(shortest > before, "{failures}");
            assert!(longest(failures) <= shortest * 2, "{failures}");
            before = shortest;
        }
        for failures in [11, 30, u32::MAX] {
            assert_eq!(pause_after(failures, 0), Duration::from_secs(1800));
            assert_eq!(pause_after(failures, 1_800_000), Duration::from_secs(3600));
        }
    }
}
