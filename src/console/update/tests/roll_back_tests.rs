//! Rolling back: one way of those that are offered, agreed to as what it is.

use super::*;
use crate::console::tests::drain_tests::{in_drain, leaked};
use crate::console::tests::roll_back_tests::{down, refused_at_submit, rolled_back};
use crate::console::tests::silent;
use crate::rotation::Way;

const AT: &str = "home | at shop/beta";
const RUNS: &str = "home | run | at shop/beta";

fn is(words: &str) -> String {
    format!("{AT} | review roll back shop/beta {words}")
}

#[test]
fn the_recommended_way_is_taken_unless_another_one_is_chosen() {
    check(quiet(), "j B", &is("asking"), "ways of shop/beta");
    let back = "j B <applications-fail>";
    let ready = is("ready by re-promote");
    check(quiet(), back, &ready, "");
    // Enter presses the safe button.
    check(quiet(), &format!("{back} enter"), AT, "");
    check(quiet(), &format!("{back} esc"), AT, "");
    for keys in ["y", "tab enter", "j k y", "k up y"] {
        let line = format!("{back} {keys}");
        check(
            quiet(),
            &line,
            RUNS,
            "ROLL BACK shop/beta by re-promote yes",
        );
    }
    for keys in ["j", "down", "j j j"] {
        let line = format!("{back} {keys}");
        check(quiet(), &line, &is("ready by re-issue"), "");
        check(
            quiet(),
            &format!("{line} y"),
            RUNS,
            "ROLL BACK shop/beta by re-issue yes",
        );
    }
    let model = check(
        quiet(),
        &format!("{back} y"),
        RUNS,
        "ROLL BACK shop/beta by re-promote yes",
    );
    let run = model.run.expect("runs");
    assert_eq!((run.verb, run.way), (Verb::RollBack, Some(Way::Repromote)));
}

#[test]
fn another_way_takes_the_focus_back_to_the_safe_button() {
    let back = "j B <applications-fail> tab";
    check(quiet(), back, &is("ready by re-promote, on act"), "");
    check(quiet(), &format!("{back} j"), &is("ready by re-issue"), "");
    // At the end of the list there is no other one.
    check(
        quiet(),
        &format!("{back} k"),
        &is("ready by re-promote, on act"),
        "",
    );
}

#[test]
fn where_consumers_are_down_the_name_is_typed_whatever_the_environment() {
    let back = "B <current-dead>";
    let ready = |way: &str, typed: &str| is(&format!("ready by {way} | typed {typed:?}"));
    let wants = "refuses \"type shop/beta to agree\"";
    check(
        down(),
        &format!("{back} enter"),
        &is(&format!("ready by re-promote | {wants}")),
        "",
    );
    // Letters are letters of the name, and the arrows choose.
    check(down(), &format!("{back} y"), &ready("re-promote", "y"), "");
    check(down(), &format!("{back} j"), &ready("re-promote", "j"), "");
    let named = "named \"shop/beta\"";
    for (keys, way) in [
        ("", "re-promote"),
        ("down", "re-apply"),
        ("down down down", "re-issue"),
        ("down down up", "re-apply"),
    ] {
        check(
            down(),
            &format!("{back} {keys} <type:shop/beta> enter"),
            RUNS,
            &format!("ROLL BACK shop/beta by {way} {named}"),
        );
    }
    // What was typed for one way is no agreement to another one.
    check(
        down(),
        &format!("{back} <type:shop/beta> down enter"),
        &is(&format!("ready by re-apply | {wants}")),
        "",
    );
    for typed in ["shop/bet", "beta", "SHOP/BETA"] {
        check(
            down(),
            &format!("{back} <type:{typed}> enter"),
            &format!("{} | {wants}", ready("re-promote", typed)),
            "",
        );
    }
    check(
        down(),
        &format!("{back} <pasted-lines:shop/beta+>"),
        &ready("re-promote", "shop/beta"),
        "",
    );
}

#[test]
fn production_is_unlocked_and_named_for_a_rollback_too() {
    let review = "home | at shop/alpha | review roll back shop/alpha ready by re-promote";
    let back = "B <applications-fail>";
    check(
        quiet(),
        &format!("{back} y"),
        &format!("{review} | refuses {LOCKED:?}"),
        "",
    );
    check(
        quiet(),
        &format!("U {back} <type:shop/alpha> enter"),
        "home | run | at shop/alpha",
        "ROLL BACK shop/alpha by re-promote named \"shop/alpha\"",
    );
    check(
        quiet(),
        &format!("U {back} down <type:shop/alpha> enter"),
        "home | run | at shop/alpha",
        "ROLL BACK shop/alpha by re-issue named \"shop/alpha\"",
    );
}

