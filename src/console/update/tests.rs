//! Keys in, state and effects out.
//!
//! A test is a state, one line of keys, and two lines that say where the console stands
//! and what it asked for. What effects answer is written between the keys in angle
//! brackets: `R <planned> y`.

mod any_tests;
mod drain_tests;
mod retire_tests;
mod roll_back_tests;
mod schedule_tests;
mod sink_tests;

use chrono::Duration;

use super::*;
use crate::console::model::{Answer, Pane, Stage};
use crate::console::tests::drain_tests as drain_states;
use crate::console::tests::retire_tests::answer as answer_of;
use crate::console::tests::roll_back_tests::plan as roll_back_plan;
use crate::console::tests::schedule_tests as schedule_states;
use crate::console::tests::{
    console, detail, done, every_need, evidence, healthy, looked, named, parked, planned, problem,
    quiet, refused, running, status, stopped, target,
};
use crate::model::EnvironmentName;
use crate::operations::hand_over::{Confirmation, Progress};

/// Runs a line of keys and answers; answers what the last key or answer asked for.
#[track_caller]
fn run(model: &mut Model, line: &str) -> Vec<Effect> {
    let mut effects = Vec::new();
    for word in line.split_whitespace() {
        effects = match word
            .strip_prefix('<')
            .and_then(|word| word.strip_suffix('>'))
        {
            Some(answer) => take(model, answer),
            None => {
                let key = Key::parse(word).unwrap_or_else(|| panic!("no key: {word}"));
                update(model, Message::Key(key))
            }
        };
    }
    effects
}

/// What an effect answers, or what else happens that is no key.
fn take(model: &mut Model, answer: &str) -> Vec<Effect> {
    let (answer, argument) = answer.split_once(':').unwrap_or((answer, ""));
    // Of whom an answer is: of whom it says, else of the review, else of the selection.
    let of = match (argument.parse::<EnvironmentName>(), &model.overlay) {
        (Ok(_), _) => target(argument),
        (Err(_), Some(Overlay::Review(review))) => review.target.clone(),
        (Err(_), _) => model
            .target()
            .cloned()
            .unwrap_or_else(|| target("shop/none")),
    };
    let number = match &model.overlay {
        Some(Overlay::Review(review)) if review.target == of => review.number,
        _ => 0,
    };
    let reviewed = |_: Target, report| Message::Reviewed {
        number,
        result: Ok(Answer::HandOver(Box::new(report))),
    };
    let message = match answer {
        "planned" => reviewed(of.clone(), planned(&of)),
        "evidence" => reviewed(of.clone(), evidence(&of)),
        "refused" => reviewed(of.clone(), refused(&of)),
        "failed" => Message::Reviewed {
            number,
            result: Err(problem()),
        },
        "done" => Message::Ended(Ok(Box::new(done(&of)))),
        "parked" => Message::Ended(Ok(Box::new(parked(&of)))),
        "looked" => Message::Looked {
            result: Ok(looked(&of.environment.to_string(), 0)),
            environment: of.environment,
        },
        "detail" => Message::Detail {
            result: Ok(detail(argument)),
            environment: of.environment,
        },
        "late" => drain_states::sampled(
            &of.environment.to_string(),
            vec![drain_states::late(argument)],
        ),
        "quiet" => drain_states::sampled(
            &of.environment.to_string(),
            vec![drain_states::quiet_drain(argument)],
        ),
        "thousand" => drain_states::sampled(
            &of.environment.to_string(),
            vec![drain_states::thousand(argument)],
        ),
        "locked-drain" => drain_states::sampled(
            &of.environment.to_string(),
            vec![drain_states::locked(argument)],
        ),
        "no-overlap" => drain_states::sampled(&of.environment.to_string(), Vec::new()),
        "schedules" => schedule_states::of_three(argument),
        "no-schedules" => Message::Schedules(Err(problem())),
        "no-drain" => drain_states::not_sampled(&of.environment.to_string()),
        "status" => Message::Status(model.status.clone().ok_or_else(problem)),
        "refresh" => Message::TimeUp(Timer::Refresh),
        "minute" => Message::TimeUp(Timer::Minute),
        "terminated" => Message::Terminated,
        "paste" => Message::Pasted(argument.to_owned()),
        "pasted-lines" => Message::Pasted(argument.replace('+', "\n")),
        "rows" => Message::Resized {
            rows: argument.parse().expect("a number"),
        },
        "minutes" => {
            let minutes = argument.parse().expect("a number");
            Message::Clock(model.now + Duration::minutes(minutes))
        }
        "seconds" => {
            let seconds = argument.parse().expect("a number");
            Message::Clock(model.now + Duration::seconds(seconds))
        }
        "type" => {
            let mut effects = Vec::new();
            for character in argument.chars() {
                effects = update(model, Message::Key(Key::Char(character)));
            }
            return effects;
        }
        "waiting-files" => reviewed(of.clone(), crate::console::tests::sink_tests::waiting(&of)),
        "exported" => Message::Exported(Ok(argument.replace('+', " "))),
        "not-exported" => Message::Exported(Err(problem())),
        "acting-failed" => Message::Acted {
            number,
            result: Err(problem()),
        },
        _ if let Some(report) = roll_back_plan(answer, &of) => reviewed(of, report),
        _ => {
            let result =
                Ok(answer_of(answer, &of).unwrap_or_else(|| panic!("no answer: {answer}")));
            let waits = matches!(
                &model.overlay,
                Some(Overlay::Review(review)) if matches!(review.stage, Stage::Asking)
            );
            // Of what was agreed to, whether its review is still there or not.
            match model.deed.as_ref().filter(|_| !waits) {
                Some(deed) => Message::Acted {
                    number: deed.number,
                    result,
                },
                None => Message::Reviewed { number, result },
            }
        }
    };
    update(model, message)
}

