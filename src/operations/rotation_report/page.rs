//! A report as a page to be read, for a terminal and as Markdown.

use chrono::{DateTime, Utc};

use super::{OverlapStory, PathStory, RotationReport, Told};
use crate::drain::Method;
use crate::untrusted::Untrusted;

/// A report as a page: headings, facts and tables.
#[derive(Debug)]
pub struct Page {
    /// Its headline.
    pub title: String,
    /// From the top down.
    pub parts: Vec<Part>,
}

/// One part of a page.
#[derive(Debug)]
pub enum Part {
    /// Begins a chapter.
    Heading(String),
    /// A label, and what is said of it.
    Facts(Vec<(&'static str, String)>),
    /// The columns' names, and the rows.
    Table(&'static [&'static str], Vec<Vec<String>>),
}

impl Page {
    pub(super) fn of(report: &RotationReport) -> Self {
        let mut page = Self {
            title: format!("Rotation {} of {}", report.rotation, report.environment),
            parts: vec![Part::Facts(opening(report))],
        };
        for path in &report.paths {
            page.add_path(path);
        }
        if !report.files.is_empty() {
            page.parts
                .push(Part::Heading("Published to files".to_owned()));
            page.add_events(&report.files);
        }
        page.add_audit(report);
        page
    }

    fn add_path(&mut self, path: &PathStory) {
        self.parts
            .push(Part::Heading(format!("{}: {}", path.path, path.ended)));
        let mut facts = vec![(
            "reached",
            format!("{} ({})", path.step.code(), path.step.word()),
        )];
        facts.extend(path.case.map(|case| ("parked as", case.to_owned())));
        let revision = path.revision;
        facts.extend(revision.map(|number| ("revision", number.to_string())));
        facts.extend(path.standing.iter().map(|words| ("user", words.clone())));
        for at in &path.proven {
            let words = format!("{} at {} by its clock", at.node, time(at.server_time));
            facts.push(("proven on", words));
        }
        let confirmed = path.confirmed.iter();
        facts.extend(confirmed.map(|rows| ("confirmed", rows.as_str().to_owned())));
        self.parts.push(Part::Facts(facts));
        self.add_events(&path.events);
        if let Some(overlap) = &path.overlap {
            self.parts.push(Part::Heading(format!(
                "{}: the overlap that followed",
                path.path
            )));
            self.parts.push(Part::Facts(overlap_facts(overlap)));
        }
    }

    fn add_events(&mut self, events: &[Told]) {
        let rows = events.iter().map(|event| {
            let case = event.case.unwrap_or_default().to_owned();
            vec![
                time(event.at),
                event.event.clone(),
                case,
                event.words.as_str().to_owned(),
            ]
        });
        let rows = rows.collect();
        self.parts
            .push(Part::Table(&["WHEN", "EVENT", "CASE", "WHAT"], rows));
    }

    fn add_audit(&mut self, report: &RotationReport) {
        let audit = &report.audit;
        self.parts.push(Part::Heading("Audit log".to_owned()));
        let entries = audit.entries.iter().map(|entry| {
            let requester = Untrusted::new(&entry.requester).as_str().to_owned();
            vec![
                entry.seq.to_string(),
                time(entry.at),
                entry.action.clone(),
                requester,
            ]
        });
        let entries = entries.collect();
        self.parts
            .push(Part::Table(&["ENTRY", "WHEN", "ACTION", "BY"], entries));
        self.parts.push(Part::Facts(vec![
            (
                "chain",
                match &audit.problem {
                    None => format!("all {} entries fit", audit.head.entries),
                    Some(problem) => format!("BROKEN: {problem}"),
                },
            ),
            ("head", audit.head.head.clone()),
        ]));
    }

