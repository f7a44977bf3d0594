//! Reviews: what will be done, what stays, what it will not touch, and the buttons.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Clear, Widget};
use unicode_width::UnicodeWidthStr;

use super::{
    dialog, files, labelled_lines, put, put_all, review_publish, review_retire, review_roll_back,
    review_schedule,
};
use crate::console::model::{Answer, Model, Problem, Review, Stage, Verb};
use crate::console::theme::{Role, Theme};
use crate::console::update::{blocked, must_type};
use crate::operations::hand_over::Report;
use crate::rotation::Plan;

pub(super) fn draw(
    model: &Model,
    review: &Review,
    theme: &Theme,
    screen: Rect,
    buffer: &mut Buffer,
) -> Option<Position> {
    let title = title(review);
    let margin = match review.verb {
        // It has the most to say, and a small terminal none to give away.
        Verb::RollBack => 0,
        _ => 4,
    };
    let width = screen.width.saturating_sub(margin).min(100);
    let inner = width.saturating_sub(4);
    // Without the frame. Where it is narrow the blank line of the agreement is given up first.
    let room = screen.height.saturating_sub(2);
    let fits = |body: &(Vec<Line<'_>>, usize), below: u16| {
        body.1 == 0 && body.0.len() <= usize::from(room.saturating_sub(below))
    };
    let mut below = AGREEMENT;
    let mut whole = body(model, review, theme, inner, room.saturating_sub(below));
    if !fits(&whole, below) {
        below -= 1;
        whole = body(model, review, theme, inner, room.saturating_sub(below));
    }
    let (lines, left_out) = whole;
    let height = u16::try_from(lines.len() + usize::from(left_out > 0))
        .unwrap_or(u16::MAX)
        .saturating_add(6);
    let inside = dialog(theme, screen, buffer, &title, (width, height));
    let text = Rect {
        height: inside.height.saturating_sub(below),
        ..inside
    };
    put_all(buffer, text, &lines);
    tell_hidden(theme, text, lines.len(), left_out, buffer);
    let below = Rect {
        y: inside.bottom().saturating_sub(below).max(inside.y),
        height: inside.height.min(below),
        ..inside
    };
    draw_agreement(model, review, theme, below, buffer)
}

/// Rows of the agreement: what is to be typed or the reason, a blank one, the buttons.
const AGREEMENT: u16 = 3;

/// What is said above the agreement, and how many lines of it were left out for want of room.
fn body(
    model: &Model,
    review: &Review,
    theme: &Theme,
    width: u16,
    room: u16,
) -> (Vec<Line<'static>>, usize) {
    let muted = |words: &'static str| Line::from(Span::styled(words, theme.style(Role::Muted)));
    let lines = match &review.stage {
        Stage::Asking if review.verb == Verb::Publish => vec![muted("looking at the files …")],
        Stage::Asking if is_of_schedule(review) => vec![muted("looking at the schedule …")],
        Stage::Acting if is_of_schedule(review) => {
            vec![muted("the settings are being written …")]
        }
        Stage::Asking => vec![muted("looking at the database …")],
        Stage::Acting if review.verb == Verb::Publish => {
            vec![muted("the files are being written …")]
        }
        Stage::Acting => vec![muted("the database is being told …")],
        Stage::Ready(Answer::HandOver(report)) => match review.verb {
            Verb::Recover => evidence(theme, report, width),
            Verb::RollBack => {
                let lines = review_roll_back::planned(theme, review, report, width, room);
                return (lines.shown, lines.left_out);
            }
            _ => plans(theme, report, width),
        },
        Stage::Ready(Answer::Retire(report)) => review_retire::planned(theme, report, width),
        Stage::Ready(Answer::EndSession(report)) => review_retire::session(theme, report, width),
        Stage::Ready(Answer::Publish(report)) => review_publish::planned(theme, report, width),
        Stage::Ready(Answer::Schedule(report)) => {
            review_schedule::planned(model, review, report, theme, width)
        }
        Stage::Closed(Answer::Schedule(report)) => review_schedule::closed(theme, report, width),
        Stage::Closed(Answer::Publish(report)) => review_publish::closed(theme, report, width),
        Stage::Closed(Answer::HandOver(report)) if review.verb == Verb::RollBack => {
            let lines = review_roll_back::closed(theme, report, width, room);
            return (lines.shown, lines.left_out);
        }
        Stage::Closed(Answer::HandOver(report)) => closed(theme, review.verb, report, width),
        Stage::Closed(Answer::Retire(report)) => review_retire::closed(theme, report, width),
        Stage::Closed(Answer::EndSession(report)) => review_retire::not_ended(theme, report, width),
        Stage::Failed(problem) => failed(theme, problem, width),
    };
    (lines, 0)
}

