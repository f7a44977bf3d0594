//! Lines that are drawn again in place. What has not changed is not written again, and nothing
//! of the terminal is changed that would have to be given back.

use std::io::{self, Write};

use crossterm::cursor::{MoveDown, MoveTo, MoveUp};
use crossterm::queue;
use crossterm::style::Print;
use crossterm::terminal::{self, Clear, ClearType};

/// What a terminal has that does not tell its size.
const USUAL_SIZE: (u16, u16) = (80, 24);

/// What stands on the terminal, above the cursor.
#[derive(Default)]
pub(super) struct Redraw {
    drawn: Vec<String>,
    size: Option<(u16, u16)>,
}

impl Redraw {
    /// Draws what `lines` makes for the width of the terminal.
    pub(super) fn draw(&mut self, lines: impl FnOnce(usize) -> Vec<String>) {
        let size = terminal::size().unwrap_or(USUAL_SIZE);
        let lines = fitted(lines(size.0.into()), size.1.into());
        let mut bytes = Vec::new();
        // A terminal of another size has moved everything.
        let is_moved = self.size.is_some_and(|known| known != size);
        let before = match is_moved {
            true => Vec::new(),
            false => std::mem::take(&mut self.drawn),
        };
        // Writing to memory does not fail.
        let _ = write(&mut bytes, &before, &lines, is_moved);
        let mut out = io::stdout().lock();
        let _ = out.write_all(&bytes).and_then(|()| out.flush());
        self.drawn = lines;
        self.size = Some(size);
    }
}

/// As many lines as the terminal holds above the cursor.
fn fitted(mut lines: Vec<String>, rows: usize) -> Vec<String> {
    let room = rows.saturating_sub(1).max(1);
    if lines.len() > room {
        let left_out = lines.len() - room + 1;
        lines.truncate(room - 1);
        lines.push(format!("… {left_out} more lines: make the terminal higher"));
    }
    lines
}

fn write(out: &mut Vec<u8>, before: &[String], lines: &[String], is_moved: bool) -> io::Result<()> {
    if is_moved {
        queue!(out, Clear(ClearType::All), MoveTo(0, 0))?;
    }
    let kept = before.iter().zip(lines).take_while(|(old, new)| old == new);
    let kept = kept.count();
    if kept == before.len() && kept == lines.len() {
        return Ok(());
    }
    let up = before.len() - kept;
    if up > 0 {
        queue!(out, MoveUp(u16::try_from(up).unwrap_or(u16::MAX)))?;
    }
    let mut skipped = 0;
    for (index, line) in lines.iter().enumerate().skip(kept) {
        if before.get(index) == Some(line) {
            skipped += 1;
            continue;
        }
        down(out, &mut skipped)?;
        queue!(
            out,
            Print(line),
            Clear(ClearType::UntilNewLine),
            Print("\r\n")
        )?;
    }
    down(out, &mut skipped)?;
    if before.len() > lines.len() {
        queue!(out, Clear(ClearType::FromCursorDown))?;
    }
    Ok(())
}

fn down(out: &mut Vec<u8>, by: &mut u16) -> io::Result<()> {
    if *by > 0 {
        queue!(out, MoveDown(*by))?;
    }
    *by = 0;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU16;

    use super::*;

    fn lines(text: &str) -> Vec<String> {
        text.lines().map(str::to_owned).collect()
    }

    /// What a terminal shows after one text was drawn over another.
    fn shown(before: &str, after: &str) -> (String, usize) {
        let (mut first, mut second) = (Vec::new(), Vec::new());
        write(&mut first, &[], &lines(before), false).expect("writes to memory");
        write(&mut second, &lines(before), &lines(after), false).expect("writes to memory");
        let size = |number| NonZeroU16::new(number).expect("more than nothing");
        let mut terminal = vt100::Parser::new(size(12), size(20), 0);
        terminal.process(&first);
        terminal.process(&second);
        (terminal.screen().contents(), second.len())
    }

    #[test]
    fn what_is_drawn_again_stands_there_alone() {
        for (before, after) in [
            ("a\nb\nc", "a\nB\nc"),
            ("a\nlong line\nc", "a\nb\nc"),
            ("a\nb\nc\nd", "a\nx"),
            ("a", "a\nb\nc"),
            ("a\nb\nc", "1\nb\n3"),
            ("a\nb", "1\n2\n3\n4"),
        ] {
            assert_eq!(shown(before, after).0, after, "after {before:?}");
        }
    }

    #[test]
    fn what_has_not_changed_is_not_written() {
        assert_eq!(shown("a\nb", "a\nb").1, 0);
        let one = shown("first line\nsecond line\nthird", "first line\nx\nthird").1;
        assert!(one < 20, "{one} bytes");
    }

    #[test]
    fn a_low_terminal_says_what_it_does_not_show() {
        assert_eq!(fitted(lines("a\nb\nc"), 4), lines("a\nb\nc"));
        let low = fitted(lines("a\nb\nc\nd"), 4);
        assert_eq!(low[..2], lines("a\nb"));
        assert!(low[2].starts_with("… 2 more lines"), "{low:?}");
    }
}
