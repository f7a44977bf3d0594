//! `handover report`: one rotation, for a terminal or as a Markdown page.

use super::arguments::{ReportArguments, ReportFormat};
use super::output::Printer;
use super::table;
use crate::operations::{Exit, Failure, Page, Part, Workspace, report_rotation};

pub(super) async fn run(
    workspace: &Workspace,
    arguments: ReportArguments,
    printer: &Printer,
) -> Result<Exit, Failure> {
    let report = report_rotation(workspace, arguments.rotation).await?;
    if printer.is_json() {
        printer.json(&report);
        return Ok(Exit::Done);
    }
    let page = report.page();
    printer.text(&match arguments.format {
        ReportFormat::Table => plain(&page),
        ReportFormat::Markdown => page.markdown(),
    });
    Ok(Exit::Done)
}

fn plain(page: &Page) -> String {
    let mut text = format!("{}\n", page.title);
    for part in &page.parts {
        text.push('\n');
        match part {
            Part::Heading(words) => text.push_str(&format!("{words}\n")),
            Part::Facts(facts) => {
                for (label, words) in facts {
                    text.push_str(&format!("  {label:<11}{words}\n"));
                }
            }
            Part::Table(head, rows) => {
                text.push_str(&table::table(head, rows));
                text.push('\n');
            }
        }
    }
    text
}
