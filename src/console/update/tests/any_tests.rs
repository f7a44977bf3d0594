//! Any sequence of keys and answers: what must hold whatever happens.

use proptest::prelude::*;

use super::*;
use crate::console::model::Review;
use crate::console::tests::sink_tests::confirmed;

/// Everything that can happen, weighted so that reviews are reached and agreed to.
fn events() -> impl Strategy<Value = String> {
    let keys = prop::sample::select(vec![
        "j",
        "k",
        "g",
        "G",
        "enter",
        "esc",
        "tab",
        "R",
        "V",
        "B",
        "L",
        "Z",
        "X",
        "W",
        "E",
        "U",
        "Y",
        "y",
        "n",
        "/",
        "r",
        "p",
        "?",
        "q",
        "Q",
        "w",
        "ctrl-c",
        "ctrl-d",
        "ctrl-z",
        "backspace",
        "x",
        "space",
        "d",
        "S",
        "P",
        "up",
        "down",
        "1",
        "4",
    ]);
    let answers = prop::sample::select(vec![
        "<planned>",
        "<evidence>",
        "<refused>",
        "<applications-fail>",
        "<current-dead>",
        "<compromised>",
        "<failed>",
        "<planned:shop/alpha>",
        "<planned:shop/beta>",
        "<evidence:shop/pay>",
        "<lock>",
        "<unlock>",
        "<to-end>",
        "<locked>",
        "<ended>",
        "<not-drained>",
        "<remaining>",
        "<to-write>",
        "<written>",
        "<foreign>",
        "<exported:words>",
        "<schedules:two>",
        "<schedules:paused>",
        "<schedules:missed>",
        "<schedules:none>",
        "<no-schedules>",
        "<to-pause>",
        "<paused>",
        "<to-resume>",
        "<to-make-up>",
        "<resumed>",
        "<acting-failed>",
        "<locked-drain:shop/beta>",
        "<done>",
        "<parked>",
        "<looked>",
        "<looked:shop/pay>",
        "<detail:shop/beta>",
        "<late:shop/beta>",
        "<quiet:shop/beta>",
        "<thousand:shop/alpha>",
        "<no-overlap:shop/beta>",
        "<no-drain:shop/pay>",
        "<refresh>",
        "<minute>",
        "<minutes:7>",
        "<rows:24>",
        "<rows:0>",
        "<type:shop/alpha>",
        "<type:shop/pay>",
        "<type:shop/beta>",
        "<paste:shop/alpha>",
    ]);
    // The ways to an end, whole, since chance alone seldom finds them.
    let ways = prop::sample::select(vec![
        "esc esc R <planned> y",
        "esc esc R <planned> tab enter",
        "esc esc U R <planned> <type:shop/alpha> enter",
        "esc esc U R <planned> <type:shop/alpha> <minutes:16> tab enter",
        "<store:0> esc esc g g U R <planned> <type:shop/alpha> <minutes:16> tab enter",
        "esc esc G R <planned> y",
        "esc esc V <evidence> y",
        "esc esc G B <applications-fail> j y",
        "esc esc G B <current-dead> <type:shop/gamma> down <type:shop/gamma> enter",
        "esc esc G B <current-dead> <type:shop/gamma> enter",
        "esc esc j enter <late:shop/beta> L <lock> y",
        "esc esc j enter <locked-drain:shop/beta> Z <unlock> y <unlocked>",
        "esc esc j enter 1 <late:shop/beta> enter j X <to-end> <type:4000> enter",
        "esc esc G W <to-write> y <written>",
        "esc esc <schedules:two> S G k P <to-pause> y <paused>",
        "esc esc <schedules:two> S g g U P <to-pause> up <type:closing> enter <type:shop/alpha> enter",
        "esc esc <schedules:paused> S P <to-resume> y <resumed>",
        "esc esc <schedules:missed> S g g R <planned> y",
        "<store:0>",
        "<store:1>",
        "<store:2>",
        "<store:3>",
    ]);
    prop_oneof![
        6 => keys.prop_map(str::to_owned),
        4 => answers.prop_map(str::to_owned),
        3 => ways.prop_map(str::to_owned),
    ]
}

/// The store as it may be found: rows come, go, change their need and their protection.
fn store(number: &str) -> Message {
    let mut protected = healthy("shop/alpha");
    protected.protected = true;
    let mut production = stopped("shop/pay");
    production.protected = true;
    let mut published = healthy("shop/gamma");
    published.sinks = vec![confirmed("/run/orders/db.env")];
    Message::Status(match number {
        "0" => Ok(status(vec![protected, healthy("shop/beta"), published])),
        "1" => Ok(status(vec![stopped("shop/pay"), protected])),
        "2" => Ok(status(vec![production, healthy("shop/beta")])),
        _ => Ok(status(Vec::new())),
    })
}

/// The review that could be agreed to before this event, and whether it may be.
fn agreeable(model: &Model) -> Option<Review> {
    match &model.overlay {
        Some(Overlay::Review(review)) if matches!(review.stage, Stage::Ready(_)) => {
            Some(review.clone())
        }
        _ => None,
    }
}