fn is_of_schedule(review: &Review) -> bool {
    matches!(review.verb, Verb::Pause | Verb::Resume)
}

/// Nobody may agree to what they do not know to be there.
fn tell_hidden(theme: &Theme, text: Rect, lines: usize, left_out: usize, buffer: &mut Buffer) {
    let height = usize::from(text.height);
    let Some(last) = text.height.checked_sub(1) else {
        return;
    };
    if lines <= height && left_out == 0 {
        return;
    }
    let at = u16::try_from(lines).unwrap_or(u16::MAX).min(last);
    let hidden = left_out + lines.saturating_sub(usize::from(at));
    let row = Rect {
        y: text.y + at,
        height: 1,
        ..text
    };
    Clear.render(row, buffer);
    let mut words = format!("… {hidden} more lines: enlarge the terminal");
    if words.width() > usize::from(text.width) {
        words = format!("… {hidden} more lines: enlarge it");
    }
    let line = Line::from(Span::styled(words, theme.style(Role::Warn)));
    put(buffer, row, 0, &line);
}

fn title(review: &Review) -> String {
    let name = &review.target.environment;
    let path = review.target.path.as_deref().unwrap_or_default();
    let pid = review.session.as_ref().map_or(0, |session| session.pid);
    match review.verb {
        Verb::Rotate => format!("rotate {name}"),
        Verb::Recover => format!("recover {name}"),
        Verb::RollBack => format!("roll back {name} {path}"),
        Verb::Retire => format!("retire the outgoing user of {name} {path}"),
        Verb::Undo => format!("let the outgoing user of {name} {path} in again"),
        Verb::EndSession => format!("end session {pid} of {name} {path}"),
        Verb::Publish => format!("write the files of {name} again"),
        Verb::Pause => format!("pause the schedule of {name}"),
        Verb::Resume => format!("resume the schedule of {name}"),
    }
}

