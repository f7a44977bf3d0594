//! The review of a rollback: what was found, the case, the ways back, and all that somebody
//! weighs before agreeing to one of them.
//!
//! ```text
//! consumers ✗ DOWN: they read orders_b, which does not log in
//! found     orders_b with the current password   ✗ refused
//! case      CURRENT-DEAD
//! means     …
//! way back  ▸ re-promote   recommended
//!             re-apply     …
//! does      …
//! sends     …
//! won't     …
//! wrong if  …
//! ```

use ratatui::text::{Line, Span};
use unicode_width::UnicodeWidthStr;

use super::labelled_lines;
use crate::console::model::Review;
use crate::console::theme::{Role, Theme};
use crate::console::words;
use crate::operations::hand_over::{HandOverStatus, PathReport, Report, WayOffer};

/// How much is lost when a part is left out, the least first: on a small terminal the parts
/// give way from the end of this list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    /// What is agreed to, or why there is nothing to agree to.
    Choice,
    Case,
    Sends,
    OtherWays,
    Consumers,
    Found,
    Meaning,
    Untouched,
    WrongIf,
}

/// The lines that have room, and how many were left out.
pub(super) struct Lines {
    pub(super) shown: Vec<Line<'static>>,
    pub(super) left_out: usize,
}

/// What can be agreed to.
pub(super) fn planned(
    theme: &Theme,
    review: &Review,
    report: &Report,
    width: u16,
    room: u16,
) -> Lines {
    let mut parts = Parts::new(theme, width);
    for path in &report.paths {
        parts.case(path, "");
    }
    parts.ways(review);
    parts.fitting(room)
}

/// Why there is nothing to agree to.
pub(super) fn closed(theme: &Theme, report: &Report, width: u16, room: u16) -> Lines {
    let mut parts = Parts::new(theme, width);
    let of_paths = || report.paths.iter().find_map(|path| path.error.as_ref());
    let error = report.error.as_ref().or_else(of_paths);
    let code = error.map_or("", |error| error.code.as_str());
    let (head, role) = match report.status {
        _ if error.is_none() => ("■ no way back is offered".to_owned(), Role::Warn),
        HandOverStatus::Unreachable => (format!("? no answer: {code}"), Role::Warn),
        HandOverStatus::Parked => (format!("▲ needs you: {code}"), Role::Danger),
        _ => (format!("■ would be refused: {code}"), Role::Danger),
    };
    parts.line(
        Rank::Choice,
        Line::from(Span::styled(head, theme.style(role))),
    );
    for path in &report.paths {
        parts.case(path, code);
    }
    if let Some(error) = error {
        parts.add(Rank::Case, "why", &error.message, Role::Text);
        parts.add(Rank::Choice, "remedy", &error.remedy, Role::Key);
        for (option, what) in [(BREAK_GLASS, "glass"), (WAIVER, "waiver")] {
            if !error.remedy.contains(option) {
                continue;
            }
            // A reason is written there, and stands in the audit log.
            let of_report = report.environment.as_ref();
            let name = of_report.map(ToString::to_string).unwrap_or_default();
            let path = report.paths.first().map_or("", |path| path.path.as_str());
            let words = format!(
                "by command line alone: handover rollback {name} {path} {option} \"REASON\""
            );
            parts.add(Rank::Sends, what, &words, Role::Muted);
        }
    }
    parts.fitting(room)
}

const BREAK_GLASS: &str = "--break-glass";
const WAIVER: &str = "--waive-drain";

/// Parts as they are made, each with its rank.
struct Parts<'a> {
    theme: &'a Theme,
    width: u16,
    made: Vec<(Rank, Vec<Line<'static>>)>,
}

impl<'a> Parts<'a> {
    fn new(theme: &'a Theme, width: u16) -> Self {
        Self {
            theme,
            width,
            made: Vec::new(),
        }
    }

    fn add(&mut self, rank: Rank, label: &'static str, words: &str, role: Role) {
        let style = self.theme.style(role);
        let lines = labelled_lines(self.theme, label, words, style, self.width);
        self.made.push((rank, lines));
    }

    fn line(&mut self, rank: Rank, line: Line<'static>) {
        self.made.push((rank, vec![line]));
    }

    /// The evidence, then what it is called, unless that is `told` already, and means.
    fn case(&mut self, path: &PathReport, told: &str) {
        if let Some(words) = &path.consumers {
            let (glyph, role) = match words {
                words if words.starts_with("OK") => ("●", Role::Ok),
                words if words.starts_with("DOWN") => ("✗", Role::Danger),
                _ => ("?", Role::Warn),
            };
            let words = format!("{glyph} {words}");
            self.add(Rank::Consumers, "consumers", &words, role);
        }
        self.evidence(path);
        if let Some(case) = path.case.as_ref().filter(|case| *case != told) {
            self.add(Rank::Case, "case", &case.to_uppercase(), Role::Pending);
        }
        if let Some(meaning) = &path.meaning {
            self.add(Rank::Meaning, "means", meaning, Role::Text);
        }
    }