/// Where the console stands, in one line.
fn stands(model: &Model) -> String {
    let mut words = Vec::new();
    for screen in &model.screens {
        words.push(match screen {
            Screen::Environments => "home".to_owned(),
            Screen::Environment(target) => format!("in {}", target.environment),
            Screen::Drains => "drains".to_owned(),
            Screen::Schedules => "schedules".to_owned(),
            Screen::Run => "run".to_owned(),
        });
    }
    if *model.screen() == Screen::Drains {
        let selected = model.monitor.selected.as_ref();
        words.extend(selected.map(|target| format!("on {}", target.environment)));
    }
    if *model.screen() == Screen::Schedules {
        let selected = model.timetable.selected.as_ref();
        words.extend(selected.map(|target| format!("on {}", target.environment)));
    }
    if let Some(target) = &model.selected {
        words.push(format!("at {}", target.environment));
    }
    let filter = model.filter_here().text();
    if !filter.is_empty() || model.filtering {
        words.push(format!("filter {filter:?}"));
    }
    match &model.overlay {
        None => {}
        Some(Overlay::Help) => words.push("help".to_owned()),
        Some(Overlay::Leave) => words.push("leave?".to_owned()),
        Some(Overlay::Review(review)) => {
            let stage = match review.stage {
                Stage::Asking => "asking",
                Stage::Ready(_) => "ready",
                Stage::Acting => "acting",
                Stage::Closed(_) => "closed",
                Stage::Failed(_) => "failed",
            };
            let verb = match review.verb {
                Verb::Rotate => "rotate",
                Verb::Recover => "recover",
                Verb::RollBack => "roll back",
                Verb::Retire => "retire",
                Verb::Undo => "undo",
                Verb::EndSession => "end session",
                Verb::Publish => "publish",
                Verb::Pause => "pause",
                Verb::Resume => "resume",
            };
            let target = &review.target.environment;
            let focus = if review.on_act { ", on act" } else { "" };
            let offer = review.offer().filter(|_| review.ways().len() > 1);
            let way = offer.map_or(String::new(), |offer| format!(" by {}", offer.way));
            words.push(format!("review {verb} {target} {stage}{way}{focus}"));
            if review.on_reason || review.reason().is_some() {
                let writes = if review.on_reason { "writes" } else { "wrote" };
                words.push(format!("{writes} {:?}", review.reason.text()));
            }
            if !review.typed.text().is_empty() {
                words.push(format!("typed {:?}", review.typed.text()));
            }
        }
    }
    if model.frozen {
        words.push("frozen".to_owned());
    }
    if model.leaving {
        words.push("leaving".to_owned());
    }
    if let Some(toast) = &model.toast {
        let mark = if toast.good { "says" } else { "refuses" };
        words.push(format!("{mark} {:?}", toast.text));
    }
    words.join(" | ")
}

