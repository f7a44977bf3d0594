//! Statuses in glyphs and words; colour only repeats what these say.

use chrono::{DateTime, Utc};

use super::model::{Need, ScheduleNeed, Standing};
use super::theme::Role;
use crate::drain::{Arrival, View};
use crate::model::Stage;
use crate::rotation::SinkState;

/// A need's glyph, word and colour role.
pub(super) fn need(need: Need) -> (&'static str, &'static str, Role) {
    match need {
        Need::Leaked => ("▲", "leaked", Role::Danger),
        Need::Down => ("✗", "consumers down", Role::Danger),
        Need::Open => ("▲", "stopped", Role::Danger),
        Need::Sink => ("▲", "sink failed", Role::Danger),
        Need::Broken => ("✗", "bad document", Role::Danger),
        Need::Running => ("◐", "running", Role::Pending),
        Need::Silent => ("?", "no answer", Role::Warn),
        Need::Unfinished => ("○", "no state yet", Role::Warn),
        Need::Overdue => ("!", "overdue", Role::Warn),
        Need::Draining => ("◑", "draining", Role::Draining),
        Need::NeverPromoted => ("○", "never rotated", Role::Info),
        Need::Healthy => ("●", "healthy", Role::Ok),
        Need::Plain => ("·", "values only", Role::Muted),
    }
}

/// What is the matter with a schedule: a glyph, its word and colour role.
pub(super) fn schedule(need: ScheduleNeed) -> (&'static str, &'static str, Role) {
    match need {
        ScheduleNeed::Failed => ("✗", "failed", Role::Danger),
        ScheduleNeed::Overdue => ("!", "overdue", Role::Warn),
        ScheduleNeed::Missed => ("▲", "missed", Role::Warn),
        ScheduleNeed::Broken => ("✗", "broken", Role::Danger),
        ScheduleNeed::Trying => ("◐", "trying", Role::Pending),
        ScheduleNeed::Paused => ("‖", "paused", Role::Readonly),
        ScheduleNeed::Frozen => ("■", "frozen", Role::Readonly),
        ScheduleNeed::Planned => ("●", "planned", Role::Ok),
        ScheduleNeed::Over => ("·", "over", Role::Muted),
        ScheduleNeed::Without => ("○", "none", Role::Muted),
    }
}

/// How far a file has come: a glyph, its word and colour role.
pub(super) fn sink(state: SinkState) -> (&'static str, &'static str, Role) {
    let (glyph, role) = match state {
        SinkState::Due => ("◔", Role::Pending),
        SinkState::Confirmed => ("●", Role::Ok),
        SinkState::Failed => ("✗", Role::Danger),
        SinkState::Foreign => ("▲", Role::Danger),
    };
    (glyph, state.name(), role)
}

/// Which revision a file has of the one that it is to have.
pub(super) fn delivered(has: Option<u64>, wanted: u64) -> String {
    match has {
        Some(has) if has == wanted => format!("has revision {has}"),
        Some(has) => format!("has revision {has} of {wanted}"),
        None => format!("has none yet of revision {wanted}"),
    }
}

/// Stands for healthy while nobody has looked yet.
pub(super) const UNSEEN: (&str, &str, Role) = ("◌", "not seen yet", Role::Muted);

/// A drain's glyph, word and colour role. Late logins are told by the column of their count.
pub(super) fn standing(standing: Standing) -> (&'static str, &'static str, Role) {
    match standing {
        Standing::Leaked => ("▲", "leaked", Role::Danger),
        Standing::Late => ("▲", "active", Role::Danger),
        Standing::Active => ("◑", "active", Role::Draining),
        Standing::Unknown => ("?", "unknown", Role::Warn),
        Standing::Quiet => ("◔", "quiet", Role::Info),
        Standing::Drained => ("●", "drained", Role::Ok),
    }
}

