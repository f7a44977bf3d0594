//! Files: what needs a person, writing them again, and the report of a rotation.

use super::*;
use crate::console::model::Need;
use crate::console::tests::entered;
use crate::console::tests::sink_tests::{
    FILE, confirmed, due, every_state, failed, published, waits,
};
use crate::model::{RotationId, Step};

const AT: &str = "home | at shop/beta";

fn with_files() -> Model {
    published(vec![confirmed(FILE)])
}

fn is(words: &str) -> String {
    format!("{AT} | review publish shop/beta {words}")
}

#[test]
fn files_are_written_after_a_review() {
    check(with_files(), "W", &is("asking"), "plan files shop/beta");
    let open = "W <to-write>";
    check(with_files(), open, &is("ready"), "");
    // Enter presses the safe button.
    for keys in ["enter", "esc", "n"] {
        check(with_files(), &format!("{open} {keys}"), AT, "");
    }
    for keys in ["y", "tab enter"] {
        let line = format!("{open} {keys}");
        check(with_files(), &line, &is("acting"), "PUBLISH shop/beta yes");
    }
    let line = "W <to-write> Y";
    let says = "says \"copied: handover publish shop/beta\"";
    let effect = "copy \"handover publish shop/beta\"";
    check(
        with_files(),
        line,
        &format!("{} | {says}", is("ready")),
        effect,
    );
    check(
        with_files(),
        "W <to-write> y <written>",
        &format!("{AT} | says \"1 file of shop/beta has revision 3\""),
        "status, schedules, detail shop/beta, look shop/beta logins, drains shop/beta",
    );
    // What stays as it is is told with its remedy.
    for answer in ["<not-written>", "<foreign>"] {
        let model = check(
            with_files(),
            &format!("W <to-write-beside> y {answer}"),
            &is("closed"),
            "status, schedules, detail shop/beta, look shop/beta logins, drains shop/beta",
        );
        assert!(model.deed.is_none());
    }
    check(with_files(), "W <written>", &is("closed"), "");
    check(
        with_files(),
        "W <foreign> y",
        &format!(
            "{} | refuses \"there is nothing to agree to\"",
            is("closed")
        ),
        "",
    );
}

#[test]
fn production_wants_its_name_for_its_files_too() {
    let at = "home | at shop/alpha";
    let locked = format!("{at} | review publish shop/alpha ready | refuses {LOCKED:?}");
    check(with_files(), "k W <to-write> y", &locked, "");
    check(
        with_files(),
        "k W <to-write> U <type:shop/alpha> enter",
        &format!("{at} | review publish shop/alpha acting | typed \"shop/alpha\""),
        "PUBLISH shop/alpha named \"shop/alpha\"",
    );
}

#[test]
fn where_nothing_is_published_the_key_says_so() {
    let refuses = "home | at shop/gamma | refuses \"shop/gamma is published to no file\"";
    check(with_files(), "j W", refuses, "");
    let busy = "a rotation is running in this console";
    let line = "R <planned> y esc W";
    check(with_files(), line, &format!("{AT} | refuses {busy:?}"), "");
    let line = "W <to-write> y esc W";
    let busy = "the files are being written on shop/beta";
    check(with_files(), line, &format!("{AT} | refuses {busy:?}"), "");
}

#[test]
fn another_revision_than_the_one_that_was_shown_is_not_published() {
    let mut model = check(with_files(), "W <to-write>", &is("ready"), "");
    let mut newer = model.status.clone().expect("a status");
    newer.environments[1].revision = 4;
    update(&mut model, Message::Status(Ok(newer)));
    let words = "it is revision 4 by now, and was revision 3: review it again";
    check(
        model,
        "y",
        &format!("{} | refuses {words:?}", is("ready")),
        "",
    );
}