/// What was asked for, in one line; timers are left out.
fn asked(effects: &[Effect]) -> String {
    let words = effects.iter().filter_map(|effect| {
        Some(match effect {
            Effect::ReadStatus => "status".to_owned(),
            Effect::ReadSchedules => "schedules".to_owned(),
            Effect::ReadDetail(environment) => format!("detail {environment}"),
            Effect::LookAt { environment, depth } => {
                let depth = match depth {
                    Depth::Sessions => "sessions",
                    Depth::Logins => "logins",
                };
                format!("look {environment} {depth}")
            }
            Effect::WatchDrains => "watch drains".to_owned(),
            Effect::ReadDrains(environment) => format!("drains {environment}"),
            Effect::PlanRollBack { target, .. } => format!("ways of {}", target.environment),
            Effect::RollBack {
                target,
                way,
                confirmation,
            } => {
                let agreed = agreed(confirmation);
                format!("ROLL BACK {} by {way} {agreed}", target.environment)
            }
            Effect::PlanRetire { target, undo, .. } => {
                format!("plan {} {}", way(*undo), target.environment)
            }
            Effect::PlanEndSession {
                target, session, ..
            } => format!("plan end {} {}", session.pid, target.environment),
            Effect::Retire {
                target,
                undo,
                confirmation,
                ..
            } => {
                let way = way(*undo).to_uppercase();
                format!("{way} {} {}", target.environment, agreed(confirmation))
            }
            Effect::EndSession {
                target,
                session,
                confirmation,
                ..
            } => format!(
                "END {} {} {}",
                session.pid,
                target.environment,
                agreed(confirmation)
            ),
            Effect::PlanPublish { target, .. } => format!("plan files {}", target.environment),
            Effect::Publish {
                target,
                confirmation,
                ..
            } => format!("PUBLISH {} {}", target.environment, agreed(confirmation)),
            Effect::PlanPause { target, resume, .. } => {
                let verb = if *resume { "resume" } else { "pause" };
                format!("plan {verb} {}", target.environment)
            }
            Effect::Pause {
                target,
                reason,
                confirmation,
                ..
            } => {
                let reason = reason.as_ref().map(|reason| format!(" {reason:?}"));
                let reason = reason.unwrap_or_default();
                let agreed = agreed(confirmation);
                format!("PAUSE {}{reason} {agreed}", target.environment)
            }
            Effect::Resume {
                target,
                confirmation,
                ..
            } => format!("RESUME {} {}", target.environment, agreed(confirmation)),
            Effect::Export(rotation) => format!("export {rotation}"),
            Effect::PlanRotation { target, .. } => format!("plan {}", target.environment),
            Effect::GatherEvidence { target, .. } => format!("evidence {}", target.environment),
            Effect::Rotate {
                target,
                confirmation,
            } => format!("ROTATE {} {}", target.environment, agreed(confirmation)),
            Effect::Recover {
                target,
                confirmation,
            } => format!("RECOVER {} {}", target.environment, agreed(confirmation)),
            Effect::Copy(text) => format!("copy {text:?}"),
            Effect::StartTimer { .. } => return None,
            Effect::Suspend => "suspend".to_owned(),
            Effect::Redraw => "redraw".to_owned(),
            Effect::Quit => "quit".to_owned(),
        })
    });
    words.collect::<Vec<_>>().join(", ")
}

fn way(undo: bool) -> &'static str {
    if undo { "undo" } else { "retire" }
}

fn agreed(confirmation: &Confirmation) -> String {
    match confirmation {
        Confirmation::None => "none".to_owned(),
        Confirmation::Yes => "yes".to_owned(),
        Confirmation::Named(name) => format!("named {name:?}"),
    }
}

/// The whole of a test: from a state and a line of keys to where the console stands and
/// what its last key asked for. Answers the state, for what a line cannot say.
#[track_caller]
fn check(mut model: Model, line: &str, expected: &str, effects: &str) -> Model {
    let found = run(&mut model, line);
    assert_eq!(stands(&model), expected, "after {line}");
    assert_eq!(asked(&found), effects, "after {line}");
    model
}

/// `shop/pay` is stopped after S3; two others are healthy.
fn crashed() -> Model {
    console(vec![
        healthy("shop/alpha"),
        healthy("shop/beta"),
        stopped("shop/pay"),
    ])
}

