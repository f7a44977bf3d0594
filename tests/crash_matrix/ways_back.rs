//! The ways back: each is killed, fails or hangs right before and right after each of its
//! effects. One `recover` brings what was agreed to to its end; what was not yet agreed to is
//! asked for once more. Where consumers were well nobody is refused at any moment, and where
//! they were down nobody is from the end on.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use handover::process::failpoint::ROLL_BACK_EFFECTS;
use handover::sandbox::{PostgresOptions, PostgresServer};

use crate::cell::stop_at;
use crate::consumer::{Consumers, Temper};
use crate::harness::{Chance, Run, postgres_options};
use crate::matrix::{self, Staged};
use crate::promises::{
    ABANDON, Ended, Kept, RECOVER, ROTATE, assert_recovers_change_nothing, rotate_again,
};
use crate::shop::{Account, Shop, ShopEngine, ShopOptions};
use crate::sinks::{assert_file_logs_in, give_file};

/// Cells that run at the same time; they wait for logins and for looks at sessions.
const SIDE_BY_SIDE: usize = 8;

const BACK: [&str; 5] = ["rollback", "shop/orders", "--yes", "--output", "json"];
const TYPED: [&str; 2] = ["--confirm", "shop/orders"];

/// What happened before a way back is asked for, and which one follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Story {
    Repromote,
    Unretire,
    /// The same, which is then given up instead of recovered.
    GiveUp,
    Reissue,
    /// Somebody has changed the password that consumers read.
    Reapply,
    /// The server's older data were put back.
    Restored,
    /// Consumers went down while a rotation was open whose new password is set.
    Finish,
    /// The same with one that was not sent.
    Clear,
}

impl Story {
    fn is_down(self) -> bool {
        matches!(
            self,
            Self::Reapply | Self::Restored | Self::Finish | Self::Clear
        )
    }

    fn command(self) -> Vec<&'static str> {
        let mut words = BACK.to_vec();
        if self.is_down() {
            words.extend(TYPED);
        }
        if self == Self::Reapply {
            words.extend(["--way", "re-apply"]);
        }
        words
    }

    /// The command after the fault.
    fn next(self) -> &'static [&'static str] {
        match self {
            Self::GiveUp => &ABANDON,
            _ => &RECOVER,
        }
    }

    /// Consumers read on what they read before.
    fn keeps_user(self) -> bool {
        matches!(self, Self::Reapply | Self::Restored)
    }

    /// The effects on its way, each killed before and after. What writes the store alone is the
    /// same code on all engines.
    fn effects(self, engine: ShopEngine) -> &'static [&'static str] {
        if engine != ShopEngine::Postgres {
            return match self {
                Self::Unretire => &["begin-change", "alter"],
                Self::Reissue | Self::Reapply => &["alter"],
                _ => &[],
            };
        }
        match self {
            Self::Repromote => &[
                "lock",
                "way-chosen",
                "probe-pending",
                "verified",
                "promoted",
                "publish-sent",
                "published",
            ],
            Self::Unretire => &[
                "way-chosen",
                "begin-change",
                "unlock-sent",
                "alter",
                "commit",
                "unlock-confirmed",
                "unlock-refused",
                "verified",
                "promoted",
            ],
            Self::Reissue | Self::Reapply => &[
                "way-chosen",
                "pending-sealed",
                "apply-sent",
                "alter",
                "commit",
                "apply-confirmed",
                "apply-refused",
                "verified",
                "promoted",
            ],
            Self::GiveUp => &["alter"],
            Self::Restored => &["way-chosen", "alter"],
            Self::Finish => &["way-agreed"],
            Self::Clear => &["way-cleared"],
        }
    }

    /// Faults of other kinds, and places that are far from what the way is about.
    fn sample(self, engine: ShopEngine) -> &'static [(&'static str, &'static str)] {
        if engine != ShopEngine::Postgres {
            return match self {
                Self::Repromote => &[
                    ("managing-login.after", "kill"),
                    ("probe-pending.after", "kill"),
                ],
                Self::Unretire => &[("alter.after", "error")],
                _ => &[],
            };
        }
        match self {
            Self::Repromote => &[
                ("way-chosen.after", "error"),
                ("verified.before", "hang"),
                ("promoted.after", "error"),
                ("sink-written.after", "error"),
            ],
            Self::Unretire => &[
                ("unlock-sent.before", "error"),
                ("alter.after", "error"),
                ("alter.after", "hang"),
                ("commit.after", "error"),
                ("unlock-confirmed.before", "error"),
                ("published.before", "kill"),
            ],
            Self::Reissue => &[
                ("pending-sealed.after", "error"),
                ("commit.after", "error"),
                ("commit.after", "hang"),
            ],
            Self::Reapply => &[
                ("apply-sent.before", "error"),
                ("alter.after", "error"),
                ("apply-confirmed.before", "hang"),
                // The file has the text already: it is not written again.
                ("published.before", "kill"),
            ],
            Self::GiveUp => &[("unlock-confirmed.after", "kill")],
            Self::Restored => &[("promoted.after", "kill")],
            Self::Finish => &[("way-agreed.after", "error"), ("promoted.before", "kill")],
            Self::Clear => &[("way-cleared.after", "error"), ("way-chosen.after", "kill")],
        }
    }

    /// A shop of which consumers read `second` and `first` is the way back, with all that leads
    /// to this story.
    fn stage(self, engine: ShopEngine, name: &str) -> Arc<Shop> {
        let server = (self == Self::Restored).then(|| Arc::new(start_server()));
        let options = ShopOptions {
            hosts: &["%", "127.0.0.1"],
            server,
            ..ShopOptions::default()
        };
        let shop = Shop::bare_on(engine, name, options);
        let shop = Arc::new(shop.expect("who goes through cells knows that it is there"));
        give_file(&shop, "    retire: {mode: ask, listen: 0s}\n");
        shop.init();
        let rotate = || shop.rotate(&[]).expect_code(0);
        rotate();
        let retire = || {
            shop.run(&["retire", "shop/orders", "db", "--yes"])
                .expect_code(0)
        };
        let somebody_changes = || shop.set_password(&Account::new(shop.second.name.clone()));
        match self {
            Self::Repromote => {}
            Self::Unretire | Self::GiveUp => drop(retire()),
            Self::Reissue => {
                retire();
                retire();
            }
            Self::Reapply => somebody_changes(),
            Self::Restored => go_back_in_time(shop.server(), || {
                rotate();
                rotate();
            }),
            Self::Finish => {
                kill_rotation(&shop, "apply-confirmed.after");
                somebody_changes();
            }
            Self::Clear => {
                kill_rotation(&shop, "pending-sealed.after");
                somebody_changes();
            }
        }
        shop
    }
}