#[test]
fn what_a_person_has_to_do_about_a_file_comes_right_after_what_is_stopped() {
    let need = |model: &Model, name: &str| {
        let rows = model.rows();
        let row = rows.iter().find(|row| row.target == target(name));
        row.expect("a row").need
    };
    let model = every_state();
    assert_eq!(need(&model, "shop/beta"), Need::Sink);
    assert_eq!(model.rows()[0].target, target("shop/beta"));
    // Due is no matter of a person, unless a rotation stays open for it.
    let model = published(vec![due(FILE)]);
    assert_eq!(need(&model, "shop/beta"), Need::Healthy);
    let model = console(vec![waits(due(FILE))]);
    assert_eq!(need(&model, "shop/beta"), Need::Open);
    let mut model = console(vec![waits(failed(FILE))]);
    assert_eq!(need(&model, "shop/beta"), Need::Sink);
    model.run = Some(running(Verb::Recover, target("shop/beta")));
    assert_eq!(need(&model, "shop/beta"), Need::Running);
    // Wanted by another rotation than the one that is open.
    let mut other = due(FILE);
    other.rotation = Some(RotationId(6));
    let model = console(vec![waits(other)]);
    assert_eq!(need(&model, "shop/beta"), Need::Healthy);
    let mut values = healthy("shop/beta");
    values.paths.clear();
    values.sinks = vec![failed(FILE)];
    let model = console(vec![values]);
    assert_eq!(model.rows()[0].need, Need::Sink);
}

#[test]
fn a_recovery_of_files_alone_begins_after_the_promote() {
    let model = check(
        console(vec![waits(failed(FILE))]),
        "V <waiting-files> y",
        "home | run | at shop/beta",
        "RECOVER shop/beta yes",
    );
    assert_eq!(model.run.expect("runs").before, Some(Step::Promote));
}

#[test]
fn the_report_is_of_the_selected_revision_or_of_the_newest_rotation() {
    let of = |keys: &str, effects: &str| {
        let mut model = entered(quiet(), "shop/beta");
        let found = run(&mut model, keys);
        assert_eq!(asked(&found), effects, "after {keys}");
    };
    of("E", "export R-0003");
    of("3 E", "export R-0003");
    of("3 j E", "export R-0002");
    // The first revision has no rotation.
    of("3 j j E", "export R-0003");
    // Elsewhere nothing is selected.
    of("3 j 4 E", "export R-0003");
    of("<detail:shop/beta> 4 j j E", "export R-0003");
    let stopped = entered(console(vec![stopped("shop/pay")]), "shop/pay");
    let mut model = stopped.clone();
    assert_eq!(asked(&run(&mut model, "E")), "export R-0007");
    let mut model = stopped;
    assert_eq!(asked(&run(&mut model, "3 j E")), "export R-0002");
}

#[test]
fn the_selected_revision_stays_selected_when_a_newer_one_comes() {
    let mut model = entered(quiet(), "shop/beta");
    run(&mut model, "3 j");
    let (mut history, audit) = detail("shop/beta");
    let mut newer = history.revisions[0].clone();
    newer.revision = 4;
    history.revisions.insert(0, newer);
    let message = |text: &str| Message::Detail {
        environment: named(text),
        result: Ok((history.clone(), audit.clone())),
    };
    // What comes of another environment is no matter of this pane.
    update(&mut model, message("shop/gamma"));
    assert_eq!(model.scroll, 1);
    update(&mut model, message("shop/beta"));
    assert_eq!(model.selected_revision().expect("one").revision, 2);
    assert_eq!(asked(&run(&mut model, "E")), "export R-0002");
}

#[test]
fn the_run_screen_exports_its_rotation_once_it_is_known() {
    let unknown = "no rotation is known here that could be told of";
    let stands = "home | run | at shop/beta";
    let runs = "j R <planned> y";
    let line = format!("{runs} E");
    check(
        quiet(),
        &line,
        &format!("{stands} | refuses {unknown:?}"),
        "",
    );
    let line = format!("{runs} <done:shop/beta> E");
    check(quiet(), &line, stands, "export R-0007");
    let line = format!("{runs} <done:shop/beta> E <exported:it+is+there>");
    check(
        quiet(),
        &line,
        &format!("{stands} | says \"it is there\""),
        "",
    );
    let line = format!("{runs} <done:shop/beta> E <not-exported>");
    let refuses = format!(
        "{stands} | refuses \"no answer within 5 s from db-1.example:5432; remedy: look whether the database runs\""
    );
    check(quiet(), &line, &refuses, "");
    // At home no rotation is meant.
    check(quiet(), "E", "home | at shop/alpha", "");
}
