//! Retiring the outgoing user, the way back, and ending a session: nothing without a review.

use super::*;
use crate::console::model::Need;
use crate::console::tests::drain_tests::{
    WORST_FIRST, active, draining, in_drain, late, leaked, leaked_and_shut, locked, monitoring,
    sampled, scrambled,
};
use crate::drain::Drain;
use crate::model::Stage as OverlapStage;

const IN: &str = "home | in shop/billing | at shop/billing";
/// What is looked at again after a change.
const AFTER: &str =
    "status, schedules, detail shop/billing, look shop/billing logins, drains shop/billing";

fn open(drain: fn(&str) -> Drain) -> Model {
    in_drain(drain("shop/billing"))
}

fn production(mut model: Model) -> Model {
    let status = model.status.as_mut().expect("a status");
    status.environments[0].protected = true;
    model
}

fn is(words: &str) -> String {
    format!("{IN} | {words}")
}

#[test]
fn a_lock_is_reviewed_and_the_safe_button_is_the_default() {
    let review = "review retire shop/billing";
    check(
        open(late),
        "L",
        &is(&format!("{review} asking")),
        "plan retire shop/billing",
    );
    check(open(late), "L <lock>", &is(&format!("{review} ready")), "");
    // Enter presses the safe button.
    check(open(late), "L <lock> enter", IN, "");
    check(open(late), "L <lock> esc", IN, "");
    check(
        open(late),
        "L y",
        &is(&format!("{review} asking | refuses \"still looking\"")),
        "",
    );
    let acting = is(&format!("{review} acting"));
    for keys in ["L <lock> y", "L <lock> tab enter"] {
        check(open(late), keys, &acting, "RETIRE shop/billing yes");
    }
    // Once is enough.
    check(open(late), "L <lock> y enter", IN, "");
    let again = format!("{acting} | refuses \"it is being done\"");
    check(open(late), "L <lock> y y", &again, "");
    let told = "says \"billing_a is locked: it may not log in any more; Z takes that back\"";
    check(open(late), "L <lock> y <locked>", &is(told), AFTER);
    // It goes on when its review was left, and other reviews wait for it.
    let model = check(open(late), "L <lock> y esc <locked>", &is(told), AFTER);
    assert!(model.deed.is_none());
    let busy = "refuses \"the outgoing user is being changed on shop/billing\"";
    for verb in ["L", "R"] {
        check(open(late), &format!("L <lock> y esc {verb}"), &is(busy), "");
    }
}

#[test]
fn the_monitor_locks_its_selection() {
    let at = format!("home | drains | on {} | at shop/alpha", WORST_FIRST[1]);
    check(
        monitoring(),
        "j L <lock> y",
        &format!("{at} | review retire shop/orders acting"),
        "RETIRE shop/orders yes",
    );
    // At home it has no meaning.
    check(draining(), "L", "home | at shop/alpha", "");
}

#[test]
fn a_refusal_is_shown_and_can_be_agreed_to_by_nothing() {
    for answer in ["not-drained", "listening"] {
        let closed = is("review retire shop/billing closed");
        let line = format!("L <{answer}>");
        check(open(late), &line, &closed, "");
        let refused = format!("{closed} | refuses \"there is nothing to agree to\"");
        check(open(late), &format!("{line} y"), &refused, "");
        check(open(late), &format!("{line} enter"), IN, "");
        check(open(late), &format!("{line} tab tab enter"), IN, "");
    }
    let failed = is("review retire shop/billing failed");
    check(open(late), "L <failed>", &failed, "");
}

#[test]
fn what_did_not_go_as_agreed_stays_in_its_review() {
    for (answer, stage) in [
        ("not-drained", "closed"),
        ("remaining", "closed"),
        ("acting-failed", "failed"),
    ] {
        let expected = is(&format!("review retire shop/billing {stage}"));
        check(
            open(late),
            &format!("L <lock> y <{answer}>"),
            &expected,
            AFTER,
        );
    }
    // Left meanwhile, a line tells it with its remedy.
    let model = check(
        open(late),
        "L <lock> y esc <remaining>",
        &is(
            "refuses \"1 session of billing_a is still there, and its password leaked; remedy: end them all: handover retire shop/billing db --end-sessions billing_a\"",
        ),
        AFTER,
    );
    assert!(model.overlay.is_none());
}

