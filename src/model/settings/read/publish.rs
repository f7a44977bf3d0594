//! The reading of `publish`.

use super::super::publish::{SinkSettings, Then, ThenSignal};
use super::{Field, Reader};

impl Reader<'_> {
    pub(super) fn sinks(&mut self, publish: &Field<'_>) -> Vec<SinkSettings> {
        let mut sinks: Vec<SinkSettings> = Vec::new();
        for item in self.items(publish).unwrap_or_default() {
            let Some(sink) = self.sink(&item) else {
                continue;
            };
            if sinks.iter().any(|known| known.file == sink.file) {
                let summary = format!("{} stands here twice", sink.file);
                let hint = "a file has one template; remove one of them".to_owned();
                self.error(&item, summary, Some(hint));
                continue;
            }
            sinks.push(sink);
        }
        sinks
    }

    fn sink(&mut self, sink: &Field<'_>) -> Option<SinkSettings> {
        let before = self.diagnostics.len();
        let (mut file, mut template, mut owner, mut then) = (None, None, None, None);
        let (mut template_path, mut template_span) = (Vec::new(), sink.node.span);
        for field in self.fields(sink, &["file", "template", "owner", "then"]) {
            match field.name() {
                "file" => file = self.absolute(&field),
                "template" => {
                    template = self.text(&field);
                    template_path.clone_from(&field.path);
                    template_span = field.node.span;
                }
                "owner" => owner = self.plain_text(&field),
                _ => then = self.then(&field),
            }
        }
        match (file, template) {
            (Some(file), Some(template)) if self.diagnostics.len() == before => {
                Some(SinkSettings {
                    file,
                    template,
                    owner,
                    then,
                    template_path,
                    template_span,
                })
            }
            _ => {
                // What is there and malformed was told at its place.
                if self.diagnostics.len() == before {
                    let hint = "write {file: /run/orders/db.env, template: \
                                \"PASSWORD=${orders.db.current.password}\"}";
                    let summary = "a sink needs a `file` and a `template`";
                    self.error(sink, summary, Some(hint.to_owned()));
                }
                None
            }
        }
    }

    fn then(&mut self, then: &Field<'_>) -> Option<Then> {
        if then.node.is_null() {
            return None;
        }
        let before = self.diagnostics.len();
        let (mut signal, mut pidfile, mut command) = (None, None, None);
        for field in self.fields(then, &["signal", "pidfile", "command"]) {
            match field.name() {
                "signal" => signal = self.choice(&field, &ThenSignal::ALL),
                "pidfile" => pidfile = self.absolute(&field),
                _ => command = self.command(&field),
            }
        }
        match (signal, pidfile, command) {
            (Some(signal), Some(pidfile), None) => Some(Then::Signal { signal, pidfile }),
            (None, None, Some(command)) => Some(Then::Command(command)),
            _ => {
                if self.diagnostics.len() == before {
                    let hint = "write {signal: HUP, pidfile: /run/orders.pid}, or {command: \
                                [systemctl, reload, orders]}";
                    let summary = "`then` is either a `signal` with its `pidfile`, or a `command`";
                    self.error(then, summary, Some(hint.to_owned()));
                }
                None
            }
        }
    }

    /// A program and its arguments.
    fn command(&mut self, field: &Field<'_>) -> Option<Vec<String>> {
        let items = self.items(field)?;
        let words: Option<Vec<String>> = items.iter().map(|item| self.plain_text(item)).collect();
        let words = words?;
        if words.is_empty() {
            let hint = "write the program and its arguments, such as [systemctl, reload, orders]; \
                        there is no shell";
            self.error(field, "expected a program", Some(hint.to_owned()));
            return None;
        }
        Some(words)
    }

    /// The name of a file, as it is opened: whatever leads elsewhere on the way is refused.
    fn absolute(&mut self, field: &Field<'_>) -> Option<String> {
        let text = self.plain_text(field)?;
        let is_plain = |part: &str| !part.is_empty() && part != "." && part != "..";
        let inner = text.strip_prefix('/');
        if !inner.is_some_and(|inner| inner.split('/').all(is_plain)) {
            let hint = "write it from the root, without `.`, `..`, `//` or a slash at its end, such \
                        as /run/orders/db.env";
            self.error(
                field,
                "expected an absolute path of a file",
                Some(hint.to_owned()),
            );
            return None;
        }
        Some(text)
    }

    /// A text that others may see: the list of processes, or of a folder.
    fn plain_text(&mut self, field: &Field<'_>) -> Option<String> {
        let text = self.text(field)?;
        if text.contains("${") {
            let summary = "values of the environment have no place here, since others see it";
            let hint = "only `template` refers to values; the program reads them from the file";
            self.error(field, summary, Some(hint.to_owned()));
            return None;
        }
        if text.contains(char::is_control) {
            self.error(field, "there is a control character in it", None);
            return None;
        }
        Some(text)
    }
}
