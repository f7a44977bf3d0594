//! What of a drain can be selected: who is still there, who came late, and who tells.
//!
//! ```text
//!     STRAGGLER                 CLIENT           SESSIONS   OLDEST  ARRIVED      OWNER
//! ▸ ▲ nightly-report            10.0.3.17               3   4h 30m  late         #team-data
//!     end its pool, or wait for its maximal lifetime
//!          PID NODE                     AGE  ARRIVED      STATE          FOR  TRANSACTION LAST
//!   ▲     4711 db-1.example:5432     4h 30m  late         idle           12m           3h SELECT
//!
//!     LATE LOGIN                CLIENT              AGO   NODE
//!     NODE                      SESSIONS  LOOKED        WHAT IT TELLS
//!     POOLER                    WHAT IT HIDES
//! ```
//! Of a thousand sessions only those on the screen are built.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::drain_words::{age, doing, name_and_client, state};
use super::environments::window;
use super::put;
use crate::console::model::{Entry, Model, entries, group_of};
use crate::console::theme::{Role, Theme};
use crate::console::words::{self, pad, right, span};
use crate::drain::{Drain, LateLogin, NodeCoverage, Straggler, StragglerSession, View};

/// Columns before the text: the mark of the selection and a glyph.
const INDENT: usize = 4;
const CLIENT: usize = 17;
const PID: usize = 9;
const NODE: usize = 20;
const AGE: usize = 9;
const STATE: usize = 21;
/// Nodes and poolers in the tables of their own.
const PLACE: usize = 28;

pub(super) fn draw(
    model: &Model,
    drain: &Drain,
    theme: &Theme,
    area: Rect,
    buffer: &mut Buffer,
    focused: bool,
) {
    let entries = entries(drain, &model.cursor.expanded);
    let list = List {
        model,
        theme,
        columns: Columns::for_width(area.width),
        width: usize::from(area.width),
    };
    let selected = model.cursor.position(&entries);
    let rows = list.rows(&entries, selected);
    let is_selected = |row: &Row| matches!(row, Row::Entry(index) if *index == selected);
    let at = rows.iter().position(is_selected).unwrap_or(0);
    // Its heading belongs to the first row, and its remedy to the selected one.
    let at = if selected == 0 { 0 } else { at + 1 };
    let shown = window(
        at.min(rows.len().saturating_sub(1)),
        rows.len(),
        usize::from(area.height),
    );
    for (row, place) in rows[shown].iter().zip(0u16..) {
        let line = match row {
            Row::Blank => continue,
            Row::Head(head) => Line::from(Span::styled(head.clone(), theme.style(Role::Muted))),
            Row::Detail(line) => line.clone(),
            Row::Entry(index) => list.line(entries[*index], focused && *index == selected),
        };
        put(buffer, area, place, &line);
        if focused && is_selected(row) {
            let whole = Rect {
                y: area.y + place,
                height: 1,
                ..area
            };
            buffer.set_style(whole, theme.style(Role::Selection));
        }
    }
}

/// The groups alone, for where nothing in them is selected.
pub(super) fn groups(
    model: &Model,
    drain: &Drain,
    theme: &Theme,
    width: u16,
    most: usize,
) -> Vec<Line<'static>> {
    let list = List {
        model,
        theme,
        columns: Columns::for_width(width),
        width: usize::from(width),
    };
    let count = drain.stragglers.len();
    if count == 0 || most < 2 {
        return Vec::new();
    }
    let head = list.columns.straggler_head();
    let mut lines = vec![Line::from(Span::styled(head, theme.style(Role::Muted)))];
    let fits = if count < most {
        count
    } else {
        most.saturating_sub(2)
    };
    let shown = drain.stragglers.iter().take(fits);
    lines.extend(shown.map(|straggler| list.straggler(straggler, false)));
    if fits < count {
        let words = format!("{:INDENT$}and {} more: enter shows all", "", count - fits);
        lines.push(Line::from(Span::styled(words, theme.style(Role::Muted))));
    }
    lines
}

