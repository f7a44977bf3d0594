//! Files: in the overview, at home, in reviews and in a run.

use super::*;
use crate::console::tests::sink_tests::{
    FILE, confirmed, due, every_state, failed, promoted, published, publishing, waiting, waits,
};
use crate::model::Step;

const NAME: &str = "shop/beta";

pub(super) fn files(add: &mut impl FnMut(&'static str, Model)) {
    let entered = |model| entered(model, NAME);
    add("files_home", every_state());
    add("files_home_waits", console(vec![waits(due(FILE))]));
    add("files_home_failed", console(vec![waits(failed(FILE))]));
    add("files_home_behind", published(vec![due(FILE)]));
    add("files_every_state", entered(every_state()));
    add("files_confirmed", entered(published(vec![confirmed(FILE)])));
    add("files_waits", entered(console(vec![waits(failed(FILE))])));
    let publish = |stage: fn(Answer) -> Stage, answer: &str| {
        let report = publishing(answer, &target(NAME)).expect("an answer");
        let stage = stage(Answer::Publish(Box::new(report)));
        review(published(vec![confirmed(FILE)]), Verb::Publish, NAME, stage)
    };
    add("publish_ready", publish(Stage::Ready, "to-write"));
    add("publish_beside", publish(Stage::Ready, "to-write-beside"));
    add("publish_nothing", publish(Stage::Closed, "written"));
    add("publish_failed", publish(Stage::Closed, "not-written"));
    add("publish_foreign", publish(Stage::Closed, "foreign"));
    let acting = |stage| review(published(vec![confirmed(FILE)]), Verb::Publish, NAME, stage);
    add("publish_acting", acting(Stage::Acting));
    let stage = Stage::Ready(Answer::HandOver(Box::new(waiting(&target(NAME)))));
    let model = console(vec![waits(failed(FILE))]);
    add("files_recover", review(model, Verb::Recover, NAME, stage));
    let mut model = published(vec![confirmed(FILE)]);
    let mut run = running(Verb::Rotate, target(NAME));
    let at = run.started + Duration::milliseconds(90);
    let steps = [Step::Apply, Step::Verify, Step::Promote];
    run.done.extend(steps.map(|step| (step, at)));
    run.current = Some(Step::Publish);
    run.waiting = None;
    model.run = Some(run);
    model.screens.push(Screen::Run);
    add("files_run", model.clone());
    for (name, is_written) in [("files_run_done", true), ("files_run_failed", false)] {
        let mut model = model.clone();
        if is_written {
            let run = model.run.as_mut().expect("runs");
            run.done.push((Step::Publish, at));
        }
        let report = promoted(&target(NAME), is_written);
        update(&mut model, Message::Ended(Ok(Box::new(report))));
        add(name, model);
    }
}

#[test]
fn a_file_that_needs_a_person_is_told_with_its_command_at_any_size() {
    let model = entered(every_state(), NAME);
    for theme in [Theme::dark(), Theme::mono()] {
        let (buffer, _) = draw(&model, &theme, 120, 40);
        let text = lines(&buffer).join("\n");
        for words in [
            "▲ foreign",
            "✗ failed",
            "◔ due",
            "● confirmed",
            "has revision 2 of 3",
            "--overwrite /srv/proxy/userlist.txt",
            "handover outbox ls shop/beta",
        ] {
            assert!(text.contains(words), "no {words} in\n{text}");
        }
    }
    // Nobody may take what is left out for what is not there.
    let (buffer, _) = draw(&model, &Theme::mono(), 80, 24);
    let text = lines(&buffer).join("\n");
    assert!(text.contains("more lines: enlarge the terminal"), "{text}");
}

#[test]
fn the_sixth_step_is_left_out_where_there_is_no_file() {
    let sixth = |model: &Model| {
        let (buffer, _) = draw(model, &Theme::mono(), 80, 24);
        let all = lines(&buffer);
        let line = all.iter().find(|line| line.contains("S6"));
        line.expect("is there").clone()
    };
    let mut model = quiet();
    model.run = Some(running(Verb::Rotate, target(NAME)));
    model.screens.push(Screen::Run);
    assert!(sixth(&model).contains("left out"), "{}", sixth(&model));
    let mut model = published(vec![confirmed(FILE)]);
    model.run = Some(running(Verb::Rotate, target(NAME)));
    model.screens.push(Screen::Run);
    assert!(!sixth(&model).contains("left out"), "{}", sixth(&model));
    update(
        &mut model,
        Message::Ended(Ok(Box::new(promoted(&target(NAME), false)))),
    );
    assert!(sixth(&model).contains("✗ S6"), "{}", sixth(&model));
}
