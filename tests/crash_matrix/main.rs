//! The crash matrix: a rotation is killed, fails or hangs right before and right after
//! each of its effects, the network breaks at each of its messages, the disk is full or
//! read-only at each of its writes; and one `recover` brings it to an end while a consumer
//! goes on logging in.

#[path = "../live/cases.rs"]
mod cases;
#[path = "../live/consumer.rs"]
mod consumer;
#[expect(dead_code, reason = "shared with the live tests")]
#[path = "../live/harness.rs"]
mod harness;
#[expect(dead_code, reason = "shared with the live tests")]
#[path = "../live/shop.rs"]
mod shop;
#[expect(dead_code, reason = "shared with the live tests")]
#[path = "../live/two_pairs.rs"]
mod two_pairs;

mod cell;
mod disk_cell;
mod engines;
mod import;
mod matrix;
mod network;
mod network_cell;
mod promises;
mod retire;
mod sinks;
mod sleeper;
mod two_paths;
mod ways_back;

use handover::process::failpoint::EFFECTS;

use crate::cell::Cell;
use crate::disk_cell::{Disk, DiskCell, WRITERS};

/// Cells that run at the same time.
const SIDE_BY_SIDE: usize = 6;

/// How a rotation comes to an effect: what runs before, and what runs with the failpoint.
#[derive(Clone, Copy)]
pub(crate) struct Scene {
    effect: &'static str,
    /// A place at which a rotation is killed first; the failpoint is then one of the
    /// command that goes on.
    killed_at: Option<&'static str>,
    /// The command that goes on gives the path up instead of recovering it.
    abandons: bool,
    /// A fault on the way that makes the run come to the effect at all.
    with: Option<&'static str>,
}

/// The plain way comes to the effect.
const fn plain(effect: &'static str) -> Scene {
    Scene {
        effect,
        killed_at: None,
        abandons: false,
        with: None,
    }
}

const fn in_recover(effect: &'static str, killed_at: &'static str) -> Scene {
    Scene {
        effect,
        killed_at: Some(killed_at),
        abandons: false,
        with: None,
    }
}

const fn in_abandon(effect: &'static str, killed_at: &'static str) -> Scene {
    Scene {
        abandons: true,
        ..in_recover(effect, killed_at)
    }
}

const fn after_fault(effect: &'static str, with: &'static str) -> Scene {
    Scene {
        effect,
        killed_at: None,
        abandons: false,
        with: Some(with),
    }
}

const SCENES: &[Scene] = &[
    plain("lock"),
    plain("managing-login"),
    plain("probe-current"),
    plain("probe-previous"),
    plain("opened"),
    plain("pending-sealed"),
    plain("begin-change"),
    plain("apply-sent"),
    plain("alter"),
    plain("commit"),
    plain("apply-confirmed"),
    after_fault("apply-refused", "begin-change.before=error"),
    plain("probe-pending"),
    plain("verified"),
    plain("promoted"),
    in_recover("recover", "pending-sealed.after"),
    in_recover("probe-current", "pending-sealed.after"),
    in_recover("managing-login", "pending-sealed.after"),
    in_recover("probe-previous", "alter.before"),
    in_recover("probe-pending", "commit.after"),
    in_recover("outwaited", "alter.before"),
    in_recover("aborted", "opened.after"),
    in_abandon("recover", "commit.after"),
    in_abandon("abandoned", "commit.after"),
    in_abandon("aborted", "pending-sealed.after"),
    after_fault("parked", "probe-pending.before=error"),
];

/// No scene comes here: they need a server with a password policy, a path that could not
/// be reached before, somebody else who changes the password meanwhile, a user of several
/// rows on MariaDB, and one whose wrong passwords MySQL counts.
const WITHOUT_SCENE: [&str; 5] = [
    "pending-dropped",
    "admitted",
    "rival-seen",
    "statement-confirmed",
    "logins-refused",
];

#[test]
fn every_failpoint_ends_well_after_one_recover() {
    for effect in EFFECTS {
        let staged = SCENES.iter().any(|scene| scene.effect == effect);
        assert_ne!(
            staged,
            WITHOUT_SCENE.contains(&effect),
            "{effect} has no scene, or one too many"
        );
    }
    let mut cells = Vec::new();
    for scene in SCENES {
        for side in ["before", "after"] {
            for action in ["kill", "error", "hang"] {
                let number = cells.len();
                cells.push(Cell::new(number, *scene, side, action));
            }
        }
    }
    matrix::go_through(["failpoint", "action", "in"], cells, SIDE_BY_SIDE);
}

/// Cells of the network that run at the same time; they spend their time waiting.
const LINES_SIDE_BY_SIDE: usize = 14;

#[test]
fn a_network_that_breaks_at_any_message_ends_well_after_one_recover() {
    let cells = network_cell::cells();
    matrix::go_through(["message", "fault", "line"], cells, LINES_SIDE_BY_SIDE);
    network_cell::close_lanes();
}

#[test]
fn a_disk_that_takes_no_write_ends_well_after_one_recover() {
    let mut cells = Vec::new();
    for writer in &WRITERS {
        // The one after the last shows that the list is complete.
        for write in 1..=writer.writes.len() + 1 {
            for disk in [Disk::Full, Disk::ReadOnly] {
                cells.push(DiskCell::new(cells.len(), writer, write, disk));
            }
        }
    }
    matrix::go_through(["write", "disk", "in"], cells, SIDE_BY_SIDE);
}