/// The first of the three healthy environments is production; the others are not.
const LOCKED: &str = "READ-ONLY: press U to unlock it for 15 minutes";
const UNLOCKED: &str =
    "shop/alpha is unlocked for 15 minutes; each change still wants its name typed";

#[test]
fn keys_move_the_selection_and_stop_at_both_ends() {
    for (keys, at) in [
        ("j", "shop/beta"),
        ("down down", "shop/gamma"),
        ("j j j j", "shop/gamma"),
        ("j k", "shop/alpha"),
        ("k", "shop/alpha"),
        ("G", "shop/gamma"),
        ("end home", "shop/alpha"),
        ("G g g", "shop/alpha"),
        ("ctrl-d", "shop/gamma"),
        ("G ctrl-u", "shop/alpha"),
        ("<rows:4> pgdn", "shop/gamma"),
        ("<rows:2> pgdn", "shop/beta"),
    ] {
        check(quiet(), keys, &format!("home | at {at}"), "");
    }
}

#[test]
fn half_a_sequence_waits_for_its_other_half_and_is_dropped_by_any_other_key() {
    check(quiet(), "G g", "home | at shop/gamma", "");
    check(quiet(), "G g j", "home | at shop/gamma", "");
    // The key that broke the sequence began none, so one more `g` is again a first half.
    check(quiet(), "G g j g", "home | at shop/gamma", "");
    check(quiet(), "G g esc g g", "home | at shop/alpha", "");
}

#[test]
fn the_selection_follows_its_environment_when_rows_change_their_order() {
    let model = check(quiet(), "G", "home | at shop/gamma", "");
    let later = status(vec![
        healthy("shop/alpha"),
        healthy("shop/beta"),
        stopped("shop/gamma"),
    ]);
    let mut model = model;
    update(&mut model, Message::Status(Ok(later)));
    assert_eq!(stands(&model), "home | at shop/gamma");
    let first = &model.rows()[0];
    assert_eq!(
        first.target,
        target("shop/gamma"),
        "what needs a human is first"
    );
    // From its new place it goes on: the next row is now another one.
    check(model, "j", "home | at shop/alpha", "");
}

#[test]
fn when_the_selected_row_is_gone_the_row_in_its_place_is_selected() {
    let mut model = check(quiet(), "j", "home | at shop/beta", "");
    let without = status(vec![healthy("shop/alpha"), healthy("shop/gamma")]);
    update(&mut model, Message::Status(Ok(without)));
    assert_eq!(stands(&model), "home | at shop/gamma");
    update(&mut model, Message::Status(Ok(status(Vec::new()))));
    assert_eq!(stands(&model), "home");
    check(
        model,
        "R",
        "home | refuses \"no environment is selected\"",
        "",
    );
}

#[test]
fn a_filter_narrows_the_rows_while_it_is_typed_and_escape_clears_it() {
    let model = check(
        quiet(),
        "/ g a m",
        "home | at shop/gamma | filter \"gam\"",
        "",
    );
    assert_eq!(model.rows().len(), 1);
    // Letters that are commands elsewhere are letters here.
    check(quiet(), "/ R q", "home | filter \"Rq\"", "");
    check(
        quiet(),
        "/ b e enter",
        "home | at shop/beta | filter \"be\"",
        "",
    );
    check(quiet(), "/ b e enter esc", "home | at shop/beta", "");
    check(quiet(), "/ b e esc", "home | at shop/beta", "");
    check(
        quiet(),
        "/ b e backspace backspace a l p",
        "home | at shop/alpha | filter \"alp\"",
        "",
    );
    check(
        quiet(),
        "/ <paste:gamma>",
        "home | at shop/gamma | filter \"gamma\"",
        "",
    );
    // The word for what is the matter can be searched for as well.
    let model = check(
        every_need(),
        "/ o v e r d u e enter",
        "home | at shop/warehouse | filter \"overdue\"",
        "",
    );
    assert_eq!(model.rows().len(), 1);
}

