//! A drain for people: the verdict first, then why, then who and what ends it.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use unicode_width::UnicodeWidthStr;

use super::spans::{Line, cell, wrapped};
use super::{heard, mark_of};
use crate::cli::style::{Role, Style};
use crate::drain::{
    Arrival, Coverage, Drain, Forecast, LateLogin, Method, NodeCoverage, Straggler, Verdict, View,
};
use crate::model::{EnvironmentName, Stage};
use crate::operations::drain::{DrainReport, Sampler};

/// Where what belongs to a label begins.
const INDENT: usize = 13;
/// Late logins that are listed one by one.
const MOST_LATE: usize = 5;
const WIDEST_CLIENT: usize = 40;

/// The whole report. Without a width nothing is cut or broken.
pub(super) fn lines(
    report: &DrainReport,
    width: Option<usize>,
    now: DateTime<Utc>,
    style: Style,
) -> Vec<String> {
    let mut page = Page {
        lines: Vec::new(),
        width,
        now,
    };
    for drain in &report.drains {
        page.drain(&report.environment, drain);
        page.lines.push(Line::default());
    }
    page.without_overlap(report);
    page.sampler(report);
    if let Some(problem) = &report.problem {
        page.labelled("problem", Some(Role::Danger), problem);
    }
    let cut = |line: Line| match width {
        Some(width) => line.cut(width),
        None => line,
    };
    let lines = page.lines.into_iter().map(|line| cut(line).painted(style));
    lines.collect()
}

struct Page {
    lines: Vec<Line>,
    width: Option<usize>,
    now: DateTime<Utc>,
}

impl Page {
    fn drain(&mut self, environment: &EnvironmentName, drain: &Drain) {
        self.head(environment, drain);
        if let Some(leak) = &drain.leak {
            let text = format!("{}: {}", leak.state, leak.command);
            self.labelled("leaked", Some(Role::Danger), &text);
        }
        self.verdict(drain);
        if let Some(heard) = &drain.listening {
            let (label, role) = heard::label(heard);
            let since = self.moment(heard.since);
            let text = heard::words(heard, &since, &spell(heard.left_seconds));
            self.labelled(label, role, &text);
        }
        self.sessions(drain);
        self.window(drain);
        self.coverage(&drain.coverage);
        self.forecast(&drain.forecast);
        self.stragglers(&drain.stragglers);
        self.late(&drain.late);
        if let Some(gate) = &drain.gate {
            self.labelled("gate", None, gate);
        }
    }

    fn head(&mut self, environment: &EnvironmentName, drain: &Drain) {
        let mut line = Line::default()
            .role(Role::Strong, &format!("{environment} · {}", drain.path))
            .text(&format!(
                "  {} {}, outgoing since revision {}",
                drain.user,
                stage_words(drain.stage),
                drain.revision
            ));
        if drain.compromised {
            line = line.role(Role::Danger, "  compromised");
        }
        self.lines.push(line);
    }

    fn verdict(&mut self, drain: &Drain) {
        let (role, glyph) = mark_of(drain);
        let word = format!("{glyph} {}", drain.verdict.as_str());
        let mut reasons = drain.reasons.iter();
        let first = match (drain.verdict, reasons.next()) {
            (_, Some(first)) => first.clone(),
            (Verdict::Drained, None) => "nobody uses it any more".to_owned(),
            (_, None) => String::new(),
        };
        self.labelled(&word, Some(role), &first);
        for reason in reasons {
            self.labelled("", None, reason);
        }
    }

