//! Two rotated secrets in one rotation that is killed, or of which one path fails: each
//! ends for itself, and what both consumers read logs in at every look.

use serde_json::Value;

use crate::cell::stop_at;
use crate::harness::{Run, server};
use crate::matrix::{self, Staged};
use crate::promises::{Ended, RECOVER, ROTATE};
use crate::two_pairs::TwoPairs;

const EFFECTS: [&str; 9] = [
    "opened",
    "pending-sealed",
    "begin-change",
    "apply-sent",
    "alter",
    "commit",
    "apply-confirmed",
    "verified",
    "promoted",
];

struct TwoPathsCell {
    number: usize,
    place: String,
    action: &'static str,
}

impl Staged for TwoPathsCell {
    fn told(&self) -> [String; 3] {
        let story = "rotate of two paths".to_owned();
        [self.place.clone(), self.action.to_owned(), story]
    }

    fn run(&self) -> Ended {
        let two = TwoPairs::open(&format!("two{}", self.number), server().port(), "");
        let armed = format!("{}={}", self.place, self.action);
        let stopped = stop_at(&two.shop, &ROTATE, &self.place, &armed, self.action);
        two.assert_currents_log_in("before recover");
        let recovered = two.shop.run(&RECOVER);
        assert_eq!(recovered.code(), Some(0), "{stopped:#?} {recovered:#?}");
        let users = two.assert_currents_log_in("after recover");
        let kept = two.verifiers();
        for _ in 0..2 {
            assert_eq!(two.shop.run(&RECOVER).code(), Some(0));
        }
        assert_eq!(two.verifiers(), kept, "further recovers change nothing");
        let again = two.assert_currents_log_in("after further recovers");
        assert_eq!(again, users, "further recovers change nothing");
        // Both can be rotated again, by one rotation.
        let further = two.shop.rotate(&[]);
        assert_eq!(further.code(), Some(0), "{further:#?}");
        two.assert_currents_log_in("after a further rotation");
        ended(&recovered)
    }
}

/// How both paths ended, in their order.
fn ended(recovered: &Run) -> Ended {
    let result = recovered.json();
    let paths = result["paths"].as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let of = |member: &str| -> String {
        let texts: Vec<String> = paths.iter().map(|path| text(&path[member])).collect();
        texts.join(" ")
    };
    Ended {
        case: of("case"),
        outcome: match paths.is_empty() {
            true => "nothing open".to_owned(),
            false => of("status"),
        },
        parked: false,
        logins: 0,
    }
}

#[test]
fn two_paths_end_well_after_one_recover() {
    let mut cells = Vec::new();
    for effect in EFFECTS {
        for side in ["before", "after"] {
            for action in ["kill", "error"] {
                let (number, place) = (cells.len(), format!("{effect}.{side}"));
                cells.push(TwoPathsCell {
                    number,
                    place,
                    action,
                });
            }
        }
    }
    matrix::go_through(["failpoint", "action", "in"], cells, 3);
}
