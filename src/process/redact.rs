//! Secrets taken out of a stream of bytes.
//!
//! A secret may be cut anywhere between two chunks, so whatever may still become one is held
//! back until it is known; that is never more than the longest secret.

use std::sync::{Arc, PoisonError, RwLock};

use zeroize::Zeroizing;

/// What stands in place of a secret.
const MARK: &[u8] = b"[secret]";

/// Shorter ones are everywhere by chance.
const SHORTEST: usize = 3;

/// The secrets to look for, shared by all streams of one child.
#[derive(Default)]
pub struct Redactions(Arc<RwLock<Patterns>>);

/// The longest first, so that one which contains another is taken as a whole.
#[derive(Default)]
struct Patterns(Vec<Zeroizing<Vec<u8>>>);

impl Redactions {
    /// Looks for these as well from here on.
    pub fn add<'a>(&self, secrets: impl Iterator<Item = &'a str>) {
        let mut patterns = self.0.write().unwrap_or_else(PoisonError::into_inner);
        for secret in secrets.map(str::as_bytes) {
            let is_known = patterns.0.iter().any(|known| known[..] == *secret);
            if secret.len() >= SHORTEST && !is_known {
                patterns.0.push(Zeroizing::new(secret.to_vec()));
            }
        }
        patterns
            .0
            .sort_by_key(|pattern| std::cmp::Reverse(pattern.len()));
    }

    /// A stream of its own.
    #[must_use]
    pub fn stream(&self) -> Redactor {
        Redactor {
            patterns: Arc::clone(&self.0),
            held: Zeroizing::new(Vec::new()),
        }
    }
}

/// One stream.
pub struct Redactor {
    patterns: Arc<RwLock<Patterns>>,
    held: Zeroizing<Vec<u8>>,
}

/// What stands at one place.
enum Place {
    Secret(usize),
    /// It may become one with what comes next.
    Perhaps,
    Nothing,
}

impl Redactor {
    /// Takes a chunk, and appends to `out` what may be shown by now.
    pub fn feed(&mut self, chunk: &[u8], out: &mut Vec<u8>) {
        self.held.extend_from_slice(chunk);
        self.show(out, false);
    }

    /// The stream has ended: what was held back can become nothing more.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        self.show(out, true);
    }

    fn show(&mut self, out: &mut Vec<u8>, is_last: bool) {
        let patterns = self.patterns.read().unwrap_or_else(PoisonError::into_inner);
        let mut firsts = [false; 256];
        for first in patterns.0.iter().filter_map(|pattern| pattern.first()) {
            firsts[usize::from(*first)] = true;
        }
        let mut at = 0;
        while let Some(byte) = self.held.get(at) {
            let place = match firsts[usize::from(*byte)] {
                true => patterns.look(&self.held[at..], is_last),
                false => Place::Nothing,
            };
            match place {
                Place::Secret(length) => {
                    out.extend_from_slice(MARK);
                    at += length;
                }
                Place::Perhaps => break,
                Place::Nothing => {
                    out.push(*byte);
                    at += 1;
                }
            }
        }
        drop(patterns);
        self.held.drain(..at);
    }
}

impl Patterns {
    fn look(&self, rest: &[u8], is_last: bool) -> Place {
        for pattern in &self.0 {
            if rest.starts_with(pattern) {
                return Place::Secret(pattern.len());
            }
            // A longer one that is not refuted yet hides a shorter one that is its beginning.
            if !is_last && rest.len() < pattern.len() && pattern.starts_with(rest) {
                return Place::Perhaps;
            }
        }
        Place::Nothing
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every way to cut the text in two, and byte by byte.
    #[track_caller]
    fn check(secrets: &[&str], text: &str, expected: &str) {
        let redactions = Redactions::default();
        redactions.add(secrets.iter().copied());
        let cut = |chunks: &[&[u8]]| {
            let mut stream = redactions.stream();
            let mut out = Vec::new();
            for chunk in chunks {
                stream.feed(chunk, &mut out);
                let longest = secrets.iter().map(|secret| secret.len()).max();
                assert!(stream.held.len() < longest.unwrap_or(1), "bounded");
            }
            stream.finish(&mut out);
            String::from_utf8(out).expect("is UTF-8")
        };
        for at in 0..=text.len() {
            let (one, other) = text.as_bytes().split_at(at);
            assert_eq!(cut(&[one, other]), expected, "cut at {at}");
        }
        let bytes: Vec<&[u8]> = text.as_bytes().chunks(1).collect();
        assert_eq!(cut(&bytes), expected);
    }

    #[test]
    fn a_secret_is_found_wherever_it_is_cut() {
        check(&["first-word"], "a first-word b", "a [secret] b");
        check(&["first-word"], "first-wor", "first-wor");
        check(&["first-word"], "first-first-word!", "first-[secret]!");
        check(&["aab"], "aaab", "a[secret]");
        check(
            &["abc", "abc-more"],
            "abc-more abc abc-mor",
            "[secret] [secret] [secret]-mor",
        );
        check(&[], "nothing", "nothing");
    }

    #[test]
    fn what_is_too_short_is_left_and_what_comes_later_is_found() {
        check(&["ab"], "ab abc", "ab abc");
        let redactions = Redactions::default();
        let mut stream = redactions.stream();
        let mut out = Vec::new();
        stream.feed(b"later ", &mut out);
        redactions.add(std::iter::once("later"));
        stream.feed(b"later", &mut out);
        stream.finish(&mut out);
        assert_eq!(out, b"later [secret]");
    }
}
