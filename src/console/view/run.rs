//! A rotation or a recovery while it runs: its steps, live, and how it ended.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use unicode_width::UnicodeWidthStr;

use super::{dialog, files, labelled_lines, put_all};
use crate::console::model::{Model, Run, RunEnd, Verb};
use crate::console::theme::{Role, Theme};
use crate::model::Step;
use crate::operations::hand_over::{HandOverStatus, Report};
use crate::rotation::Way;

const STEPS: [(Step, &str); 6] = [
    (Step::Preflight, "look at the server, both users, the gate"),
    (Step::Pending, "make the new password and seal it"),
    (Step::Apply, "set it in the database"),
    (Step::Verify, "log in with it everywhere"),
    (Step::Promote, "make it current in a new revision"),
    (Step::Publish, "write the files, tell their readers"),
];

/// What a step is on a way back, where it is another thing than in a rotation.
fn of_way(way: Way, step: Step) -> Option<&'static str> {
    Some(match (step, way) {
        (Step::Preflight, _) => "look at the server and at both users",
        (Step::Pending, Way::Repromote | Way::Unretire) => "not needed: its password is known",
        (Step::Pending, Way::Import) => "seal the password that the file holds",
        (Step::Pending, Way::Reapply) => "take the stored password once more",
        (Step::Apply, Way::Repromote | Way::Import) => "not needed: no password changes",
        (Step::Apply, Way::Unretire) => "let the user in again",
        _ => return None,
    })
}

/// Where there is no file S6 has nothing to do.
fn has_files(model: &Model, run: &Run) -> bool {
    match &run.ended {
        Some(RunEnd::Report(report)) if !report.sinks.is_empty() => true,
        _ => {
            let known = model.environment(&run.target.environment);
            known.is_none_or(|known| !known.sinks.is_empty())
        }
    }
}

pub(super) fn draw(model: &Model, theme: &Theme, area: Rect, buffer: &mut Buffer) {
    let Some(run) = &model.run else {
        return;
    };
    let inside = Rect {
        x: area.x + 2,
        y: area.y + 1,
        width: area.width.saturating_sub(4),
        height: area.height.saturating_sub(1),
    };
    let verb = match run.verb {
        Verb::Recover => "recovering",
        Verb::RollBack => "rolling back",
        // What has no steps to follow has no run.
        _ => "rotating",
    };
    let path = run.target.path.as_deref().unwrap_or_default();
    let title = format!("{verb} {} {path}", run.target.environment);
    let mut lines = vec![
        Line::from(Span::styled(title, theme.style(Role::Title))),
        Line::default(),
    ];
    if let Some(way) = run.way {
        lines[0].push_span(Span::styled(format!(": {way}"), theme.style(Role::Title)));
    }
    let has_files = has_files(model, run);
    for (step, words) in STEPS {
        let mut words = run.way.and_then(|way| of_way(way, step)).unwrap_or(words);
        if step == Step::Publish && !has_files {
            words = "not needed: it is published to no file";
        }
        lines.push(step_line(theme, run, step, words, has_files));
    }
    lines.extend(files_written(model, theme, run, inside.width));
    lines.push(Line::default());
    if let Some(reason) = &run.waiting {
        let text = format!("… waiting {reason}");
        lines.push(Line::from(Span::styled(text, theme.style(Role::Pending))));
    }
    match &run.ended {
        None => {}
        Some(RunEnd::Report(report)) => lines.extend(ended(theme, report, inside.width)),
        Some(RunEnd::Problem(problem)) => {
            let (bad, key) = (theme.style(Role::Danger), theme.style(Role::Key));
            lines.extend(labelled_lines(
                theme,
                "error",
                &problem.message,
                bad,
                inside.width,
            ));
            lines.extend(labelled_lines(
                theme,
                "remedy",
                &problem.remedy,
                key,
                inside.width,
            ));
        }
    }
    put_all(buffer, inside, &lines);
}

/// The files of S6: which ones while it runs, and what became of them.
fn files_written(model: &Model, theme: &Theme, run: &Run, width: u16) -> Vec<Line<'static>> {
    match &run.ended {
        Some(RunEnd::Report(report)) => files::reported(theme, &report.sinks, width),
        None if run.current == Some(Step::Publish) => {
            let known = model.environment(&run.target.environment);
            let sinks = known.into_iter().flat_map(|known| &known.sinks);
            let style = theme.style(Role::Text);
            sinks
                .flat_map(|sink| labelled_lines(theme, "file", &sink.file, style, width))
                .collect()
        }
        _ => Vec::new(),
    }
}