fn kill_rotation(shop: &Shop, place: &str) {
    stop_at(shop, &ROTATE, place, &format!("{place}=kill"), "kill");
}

/// What it has confirmed survives a stop.
fn start_server() -> PostgresServer {
    let options = PostgresOptions {
        configuration: vec!["synchronous_commit = on".to_owned()],
        ..postgres_options()
    };
    PostgresServer::start(&options).expect("PostgreSQL starts")
}

/// The server has the data that it had before `meanwhile`.
fn go_back_in_time(server: &PostgresServer, meanwhile: impl FnOnce()) {
    let copy = |from: &Path, to: &Path| {
        let status = Command::new("cp").arg("-a").arg(from).arg(to).status();
        assert!(status.expect("runs cp").success());
    };
    let kept = server.folder().join("kept");
    let data = server.data_folder();
    server.stop().expect("stops");
    copy(&data, &kept);
    server.start_again().expect("starts");
    let goes_on = "CREATE TABLE went_on AS SELECT generate_series(1, 10000)";
    server.sql(goes_on).expect("the server takes it");
    meanwhile();
    server.stop().expect("stops");
    std::fs::remove_dir_all(&data).expect("removes");
    copy(&kept, &data);
    server.start_again().expect("starts");
}

struct WayCell {
    number: usize,
    engine: ShopEngine,
    story: Story,
    place: String,
    action: &'static str,
}

impl WayCell {
    fn effect(&self) -> &str {
        let (effect, _) = self.place.split_once('.').expect("effect and side");
        effect
    }

    /// A fault on the way that makes the run come to the effect at all.
    fn with(&self) -> &'static str {
        match self.effect() {
            "unlock-refused" | "apply-refused" => "begin-change.before=error,",
            _ => "",
        }
    }

    /// Nothing was agreed to, so that there is nothing to go on with.
    fn is_before_the_agreement(&self) -> bool {
        let looks = ["lock", "managing-login", "way-cleared"];
        looks.contains(&self.effect())
            || ["way-chosen.before", "way-agreed.before"].contains(&self.place.as_str())
            // The candidate is tried before anybody agrees.
            || self.effect() == "probe-pending" && self.story == Story::Repromote
    }

    /// What `recover` made of it, with nothing agreed to: nothing, and it names who is down.
    fn assert_untouched(&self, recovered: &Run, case: &str) {
        if self.story == Story::GiveUp {
            assert_eq!(recovered.json()["paths"][0]["status"], "aborted");
            assert_eq!(recovered.code(), Some(0), "{recovered:#?}");
            return;
        }
        assert!(self.is_before_the_agreement(), "not done: {recovered:#?}");
        let (code, expected) = match self.story {
            Story::Restored => (5, "restored"),
            _ if self.story.is_down() => (5, "current-dead"),
            _ => (0, "-"),
        };
        assert_eq!(recovered.code(), Some(code), "{recovered:#?}");
        assert_eq!(case, expected, "{recovered:#?}");
    }
}