    fn sessions(&mut self, drain: &Drain) {
        let counts = &drain.counts;
        let mut parts: Vec<String> = [
            (counts.before, "from before the promote"),
            (counts.catching_up, "catching up"),
            (counts.late, "late"),
            (counts.prepared, "of them prepared transactions"),
        ]
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, words)| format!("{count} {words}"))
        .collect();
        if counts.late_logins > 0 {
            parts.push(format!("{} late logins in the window", counts.late_logins));
        }
        if counts.unseen_logins > 0 {
            let unseen = counts.unseen_logins;
            parts.push(format!("{unseen} logins were counted that no sample saw"));
        }
        let text = match parts.is_empty() {
            true => counts.sessions.to_string(),
            false => format!("{}: {}", counts.sessions, parts.join(", ")),
        };
        self.labelled("sessions", None, &text);
    }

    fn window(&mut self, drain: &Drain) {
        let window = &drain.window;
        let required = spell(window.required_seconds);
        let passed = match window.since {
            None if window.required_seconds == 0 => {
                "none: one look that finds nobody is enough".to_owned()
            }
            None => format!("none yet: {required} without anybody are wanted"),
            Some(_) if window.required_seconds == 0 && window.remaining_seconds == 0 => {
                format!(
                    "quiet for {}, and one look is enough",
                    spell(window.quiet_seconds)
                )
            }
            Some(_) if window.remaining_seconds == 0 => {
                format!("quiet for {} of {required}", spell(window.quiet_seconds))
            }
            Some(_) if window.required_seconds == 0 => format!(
                "quiet for {}; consumers may read it for another {}",
                spell(window.quiet_seconds),
                spell(window.remaining_seconds)
            ),
            Some(_) => format!(
                "quiet for {} of {required}, {} left",
                spell(window.quiet_seconds),
                spell(window.remaining_seconds)
            ),
        };
        let method = match (drain.method, window.resolution_seconds) {
            (Method::None, _) => String::new(),
            (Method::Counted, _) => "; counted: no login is missed".to_owned(),
            (Method::Sampled, Some(gap)) => format!(
                "; sampled: who came and went within {} was not seen",
                spell(gap.max(1))
            ),
            (Method::Sampled, None) => "; sampled".to_owned(),
        };
        self.labelled("window", None, &format!("{passed}{method}"));
    }

    fn coverage(&mut self, coverage: &Coverage) {
        let known = coverage.nodes.len();
        let good = coverage
            .nodes
            .iter()
            .filter(|node| node.view == View::Complete);
        let age = coverage.sampled_at.map(|at| {
            let age = (self.now - at).num_seconds().max(0).unsigned_abs();
            format!(", sampled {} ago", spell(age))
        });
        let nodes = if known == 1 { "node" } else { "nodes" };
        let text = format!(
            "{} of {known} {nodes}{}",
            good.count(),
            age.unwrap_or_default()
        );
        let role = (!coverage.complete).then_some(Role::Danger);
        self.labelled("coverage", role, &text);
        for node in &coverage.nodes {
            self.node(node);
        }
        for standby in &coverage.unnamed_standbys {
            let text = format!(
                "the standby {standby} is fed and not named in the settings (`nodes`): nobody \
                 looks at it"
            );
            self.labelled("", Some(Role::Danger), &text);
        }
        for pooler in &coverage.poolers {
            self.labelled(
                "pooler",
                None,
                &format!("{}: {}", pooler.pooler, pooler.note),
            );
        }
    }

    fn node(&mut self, node: &NodeCoverage) {
        if node.view == View::Complete && node.problem.is_none() {
            return;
        }
        let view = match node.view {
            View::Complete => "complete",
            View::Masked => "masked: a zero would say nothing",
            View::Unreachable => "does not answer",
            View::Stale => "its last answer is too old",
            View::NeverSampled => "was never asked",
        };
        let problem = node.problem.as_ref();
        let problem = problem.map(|problem| format!(": {problem}"));
        let text = format!("{} {view}{}", node.node, problem.unwrap_or_default());
        self.labelled("", Some(Role::Danger), &text);
        if let Some(grant) = &node.grant {
            self.labelled("mended by", Some(Role::Strong), grant);
        }
    }

    fn forecast(&mut self, forecast: &Forecast) {
        match forecast {
            Forecast::Empty => {}
            Forecast::Range {
                earliest,
                latest,
                basis,
            } => {
                let text = format!(
                    "empty between {} and {}: {basis}",
                    self.moment(*earliest),
                    self.moment(*latest)
                );
                self.labelled("forecast", None, &text);
            }
            Forecast::Never { because } => {
                let text = format!("it will not drain by itself: {because}");
                self.labelled("forecast", Some(Role::Warn), &text);
            }
            Forecast::Unknown { because } => {
                self.labelled("forecast", None, &format!("unknown: {because}"));
            }
        }
    }

    fn stragglers(&mut self, stragglers: &[Straggler]) {
        if stragglers.is_empty() {
            return;
        }
        let head = ["", "SESSIONS", "OLDEST", "ARRIVAL", "STATE"].map(str::to_owned);
        let rows: Vec<[String; 5]> = stragglers.iter().map(|one| self.straggler(one)).collect();
        let mut widths = [0; 5];
        for (column, width) in widths.iter_mut().enumerate() {
            let widest = rows.iter().map(|row| row[column].width()).max();
            // A column of which nothing is known has no head either.
            *width = match widest {
                Some(0) | None => 0,
                Some(widest) => widest.max(head[column].width()),
            };
        }
        widths[0] = widths[0].min(WIDEST_CLIENT);
        let drawn = |cells: &[String]| {
            let cells = cells.iter().zip(widths).filter(|(_, width)| *width > 0);
            let cells: Vec<String> = cells.map(|(text, width)| cell(text, width)).collect();
            format!("  {}", cells.join("  ")).trim_end().to_owned()
        };
        self.lines
            .push(Line::default().role(Role::Strong, &drawn(&head)));
        // What several have in common is said once, below them.
        let mut last: Option<String> = None;
        for (one, row) in stragglers.iter().zip(&rows) {
            let ending = match &one.owner {
                Some(owner) => format!("call {owner}: {}", one.remedy),
                None => one.remedy.clone(),
            };
            if let Some(before) = last.filter(|before| *before != ending) {
                self.remedy(&before);
            }
            let line = match one.arrival {
                Arrival::Late => Line::default().role(Role::Danger, &drawn(row)),
                _ => Line::default().text(&drawn(row)),
            };
            self.lines.push(line);
            last = Some(ending);
        }
        if let Some(remedy) = last {
            self.remedy(&remedy);
        }
    }

    fn remedy(&mut self, remedy: &str) {
        let width = self.width.map(|width| width.saturating_sub(6));
        for (index, part) in wrapped(remedy, width).iter().enumerate() {
            let arrow = if index == 0 { "→" } else { " " };
            self.lines
                .push(Line::default().text(&format!("    {arrow} {part}")));
        }
    }

    fn straggler(&self, one: &Straggler) -> [String; 5] {
        let application = match one.application.as_str() {
            "" => "(no name)",
            name => name,
        };
        let mut who = application.to_owned();
        if let Some(client) = &one.client {
            who.push_str(&format!(" from {client}"));
        }
        if let Some(pooler) = &one.pooler {
            who.push_str(&format!(" (pooler {pooler})"));
        }
        let oldest = one
            .sessions
            .iter()
            .max_by_key(|session| session.age_seconds);
        let age = oldest.map_or(String::new(), |oldest| {
            let mark = if oldest.at_least { "≥ " } else { "" };
            format!("{mark}{}", spell(oldest.age_seconds))
        });
        let arrival = match one.arrival {
            Arrival::Before => "before",
            Arrival::CatchingUp => "catching up",
            Arrival::Late => "late",
        };
        [
            who,
            one.sessions.len().to_string(),
            age,
            arrival.to_owned(),
            states(one),
        ]
    }

    fn late(&mut self, late: &[LateLogin]) {
        for (index, login) in late.iter().take(MOST_LATE).enumerate() {
            let label = if index == 0 { "late" } else { "" };
            let text = match (&login.application, login.pid) {
                (None, None) => format!(
                    "by {} on {}: {} that no sample saw",
                    self.moment(login.at),
                    login.node,
                    login.logins
                ),
                (application, pid) => format!(
                    "{} on {}: {}{}{}, {}",
                    self.moment(login.at),
                    login.node,
                    application
                        .as_ref()
                        .map_or("(no name)", |name| name.as_str()),
                    login
                        .client
                        .as_ref()
                        .map(|client| format!(" from {client}"))
                        .unwrap_or_default(),
                    pid.map(|pid| format!(", session {pid}"))
                        .unwrap_or_default(),
                    if login.is_there {
                        "still there"
                    } else {
                        "gone"
                    },
                ),
            };
            self.labelled(label, Some(Role::Danger), &text);
        }
        if late.len() > MOST_LATE {
            let more = late.len() - MOST_LATE;
            self.labelled("", None, &format!("and {more} more: --output json"));
        }
    }

    fn without_overlap(&mut self, report: &DrainReport) {
        let environment = &report.environment;
        for path in &report.without_overlap {
            let line = Line::default()
                .role(Role::Strong, &format!("{environment} · {path}"))
                .text("  was never promoted, so nothing drains");
            self.lines.push(line);
            let text = format!("its overlap begins with `handover rotate {environment} {path}`");
            self.labelled("next", None, &text);
            self.lines.push(Line::default());
        }
    }

    fn sampler(&mut self, report: &DrainReport) {
        if report.drains.is_empty() {
            return;
        }
        match report.sampler {
            Sampler::Here => {}
            Sampler::Elsewhere => {
                self.labelled("sampler", None, "another process of this host samples");
            }
            Sampler::Once | Sampler::Nobody => self.labelled(
                "sampler",
                Some(Role::Warn),
                "nobody goes on sampling, so that no quiet time passes: run `handover agent`, or \
                 leave `handover drain --watch` or the console open",
            ),
        }
    }

    /// A label in its column, and text beside it that is broken at the width.
    fn labelled(&mut self, label: &str, role: Option<Role>, text: &str) {
        let width = self.width.map(|width| width.saturating_sub(INDENT));
        for (index, part) in wrapped(text, width).iter().enumerate() {
            let label = if index == 0 { label } else { "" };
            let label = cell(&format!("  {label}"), INDENT - 1) + " ";
            let line = match role {
                Some(role) => Line::default().role(role, &label),
                None => Line::default().text(&label),
            };
            self.lines.push(line.text(part));
        }
    }

    /// A time of day, with its date where that is another one.
    fn moment(&self, at: DateTime<Utc>) -> String {
        let format = match at.date_naive() == self.now.date_naive() {
            true => "%H:%M:%S UTC",
            false => "%Y-%m-%d %H:%M UTC",
        };
        at.format(format).to_string()
    }
}

