//! The drain of one rotated secret: may the outgoing user be let go, and if not, why not.
//!
//! ```text
//! ▲ active  billing_a · draining for 4h 10m
//! gate      ■ shut: 7 sessions are there
//! sessions  7     2 before   1 catching up   4 late
//! history   ▃▅▇█▇▆▅▃▂░░░░▂▂▂▂▂▂▂▂▂▂▂   4h 10m, peak 12
//! quiet     0s of 25h · sampled, looks up to 31s apart
//! coverage  ● 2 of 2 nodes tell all · looked just now
//! forecast  will not drain by itself: …
//!
//! what can be selected, see `drain_list`
//! ```

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use unicode_width::UnicodeWidthStr;

use super::{drain_list, labelled, labelled_lines, put_all, sparkline};
use crate::console::model::{
    DrainView, Model, MonitorRow, Target, late_logins, nodes_seen, standing,
};
use crate::console::theme::{Role, Theme};
use crate::console::words::{self, counted, span};
use crate::drain::{Coverage, Drain, Forecast, Method, NodeCoverage, View};
use crate::model::Stage;

/// Rows that the list below keeps before the header gives way.
const LEAST_LIST: usize = 5;
/// The weight of the gate; only the verdict weighs less.
const GATE: u8 = 1;
/// Columns of the labels.
const LABEL: usize = 10;
/// Nodes that are named in the header; the list names all.
const MOST_NODES: usize = 2;

pub(super) fn draw(
    model: &Model,
    target: &Target,
    theme: &Theme,
    area: Rect,
    buffer: &mut Buffer,
    focused: bool,
) {
    let area = Rect {
        x: area.x + 1,
        width: area.width.saturating_sub(2),
        ..area
    };
    let Some((view, drain)) = model.drain(target) else {
        put_all(buffer, area, &without(model, target, theme, area.width));
        return;
    };
    let rows = usize::from(area.height);
    let header = Header {
        model,
        view,
        drain,
        theme,
        width: area.width,
        is_below_its_row: false,
    };
    let lines = header.lines(rows.saturating_sub(LEAST_LIST).max(rows.div_ceil(2)).max(2));
    put_all(buffer, area, &lines);
    // A blank line between the two, where there is room for one.
    let gap = usize::from(lines.len() + LEAST_LIST < rows);
    let used = u16::try_from(lines.len() + gap).unwrap_or(u16::MAX);
    let below = Rect {
        y: area.y.saturating_add(used).min(area.bottom()),
        height: area.height.saturating_sub(used),
        ..area
    };
    drain_list::draw(model, drain, theme, below, buffer, focused);
}

/// How many lines the pane needs where there is no drain to show.
pub(super) fn without(
    model: &Model,
    target: &Target,
    theme: &Theme,
    width: u16,
) -> Vec<Line<'static>> {
    let view = model.drains.get(&target.environment);
    if let Some(problem) = view.and_then(|view| view.problem.as_ref()) {
        let style = theme.style(Role::Warn);
        return labelled_lines(theme, "? unknown", problem, style, width);
    }
    let promoted = model.path(target).and_then(|path| path.promoted_at);
    let words = match (view.and_then(|view| view.at), promoted) {
        (_, None) => "○ no overlap: nothing was promoted here yet",
        (None, Some(_)) => "◌ its sessions were not sampled yet",
        (Some(_), Some(_)) => "○ no overlap is open",
    };
    vec![Line::from(Span::styled(words, theme.style(Role::Muted)))]
}

/// What an operator has to know besides who it is, in so many lines: for below the monitor's
/// table.
pub(super) fn essence(
    model: &Model,
    row: &MonitorRow<'_>,
    theme: &Theme,
    width: u16,
    room: usize,
) -> Vec<Line<'static>> {
    let view = row.view;
    let Some(drain) = row.drain else {
        return without(model, &row.target, theme, width);
    };
    let header = Header {
        model,
        view,
        drain,
        theme,
        width,
        is_below_its_row: true,
    };
    header.lines(room)
}

/// A verdict in one line, for where its pane is not on the screen.
pub(super) fn summary(view: &DrainView, drain: &Drain) -> (&'static str, Role, String) {
    let (glyph, word, role) = words::standing(standing(view, Some(drain)));
    let mut parts = vec![word.to_owned()];
    if drain.stage != Stage::Draining {
        parts.push(drain.stage.to_string());
    }
    if drain.counts.sessions > 0 {
        parts.push(counted(drain.counts.sessions, "session"));
    }
    if late_logins(drain) > 0 {
        parts.push(counted(late_logins(drain), "late login"));
    }
    if word == "quiet" {
        parts.push(format!("{} left", span(drain.window.remaining_seconds)));
    }
    if word == "unknown" {
        parts.extend(why_unknown(view, drain));
    }
    (glyph, role, parts.join(" · "))
}

/// The most serious reason for an unknown verdict.
pub(super) fn why_unknown(view: &DrainView, drain: &Drain) -> Option<String> {
    let problem = view.problem.as_ref();
    problem.or(drain.reasons.first()).cloned()
}

/// A forecast in a few words.
pub(super) fn forecast_cell(model: &Model, forecast: &Forecast) -> String {
    let until = |at| words::until(model.now, at);
    match forecast {
        Forecast::Empty => "nobody there".to_owned(),
        Forecast::Range {
            earliest, latest, ..
        } if until(*earliest) == until(*latest) => until(*latest),
        Forecast::Range {
            earliest, latest, ..
        } => format!("{} – {}", until(*earliest), until(*latest)),
        Forecast::Never { .. } => "will not drain".to_owned(),
        Forecast::Unknown { .. } => "not known".to_owned(),
    }
}

/// Lines of one subject.
struct Section {
    /// The heaviest go first where there is no room for all.
    weight: u8,
    /// Whether its first line alone says something.
    may_be_cut: bool,
    lines: Vec<Line<'static>>,
}

/// The lines above the list, and what they are made of.
struct Header<'a> {
    model: &'a Model,
    view: &'a DrainView,
    drain: &'a Drain,
    theme: &'a Theme,
    width: u16,
    is_below_its_row: bool,
}

impl Header<'_> {
    /// The sections in their order. Where there is no room for all, those that matter least
    /// are cut to one line, and left out where that does not suffice.
    fn lines(&self, room: usize) -> Vec<Line<'static>> {
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
        let mut spans = vec![
            Span::styled(
                format!("{:<LABEL$}", format!("{glyph} {word}")),
                self.style(role),
            ),
            Span::styled(drain.user.to_string(), self.style(Role::Title)),
            Span::styled(
                format!(" · {} for {since}", drain.stage),
                self.style(Role::Text),
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
                " · its password leaked",
                self.style(Role::Danger),
            ));
        }
        vec![Line::from(spans)]
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
        let mut words = format!(
            "{} of {}",
            span(window.quiet_seconds),
            span(window.required_seconds)
        );
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
