//! One cell: one write of the store, and a disk that does not take it.

use std::sync::Arc;

use crate::consumer::{Consumers, Temper};
use crate::harness::{Chance, Run, Running};
use crate::matrix::Staged;
use crate::promises::{Ended, RECOVER, ROTATE, keep};
use crate::shop::{Shop, ShopOptions};

/// What is wrong with the disk, from one write on until the process ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Disk {
    Full,
    ReadOnly,
}

/// A command, how it comes about, and the writes that it makes, in their order.
#[derive(Debug)]
pub(crate) struct Writer {
    /// Where a rotation is killed first; the writes are then those of `recover`.
    pub(crate) killed_at: Option<&'static str>,
    pub(crate) writes: &'static [&'static str],
}

/// Every write of a rotation, and of recoveries that begin at three different places.
pub(crate) const WRITERS: [Writer; 4] = [
    Writer {
        killed_at: None,
        writes: &[
            "lock",
            "opened",
            "pending-sealed",
            "apply-sent",
            "apply-confirmed",
            "verified",
            "promoted",
        ],
    },
    Writer {
        killed_at: Some("opened.after"),
        writes: &["lock", "recover", "aborted"],
    },
    Writer {
        killed_at: Some("alter.before"),
        writes: &[
            "lock",
            "recover",
            "outwaited",
            "apply-sent",
            "apply-confirmed",
            "verified",
            "promoted",
        ],
    },
    Writer {
        killed_at: Some("commit.after"),
        writes: &["lock", "recover", "verified", "promoted"],
    },
];

/// One write and what is wrong with the disk from then on.
pub(crate) struct DiskCell {
    number: usize,
    writer: &'static Writer,
    /// Counted from 1; one more than there are writes shows that there are no others.
    write: usize,
    disk: Disk,
}

impl DiskCell {
    pub(crate) fn new(number: usize, writer: &'static Writer, write: usize, disk: Disk) -> Self {
        Self {
            number,
            writer,
            write,
            disk,
        }
    }

    fn effect(&self) -> Option<&'static str> {
        self.writer.writes.get(self.write - 1).copied()
    }

    /// Whether the write comes before the statement that this command sends, if any.
    fn is_before_sending(&self) -> bool {
        let sent = self
            .writer
            .writes
            .iter()
            .position(|write| *write == "apply-sent");
        sent.is_some_and(|sent| self.write <= sent + 1)
    }

    fn break_disk(&self, shop: &Shop, arguments: &[&str]) -> Run {
        let variable = match self.disk {
            Disk::Full => "HANDOVER_STORE_FULL_AT",
            Disk::ReadOnly => "HANDOVER_STORE_READ_ONLY_AT",
        };
        let mut command = shop.command(arguments);
        command.env(variable, self.write.to_string());
        Running::start(command).finish()
    }

    /// The place, the cause and the way on are told, and the exit code is true.
    fn assert_told(&self, run: &Run, effect: &str, shop: &Shop) {
        let cause = match self.disk {
            Disk::Full => "database or disk is full",
            Disk::ReadOnly => "attempt to write a readonly database",
        };
        let told = run.told();
        let folder = shop.store().display().to_string();
        for text in [cause, &folder, "make room on the disk"] {
            assert!(
                told.contains(text),
                "{effect}: `{text}` is not told: {run:#?}"
            );
        }
        let may_have_changed = match self.writer.killed_at {
            None => matches!(effect, "apply-confirmed" | "verified" | "promoted"),
            Some("opened.after") => false,
            Some(_) => !matches!(effect, "lock" | "recover"),
        };
        let expected = if may_have_changed { 5 } else { 1 };
        assert_eq!(run.code(), Some(expected), "{effect}: {run:#?}");
    }
}

impl Staged for DiskCell {
    fn told(&self) -> [String; 3] {
        let disk = match self.disk {
            Disk::Full => "full",
            Disk::ReadOnly => "read-only",
        };
        let story = match self.writer.killed_at {
            Some(place) => format!("recover of {place}=kill"),
            None => "rotate".to_owned(),
        };
        let write = self.effect().unwrap_or("(no other)");
        [write.to_owned(), disk.to_owned(), story]
    }

    fn run(&self) -> Ended {
        let name = format!("disk{}", self.number);
        let shop = Arc::new(Shop::open(&name, ShopOptions::default()));
        let consumers = Consumers::start(&shop, &[Temper::Hasty], &mut Chance::from_environment());
        let mut arguments = &ROTATE;
        if let Some(place) = self.writer.killed_at {
            let mut command = shop.command(&ROTATE);
            command.env("HANDOVER_FAILPOINT", format!("{place}=kill"));
            let killed = Running::start(command).finish();
            assert_eq!(killed.code(), None, "{place} is not reached: {killed:#?}");
            arguments = &RECOVER;
        }
        let verifier = shop.verifier_of(&shop.second);
        let stopped = self.break_disk(&shop, arguments);
        let Some(effect) = self.effect() else {
            assert_eq!(stopped.code(), Some(0), "a write is missing: {stopped:#?}");
            return keep(&shop, Some(&stopped), consumers);
        };
        self.assert_told(&stopped, effect, &shop);
        if self.is_before_sending() {
            let now = shop.verifier_of(&shop.second);
            assert_eq!(now, verifier, "sent, and not on record: {stopped:#?}");
        }
        let current = shop.assert_current_logs_in("while nothing is promoted");
        assert_eq!(current.name, shop.first.name, "promoted, and not on record");
        let ended = keep(&shop, Some(&stopped), consumers);
        assert!(!ended.parked, "{}", ended.outcome);
        ended
    }
}
