//! One cell: one failpoint, one action, one environment of its own.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

use crate::Scene;
use crate::cases::passed;
use crate::consumer::{Consumers, Temper};
use crate::harness::{Chance, Run, Running, wait_until};
use crate::matrix::Staged;
use crate::promises::{ABANDON, Ended, RECOVER, ROTATE, keep};
use crate::shop::{Shop, ShopEngine, ShopOptions};

/// One failpoint and what happens there.
pub(crate) struct Cell {
    number: usize,
    scene: Scene,
    place: String,
    action: &'static str,
    world: World,
}

/// What is special about the shop of a cell.
#[derive(Clone, Copy)]
pub(crate) struct World {
    pub(crate) engine: ShopEngine,
    /// For the table's third column.
    pub(crate) words: &'static str,
    pub(crate) hosts: &'static [&'static str],
    pub(crate) pair_has: &'static str,
}

impl World {
    /// Nothing.
    pub(crate) const fn plain(engine: ShopEngine) -> Self {
        Self {
            engine,
            words: "",
            hosts: &["%"],
            pair_has: "",
        }
    }
}

impl Cell {
    pub(crate) fn new(
        number: usize,
        scene: Scene,
        side: &'static str,
        action: &'static str,
    ) -> Self {
        let place = format!("{}.{side}", scene.effect);
        Self {
            number,
            scene,
            place,
            action,
            world: World::plain(ShopEngine::Postgres),
        }
    }

    pub(crate) fn of(self, world: World) -> Self {
        Self { world, ..self }
    }

    /// Which command the failpoint is in, and how it comes there.
    fn story(&self) -> String {
        match (self.scene.killed_at, self.scene.with) {
            (Some(place), _) if self.scene.abandons => format!("abandon of {place}=kill"),
            (Some(place), _) => format!("recover of {place}=kill"),
            (None, Some(fault)) => format!("rotate with {fault}"),
            (None, None) => "rotate".to_owned(),
        }
    }

    /// The store has taken the promotion, and the run does not hear of it.
    fn loses_the_answer_of_the_commit(&self) -> bool {
        self.place == "promoted.after" && self.action == "error"
    }
}

impl Staged for Cell {
    fn told(&self) -> [String; 3] {
        let story = format!("{}{}", self.story(), self.world.words);
        [self.place.clone(), self.action.to_owned(), story]
    }

    fn run(&self) -> Ended {
        let name = format!("matrix{}", self.number);
        let options = ShopOptions {
            hosts: self.world.hosts,
            pair_has: self.world.pair_has,
            ..ShopOptions::default()
        };
        let shop = Shop::open_on(self.world.engine, &name, options);
        let shop = Arc::new(shop.expect("who goes through cells knows that it is there"));
        let consumers = Consumers::start(&shop, &[Temper::Hasty], &mut Chance::from_environment());

        let mut command: &[&str] = &ROTATE;
        if let Some(place) = self.scene.killed_at {
            stop_at(&shop, &ROTATE, place, &format!("{place}=kill"), "kill");
            command = match self.scene.abandons {
                true => &ABANDON,
                false => &RECOVER,
            };
        }
        let fault = self.scene.with.map(|fault| format!("{fault},"));
        let armed = format!(
            "{}{}={}",
            fault.unwrap_or_default(),
            self.place,
            self.action
        );
        let stopped = stop_at(&shop, command, &self.place, &armed, self.action);
        let ended = keep(&shop, stopped.as_ref(), consumers);
        if self.loses_the_answer_of_the_commit() {
            let run = stopped.expect("it came to its own end");
            assert_eq!(run.code(), Some(0), "the store was read again: {run:#?}");
            passed(self.world.engine, "store-unknown");
        }
        ended
    }
}

/// Runs a command with failpoints armed until it is over, by itself or by SIGKILL; answers
/// what it told when it came to its own end.
pub(crate) fn stop_at(
    shop: &Shop,
    arguments: &[&str],
    place: &str,
    armed: &str,
    action: &str,
) -> Option<Run> {
    let marker = marker(shop);
    let _ = fs::remove_file(&marker);
    let mut command: Command = shop.command(arguments);
    command
        .env("HANDOVER_FAILPOINT", armed)
        .env("HANDOVER_FAILPOINT_MARKER", &marker);
    let mut running = Running::start(command);
    if action == "hang" {
        wait_until(&format!("{place} is reached"), || {
            was_reached(shop, place) || running.has_ended()
        });
        assert!(!running.has_ended(), "{place} is not reached");
        running.kill();
        return None;
    }
    let run = running.finish();
    assert!(was_reached(shop, place), "{place} is not reached: {run:#?}");
    let was_killed = run.code().is_none();
    assert_eq!(was_killed, action == "kill", "{run:#?}");
    (!was_killed).then_some(run)
}

fn marker(shop: &Shop) -> PathBuf {
    shop.file("reached")
}

fn was_reached(shop: &Shop, place: &str) -> bool {
    let text = fs::read_to_string(marker(shop)).unwrap_or_default();
    text.lines().any(|line| line == place)
}