/// How far an overlap has come: what may be done with it, or cannot be any more.
pub(super) fn stage(stage: Stage) -> (&'static str, &'static str, Role) {
    let (glyph, role) = match stage {
        Stage::Draining => ("◑", Role::Draining),
        Stage::Locking | Stage::Unlocking | Stage::Scrambling => ("◐", Role::Pending),
        Stage::Locked => ("◆", Role::Info),
        Stage::Scrambled => ("◇", Role::Muted),
    };
    (glyph, stage.as_str(), role)
}

/// When a session began, as far as the promote is concerned.
pub(super) fn arrival(arrival: Arrival) -> (&'static str, &'static str, Role) {
    match arrival {
        Arrival::Before => ("◑", "before", Role::Draining),
        Arrival::CatchingUp => ("◔", "catching up", Role::Info),
        Arrival::Late => ("▲", "late", Role::Danger),
    }
}

/// What may be said by a node.
pub(super) fn view(view: View) -> (&'static str, &'static str, Role) {
    match view {
        View::Complete => ("●", "complete", Role::Ok),
        View::Masked => ("?", "masked", Role::Warn),
        View::Unreachable => ("✗", "no answer", Role::Danger),
        View::Stale => ("?", "stale", Role::Warn),
        View::NeverSampled => ("◌", "not asked yet", Role::Muted),
    }
}

/// The glyph and the colour role of what a login found; `None` where that is not its word.
pub(super) fn login(standing: &str) -> Option<(&'static str, Role)> {
    Some(match standing {
        "valid" => ("●", Role::Ok),
        "refused" | "locked" | "expired" => ("✗", Role::Danger),
        "not probed" => ("·", Role::Muted),
        "on some nodes" | "unknown" => ("?", Role::Warn),
        _ => return None,
    })
}

/// A length of time in its two largest units.
pub(super) fn span(seconds: u64) -> String {
    let (large, small, unit) = match seconds {
        0..=119 => return format!("{seconds}s"),
        120..=3599 => return format!("{}m", seconds / 60),
        3600..=172_799 => (format!("{}h", seconds / 3600), seconds % 3600 / 60, "m"),
        _ => (format!("{}d", seconds / 86400), seconds % 86400 / 3600, "h"),
    };
    match small {
        0 => large,
        small => format!("{large} {small}{unit}"),
    }
}

/// How long something has lasted; minutes are the smallest unit, as for an age.
pub(super) fn lasting(since: DateTime<Utc>, now: DateTime<Utc>) -> String {
    match u64::try_from((now - since).num_minutes()) {
        Ok(1..) => in_minutes(now - since),
        _ => "less than 1m".to_owned(),
    }
}

/// How long it takes until something; minutes are the smallest unit.
pub(super) fn until(now: DateTime<Utc>, at: DateTime<Utc>) -> String {
    match u64::try_from((at - now).num_minutes()) {
        Ok(1..) => in_minutes(at - now),
        _ => "1m".to_owned(),
    }
}

fn in_minutes(length: chrono::Duration) -> String {
    match u64::try_from(length.num_minutes()).unwrap_or(0) {
        1 => "1m".to_owned(),
        minutes => span(minutes * 60),
    }
}

/// A count with its noun.
pub(super) fn counted(count: u64, noun: &str) -> String {
    match count {
        1 => format!("1 {noun}"),
        count => format!("{count} {noun}s"),
    }
}

/// Cuts or fills a text to a width in columns; its last column stays blank.
pub(super) fn pad(text: &str, width: usize) -> String {
    use unicode_width::UnicodeWidthStr;
    let text = cut(text, width.saturating_sub(1));
    let fill = width.saturating_sub(text.width());
    format!("{text}{}", " ".repeat(fill))
}

/// A number at the right of its column, the last column of which stays blank.
pub(super) fn right(text: &str, width: usize) -> String {
    use unicode_width::UnicodeWidthStr;
    let text = cut(text, width.saturating_sub(1));
    let fill = width.saturating_sub(text.width() + 1);
    format!("{}{text} ", " ".repeat(fill))
}