/// Takes one event and checks what must hold after it; answers how many changes began.
fn step(model: &mut Model, event: &str) -> Result<usize, TestCaseError> {
    let before = model.clone();
    let number = event
        .strip_prefix("<store:")
        .and_then(|rest| rest.strip_suffix('>'));
    let effects = match number {
        Some(number) => update(model, store(number)),
        None => run(model, event),
    };
    let rows = model.rows();
    match &model.selected {
        Some(selected) => prop_assert!(rows.iter().any(|row| row.target == *selected)),
        None => prop_assert!(rows.is_empty()),
    }
    let rows = model.monitor_rows();
    match &model.monitor.selected {
        Some(selected) => prop_assert!(rows.iter().any(|row| row.target == *selected)),
        None => prop_assert!(rows.is_empty()),
    }
    let rows = model.schedule_rows();
    match &model.timetable.selected {
        Some(selected) => {
            let is_there = |name: &EnvironmentName| *name == selected.environment;
            prop_assert!(
                model.timetable.at.is_none() || rows.iter().any(|row| is_there(row.environment))
            );
        }
        None => prop_assert!(rows.is_empty() || !model.screens.contains(&Screen::Schedules)),
    }
    prop_assert_eq!(model.screens.first(), Some(&Screen::Environments));
    let mut begun = 0;
    for effect in &effects {
        let (verb, target, confirmation) = match effect {
            Effect::Rotate {
                target,
                confirmation,
            } => (Verb::Rotate, target, confirmation),
            Effect::Recover {
                target,
                confirmation,
            } => (Verb::Recover, target, confirmation),
            Effect::RollBack {
                target,
                way,
                confirmation,
            } => {
                let shown = agreeable(&before).and_then(|review| Some(review.offer()?.way));
                prop_assert_eq!(shown, Some(*way), "another way than the one shown");
                (Verb::RollBack, target, confirmation)
            }
            Effect::Retire {
                target,
                undo,
                confirmation,
                ..
            } => match undo {
                true => (Verb::Undo, target, confirmation),
                false => (Verb::Retire, target, confirmation),
            },
            Effect::EndSession {
                target,
                confirmation,
                ..
            } => (Verb::EndSession, target, confirmation),
            Effect::Publish {
                target,
                confirmation,
                ..
            } => (Verb::Publish, target, confirmation),
            Effect::Pause {
                target,
                reason,
                confirmation,
                ..
            } => {
                let written = agreeable(&before).and_then(|review| review.reason());
                prop_assert_eq!(&written, reason, "another reason than the one shown");
                (Verb::Pause, target, confirmation)
            }
            Effect::Resume {
                target,
                confirmation,
                ..
            } => (Verb::Resume, target, confirmation),
            _ => continue,
        };
        begun += 1;
        let review = agreeable(&before);
        prop_assert!(
            review.is_some(),
            "{event} began {verb:?} without a review that was ready"
        );
        let review = review.expect("was checked");
        prop_assert_eq!((review.verb, &review.target), (verb, target));
        prop_assert!(event == "y" || event == "enter", "{event} is no agreement");
        if verb == Verb::EndSession {
            prop_assert!(
                review.typed.text().starts_with("4000"),
                "no number was typed"
            );
        }
        prop_assert!(!review.on_reason, "{event} was a letter of the reason");
        prop_assert!(before.busy().is_none(), "one at a time");
        prop_assert!(!before.is_read_only(&target.environment));
        let is_typed = review.offer().is_some_and(|offer| offer.typed);
        let is_named = is_typed || before.is_protected(&target.environment);
        if is_named && verb != Verb::EndSession {
            prop_assert_eq!(review.typed.text(), target.environment.to_string());
        }
        let expected = match is_named {
            true => Confirmation::Named(target.environment.to_string()),
            false => Confirmation::Yes,
        };
        prop_assert_eq!(confirmation, &expected);
    }
    prop_assert!(begun <= 1);
    Ok(begun)
}

/// A name is typed letter by letter, and after each of them everything has to hold.
fn letters(event: &str) -> Vec<String> {
    let name = event
        .strip_prefix("<type:")
        .and_then(|rest| rest.strip_suffix('>'));
    match name {
        Some(name) => name.chars().map(String::from).collect(),
        None => vec![event.to_owned()],
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_nothing_changes_without_an_agreement(
        events in prop::collection::vec(events(), 0..60)
    ) {
        let mut model = Model::new(None, crate::console::tests::night());
        for event in events.iter().flat_map(|event| event.split_whitespace()) {
            for event in letters(event) {
                step(&mut model, &event)?;
            }
        }
    }
}

/// The property above would hold for a console that never rotates; this one does.
#[test]
fn the_ways_to_an_end_do_end_in_a_change() {
    for (number, way) in [
        ("<store:0>", "U R <planned> <type:shop/alpha> enter"),
        ("<store:0>", "G R <planned> tab enter"),
        ("<store:1>", "V <evidence> y"),
        ("<store:0>", "G B <applications-fail> j tab enter"),
        (
            "<store:0>",
            "G B <current-dead> down <type:shop/gamma> enter",
        ),
        ("<store:0>", "G W <to-write> tab enter <written>"),
        ("<store:2>", "U V <evidence> <type:shop/pay> enter"),
        ("<store:0>", "j enter <late:shop/beta> L <lock> y"),
        ("<store:0>", "<schedules:two> S G k P <to-pause> y <paused>"),
        (
            "<store:0>",
            "<schedules:two> S U P <to-pause> up <type:why> enter <type:shop/alpha> enter",
        ),
        (
            "<store:0>",
            "<schedules:paused> S j P <to-make-up> tab enter <made-up>",
        ),
        ("<store:0>", "<schedules:missed> S R <planned> y"),
        (
            "<store:0>",
            "j enter <locked-drain:shop/beta> Z <unlock> y <unlocked>",
        ),
        (
            "<store:0>",
            "j enter 1 <late:shop/beta> enter j X <to-end> <type:4000> enter",
        ),
    ] {
        let mut model = Model::new(None, crate::console::tests::night());
        let mut begun = 0;
        for event in std::iter::once(number)
            .chain(way.split_whitespace())
            .flat_map(letters)
        {
            begun += step(&mut model, &event).expect("holds");
        }
        assert_eq!(begun, 1, "{way}");
    }
}
