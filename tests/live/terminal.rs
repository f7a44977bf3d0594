//! A pseudo-terminal with the real program in it: keys in, a screen out.
//!
//! `see` and `wait_until_idle` wait on what the screen shows and on what the program
//! writes, never for a time that is guessed. A wait in vain shows the screen.

use std::io::{Read, Write};
use std::num::NonZeroU16;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};

use crate::shop::Shop;

/// Generous, because a loaded machine is slow and a hang is still a hang.
const DEADLINE: Duration = Duration::from_secs(60);
/// Nothing written for this long counts as idle.
const QUIET: Duration = Duration::from_millis(300);

/// How the program is started.
pub(crate) struct Start {
    pub(crate) size: (u16, u16),
    /// Variables beside the scrubbed environment.
    pub(crate) variables: Vec<(&'static str, String)>,
    /// A shell command around the program, with `$HANDOVER` for it.
    pub(crate) shell: Option<&'static str>,
}

impl Default for Start {
    fn default() -> Self {
        Self {
            size: (80, 24),
            variables: Vec::new(),
            shell: None,
        }
    }
}

/// What the program wrote so far.
struct Written {
    screen: vt100::Parser,
    bytes: Vec<u8>,
    last: Instant,
}

/// The program in its terminal. It is killed when a test ends early.
pub(crate) struct Terminal {
    child: Box<dyn Child + Send + Sync>,
    /// Both are there until the terminal is closed.
    master: Option<Box<dyn MasterPty + Send>>,
    writer: Option<Box<dyn Write + Send>>,
    closing: Arc<AtomicBool>,
    written: Arc<Mutex<Written>>,
    reader: Option<JoinHandle<()>>,
    pressed: usize,
}

fn size(columns: u16, rows: u16) -> PtySize {
    PtySize {
        rows,
        cols: columns,
        pixel_width: 0,
        pixel_height: 0,
    }
}

fn at_least_one(number: u16) -> NonZeroU16 {
    NonZeroU16::new(number).unwrap_or(NonZeroU16::MIN)
}

impl Terminal {
    /// The console on a shop's store, at 80x24.
    pub(crate) fn console(shop: &Shop) -> Self {
        Self::start(shop, &Start::default())
    }

    /// The console on a shop's store, with nothing in its environment that the test does
    /// not mean.
    pub(crate) fn start(shop: &Shop, start: &Start) -> Self {
        Self::at_home(shop.home(), &shop.store(), start)
    }

    /// The same for whoever has a home and no shop.
    pub(crate) fn at_home(home: &Path, store: &Path, start: &Start) -> Self {
        let (columns, rows) = start.size;
        let pair = native_pty_system()
            .openpty(size(columns, rows))
            .expect("opens a pseudo-terminal");
        let program = env!("CARGO_BIN_EXE_handover");
        let mut command = match start.shell {
            Some(script) => {
                let mut command = CommandBuilder::new("/bin/sh");
                command.args(["-c", script]);
                command
            }
            None => CommandBuilder::new(program),
        };
        command.env_clear();
        command.cwd(home);
        let store = store.display().to_string();
        for (name, value) in [
            ("PATH", std::env::var("PATH").unwrap_or_default().as_str()),
            ("HOME", &home.display().to_string()),
            ("TERM", "xterm-256color"),
            ("LANG", "C.UTF-8"),
            ("HANDOVER_STORE", &store),
            ("HANDOVER", program),
        ] {
            command.env(name, value);
        }
        for (name, value) in &start.variables {
            command.env(name, value);
        }
        let child = pair.slave.spawn_command(command).expect("starts");
        // While this side holds it open, the end of the program is never seen.
        drop(pair.slave);
        let reader = pair.master.try_clone_reader().expect("can be read");
        let writer = pair.master.take_writer().expect("can be written to");
        let written = Arc::new(Mutex::new(Written {
            screen: vt100::Parser::new(at_least_one(rows), at_least_one(columns), 0),
            bytes: Vec::new(),
            last: Instant::now(),
        }));
        let closing = Arc::new(AtomicBool::new(false));
        let reader = read_in_background(reader, Arc::clone(&written), Arc::clone(&closing));
        Self {
            child,
            master: Some(pair.master),
            writer: Some(writer),
            closing,
            written,
            reader: Some(reader),
            pressed: 0,
        }
    }