/// An age for people: minutes are the smallest unit, so that nothing has to be
/// redrawn more often.
pub(super) fn age(since: DateTime<Utc>, now: DateTime<Utc>) -> String {
    let minutes = (now - since).num_minutes().max(0);
    match minutes {
        0 => "now".to_owned(),
        1..=119 => format!("{minutes} min"),
        120..=2879 => format!("{} h", minutes / 60),
        _ => format!("{} d", minutes / 1440),
    }
}

/// An age as the end of a sentence.
pub(super) fn ago(since: DateTime<Utc>, now: DateTime<Utc>) -> String {
    match age(since, now).as_str() {
        "now" => "just now".to_owned(),
        age => format!("{age} ago"),
    }
}

/// Cuts a text to a width in columns, with a mark.
pub(super) fn cut(text: &str, width: usize) -> String {
    use unicode_width::UnicodeWidthStr;
    if text.width() <= width {
        return text.to_owned();
    }
    let end = end_of_columns(text, width.saturating_sub(1));
    let mut cut = text[..end].to_owned();
    if width > 0 {
        cut.push('…');
    }
    cut
}

/// Breaks a text into lines of at most `width` columns, at spaces where there are any.
pub(super) fn wrap(text: &str, width: usize) -> Vec<String> {
    use unicode_width::UnicodeWidthStr;
    if width == 0 {
        return Vec::new();
    }
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split_whitespace() {
        let needed = line.width() + usize::from(!line.is_empty()) + word.width();
        if !line.is_empty() && needed > width {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
        while line.width() > width {
            let (head, tail) = split_at_width(&line, width);
            lines.push(head);
            line = tail;
        }
    }
    if !line.is_empty() {
        lines.push(line);
    }
    lines
}

fn split_at_width(text: &str, width: usize) -> (String, String) {
    let first = text.chars().next().map_or(0, char::len_utf8);
    // At least one character is taken, so that the loop above ends.
    let (head, tail) = text.split_at(end_of_columns(text, width).max(first));
    (head.to_owned(), tail.to_owned())
}

/// Where the longest beginning ends that fits. It is measured as a whole, since a sign that
/// follows another can make it wider.
fn end_of_columns(text: &str, width: usize) -> usize {
    use unicode_width::UnicodeWidthStr;
    let mut fits = 0;
    for (index, character) in text.char_indices() {
        let end = index + character.len_utf8();
        if text[..end].width() > width {
            break;
        }
        fits = end;
    }
    fits
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ages_change_with_the_minute_and_not_before() {
        let start = DateTime::from_timestamp(1_700_000_000, 0).expect("a time");
        let after = |seconds| age(start, start + chrono::Duration::seconds(seconds));
        assert_eq!(after(59), "now");
        assert_eq!(after(60), "1 min");
        assert_eq!(after(119 * 60), "119 min");
        assert_eq!(after(120 * 60), "2 h");
        assert_eq!(after(3 * 86400), "3 d");
    }

    #[test]
    fn spans_have_at_most_two_units() {
        for (seconds, words) in [
            (0, "0s"),
            (119, "119s"),
            (120, "2m"),
            (11_520, "3h 12m"),
            (90_000, "25h"),
            (172_800, "2d"),
            (262_000, "3d"),
            (280_000, "3d 5h"),
        ] {
            assert_eq!(span(seconds), words);
        }
        assert_eq!(counted(1, "session"), "1 session");
        assert_eq!(right("3", 5), "   3 ");
        assert_eq!(pad("abcdef", 5), "abc… ");
    }

    proptest! {
        #[test]
        fn cut_and_wrapped_text_fits(text in "\\PC{0,60}", width in 1usize..20) {
            use unicode_width::UnicodeWidthStr;
            prop_assert!(cut(&text, width).width() <= width.max(1));
            for line in wrap(&text, width.max(2)) {
                prop_assert!(line.width() <= width.max(2));
            }
        }
    }
}