/// One row of the list; what is cheap is built for all, lines only for those that are seen.
enum Row {
    Blank,
    Head(String),
    Entry(usize),
    Detail(Line<'static>),
}

struct Columns {
    name: usize,
    /// Zero where owners are told with the selected row.
    owner: usize,
    /// Whether there is room for what a session does in columns.
    is_wide: bool,
}

impl Columns {
    fn for_width(width: u16) -> Self {
        let width = usize::from(width);
        let is_wide = width >= 96;
        let owner = if is_wide { 22 } else { 0 };
        let fixed = INDENT + CLIENT + 9 + 10 + 14 + owner;
        Self {
            name: width.saturating_sub(fixed).clamp(12, 36),
            owner,
            is_wide,
        }
    }

    fn straggler_head(&self) -> String {
        format!(
            "{:INDENT$}{}{}{}{} {}{}",
            "",
            pad("STRAGGLER", self.name),
            pad("CLIENT", CLIENT),
            right("SESSIONS", 9),
            right("OLDEST", 10),
            pad("ARRIVED", 13),
            if self.owner > 0 { "OWNER" } else { "" },
        )
    }

    /// The heading above the first entry of its kind.
    fn head(&self, entry: Entry<'_>) -> String {
        let name = |words: &str| format!("{:INDENT$}{}", "", pad(words, self.name));
        match entry {
            Entry::Straggler(_) => self.straggler_head(),
            Entry::Session(..) => {
                let fixed = format!(
                    "{:INDENT$}{}{}{}",
                    "",
                    right("PID", PID),
                    pad("NODE", NODE),
                    right("AGE", AGE)
                );
                match self.is_wide {
                    false => format!("{fixed} DOING"),
                    true => format!(
                        "{fixed}{}{}{}{}LAST",
                        pad(" ARRIVED", 14),
                        pad("STATE", STATE),
                        right("FOR", 8),
                        right("TRANSACTION", 13)
                    ),
                }
            }
            Entry::Late(_) => format!(
                "{}{}{} NODE",
                name("LATE LOGIN"),
                pad("CLIENT", CLIENT),
                right("AGO", 9)
            ),
            Entry::Node(_) | Entry::Standby(_) => format!(
                "{:INDENT$}{}{}{}WHAT IT TELLS",
                "",
                pad("NODE", PLACE),
                right("SESSIONS", 9),
                pad(" LOOKED", 14)
            ),
            Entry::Pooler(_) => {
                format!("{:INDENT$}{}WHAT IT HIDES", "", pad("POOLER", PLACE))
            }
        }
    }
}

struct List<'a> {
    model: &'a Model,
    theme: &'a Theme,
    columns: Columns,
    width: usize,
}