#[test]
fn what_is_refused_can_only_be_left() {
    let nothing = "refuses \"there is nothing to agree to\"";
    for (answer, stage) in [
        ("compromised", "closed"),
        ("without-ways", "closed"),
        ("failed", "failed"),
    ] {
        let line = format!("j B <{answer}>");
        check(quiet(), &line, &is(stage), "");
        let refused = is(&format!("{stage} | {nothing}"));
        check(quiet(), &format!("{line} y"), &refused, "");
        check(quiet(), &format!("{line} j y"), &refused, "");
        check(quiet(), &format!("{line} enter"), AT, "");
    }
    // A plan of another verb is no answer to this one, nor the other way round.
    check(quiet(), "j B <lock>", &is("asking"), "");
    check(quiet(), "j B <planned>", &is("closed"), "");
}

#[test]
fn a_rollback_that_has_no_sense_says_why() {
    let refuses = |model: Model, reason: &str| {
        let expected = format!("{} | refuses {reason:?}", stands(&model));
        check(model, "B", &expected, "");
    };
    let alone = |change: fn(&mut crate::operations::EnvironmentStatus)| {
        let mut status = healthy("shop/beta");
        change(&mut status);
        console(vec![status])
    };
    refuses(
        alone(|status| status.paths.clear()),
        "shop/beta has no rotated secret",
    );
    refuses(
        alone(|status| status.paths[0].current = None),
        "shop/beta has no state yet: R begins",
    );
    refuses(
        alone(|status| status.paths[0].promoted_at = None),
        "handover never promoted it: there is nothing to go back from",
    );
    refuses(console(Vec::new()), "no environment is selected");
    refuses(
        console(vec![stopped("shop/beta")]),
        "R-0007 is open: V recovers it",
    );
    let mut busy = quiet();
    busy.run = Some(running(Verb::RollBack, target("shop/beta")));
    refuses(busy, "a rollback is running in this console");
}

/// There may be a way back out of an open rotation, and for a secret that was never promoted;
/// nor does a leak hide that consumers are down.
#[test]
fn where_consumers_are_down_there_is_always_a_review() {
    let asks = |mut model: Model, name: &str| {
        model.selected = Some(target(name));
        let known = model.known.entry(named(name)).or_default();
        let mut look = looked(name, 0);
        look.paths[0].current.standing = "refused".to_owned();
        known.look = Some(look);
        let effects = run(&mut model, "B");
        assert_eq!(asked(&effects), format!("ways of {name}"));
    };
    asks(console(vec![stopped("shop/beta")]), "shop/beta");
    let mut never = healthy("shop/beta");
    never.paths[0].promoted_at = None;
    asks(console(vec![never]), "shop/beta");
    let mut model = in_drain(leaked("shop/billing"));
    model.screens.truncate(1);
    asks(model, "shop/billing");
    // A database that does not answer is asked all the same: the review tells why.
    let mut model = quiet();
    model.known.entry(named("shop/beta")).or_default().look = Some(silent("shop/beta"));
    check(model, "k B", &is("asking"), "ways of shop/beta");
}

#[test]
fn a_rollback_is_a_run_and_its_end_is_told() {
    let mut model = quiet();
    run(&mut model, "j B <applications-fail> y");
    assert!(model.is_running());
    let after = "status, schedules, detail shop/beta, look shop/beta logins";
    let of = target("shop/beta");
    for (report, told) in [
        (rolled_back(&of), "says \"shop/beta is done\""),
        (refused_at_submit(&of), "says \"shop/beta needs you\""),
    ] {
        let mut model = model.clone();
        run(&mut model, "esc");
        let effects = update(&mut model, Message::Ended(Ok(Box::new(report))));
        assert_eq!(stands(&model), format!("{AT} | {told}"));
        assert_eq!(asked(&effects), after);
    }
    check(model.clone(), "q", &format!("{RUNS} | leave?"), "");
    let refuses = "refuses \"a rollback is running in this console\"";
    check(model, "esc R", &format!("{AT} | {refuses}"), "");
}

#[test]
fn the_same_command_can_be_copied() {
    for (keys, way) in [
        ("", ""),
        ("<applications-fail>", ""),
        ("<applications-fail> j", " --way re-issue"),
        ("<compromised>", ""),
    ] {
        let mut model = quiet();
        let effects = run(&mut model, &format!("j B {keys} Y"));
        let command = format!("handover rollback shop/beta db{way}");
        assert_eq!(asked(&effects), format!("copy {command:?}"), "{keys}");
    }
}
