//! Draws diagnostics against their text, as rustc does, without showing a secret.

use annotate_snippets::{AnnotationKind, Level, Origin, Renderer, Snippet};

use super::hiding::{HIDDEN, Hiding};
use super::tree::line_end;
use super::{Diagnostic, Place, Severity};

/// A text and the name that diagnostics know it by.
#[derive(Clone, Copy)]
pub struct SourceText<'a> {
    /// The name.
    pub source: &'a str,
    /// The text.
    pub text: &'a str,
}

/// How to draw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RenderStyle {
    /// ASCII without colour.
    Plain,
    /// With colour.
    Styled,
}

/// Draws all findings, one below the other.
///
/// A finding whose text is not among `texts` is drawn without its line. Values that
/// may be secret are drawn as `‹hidden›`.
#[must_use]
pub fn render(diagnostics: &[Diagnostic], texts: &[SourceText<'_>], style: RenderStyle) -> String {
    let renderer = match style {
        RenderStyle::Plain => Renderer::plain(),
        RenderStyle::Styled => Renderer::styled(),
    };
    let hidings: Vec<Hiding<'_>> = texts
        .iter()
        .map(|source| Hiding::new(source.text))
        .collect();
    let mut drawn = String::new();
    for diagnostic in diagnostics {
        let level = match diagnostic.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let mut group = level
            .primary_title(harmless(&diagnostic.summary))
            .elements(Vec::<Origin<'_>>::new());
        let mut header = None;
        if let Some(place) = &diagnostic.place {
            let found = texts
                .iter()
                .position(|source| source.source == place.source);
            let line =
                found.and_then(|index| DrawnLine::new(texts[index].text, &hidings[index], place));
            if let Some(line) = line {
                let column = line.text[..line.caret.start].chars().count() + 1;
                header = Some((place, column));
                group = group.element(
                    Snippet::source(line.text)
                        .path(place.source.as_str())
                        .line_start(place.line)
                        .annotation(AnnotationKind::Primary.span(line.caret)),
                );
            } else {
                group = group.element(
                    Origin::path(place.source.as_str())
                        .line(place.line)
                        .char_column(place.column),
                );
            }
        }
        if let Some(path) = &diagnostic.path {
            group = group.element(Level::NOTE.message(format!("at {}", harmless(path))));
        }
        if let Some(hint) = &diagnostic.hint {
            group = group.element(Level::HELP.message(harmless(hint)));
        }
        let mut report = renderer.render(&[group]);
        if let Some((place, column)) = header {
            // The renderer counts columns in the line as drawn, with its values hidden.
            let counted = format!("{}:{}:{column}", place.source, place.line);
            let exact = format!("{}:{}:{}", place.source, place.line, place.column);
            report = report.replacen(&counted, &exact, 1);
        }
        drawn.push_str(&report);
        drawn.push('\n');
    }
    drawn
}

/// Keys come from documents, and a quoted key can hold any character.
fn harmless(text: &str) -> String {
    text.chars().map(harmless_letter).collect()
}

/// Controls and characters that reorder or hide text become a visible mark.
fn harmless_letter(letter: char) -> char {
    let deceives = matches!(
        letter,
        '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}'
    );
    if deceives || (letter.is_control() && letter != '\t') {
        '\u{fffd}'
    } else {
        letter
    }
}

/// One line with its secrets replaced, and the caret moved accordingly.
struct DrawnLine {
    text: String,
    caret: std::ops::Range<usize>,
}

impl DrawnLine {
    fn new(text: &str, hiding: &Hiding<'_>, place: &Place) -> Option<Self> {
        let at = place.span.start.min(text.len());
        if !text.is_char_boundary(at) || !text.is_char_boundary(place.span.end.min(text.len())) {
            return None;
        }
        let start = text[..at].rfind('\n').map_or(0, |found| found + 1);
        let end = line_end(text, at).max(at);
        let mut drawn = String::new();
        let mut caret_start = None;
        let mut caret_end = None;
        let caret = at..place.span.end.clamp(at, end);
        let mut position = start;
        for hidden in hiding.of_line(start..end) {
            if hidden.start < position {
                // Nested ranges: the outer one was drawn already.
                position = position.max(hidden.end);
                continue;
            }
            shown(
                text,
                position..hidden.start,
                &caret,
                &mut drawn,
                &mut caret_start,
                &mut caret_end,
            );
            let inside = |offset: usize| hidden.contains(&offset);
            if inside(caret.start) {
                caret_start = Some(drawn.len());
            }
            drawn.push_str(HIDDEN);
            if inside(caret.end) || hidden.end == caret.end {
                caret_end = Some(drawn.len());
            }
            position = hidden.end;
        }
        shown(
            text,
            position..end,
            &caret,
            &mut drawn,
            &mut caret_start,
            &mut caret_end,
        );
        let from = caret_start.unwrap_or(drawn.len());
        let to = caret_end.unwrap_or(drawn.len()).max(from);
        Some(Self {
            text: drawn,
            caret: from..to,
        })
    }
}

/// Copies a part that may be shown, control characters made harmless.
fn shown(
    text: &str,
    range: std::ops::Range<usize>,
    caret: &std::ops::Range<usize>,
    drawn: &mut String,
    caret_start: &mut Option<usize>,
    caret_end: &mut Option<usize>,
) {
    for (offset, letter) in text[range.clone()].char_indices() {
        let at = range.start + offset;
        if at == caret.start && caret_start.is_none() {
            *caret_start = Some(drawn.len());
        }
        if at == caret.end && caret_end.is_none() {
            *caret_end = Some(drawn.len());
        }
        if letter == '\u{feff}' {
            continue;
        }
        drawn.push(harmless_letter(letter));
    }
    if range.end == caret.end && caret_end.is_none() && caret_start.is_some() {
        *caret_end = Some(drawn.len());
    }
}

#[cfg(test)]
mod tests;