impl List<'_> {
    fn rows(&self, entries: &[Entry<'_>], selected: usize) -> Vec<Row> {
        let mut rows = Vec::with_capacity(entries.len() + 12);
        let mut before: Option<Entry<'_>> = None;
        for (index, entry) in entries.iter().enumerate() {
            let begins = before.is_none_or(|before| kind(before) != kind(*entry));
            let goes_on = matches!(
                (before, entry),
                (Some(Entry::Session(..)), Entry::Straggler(_))
            );
            if begins && !goes_on {
                if before.is_some() && !matches!(entry, Entry::Session(..)) {
                    rows.push(Row::Blank);
                }
                rows.push(Row::Head(self.columns.head(*entry)));
            }
            rows.push(Row::Entry(index));
            if index == selected {
                rows.extend(self.details(*entry).into_iter().map(Row::Detail));
            }
            before = Some(*entry);
        }
        rows
    }

    fn line(&self, entry: Entry<'_>, selected: bool) -> Line<'static> {
        match entry {
            Entry::Straggler(straggler) => self.straggler(straggler, selected),
            Entry::Session(_, session) => self.session(session, selected),
            Entry::Late(login) => self.late(login, selected),
            Entry::Node(node) => self.node(node, selected),
            Entry::Standby(standby) => self.marked(
                selected,
                ("?", Role::Warn),
                vec![
                    self.text(pad(standby.as_str(), PLACE)),
                    self.text(right("–", 9)),
                    self.text(pad(" never", 14)),
                    Span::styled("not named in the settings", self.theme.style(Role::Warn)),
                ],
            ),
            Entry::Pooler(pooler) => self.marked(
                selected,
                ("◌", Role::Info),
                vec![
                    self.text(pad(&pooler.pooler, PLACE)),
                    self.muted(self.rest(&pooler.note, PLACE)),
                ],
            ),
        }
    }

    fn straggler(&self, straggler: &Straggler, selected: bool) -> Line<'static> {
        let (glyph, word, role) = words::arrival(straggler.arrival);
        let is_open = self.model.cursor.expanded.contains(&group_of(straggler));
        let (name, client) = name_and_client(straggler);
        let name = match is_open {
            false => name.to_owned(),
            true => format!("{name} ▾"),
        };
        let oldest = straggler.sessions.first().map(age).unwrap_or_default();
        let mut spans = vec![
            self.text(pad(&name, self.columns.name)),
            self.text(pad(client, CLIENT)),
            self.text(right(&straggler.sessions.len().to_string(), 9)),
            self.text(right(&oldest, 10)),
            Span::styled(pad(&format!(" {word}"), 14), self.theme.style(role)),
        ];
        if self.columns.owner > 0 {
            let owner = straggler.owner.as_deref().unwrap_or("–");
            spans.push(self.text(words::cut(owner, self.columns.owner)));
        }
        self.marked(selected, (glyph, role), spans)
    }

    fn session(&self, session: &StragglerSession, selected: bool) -> Line<'static> {
        let (glyph, word, role) = words::arrival(session.arrival);
        let pid = match session.pid {
            0 => "–".to_owned(),
            pid => pid.to_string(),
        };
        let mut spans = vec![
            self.text(right(&pid, PID)),
            self.text(pad(&session.node, NODE)),
            self.text(right(&age(session), AGE)),
        ];
        if !self.columns.is_wide {
            let used = PID + NODE + AGE + 1;
            spans.push(self.text(format!(" {}", self.rest(&doing(session), used))));
            return self.marked(selected, (glyph, role), spans);
        }
        let seconds = |seconds: Option<u64>| seconds.map(span).unwrap_or_default();
        spans.push(Span::styled(
            pad(&format!(" {word}"), 14),
            self.theme.style(role),
        ));
        spans.push(self.text(pad(state(session), STATE)));
        spans.push(self.text(right(&seconds(session.state_seconds), 8)));
        spans.push(self.text(right(&seconds(session.transaction_seconds), 13)));
        let command = session.command.as_ref();
        spans.push(self.text(command.map_or("", |word| word.as_str()).to_owned()));
        self.marked(selected, (glyph, role), spans)
    }

    fn late(&self, login: &LateLogin, selected: bool) -> Line<'static> {
        let application = login.application.as_ref();
        let application = application
            .map(crate::untrusted::Untrusted::as_str)
            .filter(|name| !name.is_empty());
        let name = match (application, login.pid) {
            (Some(name), _) => name.to_owned(),
            (None, Some(_)) => "(no name)".to_owned(),
            (None, None) => words::counted(login.logins, "counted login"),
        };
        let client = match (&login.client, login.pid) {
            (Some(client), _) => client.as_str(),
            (None, Some(_)) => "local",
            (None, None) => "–",
        };
        let (glyph, role, end) = match (login.pid, login.is_there) {
            (Some(pid), true) => ("▲", Role::Danger, format!("{pid} is still there")),
            (Some(pid), false) => ("·", Role::Warn, format!("{pid} has ended")),
            (None, _) => ("·", Role::Warn, "no look saw it".to_owned()),
        };
        let ago = words::lasting(login.at, self.model.now);
        let ago = ago.replace("less than 1m", "now");
        let spans = vec![
            self.text(pad(&name, self.columns.name)),
            self.text(pad(client, CLIENT)),
            self.text(right(&ago, 9)),
            self.text(pad(&format!(" {}", login.node), NODE)),
            Span::styled(
                self.rest(&end, self.columns.name + CLIENT + 9 + NODE),
                self.theme.style(role),
            ),
        ];
        self.marked(selected, (glyph, role), spans)
    }

    fn node(&self, node: &NodeCoverage, selected: bool) -> Line<'static> {
        let (glyph, word, role) = words::view(node.view);
        let sessions = match (node.view, node.sessions) {
            (_, None) => "–".to_owned(),
            (View::Complete, Some(count)) => count.to_string(),
            // A zero would be a lie where some may be hidden.
            (_, Some(0)) => "?".to_owned(),
            (_, Some(count)) => format!("≥{count}"),
        };
        let looked = node.sampled_at.map(|at| words::ago(at, self.model.now));
        let what = match &node.problem {
            Some(problem) => format!("{word}: {problem}"),
            None => word.to_owned(),
        };
        let spans = vec![
            self.text(pad(&node.node, PLACE)),
            self.text(right(&sessions, 9)),
            self.text(pad(
                &format!(" {}", looked.as_deref().unwrap_or("never")),
                14,
            )),
            Span::styled(self.rest(&what, PLACE + 9 + 14), self.theme.style(role)),
        ];
        self.marked(selected, (glyph, role), spans)
    }

    /// What belongs to the selected row, over as many lines as it needs.
    fn details(&self, entry: Entry<'_>) -> Vec<Line<'static>> {
        let mut texts: Vec<(Role, String)> = Vec::new();
        match entry {
            Entry::Straggler(straggler) => {
                if let Some(owner) = straggler.owner.as_ref().filter(|_| self.columns.owner == 0) {
                    texts.push((Role::Text, format!("call {owner}")));
                }
                if let Some(pooler) = &straggler.pooler {
                    texts.push((Role::Text, format!("behind the pooler {pooler}")));
                }
                texts.push((Role::Key, straggler.remedy.clone()));
            }
            Entry::Node(node) => {
                texts.extend(node.problem.iter().map(|text| (Role::Text, text.clone())));
                texts.extend(node.grant.iter().map(|text| (Role::Key, text.clone())));
            }
            Entry::Pooler(pooler) => texts.push((Role::Text, pooler.note.clone())),
            Entry::Standby(_) => texts.push((
                Role::Key,
                "name it in the settings, so that its sessions are seen".to_owned(),
            )),
            Entry::Session(straggler, session) => {
                // Its group may be off the screen, and its row too short.
                let (name, client) = name_and_client(straggler);
                let words = match (self.columns.is_wide, &session.database) {
                    (false, _) => format!("{name} from {client}: {}", doing(session)),
                    (true, Some(database)) => format!("{name} from {client}, in {database}"),
                    (true, None) => format!("{name} from {client}"),
                };
                texts.push((Role::Text, words));
            }
            Entry::Late(_) => {}
        }
        let width = self.width.saturating_sub(INDENT).max(10);
        let lines = texts.into_iter().flat_map(|(role, text)| {
            let style = self.theme.style(role);
            let lines = words::wrap(&text, width).into_iter();
            lines.map(move |line| Line::from(Span::styled(format!("{:INDENT$}{line}", ""), style)))
        });
        lines.collect()
    }

    fn marked(
        &self,
        selected: bool,
        (glyph, role): (&'static str, Role),
        spans: Vec<Span<'static>>,
    ) -> Line<'static> {
        let mark = if selected { "▸ " } else { "  " };
        let mut line = vec![
            Span::raw(mark),
            Span::styled(format!("{glyph} "), self.theme.style(role)),
        ];
        line.extend(spans);
        Line::from(line)
    }

    fn text(&self, text: String) -> Span<'static> {
        Span::styled(text, self.theme.style(Role::Text))
    }

    fn muted(&self, text: String) -> Span<'static> {
        Span::styled(text, self.theme.style(Role::Muted))
    }

    /// Cuts a text to what its row has left.
    fn rest(&self, text: &str, used: usize) -> String {
        words::cut(text, self.width.saturating_sub(INDENT + used))
    }
}

fn kind(entry: Entry<'_>) -> u8 {
    match entry {
        Entry::Straggler(_) => 0,
        Entry::Session(..) => 1,
        Entry::Late(_) => 2,
        Entry::Node(_) | Entry::Standby(_) => 3,
        Entry::Pooler(_) => 4,
    }
}
