//! Spans, counts, times and names as people read them.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use crate::untrusted::Untrusted;

/// A span, rounded up to a figure that people read, so that waiting this long is enough.
pub(super) fn span(span: Duration) -> String {
    let seconds = span.as_secs() + u64::from(span.subsec_nanos() > 0);
    match seconds {
        0..=119 => format!("{seconds} s"),
        120..=7_199 => format!("{} min", seconds.div_ceil(60)),
        7_200..=359_999 => {
            let minutes = seconds.div_ceil(60);
            match minutes % 60 {
                0 => format!("{} h", minutes / 60),
                rest => format!("{} h {rest} min", minutes / 60),
            }
        }
        _ => format!("{} d", seconds.div_ceil(86_400)),
    }
}

/// A span that has passed, rounded down, so that no more is said than was seen.
pub(super) fn passed(passed: Duration) -> String {
    let seconds = passed.as_secs();
    match seconds {
        0..=119 => span(Duration::from_secs(seconds)),
        120..=359_999 => span(Duration::from_secs(seconds / 60 * 60)),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// A span that a clock that was set back may have made negative.
pub(super) fn elapsed(delta: TimeDelta) -> Duration {
    delta.to_std().unwrap_or_default()
}

/// A moment.
pub(super) fn moment(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// `1 session is`, `3 sessions are`.
pub(super) fn plural(count: u64, one: &str, many: &str) -> String {
    match count {
        1 => format!("1 {one}"),
        _ => format!("{count} {many}"),
    }
}

/// An application and where it is, such as `"web" from 10.0.0.5`.
pub(super) fn client(application: &Untrusted, client: Option<&Untrusted>) -> String {
    let application = match application.as_str() {
        "" => "no application name".to_owned(),
        name => format!("\"{name}\""),
    };
    match client {
        Some(client) => format!("{application} from {client}"),
        None => application,
    }
}

/// The first few, and how many more there are.
pub(super) fn some_of(texts: &[String]) -> String {
    const SHOWN: usize = 5;
    let shown = texts.iter().take(SHOWN).cloned().collect::<Vec<_>>();
    let shown = shown.join(", ");
    match texts.len() {
        count if count > SHOWN => format!("{shown} and {} more", count - SHOWN),
        _ => shown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_rounded_up() {
        let check = |milliseconds, expected: &str| {
            assert_eq!(span(Duration::from_millis(milliseconds)), expected);
        };
        check(0, "0 s");
        check(1, "1 s");
        check(119_000, "119 s");
        check(119_001, "2 min");
        check(7_200_000, "2 h");
        check(7_200_001, "2 h 1 min");
        check(25 * 3_600_000, "25 h");
        check(100 * 3_600_000, "5 d");
    }

    #[test]
    fn what_has_passed_is_rounded_down() {
        let check = |seconds, expected: &str| {
            assert_eq!(passed(Duration::from_secs(seconds)), expected);
        };
        check(119, "119 s");
        check(179, "2 min");
        check(7_259, "2 h");
        check(5 * 86_400 - 1, "4 d");
    }

    #[test]
    fn long_lists_are_cut_and_say_so() {
        let texts: Vec<String> = (0..7).map(|number| number.to_string()).collect();
        assert_eq!(some_of(&texts[..2]), "0, 1");
        assert_eq!(some_of(&texts), "0, 1, 2, 3, 4 and 2 more");
    }
}