fn stage_words(stage: Stage) -> &'static str {
    match stage {
        Stage::Draining => "drains",
        Stage::Locking => "is being locked",
        Stage::Locked => "is locked",
        Stage::Unlocking => "is being unlocked",
        Stage::Scrambling => "is being scrambled",
        Stage::Scrambled => "is scrambled",
    }
}

/// What the sessions of a straggler do, the most frequent first.
fn states(one: &Straggler) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for session in &one.sessions {
        let word = match (&session.state, session.kind) {
            (Some(state), _) => state.as_str(),
            (None, "client") => continue,
            (None, kind) => kind,
        };
        *counts.entry(word).or_default() += 1;
    }
    let mut counts: Vec<(&str, usize)> = counts.into_iter().collect();
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let words = counts.iter().map(|(word, count)| match counts.len() {
        1 => (*word).to_owned(),
        _ => format!("{count} {word}"),
    });
    words.collect::<Vec<_>>().join(", ")
}

/// A time with its two largest units; days only from two on, as settings say `25h`.
fn spell(seconds: u64) -> String {
    let units = [(86_400, "d"), (3600, "h"), (60, "m"), (1, "s")];
    let is_largest =
        |(size, unit): &(u64, &str)| seconds >= if *unit == "d" { 2 * size } else { *size };
    let Some(first) = units.iter().position(is_largest) else {
        return "0s".to_owned();
    };
    let (size, unit) = units[first];
    let mut text = format!("{}{unit}", seconds / size);
    if let Some((smaller, unit)) = units.get(first + 1) {
        let rest = seconds % size / smaller;
        if rest > 0 {
            text.push_str(&format!(" {rest}{unit}"));
        }
    }
    text
}

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;