    /// Presses keys, written as the console's own command table writes them.
    #[track_caller]
    pub(crate) fn press(&mut self, keys: &str) -> &mut Self {
        for key in keys.split_whitespace() {
            self.pressed += 1;
            let bytes = bytes_of(key);
            self.send(&bytes);
        }
        self
    }

    /// Keys pressed so far; typed text is not counted.
    pub(crate) fn pressed(&self) -> usize {
        self.pressed
    }

    pub(crate) fn type_text(&mut self, text: &str) -> &mut Self {
        self.send(text.as_bytes());
        self
    }

    /// Pastes as terminals do where a program asked for bracketed paste.
    pub(crate) fn paste(&mut self, text: &str) -> &mut Self {
        assert!(self.screen().bracketed_paste(), "paste is not asked for");
        self.send(format!("\u{1b}[200~{text}\u{1b}[201~").as_bytes());
        self
    }

    fn send(&mut self, bytes: &[u8]) {
        let writer = self.writer.as_mut().expect("is open");
        writer.write_all(bytes).expect("takes keys");
        writer.flush().expect("takes keys");
    }

    /// Closes the terminal under the program, as a window that is closed does. The program
    /// is made to draw once more, so that the thread that reads it comes to its end.
    #[track_caller]
    pub(crate) fn close(&mut self) {
        self.wait_until_idle();
        self.closing.store(true, Ordering::SeqCst);
        self.press("ctrl-l");
        if let Some(reader) = self.reader.take() {
            reader.join().expect("reads to the end");
        }
        self.writer = None;
        self.master = None;
    }

    fn master(&self) -> &dyn MasterPty {
        &**self.master.as_ref().expect("is open")
    }

    pub(crate) fn resize(&mut self, columns: u16, rows: u16) -> &mut Self {
        {
            // First the screen, so that nothing of the new size lands on the old one.
            let mut written = self.written.lock().expect("nobody panicked");
            let (rows, columns) = (at_least_one(rows), at_least_one(columns));
            written.screen.screen_mut().set_size(rows, columns);
        }
        self.master().resize(size(columns, rows)).expect("resizes");
        self
    }

    /// Waits until the screen shows a text.
    #[track_caller]
    pub(crate) fn see(&mut self, text: &str) -> &mut Self {
        self.wait(&format!("`{text}` is seen"), |screen| {
            screen.contents().contains(text)
        })
    }

    /// Waits until the screen shows a text no more.
    #[track_caller]
    pub(crate) fn see_not(&mut self, text: &str) -> &mut Self {
        self.wait(&format!("`{text}` is gone"), |screen| {
            !screen.contents().contains(text)
        })
    }

    /// Waits until something holds for the screen.
    #[track_caller]
    pub(crate) fn wait(
        &mut self,
        what: &str,
        condition: impl Fn(&vt100::Screen) -> bool,
    ) -> &mut Self {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let screen = self.screen();
            if condition(&screen) {
                return self;
            }
            assert!(
                Instant::now() < deadline,
                "waited in vain until {what}; the screen is\n{}",
                screen.contents()
            );
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Waits until nothing was written for a while.
    #[track_caller]
    pub(crate) fn wait_until_idle(&mut self) -> &mut Self {
        let deadline = Instant::now() + DEADLINE;
        while self.written.lock().expect("nobody panicked").last.elapsed() < QUIET {
            assert!(Instant::now() < deadline, "it never stops to write");
            thread::sleep(Duration::from_millis(10));
        }
        self
    }

    pub(crate) fn screen(&self) -> vt100::Screen {
        let written = self.written.lock().expect("nobody panicked");
        written.screen.screen().clone()
    }

    pub(crate) fn text(&self) -> String {
        self.screen().contents()
    }

    /// Everything that was written, escape sequences and all.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.written.lock().expect("nobody panicked").bytes.clone()
    }

