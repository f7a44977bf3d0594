//! The schedules: their screen, pausing and resuming after a review, running one now, and what
//! they mean for the home screen.

use super::*;
use crate::console::model::{Need, ScheduleNeed};
use crate::console::tests::schedule_tests::{ORDER, of_three, scheduling};

/// Two of the three environments are scheduled; the first one is production.
fn scheduled(how: &str) -> Model {
    let mut model = quiet();
    update(&mut model, of_three(how));
    model
}

fn on(name: &str, words: &str) -> String {
    format!("home / schedules | on {name} | at shop/alpha{words}").replace(" / ", " | ")
}

fn reviewing(name: &str, words: &str) -> String {
    on(name, &format!(" | review {words}"))
}

#[test]
fn schedules_are_read_from_the_start_and_with_every_refresh() {
    assert_eq!(asked(&start()), "status, schedules, watch drains");
    check(
        quiet(),
        "S <refresh>",
        "home | schedules | at shop/alpha",
        "status, schedules",
    );
    // What was known stays where nothing could be read.
    let model = check(
        scheduled("two"),
        "S <no-schedules>",
        &on("shop/alpha", ""),
        "",
    );
    assert!(model.timetable.problem.is_some());
    assert_eq!(model.schedule_rows().len(), 3);
}

#[test]
fn what_needs_a_human_is_first_then_the_next_start_then_what_has_no_schedule() {
    let model = scheduling();
    let rows = model.schedule_rows();
    let found: Vec<_> = rows
        .iter()
        .map(|row| (row.need, row.environment.to_string()))
        .collect();
    let expected: Vec<_> = ORDER.map(|(need, name)| (need, name.to_owned())).to_vec();
    assert_eq!(found, expected);
    // A freeze holds up what was not held up, and hides nothing that needs a human.
    let needs = |how: &str| {
        let model = scheduled(how);
        let rows = model.schedule_rows();
        rows.iter().map(|row| row.need).collect::<Vec<_>>()
    };
    let [frozen, without] = [ScheduleNeed::Frozen, ScheduleNeed::Without];
    assert_eq!(needs("frozen"), [frozen, frozen, without]);
    let [missed, planned] = [ScheduleNeed::Missed, ScheduleNeed::Planned];
    assert_eq!(needs("missed"), [missed, planned, without]);
}

#[test]
fn keys_move_the_selection_which_follows_its_environment() {
    for (keys, at) in [
        ("S", "shop/alpha"),
        ("S j", "shop/beta"),
        ("S G", "shop/gamma"),
        ("S G g g", "shop/alpha"),
        ("S j <schedules:missed>", "shop/beta"),
        // Gone from the list of schedules, and still an environment.
        ("S j <schedules:none>", "shop/beta"),
        ("S / b e t enter", "shop/beta"),
    ] {
        let found = scheduled("two");
        let mut model = found;
        run(&mut model, keys);
        let selected = model.timetable.selected.as_ref();
        let name = selected.map(|target| target.environment.to_string());
        assert_eq!(name.as_deref(), Some(at), "after {keys}");
    }
    // The screen opens at the top, and from an environment on that one.
    let line = "j enter S";
    let stands = "home | in shop/beta | schedules | on shop/beta | at shop/beta";
    check(scheduled("two"), line, stands, "");
    // It is one screen, however often it is asked for; its key says so there.
    let says = on("shop/alpha", " | refuses \"these are the schedules\"");
    check(scheduled("two"), "S S", &says, "");
    check(
        scheduled("two"),
        "S / b e t enter esc",
        &on("shop/beta", ""),
        "",
    );
    check(scheduled("two"), "S esc", "home | at shop/alpha", "");
}

#[test]
fn enter_opens_the_environment_and_the_command_is_of_its_schedule() {
    let opened = "home | schedules | in shop/beta | at shop/alpha";
    let asked = "detail shop/beta, look shop/beta logins";
    check(scheduled("two"), "S j enter", opened, asked);
    let command = "handover schedule show shop/beta";
    let says = on("shop/beta", &format!(" | says \"copied: {command}\""));
    check(
        scheduled("two"),
        "S j Y",
        &says,
        &format!("copy {command:?}"),
    );
}

