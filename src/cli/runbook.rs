//! `recover --runbook`: the verdict as a Markdown page, with real names and exact
//! commands, to be pasted into an incident. It holds no secret.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use chrono::Utc;

use crate::operations::hand_over::{PathReport, Report};
use crate::operations::{Exit, Failure};

/// Writes the page to a new file.
pub(super) fn write(file: &Path, report: &Report) -> Result<(), Failure> {
    let failed = |error: std::io::Error| {
        Failure::new(
            "cannot-write",
            Exit::Error,
            format!("{}: {error}", file.display()),
            "name a file that does not exist yet, in a folder that can be written",
        )
    };
    let mut out = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(file)
        .map_err(failed)?;
    out.write_all(page(report).as_bytes()).map_err(failed)
}

fn page(report: &Report) -> String {
    let name = report.environment.as_ref().map(ToString::to_string);
    let name = name.unwrap_or_default();
    let mut page = format!(
        "# {name}: recovery\n\nLooked at {}.\n",
        Utc::now().format("%Y-%m-%d %H:%M:%S UTC")
    );
    if report.paths.is_empty() {
        page.push_str("\nNo rotation is open.\n");
    }
    for path in &report.paths {
        page.push_str(&section(report, path, &name));
    }
    page
}

fn section(report: &Report, path: &PathReport, name: &str) -> String {
    let rotation = report.rotation.map(|rotation| rotation.to_string());
    let case = path.case.as_deref().unwrap_or("complete");
    let mut text = format!(
        "\n## {} `{}`: {case}\n\n",
        rotation.unwrap_or_default(),
        path.path
    );
    let mut add = |label: &str, words: &str| text.push_str(&format!("- **{label}:** {words}\n"));
    add(
        "stopped at",
        &format!("{} ({})", path.step.code(), path.step.word()),
    );
    if let Some(words) = &path.consumers {
        add("consumers", words);
    }
    for words in &path.evidence {
        add("found", words);
    }
    if let Some(words) = &path.meaning {
        add("means", words);
    }
    if let Some(words) = &path.action {
        add("do", words);
    }
    if let Some(error) = &path.error {
        add("why", &error.message);
        add("remedy", &error.remedy);
    }
    if let Some(advice) = &path.advice {
        add("or", advice.next_best);
        add("will not", advice.untouched);
        add("wrong if", advice.wrong_if);
    }
    let confirm = match report.protected {
        true => format!(" --confirm {name}"),
        false => String::new(),
    };
    text.push_str(&format!(
        "\n```sh\nhandover recover {name} --explain         # look again, change nothing\n\
         handover recover {name} --yes{confirm}\nhandover status {name}\n\
         handover env history {name}\n```\n"
    ));
    text
}
