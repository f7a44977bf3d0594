//! The command table: what a key means, where, and how dangerous it is.
//!
//! Footer, help and key handling read this one table. A command that cannot be used
//! now stays visible and says why.

mod disabled;

pub(super) use self::disabled::disabled;

use super::keys::Key;
use super::model::{Model, Screen};

/// What an operator can ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Command {
    Down,
    Up,
    Top,
    Bottom,
    PageDown,
    PageUp,
    Open,
    Back,
    NextPane,
    PreviousPane,
    NumberedPane,
    Unfold,
    Drains,
    Schedules,
    Rotate,
    Recover,
    RollBack,
    Retire,
    Undo,
    EndSession,
    Publish,
    Pause,
    Export,
    Filter,
    Refresh,
    Freeze,
    Unlock,
    Copy,
    Help,
    Quit,
}

/// Where a command has a meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    Everywhere,
    /// Where rows lead to an environment.
    Rows,
    Environment,
    /// Where an overlap is selected or open.
    Overlap,
    /// Where an environment is selected or open.
    Target,
    /// Where a rotation is shown, or the revisions that name theirs.
    Rotation,
}

/// What a command may lead to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Danger {
    None,
    /// It always opens a review first.
    Reviewed,
}

/// One row of the table.
pub(super) struct Entry {
    pub(super) command: Command,
    pub(super) name: &'static str,
    pub(super) sentence: &'static str,
    pub(super) scope: Scope,
    pub(super) danger: Danger,
    pub(super) keys: &'static [&'static str],
    /// Whether the footer offers it; the help shows all.
    pub(super) in_footer: bool,
}

const fn entry(
    command: Command,
    name: &'static str,
    sentence: &'static str,
    scope: Scope,
    keys: &'static [&'static str],
) -> Entry {
    Entry {
        command,
        name,
        sentence,
        scope,
        danger: Danger::None,
        keys,
        in_footer: false,
    }
}

impl Entry {
    const fn reviewed(mut self) -> Self {
        self.danger = Danger::Reviewed;
        self
    }

    const fn in_footer(mut self) -> Self {
        self.in_footer = true;
        self
    }
}

/// The table. `g g` is a sequence; everything else is one key.
pub(super) const TABLE: &[Entry] = &[
    entry(
        Command::Open,
        "open",
        "Open the selected environment",
        Scope::Rows,
        &["enter", "l", "right"],
    )
    .in_footer(),
    entry(
        Command::Back,
        "back",
        "Go back one screen, or clear the filter",
        Scope::Everywhere,
        &["esc", "h", "left"],
    ),
    entry(
        Command::Rotate,
        "rotate",
        "Rotate: review the plan, then agree",
        Scope::Target,
        &["R"],
    )
    .reviewed()
    .in_footer(),
    entry(
        Command::Pause,
        "pause",
        "Pause the schedule of the environment, or resume it",
        Scope::Target,
        &["P"],
    )
    .reviewed()
    .in_footer(),
    entry(
        Command::Recover,
        "recover",
        "Recover an open rotation: review case, evidence and action",
        Scope::Target,
        &["V"],
    )
    .reviewed()
    .in_footer(),
    entry(
        Command::Retire,
        "lock",
        "Lock the outgoing user, later scramble its password",
        Scope::Overlap,
        &["L"],
    )
    .reviewed()
    .in_footer(),
    entry(
        Command::Undo,
        "undo lock",
        "Let a locked outgoing user in again",
        Scope::Overlap,
        &["Z"],
    )
    .reviewed()
    .in_footer(),
    entry(
        Command::EndSession,
        "end session",
        "End the selected session of a straggler",
        Scope::Environment,
        &["X"],
    )
    .reviewed()
    .in_footer(),
    entry(
        Command::Filter,
        "filter",
        "Show only rows that contain the words",
        Scope::Rows,
        &["/"],
    )
    .in_footer(),
    entry(
        Command::Unfold,
        "unfold",
        "Show or hide the sessions of the selected straggler",
        Scope::Environment,
        &["enter", "space"],
    )
    .in_footer(),
    entry(
        Command::Drains,
        "drains",
        "Monitor all open overlaps, the worst first",
        Scope::Everywhere,
        &["d"],
    )
    .in_footer(),
    entry(
        Command::Schedules,
        "schedules",
        "Show all schedules and the next seven days",
        Scope::Everywhere,
        &["S"],
    )
    .in_footer(),
    entry(
        Command::RollBack,
        "rollback",
        "Roll back: review evidence, case and the ways back",
        Scope::Target,
        &["B"],
    )
    .reviewed()
    .in_footer(),
    entry(
        Command::Publish,
        "publish",
        "Write the files of the environment again: its newest revision",
        Scope::Target,
        &["W"],
    )
    .reviewed()
    .in_footer(),
    entry(
        Command::Export,
        "export",
        "Export the report of the rotation to a file in this folder",
        Scope::Rotation,
        &["E"],
    )
    .in_footer(),
    entry(
        Command::NextPane,
        "next pane",
        "Give the keys to the next pane",
        Scope::Environment,
        &["tab"],
    )
    .in_footer(),
    entry(
        Command::PreviousPane,
        "previous pane",
        "Give the keys to the pane before",
        Scope::Environment,
        &["shift-tab"],
    ),
    entry(
        Command::NumberedPane,
        "pane",
        "Give the keys to the pane of that number",
        Scope::Environment,
        &["1", "2", "3", "4"],
    ),
    entry(
        Command::Refresh,
        "refresh",
        "Look again now",
        Scope::Everywhere,
        &["r"],
    ),
    entry(
        Command::Freeze,
        "freeze",
        "Hold the picture, or go on; sampling never stops",
        Scope::Everywhere,
        &["p"],
    ),
    entry(
        Command::Unlock,
        "unlock",
        "Unlock a production environment for 15 minutes",
        Scope::Target,
        &["U"],
    )
    .in_footer(),
    entry(
        Command::Copy,
        "copy command",
        "Copy the equivalent command line",
        Scope::Target,
        &["Y"],
    )
    .in_footer(),
    entry(
        Command::Down,
        "down",
        "Move down",
        Scope::Everywhere,
        &["j", "down"],
    ),
    entry(
        Command::Up,
        "up",
        "Move up",
        Scope::Everywhere,
        &["k", "up"],
    ),
    entry(
        Command::Top,
        "top",
        "Move to the first row",
        Scope::Everywhere,
        &["g g", "home"],
    ),
    entry(
        Command::Bottom,
        "bottom",
        "Move to the last row",
        Scope::Everywhere,
        &["G", "end"],
    ),
    entry(
        Command::PageDown,
        "page down",
        "Move down half a page",
        Scope::Everywhere,
        &["ctrl-d", "pgdn"],
    ),
    entry(
        Command::PageUp,
        "page up",
        "Move up half a page",
        Scope::Everywhere,
        &["ctrl-u", "pgup"],
    ),
    entry(
        Command::Help,
        "help",
        "Show all keys",
        Scope::Everywhere,
        &["?"],
    )
    .in_footer(),
    entry(
        Command::Quit,
        "quit",
        "Leave the console",
        Scope::Everywhere,
        &["q", "ctrl-c"],
    )
    .in_footer(),
];

