//! Labelled lines of reviews, one below the other.

use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::labelled_lines;
use crate::console::theme::{Role, Theme};
use crate::operations::hand_over::ErrorReport;

/// Lines as they are made.
pub(super) struct Lines<'a> {
    theme: &'a Theme,
    width: u16,
    pub(super) done: Vec<Line<'static>>,
}

impl<'a> Lines<'a> {
    pub(super) fn new(theme: &'a Theme, width: u16) -> Self {
        Self {
            theme,
            width,
            done: Vec::new(),
        }
    }

    pub(super) fn head(&mut self, words: String, role: Role) {
        let style: Style = self.theme.style(role);
        self.done.push(Line::from(Span::styled(words, style)));
    }

    pub(super) fn add(&mut self, label: &'static str, words: &str, role: Role) {
        let style = self.theme.style(role);
        let lines = labelled_lines(self.theme, label, words, style, self.width);
        self.done.extend(lines);
    }

    pub(super) fn add_some(&mut self, label: &'static str, words: Option<&String>, role: Role) {
        if let Some(words) = words {
            self.add(label, words, role);
        }
    }

    pub(super) fn error(&mut self, error: Option<&ErrorReport>) {
        if let Some(error) = error {
            self.add("why", &error.message, Role::Text);
            self.add("remedy", &error.remedy, Role::Key);
        }
    }
}