/// The last lines: what has to be typed, the reason why it does not act yet, the buttons.
fn draw_agreement(
    model: &Model,
    review: &Review,
    theme: &Theme,
    below: Rect,
    buffer: &mut Buffer,
) -> Option<Position> {
    let buttons = below.height.saturating_sub(1);
    if !matches!(review.stage, Stage::Ready(_)) {
        let words = " enter or esc closes ";
        put(
            buffer,
            below,
            buttons,
            &Line::from(Span::styled(words, theme.style(Role::ButtonFocus))),
        );
        return None;
    }
    let mut cursor = None;
    let reason = blocked(model, review);
    let must_type = must_type(model, review);
    if let Some(wanted) = &must_type {
        let label = format!("type {wanted} to agree: ");
        let typed = review.typed.text();
        let column = u16::try_from(label.width() + typed.width()).unwrap_or(u16::MAX);
        let x = below.x.saturating_add(column);
        if x < below.right() {
            cursor = Some(Position { x, y: below.y });
        }
        put(
            buffer,
            below,
            0,
            &Line::from(vec![
                Span::styled(label, theme.style(Role::Warn)),
                Span::styled(typed.to_owned(), theme.style(Role::Title)),
            ]),
        );
    } else if let Some(reason) = &reason {
        put(
            buffer,
            below,
            0,
            &Line::from(Span::styled(format!("■ {reason}"), theme.style(Role::Warn))),
        );
    }
    let act = match (&review.stage, review.verb) {
        (Stage::Ready(Answer::Retire(report)), _) => review_retire::button(report),
        (_, Verb::Rotate) => " Rotate (y) ",
        // Where a name has to be typed, no letter is a key.
        (_, Verb::RollBack) if must_type.is_some() => " Roll back ",
        (_, Verb::RollBack) => " Roll back (y) ",
        // Its number has to be typed, so that no letter is a key here.
        (_, Verb::EndSession) => " End it ",
        (_, Verb::Publish) if must_type.is_some() => " Write them ",
        (_, Verb::Publish) => " Write them (y) ",
        (_, Verb::Pause) if must_type.is_some() => " Pause it ",
        (_, Verb::Pause) => " Pause it (y) ",
        (_, Verb::Resume) if must_type.is_some() => " Resume it ",
        (_, Verb::Resume) => " Resume it (y) ",
        _ => " Do it (y) ",
    };
    let on_act = review.on_act || must_type.is_some() && reason.is_none();
    let button = |focused: bool| -> Style {
        theme.style(if focused {
            Role::ButtonFocus
        } else {
            Role::Button
        })
    };
    let act_text = if reason.is_some() {
        format!("({})", act.trim())
    } else {
        act.to_owned()
    };
    put(
        buffer,
        below,
        buttons,
        &Line::from(vec![
            Span::styled(" Leave it (esc) ", button(!on_act)),
            Span::raw("   "),
            Span::styled(act_text, button(on_act && reason.is_none())),
        ]),
    );
    cursor
}

/// The plans of all paths; a path that cannot be reached says so.
fn plans(theme: &Theme, report: &Report, width: u16) -> Vec<Line<'static>> {
    let mut lines = Vec::new();
    for path in &report.paths {
        if report.paths.len() > 1 {
            let style = theme.style(Role::Title);
            lines.push(Line::from(Span::styled(path.path.clone(), style)));
        }
        match (&path.plan, &path.error) {
            (Some(one), _) => lines.extend(plan(theme, one, width)),
            (None, Some(error)) => {
                let warn = theme.style(Role::Warn);
                lines.extend(labelled_lines(
                    theme,
                    "left out",
                    &error.message,
                    warn,
                    width,
                ));
            }
            (None, None) => {}
        }
    }
    lines
}

fn plan(theme: &Theme, plan: &Plan, width: u16) -> Vec<Line<'static>> {
    let text = theme.style(Role::Text);
    let mut lines = Vec::new();
    let mut add = |label: &'static str, words: &str, style: Style| {
        lines.extend(labelled_lines(theme, label, words, style, width));
    };
    add(
        "changes",
        &format!("{} gets a new password and becomes current", plan.user),
        theme.style(Role::Title),
    );
    add(
        "stays",
        &format!(
            "{} stays valid and becomes previous: sessions and logins go on",
            plan.current
        ),
        theme.style(Role::Ok),
    );
    let gate = match plan.sessions.len() {
        0 => format!("nobody is connected as {}", plan.user),
        count => format!("{count} sessions of {} may be cut off", plan.user),
    };
    add(
        "gate",
        &gate,
        if plan.sessions.is_empty() {
            text
        } else {
            theme.style(Role::Danger)
        },
    );
    for (label, words) in plan.blast_radius() {
        add(label, &words, theme.style(Role::Warn));
    }
    add(
        "server",
        &format!("{}, {}", plan.node, plan.server.version_words()),
        text,
    );
    for warning in &plan.warnings {
        add("warning", warning, theme.style(Role::Warn));
    }
    add("statement", &plan.statement, theme.style(Role::Muted));
    if plan.first_promotion {
        add(
            "first",
            &format!(
                "handover never promoted this secret: agreeing says that no consumer reads {}",
                plan.user
            ),
            theme.style(Role::Warn),
        );
    }
    add(
        "way back",
        &format!("{} stays as it is until the next rotation", plan.current),
        text,
    );
    lines
}