    /// A table of who logs in with what; whatever else was found is told as it is.
    fn evidence(&mut self, path: &PathReport) {
        let rows: Vec<_> = path.evidence.iter().map(|words| probe(words)).collect();
        let subjects = rows.iter().flatten().map(|(subject, ..)| subject.width());
        let widest = subjects.max().unwrap_or(0);
        let words_of = rows
            .iter()
            .flatten()
            .map(|(_, standing, ..)| standing.width());
        let needed = LABEL + widest + 4 + words_of.max().unwrap_or(0);
        let is_table = needed <= usize::from(self.width);
        for (index, (words, row)) in path.evidence.iter().zip(rows).enumerate() {
            let label = if index == 0 { "found" } else { "" };
            match row {
                Some((subject, standing, glyph, role)) if is_table => {
                    let text = self.theme.style(Role::Text);
                    let line = Line::from(vec![
                        Span::styled(format!("{label:<LABEL$}"), self.theme.style(Role::Muted)),
                        Span::styled(format!("{subject:<widest$}  "), text),
                        Span::styled(format!("{glyph} {standing}"), self.theme.style(role)),
                    ]);
                    self.line(Rank::Found, line);
                }
                Some((subject, standing, glyph, role)) => {
                    let words = format!("{glyph} {standing}: {subject}");
                    self.add(Rank::Found, label, &words, role);
                }
                None => self.add(Rank::Found, label, words, Role::Text),
            }
        }
    }

    /// All ways, then what is to be known of the one that is chosen.
    fn ways(&mut self, review: &Review) {
        let Some(chosen) = review.offer() else {
            return;
        };
        let name_width = review.ways().iter().map(|offer| offer.way.name().width());
        let name_width = name_width.max().unwrap_or(0);
        for (index, offer) in review.ways().iter().enumerate() {
            let is_chosen = offer.way == chosen.way;
            let label = if index == 0 { "way back" } else { "" };
            let (rank, mark, role) = match is_chosen {
                true => (Rank::Choice, "▸", Role::Selection),
                false => (Rank::OtherWays, " ", Role::Text),
            };
            let note = self.note(offer, is_chosen);
            let words = format!("{mark} {:<name_width$}  {note}", offer.way.name());
            let room = usize::from(self.width).saturating_sub(LABEL);
            let words = words::cut(words.trim_end(), room);
            let line = Line::from(vec![
                Span::styled(format!("{label:<LABEL$}"), self.theme.style(Role::Muted)),
                Span::styled(words, self.theme.style(role)),
            ]);
            self.line(rank, line);
        }
        self.add(Rank::Choice, "does", &chosen.words, Role::Title);
        match &chosen.changes {
            Some(statement) => self.add(Rank::Sends, "sends", statement, Role::Warn),
            None => self.add(Rank::Sends, "sends", "nothing to the database", Role::Ok),
        }
        self.add(Rank::Untouched, "won't", chosen.untouched, Role::Muted);
        self.add(Rank::WrongIf, "wrong if", chosen.wrong_if, Role::Muted);
    }

    /// What stands behind the name of a way: the chosen one is told at length below.
    fn note(&self, offer: &WayOffer, is_chosen: bool) -> String {
        let mut notes = Vec::new();
        if offer.recommended {
            notes.push("recommended");
        }
        if is_chosen {
            if offer.typed {
                notes.push("the environment's name is typed");
            }
        } else {
            notes.push(&offer.words);
        }
        notes.join(" · ")
    }

    /// What has room; the least important parts are left out whole, a line telling so included.
    fn fitting(self, room: u16) -> Lines {
        let room = usize::from(room);
        let mut made = self.made;
        let count = |made: &[(Rank, Vec<Line<'static>>)]| -> usize {
            made.iter().map(|(_, lines)| lines.len()).sum()
        };
        let all = count(&made);
        let mut left = all;
        while left > room.saturating_sub(usize::from(left < all)).max(1) {
            let last = made.iter().map(|(rank, _)| *rank).max();
            let Some(last) = last.filter(|rank| *rank > Rank::Choice) else {
                break;
            };
            // Of equal ones the last goes first.
            if let Some(at) = made.iter().rposition(|(rank, _)| *rank == last) {
                made.remove(at);
            }
            left = count(&made);
        }
        Lines {
            shown: made.into_iter().flat_map(|(_, lines)| lines).collect(),
            left_out: all - left,
        }
    }
}

/// Columns of the labels.
const LABEL: usize = 10;

/// A line of evidence that says who logs in: subject, word, glyph, role.
fn probe(words: &str) -> Option<(&str, &str, &'static str, Role)> {
    let (subject, standing) = words.rsplit_once(": ")?;
    let (glyph, role) = words::login(standing)?;
    Some((subject, standing, glyph, role))
}