impl Staged for WayCell {
    fn told(&self) -> [String; 3] {
        let story = format!("{:?} on {:?}", self.story, self.engine);
        [self.place.clone(), self.action.to_owned(), story]
    }

    fn run(&self) -> Ended {
        let shop = self
            .story
            .stage(self.engine, &format!("back{}", self.number));
        let file = shop.home().join("sinks/db.env");
        let start = |temper| Consumers::start(&shop, &[temper], &mut Chance::from_environment());
        // Where consumers are well one is hasty while the way is taken, and calm from then on.
        let hasty = (!self.story.is_down()).then(|| start(Temper::Hasty));
        let (read, before) = (shop.current(), Kept::of(&shop));

        let command = self.story.command();
        let armed = format!("{}{}={}", self.with(), self.place, self.action);
        let stopped = stop_at(&shop, &command, &self.place, &armed, self.action);
        let recovered = shop.run(self.story.next());
        let calm = hasty.as_ref().map(|_| start(Temper::Calm));
        let meanwhile = hasty.map(Consumers::stop).unwrap_or_default();
        let kept = Kept::of(&shop);
        assert_recovers_change_nothing(&shop, &recovered, &kept, 5);
        let result = recovered.json();
        let path = &result["paths"][0];
        let text = |member: &str| path[member].as_str().unwrap_or("-").to_owned();
        let case = text("case");
        let is_done = kept.open == 0 && kept.revisions > before.revisions;
        let outcome = if is_done {
            assert_eq!(recovered.code(), Some(0), "{stopped:#?} {recovered:#?}");
            match result["rotation"].is_null() {
                true => "done before recover".to_owned(),
                false => format!("{} by recover", text("status")),
            }
        } else {
            self.assert_untouched(&recovered, &case);
            shop.run(&command).expect_code(0);
            match case.as_str() {
                "-" => "done by the same command".to_owned(),
                case => format!("{case}; done by the same command"),
            }
        };

        assert_file_logs_in(&shop, &file, "after the way back");
        let current = shop.current();
        assert_eq!(current.name == read.name, self.story.keeps_user());
        if self.story.keeps_user() {
            assert_eq!(current.password.expose(), read.password.expose());
        }
        // Out of an outage they are well from here on.
        let calm = calm.unwrap_or_else(|| start(Temper::Calm));
        rotate_again(&shop);
        assert_file_logs_in(&shop, &file, "after a further rotation");
        shop.run(&["audit", "verify"]).expect_code(0);
        let afterwards = calm.stop();
        for tally in [&meanwhile, &afterwards] {
            let refused = &tally.refused;
            assert!(refused.is_empty(), "consumers were refused: {tally:?}");
        }
        assert!(
            self.story.is_down() || meanwhile.logins > 0,
            "nobody logged in"
        );
        assert!(afterwards.logins > 0, "nobody logged in");
        Ended {
            case,
            outcome,
            parked: false,
            logins: meanwhile.logins + afterwards.logins,
        }
    }
}

const STORIES: [Story; 8] = [
    Story::Repromote,
    Story::Unretire,
    Story::GiveUp,
    Story::Reissue,
    Story::Reapply,
    Story::Restored,
    Story::Finish,
    Story::Clear,
];

/// Every way on PostgreSQL, and what touches the database on the others.
#[test]
fn a_way_back_killed_at_any_effect_is_brought_to_its_end() {
    for effect in ROLL_BACK_EFFECTS {
        let mut stories = STORIES.iter();
        let staged = stories.any(|story| story.effects(ShopEngine::Postgres).contains(&effect));
        assert!(staged, "{effect} has no scene");
    }
    let mut cells = Vec::new();
    for engine in engines() {
        for story in STORIES {
            let mut add = |place: String, action| {
                cells.push(WayCell {
                    number: cells.len(),
                    engine,
                    story,
                    place,
                    action,
                });
            };
            for effect in story.effects(engine) {
                add(format!("{effect}.before"), "kill");
                add(format!("{effect}.after"), "kill");
            }
            for (place, action) in story.sample(engine) {
                add((*place).to_owned(), action);
            }
        }
    }
    matrix::go_through(["failpoint", "action", "in"], cells, SIDE_BY_SIDE);
}

fn engines() -> Vec<ShopEngine> {
    let mut engines = vec![ShopEngine::Postgres];
    for engine in [ShopEngine::MySql, ShopEngine::MariaDb] {
        if Shop::bare_on(engine, "back", ShopOptions::default()).is_some() {
            engines.push(engine);
        }
    }
    engines
}