fn evidence(theme: &Theme, report: &Report, width: u16) -> Vec<Line<'static>> {
    let mut lines = Vec::new();
    for path in &report.paths {
        let waits = report.sinks.iter().any(|sink| !sink.is_confirmed());
        let case = path.case.as_deref().unwrap_or(match waits {
            true => "waits for its files",
            false => "complete",
        });
        let rotation = report
            .rotation
            .map(|rotation| rotation.to_string())
            .unwrap_or_default();
        lines.push(Line::from(vec![
            Span::styled(
                format!(
                    "{rotation}  {} stopped at {}  ",
                    path.path,
                    path.step.code()
                ),
                theme.style(Role::Text),
            ),
            Span::styled(case.to_uppercase(), theme.style(Role::Pending)),
        ]));
        if let Some(words) = &path.consumers {
            let role = match words.starts_with("OK") {
                true => Role::Ok,
                false => Role::Danger,
            };
            lines.extend(labelled_lines(
                theme,
                "consumers",
                words,
                theme.style(role),
                width,
            ));
        }
        for (index, words) in path.evidence.iter().enumerate() {
            let label = if index == 0 { "found" } else { "" };
            lines.extend(labelled_lines(
                theme,
                label,
                words,
                theme.style(Role::Text),
                width,
            ));
        }
        if let Some(meaning) = &path.meaning {
            lines.extend(labelled_lines(
                theme,
                "means",
                meaning,
                theme.style(Role::Text),
                width,
            ));
        }
        if let Some(action) = &path.action {
            lines.extend(labelled_lines(
                theme,
                "do",
                action,
                theme.style(Role::Title),
                width,
            ));
        }
        if let Some(advice) = &path.advice {
            let muted = theme.style(Role::Muted);
            for (label, words) in [
                ("or", advice.next_best),
                ("won't", advice.untouched),
                ("wrong if", advice.wrong_if),
            ] {
                lines.extend(labelled_lines(theme, label, words, muted, width));
            }
        }
    }
    lines.extend(files::reported(theme, &report.sinks, width));
    lines
}

fn closed(theme: &Theme, verb: Verb, report: &Report, width: u16) -> Vec<Line<'static>> {
    let mut lines = match verb {
        Verb::Recover => evidence(theme, report, width),
        _ => Vec::new(),
    };
    if let Some(error) = &report.error {
        let head = match verb {
            Verb::Recover => format!("▲ needs you: {}", error.code),
            _ => format!("■ would be refused: {}", error.code),
        };
        lines.insert(0, Line::from(Span::styled(head, theme.style(Role::Danger))));
        let of_sink = report.sinks.iter();
        if of_sink
            .clone()
            .any(|sink| sink.error.as_ref() == Some(error))
        {
            return lines;
        }
        let text = theme.style(Role::Text);
        lines.extend(labelled_lines(theme, "why", &error.message, text, width));
        lines.extend(labelled_lines(
            theme,
            "remedy",
            &error.remedy,
            theme.style(Role::Key),
            width,
        ));
        return lines;
    }
    lines.push(Line::from(Span::styled(
        "● nothing is open",
        theme.style(Role::Ok),
    )));
    lines
}

fn failed(theme: &Theme, problem: &Problem, width: u16) -> Vec<Line<'static>> {
    let mut lines = labelled_lines(
        theme,
        "error",
        &problem.message,
        theme.style(Role::Danger),
        width,
    );
    lines.extend(labelled_lines(
        theme,
        "remedy",
        &problem.remedy,
        theme.style(Role::Key),
        width,
    ));
    lines
}