#[test]
fn a_command_that_cannot_be_used_says_why_and_does_nothing() {
    let at = |name: &str| {
        let mut model = every_need();
        model.run = None;
        model.selected = model
            .rows()
            .into_iter()
            .map(|row| row.target)
            .find(|target| target.environment == named(name));
        model
    };
    for (name, key, reason) in [
        ("shop/managing", "R", "shop/managing has no rotated secret"),
        ("shop/payments", "R", "R-0007 is open: V recovers it"),
        ("shop/billing", "V", "no rotation is open on shop/billing"),
        ("shop/billing", "U", "shop/billing is not read-only"),
    ] {
        check(
            at(name),
            key,
            &format!("home | at {name} | refuses {reason:?}"),
            "",
        );
    }
    check(
        every_need(),
        "G R",
        "home | at shop/managing | refuses \"a rotation is running in this console\"",
        "",
    );
}

#[test]
fn entering_reads_the_history_and_looks_at_the_logins() {
    check(
        quiet(),
        "j enter",
        "home | in shop/beta | at shop/beta",
        "detail shop/beta, look shop/beta logins",
    );
    check(quiet(), "j enter esc", "home | at shop/beta", "");
    check(quiet(), "j l h", "home | at shop/beta", "");
}

#[test]
fn panes_take_turns_and_scroll_within_what_they_hold() {
    let entered = || {
        let mut model = quiet();
        run(&mut model, "j enter <detail:shop/beta> <looked:shop/beta>");
        model
    };
    for (keys, pane, scroll) in [
        ("", Pane::Sessions, 0),
        // Four sessions: the last one is the last line that can be first.
        ("j j j j j j", Pane::Sessions, 3),
        ("G k", Pane::Sessions, 2),
        ("tab", Pane::Revisions, 0),
        ("tab G", Pane::Revisions, 2),
        ("tab tab G", Pane::Audit, 2),
        ("j tab tab tab tab", Pane::Sessions, 0),
        ("shift-tab", Pane::Drain, 0),
        ("j 3", Pane::Revisions, 0),
        ("4 G 2", Pane::Sessions, 0),
    ] {
        let mut model = entered();
        run(&mut model, keys);
        assert_eq!((model.pane, model.scroll), (pane, scroll), "{keys}");
    }
}

#[test]
fn only_a_review_that_was_agreed_to_rotates() {
    let asking = "home | at shop/beta | review rotate shop/beta asking";
    check(quiet(), "j R", asking, "plan shop/beta");
    check(
        quiet(),
        "j R <planned>",
        "home | at shop/beta | review rotate shop/beta ready",
        "",
    );
    let begun = "home | run | at shop/beta";
    check(quiet(), "j R <planned> y", begun, "ROTATE shop/beta yes");
    check(
        quiet(),
        "j R <planned> tab enter",
        begun,
        "ROTATE shop/beta yes",
    );
    // Before there is a plan there is nothing to agree to.
    check(
        quiet(),
        "j R y",
        &format!("{asking} | refuses \"still looking\""),
        "",
    );
    check(
        quiet(),
        "j R tab enter",
        &format!("{asking}, on act | refuses \"still looking\""),
        "",
    );
}

#[test]
fn the_default_button_leaves() {
    let home = "home | at shop/beta";
    for keys in [
        "j R <planned> enter",
        "j R <planned> tab tab enter",
        "j R <planned> esc",
        "j R <planned> n",
        "j R <planned> q",
        "j R enter",
    ] {
        check(quiet(), keys, home, "");
    }
}

#[test]
fn a_paste_never_presses_a_button() {
    let ready = "home | at shop/beta | review rotate shop/beta ready";
    check(quiet(), "j R <planned> <paste:y>", ready, "");
    check(
        quiet(),
        "j R <planned> tab <pasted-lines:y+y+>",
        &format!("{ready}, on act"),
        "",
    );
}

#[test]
fn a_refused_or_failed_review_can_only_be_left() {
    for (answer, stage) in [("refused", "closed"), ("failed", "failed")] {
        let shown = format!("home | at shop/beta | review rotate shop/beta {stage}");
        let refuses = "refuses \"there is nothing to agree to\"";
        check(
            quiet(),
            &format!("j R <{answer}> y"),
            &format!("{shown} | {refuses}"),
            "",
        );
        check(
            quiet(),
            &format!("j R <{answer}> tab enter"),
            &format!("{shown}, on act | {refuses}"),
            "",
        );
        check(
            quiet(),
            &format!("j R <{answer}> enter"),
            "home | at shop/beta",
            "",
        );
    }
}