#[test]
fn a_schedule_is_paused_after_a_review_whose_safe_button_is_the_default() {
    let is = |words: &str| reviewing("shop/beta", &format!("pause shop/beta {words}"));
    check(
        scheduled("two"),
        "S j P",
        &is("asking"),
        "plan pause shop/beta",
    );
    let open = "S j P <to-pause>";
    check(scheduled("two"), open, &is("ready"), "");
    for keys in ["enter", "esc", "n", "up esc"] {
        let line = format!("{open} {keys}");
        check(scheduled("two"), &line, &on("shop/beta", ""), "");
    }
    for keys in ["y", "tab enter"] {
        let line = format!("{open} {keys}");
        check(
            scheduled("two"),
            &line,
            &is("acting"),
            "PAUSE shop/beta yes",
        );
    }
    let says = "says \"shop/beta is paused: nothing is begun by its schedule; P resumes it\"";
    check(
        scheduled("two"),
        &format!("{open} y <paused>"),
        &on("shop/beta", &format!(" | {says}")),
        "status, schedules, detail shop/beta",
    );
    check(
        scheduled("two"),
        "S j P <paused-already> y",
        &{
            let refuses = "refuses \"there is nothing to agree to\"";
            is(&format!("closed | {refuses}"))
        },
        "",
    );
}

#[test]
fn a_reason_is_written_before_it_is_agreed_to() {
    let is = |words: &str| reviewing("shop/beta", &format!("pause shop/beta {words}"));
    let open = "S j P <to-pause> up";
    // Letters are letters there, also those that would agree or leave.
    check(
        scheduled("two"),
        &format!("{open} y n q"),
        &is("ready | writes \"ynq\""),
        "",
    );
    check(
        scheduled("two"),
        &format!("{open} <type:it's> backspace <paste:+x> enter"),
        &is("ready | wrote \"it'+x\""),
        "",
    );
    check(
        scheduled("two"),
        &format!("{open} <type:closing> enter y"),
        &is("acting | wrote \"closing\""),
        "PAUSE shop/beta \"closing\" yes",
    );
    let command = r"handover pause shop/beta --reason 'it'\''s'";
    let says = format!("says {:?}", format!("copied: {command}"));
    check(
        scheduled("two"),
        &format!("{open} <type:it's> enter Y"),
        &is(&format!("ready | wrote \"it's\" | {says}")),
        &format!("copy {command:?}"),
    );
    // Where nothing is to be agreed to, there is nothing to give a reason for.
    check(
        scheduled("paused"),
        "S j P <to-resume> up y",
        &{ reviewing("shop/beta", "resume shop/beta acting") },
        "RESUME shop/beta yes",
    );
}

#[test]
fn production_wants_to_be_unlocked_and_named() {
    let is = |words: &str| reviewing("shop/alpha", &format!("pause shop/alpha {words}"));
    let refused = is(&format!("ready | refuses {LOCKED:?}"));
    check(scheduled("two"), "S P <to-pause> y", &refused, "");
    let typed = "S U P <to-pause> up <type:why> enter <type:shop/alpha> enter";
    check(
        scheduled("two"),
        typed,
        &is("acting | wrote \"why\" | typed \"shop/alpha\""),
        "PAUSE shop/alpha \"why\" named \"shop/alpha\"",
    );
    let wrong = is("ready | typed \"shop/al\" | refuses \"type shop/alpha to agree\"");
    check(
        scheduled("two"),
        "S U P <to-pause> <type:shop/al> enter",
        &wrong,
        "",
    );
}

