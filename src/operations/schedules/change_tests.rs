use super::*;

const COMMENTED: &str = "\
# why this is so
protection: production   # asked for by the board
schedule:      # agreed on Monday
    # while nobody works
    cron:   '0 3 * * SUN' # early
    timezone: \"Europe/Berlin\"

    missed: skip
databases:
  \"*\": {drain: {propagation: 1h}}   # all of them
";

fn weekly() -> NewSchedule {
    NewSchedule {
        cron: Some("0 3 * * SUN".to_owned()),
        ..NewSchedule::default()
    }
}

#[test]
fn a_schedule_is_set_in_an_empty_text_and_beside_whatever_stands_there() {
    for (text, expected) in [
        ("", "schedule:\n  cron: \"0 3 * * SUN\"\n"),
        ("# nothing yet\n", "schedule:\n  cron: \"0 3 * * SUN\"\n"),
        ("schedule:\n", "schedule:\n  cron: \"0 3 * * SUN\"\n"),
        ("schedule: {}\n", "cron: \"0 3 * * SUN\""),
        (
            "protection: none # why",
            "# why\nschedule:\n  cron: \"0 3 * * SUN\"",
        ),
        ("{protection: none}\n", "cron: \"0 3 * * SUN\""),
    ] {
        let set = set(text, &weekly()).unwrap_or_else(|error| panic!("{text:?}: {error:?}"));
        assert!(set.contains(expected), "{text:?} became {set:?}");
        let comments = text
            .split_inclusive('\n')
            .filter(|line| line.starts_with('#'));
        for comment in comments {
            assert!(set.contains(comment), "{set:?}");
        }
    }
}

#[test]
fn a_pause_and_its_end_give_every_byte_back() {
    let berlin = chrono_tz::Europe::Berlin;
    let until = "2027-07-01T00:00:00Z".parse().expect("a time");
    let crlf = COMMENTED.replace('\n', "\r\n");
    let texts = [
        COMMENTED,
        &crlf,
        "schedule:\n  every: 30d\n",
        "schedule:\n  every: 30d # no line end",
        "schedule: {every: 30d}\n",
    ];
    for text in texts {
        for (reason, until) in [
            (None, None),
            (Some("a \"move\": # no comment\n\u{1b}[31m \u{202e}"), None),
            (None, Some(until)),
            (Some("moving"), Some(until)),
        ] {
            let paused = pause(text, reason, until, berlin).expect(text);
            assert_ne!(paused, text);
            let again = pause(&paused, reason, until, berlin).expect(text);
            assert_eq!(again, paused, "the same again changes nothing");
            let other = pause(&paused, Some("another"), None, berlin).expect(text);
            let back = resume(&other).expect(text);
            assert_eq!(back, resume(&paused).expect(text));
            assert_eq!(back.trim_end(), text.trim_end(), "{paused}");
            assert_eq!(resume(&back).expect(text), back);
        }
    }
    let paused = pause(COMMENTED, Some("moving"), Some(until), berlin).expect("edits");
    assert!(paused.contains("2027-07-01T02:00:00+02:00"), "{paused}");
}

#[test]
fn another_recurrence_takes_the_place_of_the_one_before_and_comments_stay() {
    let monthly = NewSchedule {
        every: Some("30d".to_owned()),
        window: Some("6h".to_owned()),
        ..NewSchedule::default()
    };
    let changed = set(COMMENTED, &monthly).expect("edits");
    assert!(!changed.contains("cron:"), "{changed}");
    for part in [
        "every: \"30d\"",
        "window: \"6h\"",
        "missed: skip",
        "# why this is so\n",
        "# asked for by the board\n",
        "# agreed on Monday\n",
        "    # while nobody works\n",
        "# all of them\n",
    ] {
        assert!(changed.contains(part), "{part} is gone: {changed}");
    }
    let same = set(COMMENTED, &weekly()).expect("edits");
    assert_eq!(same, COMMENTED);
    let none = remove(COMMENTED).expect("edits");
    assert!(!none.contains("missed"), "{none}");
    assert!(none.contains("# why this is so\n") && none.contains("# all of them\n"));
    assert_eq!(remove(&none).expect("edits"), none);
}