#[test]
fn production_is_read_only_until_it_is_unlocked_and_then_wants_its_name() {
    let ready = "home | at shop/alpha | review rotate shop/alpha ready";
    check(
        quiet(),
        "R <planned> y",
        &format!("{ready} | refuses {LOCKED:?}"),
        "",
    );
    check(
        quiet(),
        "R <planned> tab enter",
        &format!("{ready}, on act | refuses {LOCKED:?}"),
        "",
    );
    check(
        quiet(),
        "R <planned> U",
        &format!("{ready} | says {UNLOCKED:?}"),
        "",
    );
    // Unlocked, `y` is a letter of a name like any other.
    check(
        quiet(),
        "U R <planned> y",
        &format!("{ready} | typed \"y\""),
        "",
    );
    check(
        quiet(),
        "U R <planned> enter",
        &format!("{ready} | refuses \"type shop/alpha to agree\""),
        "",
    );
    for keys in [
        "U R <planned> <type:shop/alpha> enter",
        "R <planned> U <type:shop/alpha> enter",
        "U R <planned> <paste:shop/alpha> enter",
        "U R <planned> <pasted-lines:shop/alpha+> enter",
        "U R <planned> <type:shop/alphx> backspace a enter",
    ] {
        check(
            quiet(),
            keys,
            "home | run | at shop/alpha",
            "ROTATE shop/alpha named \"shop/alpha\"",
        );
    }
}

#[test]
fn a_wrong_name_is_refused_and_stays_to_be_mended() {
    let ready = "home | at shop/alpha | review rotate shop/alpha ready";
    for typed in ["shop/alph", "alpha", "SHOP/ALPHA", "shop/beta"] {
        check(
            quiet(),
            &format!("U R <planned> <type:{typed}> enter"),
            &format!("{ready} | typed {typed:?} | refuses \"type shop/alpha to agree\""),
            "",
        );
    }
}

#[test]
fn an_unlock_ends_after_fifteen_minutes_even_in_mid_review() {
    let began = "home | run | at shop/alpha";
    check(
        quiet(),
        "U <minutes:14> R <planned> <type:shop/alpha> enter",
        began,
        "ROTATE shop/alpha named \"shop/alpha\"",
    );
    check(
        quiet(),
        "U R <planned> <type:shop/alpha> <minutes:15> tab enter",
        &format!(
            "home | at shop/alpha | review rotate shop/alpha ready, on act | \
             typed \"shop/alpha\" | refuses {LOCKED:?}"
        ),
        "",
    );
    check(
        quiet(),
        "U <minutes:15> R <planned> y",
        &format!("home | at shop/alpha | review rotate shop/alpha ready | refuses {LOCKED:?}"),
        "",
    );
}

#[test]
fn a_stopped_rotation_is_on_top_and_three_keys_from_its_end() {
    check(
        crashed(),
        "V",
        "home | at shop/pay | review recover shop/pay asking",
        "evidence shop/pay",
    );
    check(
        crashed(),
        "V <evidence> y",
        "home | run | at shop/pay",
        "RECOVER shop/pay yes",
    );
    check(
        crashed(),
        "enter V <evidence> y",
        "home | in shop/pay | run | at shop/pay",
        "RECOVER shop/pay yes",
    );
    // What is found done, or needs a person, has no button that acts.
    check(
        crashed(),
        "V <refused> y",
        "home | at shop/pay | review recover shop/pay closed | refuses \"there is nothing to agree to\"",
        "",
    );
}

#[test]
fn an_answer_for_a_review_that_was_left_is_dropped() {
    check(quiet(), "j R esc <planned>", "home | at shop/beta", "");
    check(
        quiet(),
        "j R esc j R <planned:shop/beta>",
        "home | at shop/gamma | review rotate shop/gamma asking",
        "",
    );
    check(
        quiet(),
        "j R esc j R <planned:shop/beta> y",
        "home | at shop/gamma | review rotate shop/gamma asking | refuses \"still looking\"",
        "",
    );
}

