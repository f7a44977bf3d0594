//! The terminal: raw mode, the alternate screen, and giving both back on every way
//! out.

use std::io::{self, Stdout, Write};

use crossterm::event::{
    DisableBracketedPaste, EnableBracketedPaste, Event, KeyCode, KeyEvent, KeyEventKind,
    KeyModifiers,
};
use crossterm::terminal::{
    BeginSynchronizedUpdate, EndSynchronizedUpdate, EnterAlternateScreen, LeaveAlternateScreen,
    disable_raw_mode, enable_raw_mode,
};
use crossterm::{cursor, execute};
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use super::keys::Key;
use super::message::Message;

/// An open screen; dropping it gives the terminal back.
pub(super) struct Screen {
    terminal: Terminal<CrosstermBackend<Stdout>>,
    last: Option<(Buffer, Option<Position>)>,
}

impl Screen {
    /// Takes the terminal. A panic gives it back before it is reported.
    pub(super) fn open() -> io::Result<Self> {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            give_back();
            before(panic);
        }));
        // Colours are ours to leave out (the mono theme); the library would take the
        // other attributes with them.
        crossterm::style::force_color_output(true);
        take()?;
        let terminal = Terminal::new(CrosstermBackend::new(io::stdout()))?;
        Ok(Self {
            terminal,
            last: None,
        })
    }

    /// Draws what `view` fills in, and writes nothing when nothing changed.
    pub(super) fn draw(
        &mut self,
        view: impl FnOnce(Rect, &mut Buffer) -> Option<Position>,
    ) -> io::Result<()> {
        self.terminal.autoresize()?;
        let area = self.terminal.get_frame().area();
        let mut buffer = Buffer::empty(area);
        let cursor = view(area, &mut buffer);
        if self.last.as_ref() == Some(&(buffer.clone(), cursor)) {
            return Ok(());
        }
        execute!(io::stdout(), BeginSynchronizedUpdate)?;
        self.terminal.draw(|frame| {
            if frame.area() == area {
                frame.buffer_mut().clone_from(&buffer);
            }
            if let Some(cursor) = cursor {
                frame.set_cursor_position(cursor);
            }
        })?;
        execute!(io::stdout(), EndSynchronizedUpdate)?;
        self.last = Some((buffer, cursor));
        Ok(())
    }

    /// Draws everything anew next time. The library's own `clear` would ask the terminal
    /// where its cursor stands and wait for an answer that the event stream may take, or
    /// that never comes; a resize to the present size only clears.
    pub(super) fn forget(&mut self) {
        self.last = None;
        if let Ok(size) = self.terminal.size() {
            let _ = self.terminal.resize(size.into());
        }
    }

    /// Gives the terminal back, stops the process until it is continued, takes the
    /// terminal again.
    pub(super) fn suspend(&mut self) -> io::Result<()> {
        give_back();
        let _ = nix::sys::signal::raise(nix::sys::signal::Signal::SIGTSTP);
        take()?;
        self.forget();
        Ok(())
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        give_back();
    }
}

fn take() -> io::Result<()> {
    enable_raw_mode()?;
    execute!(
        io::stdout(),
        EnterAlternateScreen,
        EnableBracketedPaste,
        cursor::Hide
    )
}

fn give_back() {
    let _ = execute!(
        io::stdout(),
        EndSynchronizedUpdate,
        DisableBracketedPaste,
        LeaveAlternateScreen,
        cursor::Show
    );
    let _ = disable_raw_mode();
}

/// Puts a text into the clipboard of the terminal at the other end (OSC 52), through
/// tmux where it runs.
pub(super) fn copy(text: &str) {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    let code = format!("\u{1b}]52;c;{}\u{1b}\\", STANDARD.encode(text));
    let code = match std::env::var_os("TMUX") {
        Some(_) => format!(
            "\u{1b}Ptmux;{}\u{1b}\\",
            code.replace('\u{1b}', "\u{1b}\u{1b}")
        ),
        None => code,
    };
    let mut out = io::stdout();
    let _ = out.write_all(code.as_bytes());
    let _ = out.flush();
}

/// What a terminal event means to the core; `None` for what it does not care about.
pub(super) fn message(event: Event) -> Option<Message> {
    match event {
        Event::Key(key) if key.kind != KeyEventKind::Release => translate(key).map(Message::Key),
        Event::Paste(text) => Some(Message::Pasted(text)),
        Event::Resize(_, rows) => Some(Message::Resized { rows }),
        _ => None,
    }
}

fn translate(event: KeyEvent) -> Option<Key> {
    if event.modifiers.contains(KeyModifiers::CONTROL)
        && let KeyCode::Char(character) = event.code
    {
        return Some(Key::Ctrl(character.to_ascii_lowercase()));
    }
    Some(match event.code {
        KeyCode::Char(character) => Key::Char(character),
        KeyCode::Enter => Key::Enter,
        KeyCode::Esc => Key::Escape,
        KeyCode::Backspace => Key::Backspace,
        KeyCode::Tab => Key::Tab,
        KeyCode::BackTab => Key::BackTab,
        KeyCode::Up => Key::Up,
        KeyCode::Down => Key::Down,
        KeyCode::Left => Key::Left,
        KeyCode::Right => Key::Right,
        KeyCode::PageUp => Key::PageUp,
        KeyCode::PageDown => Key::PageDown,
        KeyCode::Home => Key::Home,
        KeyCode::End => Key::End,
        _ => return None,
    })
}
