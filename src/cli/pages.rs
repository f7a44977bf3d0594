//! `completions` and `man`: pages made from the command line itself.

use std::io;

use super::arguments::{CompletionsArguments, ManArguments};
use super::command;
use super::output::Printer;
use crate::operations::{Exit, Failure};

/// Prints a shell's completions. They need no store.
pub(super) fn completions(arguments: &CompletionsArguments, printer: &Printer) -> Exit {
    let mut text = Vec::new();
    clap_complete::generate(arguments.shell, &mut command(), "handover", &mut text);
    printer.text(&String::from_utf8_lossy(&text));
    Exit::Done
}

/// Prints the manual page, or writes all of them.
pub(super) fn man(arguments: &ManArguments, printer: &Printer) -> Result<Exit, Failure> {
    let failed = |error: io::Error| {
        Failure::new(
            "cannot-write",
            Exit::Error,
            error.to_string(),
            "name a folder that exists and can be written",
        )
    };
    if let Some(folder) = &arguments.folder {
        clap_mangen::generate_to(command(), folder).map_err(failed)?;
        return Ok(Exit::Done);
    }
    let mut page = Vec::new();
    clap_mangen::Man::new(command())
        .render(&mut page)
        .map_err(failed)?;
    printer.text(&String::from_utf8_lossy(&page));
    Ok(Exit::Done)
}