#[test]
fn what_hangs_is_not_asked_a_second_time() {
    let all = "look shop/alpha sessions, look shop/beta sessions, look shop/gamma sessions";
    check(quiet(), "<status>", "home | at shop/alpha", all);
    check(quiet(), "<status> <status>", "home | at shop/alpha", "");
    check(
        quiet(),
        "<status> <looked:shop/beta> <status>",
        "home | at shop/alpha",
        "look shop/beta sessions",
    );
    check(
        quiet(),
        "j <status> enter",
        "home | in shop/beta | at shop/beta",
        "detail shop/beta",
    );
    // What cannot be looked at is not.
    let mut without = healthy("shop/new");
    without.paths[0].current = None;
    check(console(vec![without]), "<status>", "home | at shop/new", "");
}

#[test]
fn a_frozen_picture_looks_at_nothing_by_itself_and_sampling_goes_on() {
    let frozen = "home | at shop/alpha | frozen";
    let says = "says \"frozen: the picture holds and sampling goes on; p goes on with it\"";
    check(quiet(), "p", &format!("{frozen} | {says}"), "");
    check(quiet(), "p j k <refresh>", frozen, "");
    check(quiet(), "p j k <status>", frozen, "");
    check(
        quiet(),
        "p p",
        "home | at shop/alpha | says \"live again\"",
        "status, schedules",
    );
    check(
        quiet(),
        "<refresh>",
        "home | at shop/alpha",
        "status, schedules",
    );
    // Who asks is answered.
    check(quiet(), "p r", frozen, "status, schedules");
}

#[test]
fn overlaps_are_sampled_from_the_start() {
    assert_eq!(asked(&start()), "status, schedules, watch drains");
}

#[test]
fn timers_start_themselves_again() {
    let mut model = quiet();
    for timer in [Timer::Refresh, Timer::Minute] {
        let effects = update(&mut model, Message::TimeUp(timer));
        let again = effects.iter().filter(
            |effect| matches!(effect, Effect::StartTimer { timer: again, .. } if *again == timer),
        );
        assert_eq!(again.count(), 1, "{timer:?}: {effects:?}");
    }
}

#[test]
fn leaving_is_asked_for_only_while_a_rotation_runs() {
    let running = || {
        let mut model = quiet();
        model.run = Some(running(Verb::Rotate, target("shop/beta")));
        model
    };
    check(quiet(), "q", "home | at shop/alpha", "quit");
    check(quiet(), "ctrl-c", "home | at shop/alpha", "quit");
    check(running(), "q", "home | at shop/alpha | leave?", "");
    check(running(), "q esc", "home | at shop/alpha", "");
    check(running(), "q enter", "home | at shop/alpha", "");
    check(running(), "q q", "home | at shop/alpha", "");
    check(running(), "q Q", "home | at shop/alpha", "quit");
    check(running(), "q w", "home | at shop/alpha | leaving", "");
    check(
        running(),
        "q w <done:shop/beta>",
        "home | at shop/alpha | leaving",
        "quit",
    );
    check(
        running(),
        "q <done:shop/beta> w",
        "home | at shop/alpha | leaving",
        "quit",
    );
    check(quiet(), "<terminated>", "home | at shop/alpha", "quit");
    // Asked by the system, what runs is waited for; it was told to stop as well.
    let stopping =
        "home | at shop/alpha | leaving | says \"stopping as soon as the running step has ended\"";
    check(running(), "<terminated>", stopping, "");
    check(running(), "q <terminated>", stopping, "");
    check(running(), "<terminated> <done:shop/beta>", stopping, "quit");
    check(quiet(), "? ctrl-c", "home | at shop/alpha", "quit");
    check(quiet(), "? q", "home | at shop/alpha", "");
}

#[test]
fn a_run_tells_its_steps_and_its_end() {
    use crate::model::Step;
    let mut model = quiet();
    run(&mut model, "j R <planned> y");
    let path = || "db".to_owned();
    for progress in [
        Progress::Begun {
            path: path(),
            step: Step::Preflight,
        },
        Progress::Done {
            path: path(),
            step: Step::Preflight,
        },
        Progress::Begun {
            path: path(),
            step: Step::Apply,
        },
        Progress::Waiting {
            path: path(),
            reason: "for a lock".to_owned(),
        },
    ] {
        update(&mut model, Message::Told(progress));
    }
    let of_run = model.run.clone().expect("runs");
    assert_eq!(of_run.current, Some(Step::Apply));
    assert_eq!(of_run.waiting.as_deref(), Some("for a lock"));
    assert_eq!(of_run.done.len(), 1);
    // On its screen the end is drawn; elsewhere a line tells it.
    let after = "status, schedules, detail shop/beta, look shop/beta logins";
    check(model.clone(), "<done>", "home | run | at shop/beta", after);
    check(
        model.clone(),
        "esc <done:shop/beta>",
        "home | at shop/beta | says \"shop/beta is done\"",
        after,
    );
    let model = check(
        model,
        "esc <parked:shop/beta>",
        "home | at shop/beta | says \"shop/beta needs you\"",
        after,
    );
    assert!(!model.is_running());
}

