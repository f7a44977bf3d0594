//! Places at which the tests make a run stop, fail or hang.
//!
//! Without the cargo feature `failpoints` nothing of this is left. With it,
//! `HANDOVER_FAILPOINT=lock.before=kill` names a place and what happens there; several
//! are separated by commas. `error` happens once, like a fault that passes; `stop` is
//! SIGSTOP, until somebody continues the process.
//! `HANDOVER_FAILPOINT_MARKER` names a file that gets a line for each place reached.

/// The effects of a rotation; each has a place `before` and a place `after` it.
#[cfg(feature = "failpoints")]
pub const EFFECTS: [&str; 25] = [
    "lock",
    "managing-login",
    "probe-current",
    "probe-previous",
    "opened",
    "pending-sealed",
    "begin-change",
    "apply-sent",
    "alter",
    "commit",
    "apply-confirmed",
    "apply-refused",
    "probe-pending",
    "verified",
    "promoted",
    "recover",
    "outwaited",
    "aborted",
    "parked",
    "pending-dropped",
    "admitted",
    "abandoned",
    "rival-seen",
    "statement-confirmed",
    "logins-refused",
];

/// The effects of what is done with the outgoing user of an overlap.
#[cfg(feature = "failpoints")]
pub const OVERLAP_EFFECTS: [&str; 5] = [
    "retire-sent",
    "retire-done",
    "retire-refused",
    "scrambled",
    "session-noted",
];

/// The effects of a way back that no rotation has.
#[cfg(feature = "failpoints")]
pub const ROLL_BACK_EFFECTS: [&str; 6] = [
    "way-chosen",
    "way-agreed",
    "way-cleared",
    "unlock-sent",
    "unlock-confirmed",
    "unlock-refused",
];

/// The effects of giving files the new credential.
#[cfg(feature = "failpoints")]
pub const SINK_EFFECTS: [&str; 6] = [
    "publish-asked",
    "publish-sent",
    "sink-written",
    "sink-announced",
    "published",
    "publish-failed",
];

/// The effect at hand shall fail, in the way in which it really can.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the failpoint at {0}")]
pub struct Failpoint(&'static str);

/// To be called right before an effect.
///
/// # Errors
/// When the effect shall fail without having happened.
#[inline]
pub fn before(effect: &'static str) -> Result<(), Failpoint> {
    reach(effect, "before")
}

/// To be called right after an effect.
///
/// # Errors
/// When the effect has happened, and the news of it shall be lost.
#[inline]
pub fn after(effect: &'static str) -> Result<(), Failpoint> {
    reach(effect, "after")
}

#[cfg(not(feature = "failpoints"))]
#[inline]
fn reach(_: &'static str, _: &'static str) -> Result<(), Failpoint> {
    Ok(())
}

#[cfg(feature = "failpoints")]
fn reach(effect: &'static str, side: &str) -> Result<(), Failpoint> {
    let all = [
        &EFFECTS[..],
        &OVERLAP_EFFECTS,
        &ROLL_BACK_EFFECTS,
        &SINK_EFFECTS,
    ];
    let is_known = all.iter().any(|effects| effects.contains(&effect));
    assert!(is_known, "{effect} is missing in the lists");
    armed::reach(&format!("{effect}.{side}")).map_or(Ok(()), |()| Err(Failpoint(effect)))
}

#[cfg(feature = "failpoints")]
mod armed {
    use std::fs::OpenOptions;
    use std::io::Write;
    use std::sync::{LazyLock, Mutex, PoisonError};

    use nix::sys::signal::{Signal, raise};

    #[derive(Clone, Copy)]
    enum Fault {
        Kill,
        Error,
        Hang,
        Stop,
    }

    /// What was asked for and has not happened yet.
    static ARMED: LazyLock<Mutex<Vec<(String, Fault)>>> = LazyLock::new(|| {
        let asked = std::env::var("HANDOVER_FAILPOINT").unwrap_or_default();
        let places = asked.split(',').filter(|part| !part.is_empty());
        Mutex::new(places.map(parse).collect())
    });

    fn parse(text: &str) -> (String, Fault) {
        let (place, fault) = text.split_once('=').expect("a failpoint is name=action");
        let fault = match fault {
            "kill" => Fault::Kill,
            "error" => Fault::Error,
            "hang" => Fault::Hang,
            "stop" => Fault::Stop,
            other => panic!("a failpoint's action is kill, error, hang or stop, not {other}"),
        };
        (place.to_owned(), fault)
    }

    /// `Some` when the effect shall fail.
    pub(super) fn reach(place: &str) -> Option<()> {
        let fault = {
            let mut armed = ARMED.lock().unwrap_or_else(PoisonError::into_inner);
            let at = armed.iter().position(|(name, _)| name == place)?;
            armed.remove(at).1
        };
        mark(place);
        match fault {
            Fault::Error => Some(()),
            Fault::Kill => {
                raise(Signal::SIGKILL).expect("a process may kill itself");
                hang()
            }
            Fault::Hang => hang(),
            Fault::Stop => {
                raise(Signal::SIGSTOP).expect("a process may stop itself");
                None
            }
        }
    }

    fn mark(place: &str) {
        let Some(file) = std::env::var_os("HANDOVER_FAILPOINT_MARKER") else {
            return;
        };
        OpenOptions::new()
            .create(true)
            .append(true)
            .open(file)
            .and_then(|mut file| writeln!(file, "{place}"))
            .expect("the marker can be written");
    }

    fn hang() -> ! {
        loop {
            std::thread::park();
        }
    }
}
