//! What is said of a drain above its list: the verdict, the gate, and what they rest on.

use ratatui::style::Style;
use ratatui::text::{Line, Span};
use unicode_width::UnicodeWidthStr;

use super::drain::forecast_cell;
use super::{labelled, labelled_lines, sparkline};
use crate::console::model::{
    DrainView, Model, Target, is_leaked, late_logins, nodes_seen, standing,
};
use crate::console::theme::{Role, Theme};
use crate::console::words::{self, counted, span};
use crate::drain::{Coverage, Drain, Forecast, Method, NodeCoverage, View};

/// The weight of the gate; only the verdict weighs less.
const GATE: u8 = 1;
/// Columns of the labels.
const LABEL: usize = 10;
/// Nodes that are named; the list names all.
const MOST_NODES: usize = 2;

/// Lines of one subject.
struct Section {
    /// The heaviest go first where there is no room for all.
    weight: u8,
    /// Whether its first line alone says something.
    may_be_cut: bool,
    lines: Vec<Line<'static>>,
}

/// The lines above the list, and what they are made of.
pub(super) struct Header<'a> {
    pub(super) model: &'a Model,
    pub(super) target: &'a Target,
    pub(super) view: &'a DrainView,
    pub(super) drain: &'a Drain,
    pub(super) theme: &'a Theme,
    pub(super) width: u16,
    pub(super) is_below_its_row: bool,
}