#[test]
fn a_toast_lasts_until_the_next_key() {
    let says = "home | at shop/alpha | says \"frozen: the picture holds and sampling goes on; p goes on with it\"";
    let frozen = says.replace("| says", "| frozen | says");
    check(quiet(), "p <minute> <looked>", &frozen, "");
    check(quiet(), "p j k", "home | at shop/alpha | frozen", "");
}

#[test]
fn the_equivalent_command_is_the_one_that_does_what_the_screen_does() {
    for (model, keys, command) in [
        (quiet(), "Y", "handover status shop/alpha"),
        (quiet(), "enter Y", "handover rotate shop/alpha db --plan"),
        (quiet(), "R Y", "handover rotate shop/alpha db"),
        (quiet(), "j R <planned> Y", "handover rotate shop/beta db"),
        (crashed(), "Y", "handover recover shop/pay"),
        (crashed(), "V <evidence> Y", "handover recover shop/pay"),
    ] {
        let mut model = model;
        let effects = run(&mut model, keys);
        assert_eq!(effects, [Effect::Copy(command.to_owned())], "{keys}");
        let toast = model.toast.expect("says so");
        assert_eq!(toast.text, format!("copied: {command}"));
    }
}

#[test]
fn an_answer_of_the_store_that_failed_is_kept_until_one_succeeds() {
    let mut model = quiet();
    update(&mut model, Message::Status(Err(problem())));
    assert_eq!(model.status_problem, Some(problem()));
    assert_eq!(model.rows().len(), 3, "what was known is still shown");
    run(&mut model, "<status>");
    assert_eq!(model.status_problem, None);
}

#[test]
fn a_look_that_asked_for_sessions_only_keeps_the_standing_known_before() {
    let mut model = quiet();
    let mut later = looked("shop/beta", 2);
    let path = &mut later.paths[0];
    for user in [&mut path.current, &mut path.previous] {
        user.standing = "not probed".to_owned();
    }
    let message = |look| Message::Looked {
        environment: named("shop/beta"),
        result: Ok(look),
    };
    update(&mut model, message(later.clone()));
    let of_beta = |model: &Model| {
        let known = model.known.get(&named("shop/beta"));
        known.and_then(|known| known.look.clone()).expect("a look")
    };
    assert_eq!(of_beta(&model).paths[0].current.standing, "valid");
    // After a rotation the user is another one, of whom nothing is known yet.
    later.paths[0].current.user = "beta_a".to_owned();
    update(&mut model, message(later));
    assert_eq!(of_beta(&model).paths[0].current.standing, "not probed");
}

#[test]
fn an_answer_for_an_older_review_does_not_fill_a_newer_one() {
    let mut model = quiet();
    run(&mut model, "R esc");
    let late = model.reviews;
    run(&mut model, "R");
    let of = model.target().cloned().expect("selected");
    let answer = Message::Reviewed {
        number: late,
        result: Ok(Answer::HandOver(Box::new(planned(&of)))),
    };
    update(&mut model, answer);
    let Some(Overlay::Review(review)) = &model.overlay else {
        panic!("the newer review is open");
    };
    assert!(matches!(review.stage, Stage::Asking));
}

#[test]
fn a_login_look_that_was_asked_for_during_another_follows_it() {
    let mut model = quiet();
    let target = model.target().cloned().expect("selected");
    let name = target.environment.clone();
    let first = look_at(&mut model, &target, Depth::Sessions);
    assert!(first.is_some());
    assert_eq!(look_at(&mut model, &target, Depth::Logins), None);
    let effects = update(
        &mut model,
        Message::Looked {
            environment: name.clone(),
            result: Err(problem()),
        },
    );
    let deeper = Effect::LookAt {
        environment: name,
        depth: Depth::Logins,
    };
    assert_eq!(effects, vec![deeper]);
}