#[test]
fn what_is_paused_is_resumed_by_the_same_key() {
    let plan = "plan resume shop/beta";
    let is = |words: &str| reviewing("shop/beta", &format!("resume shop/beta {words}"));
    check(scheduled("paused"), "S j P", &is("asking"), plan);
    for (answer, says) in [
        (
            "<resumed>",
            "shop/beta goes on: the next start is 2026-11-22 02:00 UTC",
        ),
        (
            "<made-up>",
            "shop/beta goes on: a rotation begins as soon as an agent looks",
        ),
    ] {
        check(
            scheduled("paused"),
            &format!("S j P <to-resume> y {answer}"),
            &on("shop/beta", &format!(" | says {says:?}")),
            "status, schedules, detail shop/beta",
        );
    }
    let failed = "S j P <to-resume> y <acting-failed>";
    check(
        scheduled("paused"),
        failed,
        &is("failed"),
        "status, schedules, detail shop/beta",
    );
}

#[test]
fn another_revision_than_the_one_that_was_shown_is_not_paused() {
    let mut model = scheduled("two");
    run(&mut model, "S j P <to-pause>");
    let mut newer = healthy("shop/beta");
    newer.revision = 5;
    update(&mut model, Message::Status(Ok(status(vec![newer]))));
    let effects = run(&mut model, "y");
    assert_eq!(asked(&effects), "");
    let words = "it is revision 5 by now, and was revision 3: review it again";
    assert!(stands(&model).contains(words), "{}", stands(&model));
}

#[test]
fn a_key_that_has_no_sense_says_why() {
    let none = "shop/gamma has no schedule: handover schedule set shop/gamma";
    let says = on("shop/gamma", &format!(" | refuses {none:?}"));
    check(scheduled("two"), "S G P", &says, "");
    let unknown = "home | at shop/alpha | refuses \"the schedules are not known yet\"";
    check(quiet(), "P", unknown, "");
}

/// Of several rotated secrets a schedule rotates all, and so does its key.
#[test]
fn run_now_reviews_a_rotation_of_all_that_is_scheduled() {
    let review = reviewing("shop/beta", "rotate shop/beta asking");
    let model = check(scheduled("two"), "S j R", &review, "plan shop/beta");
    let Some(Overlay::Review(review)) = &model.overlay else {
        panic!("no review");
    };
    assert_eq!(review.target, target("shop/beta"), "the only one");
    let mut two = healthy("shop/beta");
    let mut other = two.paths[0].clone();
    other.path = "cache".to_owned();
    two.paths.push(other);
    let mut model = console(vec![two]);
    run(&mut model, "<schedules:two> S");
    let beta = model
        .schedule_rows()
        .iter()
        .position(|row| row.entry.is_some());
    assert!(beta.is_some());
    run(&mut model, "/ b e t a enter R <planned> y");
    let run = model.run.as_ref().expect("it runs");
    assert_eq!((run.target.path.as_ref(), run.paths), (None, 2));
    // The other verbs are about it as on the home screen.
    check(
        scheduled("two"),
        "S G B",
        &on("shop/gamma", " | review roll back shop/gamma asking"),
        "ways of shop/gamma",
    );
}

#[test]
fn a_schedule_says_what_is_overdue_in_the_place_of_the_age() {
    let old = |name: &str| {
        let mut status = healthy(name);
        status.paths[0].promoted_at = Some(crate::console::tests::night() - Duration::days(120));
        status
    };
    let need = |model: &Model, name: &str| {
        let rows = model.rows();
        let row = rows.iter().find(|row| row.target == target(name));
        row.expect("a row").need
    };
    let mut model = console(vec![
        old("shop/beta"),
        old("shop/gamma"),
        healthy("shop/alpha"),
    ]);
    assert_eq!(need(&model, "shop/beta"), Need::Overdue);
    update(&mut model, of_three("two"));
    assert_eq!(
        need(&model, "shop/beta"),
        Need::Healthy,
        "its schedule is kept"
    );
    assert_eq!(need(&model, "shop/gamma"), Need::Overdue, "it has none");
    let mut model = console(vec![healthy("shop/beta")]);
    update(&mut model, of_three("missed"));
    assert_eq!(
        need(&model, "shop/beta"),
        Need::Overdue,
        "however young it is"
    );
}