    /// The row that holds a text.
    #[track_caller]
    pub(crate) fn row_of(&self, text: &str) -> u16 {
        let screen = self.screen();
        let (_, columns) = screen.size();
        let row = screen
            .rows(0, columns.get())
            .position(|row| row.contains(text));
        let row = row.unwrap_or_else(|| panic!("no `{text}` in\n{}", screen.contents()));
        u16::try_from(row).expect("few rows")
    }

    pub(crate) fn process(&self) -> i32 {
        let process = self.child.process_id().expect("runs");
        i32::try_from(process).expect("a process id")
    }

    /// What `stty` says of this terminal: `icanon` or `-icanon`, `echo` or `-echo`.
    pub(crate) fn line_settings(&self) -> String {
        let name = self.master().tty_name().expect("has a name");
        let output = Command::new("stty")
            .args([Path::new("-F"), &name, Path::new("-a")])
            .output()
            .expect("stty runs");
        assert!(output.status.success(), "{output:?}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// The terminal is as it was before the program took it.
    #[track_caller]
    pub(crate) fn assert_given_back(&self) {
        let screen = self.screen();
        assert!(!screen.alternate_screen(), "the alternate screen is left");
        assert!(!screen.hide_cursor(), "the cursor is shown");
        assert!(!screen.bracketed_paste(), "paste is plain again");
        self.assert_cooked();
    }

    #[track_caller]
    pub(crate) fn assert_cooked(&self) {
        let settings = self.line_settings();
        let words: Vec<&str> = settings.split_whitespace().collect();
        assert!(
            words.contains(&"icanon") && words.contains(&"echo"),
            "raw mode is off: {settings}"
        );
    }

    /// Whether the program has ended by itself.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("can be waited for").is_some()
    }

    /// Waits until the program has ended, and all that it wrote was read; answers its
    /// exit code.
    #[track_caller]
    pub(crate) fn exit_code(&mut self) -> u32 {
        let deadline = Instant::now() + DEADLINE;
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("can be waited for") {
                break status;
            }
            assert!(
                Instant::now() < deadline,
                "it does not end; the screen is\n{}",
                self.text()
            );
            thread::sleep(Duration::from_millis(5));
        };
        if let Some(reader) = self.reader.take() {
            reader.join().expect("reads to the end");
        }
        status.exit_code()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // It may have ended by itself, which is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read_in_background(
    mut stream: Box<dyn Read + Send>,
    written: Arc<Mutex<Written>>,
    closing: Arc<AtomicBool>,
) -> JoinHandle<()> {
    thread::spawn(move || {
        let mut buffer = [0; 16 * 1024];
        // At the program's end Linux answers with an error instead of nothing.
        while let Ok(count @ 1..) = stream.read(&mut buffer) {
            let mut written = written.lock().expect("nobody panicked");
            written.screen.process(&buffer[..count]);
            written.bytes.extend_from_slice(&buffer[..count]);
            written.last = Instant::now();
            if closing.load(Ordering::SeqCst) {
                break;
            }
        }
    })
}

fn bytes_of(key: &str) -> Vec<u8> {
    match key {
        "enter" => b"\r".to_vec(),
        "esc" => b"\x1b".to_vec(),
        "tab" => b"\t".to_vec(),
        "backspace" => b"\x7f".to_vec(),
        "up" => b"\x1b[A".to_vec(),
        "down" => b"\x1b[B".to_vec(),
        _ => match key.strip_prefix("ctrl-") {
            Some(letter) => letter.bytes().map(|letter| letter & 0x1f).collect(),
            None => {
                assert_eq!(key.chars().count(), 1, "no key: {key}");
                key.as_bytes().to_vec()
            }
        },
    }
}