fn step_line(
    theme: &Theme,
    run: &Run,
    step: Step,
    words: &'static str,
    has_files: bool,
) -> Line<'static> {
    // Done of each, where there are several: the last of them counts.
    let mut done = run.done.iter().filter(|(known, _)| *known == step);
    let done = done.nth(run.paths.saturating_sub(1));
    let of_files = step == Step::Publish;
    let (glyph, word, role) = match done {
        Some(_) => ("✓", "done", Role::Ok),
        None if of_files && has_bad_file(run) => ("✗", "stopped", Role::Danger),
        None if of_files && !has_files => ("–", "left out", Role::Muted),
        None if is_passed(run, step) => ("–", "left out", Role::Muted),
        None if run.current == Some(step) => ("◐", "running", Role::Pending),
        None if run.before.is_some_and(|before| step <= before) => ("✓", "before", Role::Muted),
        None => ("·", "", Role::Muted),
    };
    let took = done.map_or(String::new(), |(_, at)| {
        let milliseconds = (*at - run.started).num_milliseconds().max(0);
        format!("after {milliseconds} ms")
    });
    Line::from(vec![
        Span::styled(format!(" {glyph} {} ", step.code()), theme.style(role)),
        Span::styled(format!("{:<10}", step.word()), theme.style(Role::Text)),
        Span::styled(format!("{words:<41}"), theme.style(Role::Muted)),
        Span::styled(format!("{word} {took}"), theme.style(role)),
    ])
}

fn has_bad_file(run: &Run) -> bool {
    let Some(RunEnd::Report(report)) = &run.ended else {
        return false;
    };
    report.sinks.iter().any(|sink| !sink.is_confirmed())
}

/// A way back leaves out the steps that it does not need.
fn is_passed(run: &Run, step: Step) -> bool {
    let later = |(done, _): &(Step, _)| *done > step;
    run.way.is_some() && run.current != Some(step) && run.done.iter().any(later)
}

fn ended(theme: &Theme, report: &Report, width: u16) -> Vec<Line<'static>> {
    let (glyph, word, role) = match report.status {
        HandOverStatus::Done => ("✓", "DONE", Role::Ok),
        HandOverStatus::Planned => ("✓", "PLANNED", Role::Ok),
        HandOverStatus::Partial => ("◐", "PARTIAL", Role::Warn),
        HandOverStatus::Refused => ("■", "REFUSED", Role::Warn),
        HandOverStatus::Parked => ("▲", "PARKED", Role::Danger),
        HandOverStatus::Interrupted => ("■", "INTERRUPTED", Role::Warn),
        HandOverStatus::Unreachable => ("?", "UNREACHABLE", Role::Warn),
        HandOverStatus::Failed => ("✗", "FAILED", Role::Danger),
    };
    let rotation = report
        .rotation
        .map(|rotation| rotation.to_string())
        .unwrap_or_default();
    let mut lines = vec![Line::from(Span::styled(
        format!("{glyph} {word}  {rotation}"),
        theme.style(role),
    ))];
    let text = theme.style(Role::Text);
    for path in &report.paths {
        match (&path.error, path.revision) {
            (None, Some(revision)) => {
                let user = path.user.as_deref().unwrap_or_default();
                let words = format!("{user} is current since revision {revision}");
                lines.extend(labelled_lines(theme, "result", &words, text, width));
            }
            (Some(error), _) => {
                if let Some(case) = &path.case {
                    lines.extend(labelled_lines(
                        theme,
                        "case",
                        case,
                        theme.style(Role::Pending),
                        width,
                    ));
                }
                lines.extend(labelled_lines(theme, "why", &error.message, text, width));
                lines.extend(labelled_lines(
                    theme,
                    "remedy",
                    &error.remedy,
                    theme.style(Role::Key),
                    width,
                ));
            }
            (None, None) => {}
        }
    }
    if report.paths.iter().all(|path| path.error.is_none())
        && let Some(error) = &report.error
        // What stopped at a file is told beside it.
        && !report.sinks.iter().any(|sink| sink.error.as_ref() == Some(error))
    {
        lines.extend(labelled_lines(theme, "why", &error.message, text, width));
        lines.extend(labelled_lines(
            theme,
            "remedy",
            &error.remedy,
            theme.style(Role::Key),
            width,
        ));
    }
    lines.push(Line::default());
    lines.push(Line::from(Span::styled(
        match report.rotation {
            Some(_) => "esc goes back · E exports the report",
            None => "esc goes back",
        },
        theme.style(Role::Muted),
    )));
    lines
}

/// Leaving while something is being done: staying is the default.
pub(super) fn draw_leave(model: &Model, theme: &Theme, screen: Rect, buffer: &mut Buffer) {
    let title = model.busy().unwrap_or_default();
    let title = title.replace(" in this console", "");
    let width = u16::try_from(title.width()).unwrap_or(u16::MAX);
    let size = (width.saturating_add(6).max(64), 9);
    let inside = dialog(theme, screen, buffer, &title, size);
    let text = |words: &'static str| Line::from(Span::styled(words, theme.style(Role::Text)));
    let goes_on = match model.is_running() {
        true => "     and `handover recover` goes on with it",
        false => "     and the same command again goes on with it",
    };
    put_all(
        buffer,
        inside,
        &[
            Line::default(),
            text("esc  stay (any other key too)"),
            text("w    leave as soon as it has ended"),
            text("Q    leave now: it stops where it is, nothing is lost,"),
            text(goes_on),
        ],
    );
}