/// What a key, or the second half of a sequence, leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    Command(Command),
    /// The first half of a sequence.
    Begins(char),
    Nothing,
}

/// Finds what a key means on the present screen.
pub(super) fn meaning(model: &Model, key: Key) -> Meaning {
    let typed = match (model.pending_key, key) {
        (Some(first), Key::Char(second)) => format!("{first} {second}"),
        _ => key.to_string(),
    };
    let here = || TABLE.iter().filter(|entry| is_here(model, entry.scope));
    if let Some(entry) = here().find(|entry| entry.keys.contains(&typed.as_str())) {
        return Meaning::Command(entry.command);
    }
    let begins = here().any(|entry| {
        entry.keys.iter().any(|keys| {
            keys.split_once(' ')
                .is_some_and(|(first, _)| first == typed)
        })
    });
    match key {
        Key::Char(first) if begins => Meaning::Begins(first),
        _ => Meaning::Nothing,
    }
}

/// Whether a scope holds on the present screen.
pub(super) fn is_here(model: &Model, scope: Scope) -> bool {
    match scope {
        Scope::Everywhere => true,
        Scope::Rows => matches!(
            model.screen(),
            Screen::Environments | Screen::Drains | Screen::Schedules
        ),
        Scope::Environment => matches!(model.screen(), Screen::Environment(_)),
        Scope::Overlap => matches!(model.screen(), Screen::Environment(_) | Screen::Drains),
        Scope::Target => *model.screen() != Screen::Run,
        Scope::Rotation => matches!(model.screen(), Screen::Environment(_) | Screen::Run),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_default_key_can_be_read_and_none_is_given_twice() {
        for (one, first) in TABLE.iter().enumerate() {
            for keys in first.keys {
                for key in keys.split(' ') {
                    assert!(Key::parse(key).is_some(), "{key}");
                }
                let clash = TABLE[one + 1..].iter().find(|second| {
                    let together = first.scope == second.scope
                        || first.scope == Scope::Everywhere
                        || second.scope == Scope::Everywhere
                        || [first.scope, second.scope]
                            .iter()
                            .any(|scope| !matches!(scope, Scope::Rows | Scope::Environment));
                    together && second.keys.contains(keys)
                });
                assert!(clash.is_none(), "{keys} is given twice");
            }
        }
    }

    #[test]
    fn what_changes_something_is_a_capital_letter_and_never_a_control_key() {
        let reviewed: BTreeSet<&str> = TABLE
            .iter()
            .filter(|entry| entry.danger == Danger::Reviewed)
            .flat_map(|entry| entry.keys.iter().copied())
            .collect();
        assert_eq!(
            reviewed,
            BTreeSet::from(["B", "L", "P", "R", "V", "W", "X", "Z"])
        );
    }
}
