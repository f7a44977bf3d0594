//! Text in pieces that have a role each, laid out for a width as terminals count it.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::cli::style::{Role, Style};

/// One line in the making.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Line(Vec<(Option<Role>, String)>);

impl Line {
    /// The same with more text.
    pub(super) fn text(mut self, text: &str) -> Self {
        self.0.push((None, text.to_owned()));
        self
    }

    /// The same with more text in a role.
    pub(super) fn role(mut self, role: Role, text: &str) -> Self {
        self.0.push((Some(role), text.to_owned()));
        self
    }

    pub(super) fn width(&self) -> usize {
        self.0.iter().map(|(_, text)| text.width()).sum()
    }

    /// At most `width` wide, with a mark where something is missing.
    pub(super) fn cut(mut self, width: usize) -> Self {
        if self.width() <= width {
            return self;
        }
        let mut room = width.saturating_sub(1);
        for (_, text) in &mut self.0 {
            let short = fitting(text, room).to_owned();
            room -= short.width();
            let is_cut = short.len() < text.len();
            *text = short;
            if is_cut {
                room = 0;
            }
        }
        self.0.retain(|(_, text)| !text.is_empty());
        if width > 0 {
            self.0.push((None, "…".to_owned()));
        }
        self
    }

    pub(super) fn painted(&self, style: Style) -> String {
        let pieces = self.0.iter().map(|(role, text)| match role {
            Some(role) => style.paint(*role, text),
            None => text.clone(),
        });
        pieces.collect::<String>().trim_end().to_owned()
    }
}

fn fitting(text: &str, room: usize) -> &str {
    let mut used = 0;
    for (at, letter) in text.char_indices() {
        used += letter.width().unwrap_or(0);
        if used > room {
            return &text[..at];
        }
    }
    text
}

/// A cell of a table: as wide as its column, cut where it is wider.
pub(super) fn cell(text: &str, width: usize) -> String {
    let shown = match text.width() > width {
        true => format!("{}…", fitting(text, width.saturating_sub(1))),
        false => text.to_owned(),
    };
    let missing = width.saturating_sub(shown.width());
    format!("{shown}{}", " ".repeat(missing))
}

/// A text in lines of at most `width`, broken at blanks; a word that is longer is broken.
pub(super) fn wrapped(text: &str, width: Option<usize>) -> Vec<String> {
    let Some(width) = width else {
        return vec![text.to_owned()];
    };
    let width = width.max(8);
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let mut word = word;
        loop {
            let line = lines.last_mut().map_or(0, |line| line.width());
            let blank = usize::from(line > 0);
            if line + blank + word.width() <= width {
                break;
            }
            if line > 0 {
                lines.push(String::new());
                continue;
            }
            let head = fitting(word, width);
            if let Some(last) = lines.last_mut() {
                last.push_str(head);
            }
            lines.push(String::new());
            word = &word[head.len()..];
        }
        if let Some(last) = lines.last_mut() {
            if !last.is_empty() {
                last.push(' ');
            }
            last.push_str(word);
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_broken_at_blanks_and_a_long_word_anywhere() {
        assert_eq!(wrapped("one two three", Some(8)), ["one two", "three"]);
        assert_eq!(wrapped("abcdefghijkl mn", Some(8)), ["abcdefgh", "ijkl mn"]);
        assert_eq!(wrapped("注文注文注文", Some(8)), ["注文注文", "注文"]);
        assert_eq!(wrapped("one two three", None), ["one two three"]);
        assert_eq!(wrapped("", Some(8)), [""]);
    }

    #[test]
    fn a_line_is_cut_with_a_mark_and_keeps_its_roles() {
        let line = Line::default().role(Role::Ok, "● drained").text("  nobody");
        assert_eq!(line.clone().cut(40), line);
        let cut = line.cut(12);
        assert_eq!(cut.width(), 12);
        let (_, last) = cut.0.last().expect("is not empty");
        assert_eq!(last, "…");
        assert_eq!(cell("注文注文", 5), "注文…");
        assert_eq!(cell("ab", 4), "ab  ");
    }
}
