//! The terminal: raw mode, the alternate screen, and giving both back on every way
//! out.

use std::io::{self, Stdout, Write};
use std::mem::ManuallyDrop;
use std::os::fd::AsFd;
use std::thread;
use std::time::Duration;

use crossterm::event::{
    self, DisableBracketedPaste, EnableBracketedPaste, Event, KeyCode, KeyEvent, KeyEventKind,
    KeyModifiers,
};
use crossterm::terminal::{
    BeginSynchronizedUpdate, EndSynchronizedUpdate, EnterAlternateScreen, LeaveAlternateScreen,
    disable_raw_mode, enable_raw_mode,
};
use crossterm::{cursor, execute};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use tokio::sync::mpsc;

use super::keys::Key;
use super::message::Message;

/// An open screen; dropping it gives the terminal back.
pub(super) struct Screen {
    /// Never dropped: the library would say on standard error, at the cost of a panic
    /// where that is gone too, that a closed terminal does not show its cursor.
    terminal: ManuallyDrop<Terminal<CrosstermBackend<Stdout>>>,
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
            terminal: ManuallyDrop::new(terminal),
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

/// Gives the terminal back; a terminal that is gone takes nothing.
pub(super) fn give_back() {
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
        // A new size is told by its own signal, since reading waits for keys alone.
        _ => None,
    }
}

/// The terminal's present size.
pub(super) fn resized() -> Option<Message> {
    let (_, rows) = crossterm::terminal::size().ok()?;
    Some(Message::Resized { rows })
}

/// Events that may wait for the loop.
const WAITING_EVENTS: usize = 256;
/// How long keys that are there may take to be read.
const AT_ONCE: Duration = Duration::from_millis(10);

/// Reads the terminal on a thread of its own, so that nothing that it does holds up the
/// loop. The channel closes when the terminal is gone.
pub(super) fn listen() -> io::Result<mpsc::Receiver<Event>> {
    let (sender, events) = mpsc::channel(WAITING_EVENTS);
    thread::Builder::new()
        .name("terminal".to_owned())
        .spawn(move || while is_ready(&sender) && read_waiting(&sender).is_ok() {})?;
    Ok(events)
}

/// Waits for keys; false when the terminal is gone, or nobody wants its keys any more.
/// The library is not asked then: to it, a closed terminal is one at which nobody types.
fn is_ready(sender: &mpsc::Sender<Event>) -> bool {
    let stdin = io::stdin();
    loop {
        let mut asked = [PollFd::new(stdin.as_fd(), PollFlags::POLLIN)];
        match poll(&mut asked, PollTimeout::NONE) {
            Ok(_) => {
                let found = asked[0].revents().unwrap_or(PollFlags::POLLERR);
                let gone = PollFlags::POLLHUP | PollFlags::POLLERR | PollFlags::POLLNVAL;
                return !found.intersects(gone) && !sender.is_closed();
            }
            Err(Errno::EINTR) => {}
            Err(_) => return false,
        }
    }
}

/// Sends all events that are there.
fn read_waiting(sender: &mpsc::Sender<Event>) -> io::Result<()> {
    while event::poll(AT_ONCE)? {
        let event = event::read()?;
        let closed = |_| io::Error::from(io::ErrorKind::BrokenPipe);
        sender.blocking_send(event).map_err(closed)?;
    }
    Ok(())
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