impl Header<'_> {
    /// The sections in their order. Where there is no room for all, those that matter least
    /// are cut to one line, and left out where that does not suffice.
    pub(super) fn lines(&self, room: usize) -> Vec<Line<'static>> {
        // What the monitor's row has told already matters least below it.
        let below = |weight: u8, below_row: u8| match self.is_below_its_row {
            true => below_row,
            false => weight,
        };
        let whole = |weight, lines| Section {
            weight,
            may_be_cut: false,
            lines,
        };
        let text = |weight, lines| Section {
            weight,
            may_be_cut: true,
            lines,
        };
        let mut sections = vec![
            whole(0, self.verdict()),
            text(GATE, self.gate()),
            text(8, self.reasons()),
            whole(below(2, 7), self.sessions()),
            text(3, self.late()),
            whole(below(6, 5), self.history()),
            text(below(5, 6), self.quiet()),
            whole(4, self.coverage()),
            text(below(7, 2), self.forecast()),
        ];
        let is_over = |sections: &[Section]| {
            let lines = sections.iter().map(|section| section.lines.len());
            lines.sum::<usize>() > room
        };
        let mut by_weight: Vec<u8> = sections.iter().map(|section| section.weight).collect();
        by_weight.sort_unstable_by(|one, other| other.cmp(one));
        let mark = Span::styled(" …", self.style(Role::Muted));
        let cut = |sections: &mut [Section], weight: u8| {
            let mut sections = sections.iter_mut();
            let section = sections.find(|section| section.weight == weight && section.may_be_cut);
            if let Some(section) = section.filter(|section| section.lines.len() > 1) {
                section.lines.truncate(1);
                section.lines[0].push_span(mark.clone());
            }
        };
        for weight in by_weight.iter().filter(|weight| **weight > GATE) {
            if is_over(&sections) {
                cut(&mut sections, *weight);
            }
        }
        for weight in by_weight.iter().filter(|weight| **weight > GATE) {
            if is_over(&sections) {
                sections.retain(|section| section.weight != *weight);
            }
        }
        // The verdict and the gate stay whatever happens.
        if is_over(&sections) {
            cut(&mut sections, GATE);
        }
        let lines = sections.into_iter().flat_map(|section| section.lines);
        lines.collect()
    }

    fn style(&self, role: Role) -> Style {
        self.theme.style(role)
    }

    fn verdict(&self) -> Vec<Line<'static>> {
        let drain = self.drain;
        let (glyph, word, role) = words::standing(standing(self.view, Some(drain)));
        let since = words::lasting(drain.stage_since, self.model.now);
        let (stage_glyph, stage, stage_role) = words::stage(drain.stage);
        let mut spans = vec![
            Span::styled(
                format!("{:<LABEL$}", format!("{glyph} {word}")),
                self.style(role),
            ),
            Span::styled(drain.user.to_string(), self.style(Role::Title)),
            Span::raw(" · "),
            Span::styled(
                format!("{stage_glyph} {stage} for {since}"),
                self.style(stage_role),
            ),
        ];
        if let Some(at) = self.view.at.filter(|_| self.view.problem.is_some()) {
            let known = words::ago(at, self.model.now);
            spans.push(Span::styled(
                format!(" · last known {known}"),
                self.style(Role::Stale),
            ));
        }
        if drain.compromised {
            spans.push(Span::styled(
                " · ▲ its password leaked",
                self.style(Role::Danger),
            ));
        }
        let mut lines = vec![Line::from(spans)];
        lines.extend(self.leaked());
        lines
    }

    /// What a person has to do about a password that leaked.
    fn leaked(&self) -> Vec<Line<'static>> {
        let drain = self.drain;
        let Target { environment, path } = self.target;
        let path = path.as_deref().unwrap_or_default();
        let words = match drain.counts.sessions {
            _ if is_leaked(drain) => {
                format!("L locks it at once: handover retire {environment} {path}")
            }
            1.. if drain.compromised => format!(
                "its sessions go on: handover retire {environment} {path} --end-sessions {}",
                drain.user
            ),
            _ => return Vec::new(),
        };
        let style = self.style(Role::Danger);
        labelled_lines(self.theme, "do", &words, style, self.width)
    }

    fn gate(&self) -> Vec<Line<'static>> {
        let (words, role) = match (&self.view.problem, &self.drain.gate) {
            (Some(problem), _) => (format!("? not known: {problem}"), Role::Warn),
            (None, Some(gate)) => (format!("■ shut: {gate}"), Role::Draining),
            (None, None) => ("● open: nothing to wait for".to_owned(), Role::Ok),
        };
        labelled_lines(self.theme, "gate", &words, self.style(role), self.width)
    }

    /// The reasons that the gate has not told already.
    fn reasons(&self) -> Vec<Line<'static>> {
        let told = |reason: &&String| {
            let gate = self.drain.gate.as_ref();
            gate.is_none_or(|gate| !gate.contains(reason.as_str()))
        };
        let reasons: Vec<&String> = self.drain.reasons.iter().filter(told).collect();
        let style = self.style(Role::Text);
        let lines = reasons.iter().enumerate().flat_map(|(index, reason)| {
            let label = if index == 0 { "why" } else { "" };
            labelled_lines(self.theme, label, reason, style, self.width)
        });
        lines.collect()
    }

    fn sessions(&self) -> Vec<Line<'static>> {
        let counts = &self.drain.counts;
        let label = Span::styled(format!("{:<LABEL$}", "sessions"), self.style(Role::Muted));
        let is_sure = self.drain.coverage.complete && self.view.problem.is_none();
        let all = match (is_sure, counts.sessions) {
            (true, count) => count.to_string(),
            (false, 0) => {
                // A zero would be a lie where some may be hidden.
                let words = Span::styled("none was seen", self.style(Role::Warn));
                return vec![Line::from(vec![label, words])];
            }
            (false, count) => format!("at least {count}"),
        };
        let part = |count: u64, words: &str, role: Role| {
            let role = if count == 0 { Role::Muted } else { role };
            Span::styled(format!("   {count} {words}"), self.style(role))
        };
        let mut spans = vec![
            label,
            Span::styled(format!("{all:<4}"), self.style(Role::Title)),
            part(counts.before, "before", Role::Text),
            part(counts.catching_up, "catching up", Role::Text),
            part(counts.late, "late", Role::Danger),
        ];
        if counts.prepared > 0 {
            spans.push(part(counts.prepared, "prepared", Role::Text));
        }
        vec![Line::from(spans)]
    }

    /// Logins that must not have been: somebody still reads the old password.
    fn late(&self) -> Vec<Line<'static>> {
        let counts = &self.drain.counts;
        let logins = late_logins(self.drain);
        let mut parts = Vec::new();
        if logins > 0 {
            let gone = logins.saturating_sub(counts.late);
            let login = counted(logins, "login");
            parts.push(format!("{login} after propagation, {gone} gone"));
        }
        if counts.unseen_logins > 0 {
            let login = counted(counts.unseen_logins, "login");
            parts.push(format!("{login} that no look saw"));
        }
        if parts.is_empty() {
            return Vec::new();
        }
        let style = self.style(Role::Danger);
        labelled_lines(self.theme, "late", &parts.join(" · "), style, self.width)
    }

    fn history(&self) -> Vec<Line<'static>> {
        let history = &self.drain.history;
        let (Some(first), Some(until)) = (history.first(), self.view.at) else {
            return Vec::new();
        };
        let peak = history.iter().filter_map(|point| point.sessions).max();
        let mut right = format!("  {}", words::lasting(first.at, until));
        if let Some(peak) = peak {
            right.push_str(&format!(", peak {peak}"));
        }
        if history.iter().any(|point| point.sessions.is_none()) {
            right.push_str(&format!(", {} not looked", sparkline::NOT_LOOKED));
        }
        let free = usize::from(self.width).saturating_sub(LABEL + right.width());
        let mut spans = vec![Span::styled(
            format!("{:<LABEL$}", "history"),
            self.style(Role::Muted),
        )];
        spans.extend(sparkline::spans(self.theme, history, until, free));
        spans.push(Span::styled(right, self.style(Role::Muted)));
        vec![Line::from(spans)]
    }

    fn quiet(&self) -> Vec<Line<'static>> {
        let window = &self.drain.window;
        let mut words = match window.required_seconds {
            0 => format!("{}, one look is enough", span(window.quiet_seconds)),
            required => format!("{} of {}", span(window.quiet_seconds), span(required)),
        };
        if window.remaining_seconds > 0 && window.since.is_some() {
            words.push_str(&format!(", {} left", span(window.remaining_seconds)));
        }
        words.push_str(&match (self.drain.method, window.resolution_seconds) {
            (Method::None, _) => " · nothing was seen yet".to_owned(),
            (Method::Counted, _) => " · counted: no login is missed".to_owned(),
            (Method::Sampled, None) => " · sampled".to_owned(),
            (Method::Sampled, Some(gap)) => {
                format!(" · sampled, may miss logins below {}", span(gap))
            }
        });
        labelled_lines(
            self.theme,
            "quiet",
            &words,
            self.style(Role::Text),
            self.width,
        )
    }

    fn coverage(&self) -> Vec<Line<'static>> {
        let coverage = &self.drain.coverage;
        let (seen, known) = nodes_seen(self.drain);
        let (glyph, role) = match coverage.complete {
            true => ("●", Role::Ok),
            false => ("?", Role::Warn),
        };
        let mut words = format!(
            "{glyph} {seen} of {} tell all",
            counted(known as u64, "node")
        );
        if let Some(at) = coverage.sampled_at {
            let since = words::ago(at, self.model.now);
            words.push_str(&format!(" · looked {since}"));
        }
        if !coverage.poolers.is_empty() {
            let poolers = counted(coverage.poolers.len() as u64, "pooler");
            words.push_str(&format!(" · {poolers} in between"));
        }
        let style = self.style(role);
        let mut lines = labelled_lines(self.theme, "coverage", &words, style, self.width);
        lines.extend(self.missing(coverage));
        lines
    }

    /// What is missing for a complete picture, and what mends it.
    fn missing(&self, coverage: &Coverage) -> Vec<Line<'static>> {
        let nodes = coverage.nodes.iter();
        let missing: Vec<&NodeCoverage> =
            nodes.filter(|node| node.view != View::Complete).collect();
        let mut lines = Vec::new();
        for node in missing.iter().take(MOST_NODES) {
            let (glyph, word, role) = words::view(node.view);
            let problem = node.problem.as_ref().filter(|_| node.grant.is_none());
            let problem = problem.map(|problem| format!(": {problem}"));
            let words = format!(
                "{glyph} {} {word}{}",
                node.node,
                problem.unwrap_or_default()
            );
            let style = self.style(role);
            lines.extend(labelled_lines(self.theme, "", &words, style, self.width));
            if let Some(grant) = &node.grant {
                let style = self.style(Role::Key);
                lines.extend(labelled_lines(self.theme, "", grant, style, self.width));
            }
        }
        for standby in coverage.unnamed_standbys.iter().take(MOST_NODES) {
            let words = format!("? {standby} is fed and not named in the settings");
            let style = self.style(Role::Warn);
            lines.extend(labelled_lines(self.theme, "", &words, style, self.width));
        }
        let more = missing.len().saturating_sub(MOST_NODES)
            + coverage.unnamed_standbys.len().saturating_sub(MOST_NODES);
        if more > 0 {
            let words = format!("and {more} more below");
            lines.push(labelled(self.theme, "", words, self.style(Role::Warn)));
        }
        lines
    }

    fn forecast(&self) -> Vec<Line<'static>> {
        let (words, role) = match &self.drain.forecast {
            Forecast::Empty => return Vec::new(),
            Forecast::Range {
                earliest,
                latest,
                basis,
            } => {
                let cell = forecast_cell(self.model, &self.drain.forecast);
                let clock = |at: &chrono::DateTime<chrono::Utc>| match at.date_naive() {
                    date if date == self.model.now.date_naive() => at.format("%H:%M"),
                    _ => at.format("%m-%d %H:%M"),
                };
                let words = format!(
                    "empty in {cell}, from {} to {} UTC · {basis}",
                    clock(earliest),
                    clock(latest)
                );
                (words, Role::Text)
            }
            Forecast::Never { because } => {
                let words = format!("will not drain by itself: {because}");
                (words, Role::Warn)
            }
            Forecast::Unknown { because } => (format!("not known: {because}"), Role::Muted),
        };
        labelled_lines(self.theme, "forecast", &words, self.style(role), self.width)
    }
}