#[test]
fn production_wants_its_name_for_a_lock_as_for_everything() {
    let review = "review retire shop/billing ready";
    let read_only = format!("{review} | refuses {LOCKED:?}");
    check(production(open(late)), "L <lock> y", &is(&read_only), "");
    check(
        production(open(late)),
        "L <lock> U <type:shop/billing> enter",
        &is("review retire shop/billing acting | typed \"shop/billing\" | says \"shop/billing is unlocked for 15 minutes; each change still wants its name typed\"")
            .replace(" | says \"shop/billing is unlocked for 15 minutes; each change still wants its name typed\"", ""),
        "RETIRE shop/billing named \"shop/billing\"",
    );
    let wants = format!("{review} | typed \"shop/bill\" | refuses \"type shop/billing to agree\"");
    check(
        production(open(late)),
        "U L <lock> <type:shop/bill> enter",
        &is(&wants),
        "",
    );
}

#[test]
fn what_somebody_else_did_meanwhile_is_reviewed_again() {
    // A lock was agreed to; after the other one's lock it would be a scramble.
    let says = "review retire shop/billing ready | refuses \"it is locked by now, and was draining: review it again\"";
    check(
        open(late),
        "L <lock> <locked-drain:shop/billing> y",
        &is(says),
        "",
    );
    // A picture that holds does not hide it.
    let frozen = says.replace(" | refuses", " | frozen | refuses");
    let keys = "p L <lock> <locked-drain:shop/billing> y";
    check(open(late), keys, &is(&frozen), "");
}

#[test]
fn a_lock_is_taken_back_by_one_key_while_there_is_one() {
    let review = "review undo shop/billing";
    check(
        open(locked),
        "Z",
        &is(&format!("{review} asking")),
        "plan undo shop/billing",
    );
    check(open(locked), "Z <unlock> enter", IN, "");
    check(
        open(locked),
        "Z <unlock> y",
        &is(&format!("{review} acting")),
        "UNDO shop/billing yes",
    );
    check(
        open(locked),
        "Z <unlock> y <unlocked>",
        &is("says \"billing_a may log in again with the password it had\""),
        AFTER,
    );
    for stage in [OverlapStage::Locking, OverlapStage::Unlocking] {
        let mut drain = locked("shop/billing");
        drain.stage = stage;
        let asking = is(&format!("{review} asking"));
        check(in_drain(drain), "Z", &asking, "plan undo shop/billing");
    }
    let gone = "the password of billing_a is gone: R gives it a new one";
    for (drain, reason) in [
        (late as fn(&str) -> Drain, "billing_a is not locked"),
        (scrambled, gone),
    ] {
        check(open(drain), "Z", &is(&format!("refuses {reason:?}")), "");
    }
    let mut without = open(late);
    without.drains.clear();
    check(without, "Z", &is("refuses \"no overlap is open here\""), "");
}

#[test]
fn a_lock_that_has_no_sense_says_why() {
    let scrambled_already = "refuses \"the password of billing_a is scrambled already\"";
    check(open(scrambled), "L", &is(scrambled_already), "");
    let mut never = open(late);
    never.drains.clear();
    let status = never.status.as_mut().expect("a status");
    status.environments[0].paths[0].promoted_at = None;
    check(never, "L", &is("refuses \"no overlap is open here\""), "");
    // What was not sampled yet may be retired: the operation looks for itself.
    let mut unsampled = open(late);
    unsampled.drains.clear();
    let asking = is("review retire shop/billing asking");
    check(unsampled, "L", &asking, "plan retire shop/billing");
}

#[test]
fn a_session_is_ended_by_its_typed_number() {
    let at = "j enter j";
    let review = "review end session shop/billing";
    check(
        open(late),
        &format!("{at} X"),
        &is(&format!("{review} asking")),
        "plan end 4000 shop/billing",
    );
    let ready = format!("{review} ready");
    // Neither a letter nor the empty line agrees.
    let wants = "refuses \"type 4000 to agree\"";
    check(
        open(late),
        &format!("{at} X <to-end> enter"),
        &is(&format!("{ready} | {wants}")),
        "",
    );
    check(
        open(late),
        &format!("{at} X <to-end> y enter"),
        &is(&format!("{ready} | typed \"y\" | {wants}")),
        "",
    );
    check(open(late), &format!("{at} X <to-end> esc"), IN, "");
    let mut model = open(late);
    let effects = run(&mut model, &format!("{at} X <to-end> <type:4000> enter"));
    assert_eq!(asked(&effects), "END 4000 shop/billing yes");
    // The one that was shown, whoever has its number by then.
    let [Effect::EndSession { session, .. }] = effects.as_slice() else {
        panic!("{effects:?}");
    };
    let shown = crate::console::tests::retire_tests::to_end(&target("shop/billing"));
    let shown = shown.session.expect("a session");
    assert_eq!(session.started, shown.since);
    assert_eq!(session.node, shown.node);
    let told = is("says \"session 4000 on db-1.example:5432 is ended\"");
    check(model.clone(), "<ended>", &told, AFTER);
    check(
        model,
        "<no-right>",
        &is(&format!("{review} closed | typed \"4000\"")),
        AFTER,
    );
}