    /// As Markdown; words from elsewhere make no markup.
    #[must_use]
    pub fn markdown(&self) -> String {
        let mut text = format!("# {}\n", cell(&self.title));
        for part in &self.parts {
            text.push('\n');
            match part {
                Part::Heading(words) => text.push_str(&format!("## {}\n", cell(words))),
                Part::Facts(facts) => {
                    for (label, words) in facts {
                        text.push_str(&format!("- **{label}:** {}\n", cell(words)));
                    }
                }
                Part::Table(head, rows) => {
                    text.push_str(&format!("| {} |\n", head.join(" | ").to_lowercase()));
                    text.push_str(&format!("|{}\n", "---|".repeat(head.len())));
                    for row in rows {
                        let cells: Vec<String> = row.iter().map(|text| cell(text)).collect();
                        text.push_str(&format!("| {} |\n", cells.join(" | ")));
                    }
                }
            }
        }
        text
    }
}

fn opening(report: &RotationReport) -> Vec<(&'static str, String)> {
    let mut facts = vec![
        ("opened", time(report.opened_at)),
        (
            "closed",
            report
                .closed_at
                .map_or_else(|| "still open".to_owned(), time),
        ),
    ];
    let mut add = |label, words: Option<String>| facts.extend(words.map(|words| (label, words)));
    let words = |text: &Option<Untrusted>| text.as_ref().map(|text| text.as_str().to_owned());
    add("by", words(&report.requester));
    add(
        "why",
        Some(words(&report.reason).unwrap_or_else(|| "no reason was given".to_owned())),
    );
    add(
        "plan",
        report
            .plan
            .as_ref()
            .map(|digest| format!("agreed to by its digest {digest}")),
    );
    add(
        "waiver",
        words(&report.waiver).map(|text| format!("of the drain, signed: {text}")),
    );
    add(
        "from",
        report
            .from_revision
            .map(|number| format!("revision {number}")),
    );
    if report.compromised {
        add(
            "leaked",
            Some("what consumers read before was said to be compromised".to_owned()),
        );
    }
    facts
}

fn overlap_facts(overlap: &OverlapStory) -> Vec<(&'static str, String)> {
    let mut facts = vec![
        ("outgoing", overlap.user.as_str().to_owned()),
        ("from", time(overlap.opened_at)),
        (
            "until",
            overlap.ended_at.map_or_else(|| "now".to_owned(), time),
        ),
        (
            "stage",
            format!("{} since {}", overlap.stage, time(overlap.stage_at)),
        ),
    ];
    if overlap.compromised {
        facts.push((
            "leaked",
            "its password was said to be compromised".to_owned(),
        ));
    }
    if let Some(drain) = &overlap.drain {
        facts.push(("drain", drain.verdict.as_str().to_owned()));
        facts.push(("method", method(drain.method).to_owned()));
        let window = &drain.window;
        facts.push((
            "window",
            format!(
                "{} s quiet of {} s",
                window.quiet_seconds, window.required_seconds
            ),
        ));
        let coverage = match drain.coverage.complete {
            true => format!("complete on {} nodes", drain.coverage.nodes.len()),
            false => "not complete".to_owned(),
        };
        facts.push(("coverage", coverage));
        facts.extend(drain.reasons.iter().map(|words| ("because", words.clone())));
        let late: u64 = drain.late.iter().map(|login| login.logins).sum();
        if late > 0 {
            facts.push(("late", format!("{late} logins after the propagation time")));
        }
    }
    for gap in &overlap.gaps {
        let words = format!(
            "{}: from {} until {}",
            gap.node,
            time(gap.from),
            time(gap.until)
        );
        facts.push(("gap", words));
    }
    facts.extend(
        overlap
            .problem
            .iter()
            .map(|words| ("no proof", words.clone())),
    );
    facts
}

fn method(method: Method) -> &'static str {
    match method {
        Method::None => "nothing was seen yet",
        Method::Sampled => "sampled: a login between two looks is not seen",
        Method::Counted => "counted: no login is missed",
    }
}

fn time(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// Text of which Markdown makes nothing.
fn cell(text: &str) -> String {
    let mut safe = String::new();
    for letter in Untrusted::new(text).as_str().chars() {
        match letter {
            '<' => safe.push_str("&lt;"),
            '&' => safe.push_str("&amp;"),
            '|' | '`' | '*' | '_' | '[' | ']' | '\\' => {
                safe.push('\\');
                safe.push(letter);
            }
            letter => safe.push(letter),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_from_elsewhere_make_no_markup() {
        assert_eq!(cell("a|b"), "a\\|b");
        assert_eq!(cell("<script>"), "&lt;script>");
        assert_eq!(cell("[x](y)"), "\\[x\\](y)");
    }
}