#[test]
fn a_session_of_production_wants_the_number_and_the_name() {
    let keys = "j enter j U X <to-end>";
    let review = "review end session shop/billing";
    for typed in ["4000", "shop/billing"] {
        check(
            production(open(late)),
            &format!("{keys} <type:{typed}> enter"),
            &is(&format!(
                "{review} ready | typed {typed:?} | refuses \"type 4000 shop/billing to agree\""
            )),
            "",
        );
    }
    check(
        production(open(late)),
        &format!("{keys} <type:4000> space <type:shop/billing> enter"),
        &is(&format!("{review} acting | typed \"4000 shop/billing\"")),
        "END 4000 shop/billing named \"shop/billing\"",
    );
}

#[test]
fn ending_says_why_there_is_nothing_to_end() {
    for (keys, reason) in [
        ("X", "select one of its sessions: enter unfolds them"),
        ("G X", "no session is selected"),
        ("4 X", "the drain has not got the keys: 1 gives them"),
    ] {
        check(open(late), keys, &is(&format!("refuses {reason:?}")), "");
    }
    let mut drain = active("shop/billing");
    drain.stragglers[0].sessions[0].pid = 0;
    let reason = "a prepared transaction has no session: finish it in the database";
    check(
        in_drain(drain),
        "enter j X",
        &is(&format!("refuses {reason:?}")),
        "",
    );
}

#[test]
fn the_same_commands_can_be_copied() {
    for (drain, keys, command) in [
        (
            late as fn(&str) -> Drain,
            "L <lock> Y",
            "handover retire shop/billing db",
        ),
        (
            locked,
            "Z <unlock> Y",
            "handover retire shop/billing db --undo",
        ),
    ] {
        let mut model = open(drain);
        let effects = run(&mut model, keys);
        assert_eq!(asked(&effects), format!("copy {command:?}"));
    }
    // Where a number has to be typed, letters are letters; before that they are keys.
    let mut model = open(late);
    let effects = run(&mut model, "j enter j X Y");
    let command = "handover terminate shop/billing db --pid 4000 --node db-1.example:5432";
    assert_eq!(asked(&effects), format!("copy {command:?}"));
}

#[test]
fn leaving_waits_for_what_was_agreed_to_if_asked_to() {
    check(open(late), "L <lock> y esc q", &is("leave?"), "");
    check(open(late), "L <lock> y esc q esc", IN, "");
    check(open(late), "L <lock> y esc q Q", IN, "quit");
    check(open(late), "L <lock> y esc q w", &is("leaving"), "");
    let told =
        "leaving | says \"billing_a is locked: it may not log in any more; Z takes that back\"";
    check(open(late), "L <lock> y esc q w <locked>", &is(told), "quit");
    let asked_to_end = "leaving | says \"stopping as soon as the running step has ended\"";
    let model = check(open(late), "L <lock> y <terminated>", &is(asked_to_end), "");
    check(model, "<locked>", &is(told), "quit");
}

#[test]
fn a_password_that_leaked_and_is_not_shut_out_comes_first() {
    let mut model = monitoring();
    let message = sampled("shop/stock", vec![leaked("shop/stock")]);
    update(&mut model, message);
    let first = model.monitor_rows()[0].target.clone();
    assert_eq!(first.environment, named("shop/stock"));
    let rows = model.rows();
    assert_eq!(rows[0].need, Need::Leaked);
    assert_eq!(rows[0].target.environment, named("shop/stock"));
    check(
        model.clone(),
        "esc g g Y",
        "home | at shop/stock | says \"copied: handover retire shop/stock db\"",
        "copy \"handover retire shop/stock db\"",
    );
    // Nothing that cannot be found out hides it.
    update(
        &mut model,
        crate::console::tests::drain_tests::not_sampled("shop/stock"),
    );
    assert_eq!(model.rows()[0].need, Need::Leaked);
    // Shut out, it is as urgent as who is still there.
    let message = sampled("shop/stock", vec![leaked_and_shut("shop/stock")]);
    update(&mut model, message);
    assert_ne!(model.rows()[0].need, Need::Leaked);
}
