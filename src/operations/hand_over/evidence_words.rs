//! What was found, in words for operators.

use super::run::{Run, troubling};
use crate::model::LoginOutcome;
use crate::rotation::{
    Progress as Reached, Replication, RoleKnowledge, ServerMatch, Way, unnamed_standbys,
};
use crate::untrusted::Untrusted;

impl Run<'_> {
    /// The rows of Y that no login of this epoch went through, though they were changed.
    pub(super) fn unproven_rows(&self) -> Vec<String> {
        let hosts = self
            .journal
            .admitted
            .iter()
            .flat_map(|admitted| &admitted.hosts);
        let logins = self.epoch.pending.iter().flatten();
        let proven: Vec<&str> = logins
            .filter_map(|(_, outcome)| match outcome {
                LoginOutcome::LoggedIn { row: Some(row), .. } => row.as_str().rsplit_once('@'),
                _ => None,
            })
            .map(|(_, host)| host)
            .collect();
        let user = Untrusted::new(self.subject.user().as_str());
        hosts
            .filter(|host| !proven.contains(&host.as_str()))
            .map(|host| format!("{user}@{host}"))
            .collect()
    }

    /// What keeps the change from being everywhere, each with where that is.
    pub(super) fn replication_words(&self) -> Vec<String> {
        let mut words = Vec::new();
        if let Some(pid) = self.epoch.waits_for_standby {
            words.push(format!(
                "the change waits for a synchronous standby in the backend {pid} of {}; only \
                 three things end that: the standby confirms, or `synchronous_standby_names` no \
                 longer asks for one, or `pg_cancel_backend({pid})`, which applies it on \
                 that server alone",
                self.subject.node
            ));
        } else if self.replication() == Replication::Waiting {
            words.push(format!(
                "no synchronous standby of {} has confirmed the change",
                self.subject.node
            ));
        }
        if !self.journal.is_sent() {
            return words;
        }
        let proven = self.weigh().pending.is_proven_somewhere();
        for (node, outcome) in self.epoch.pending.iter().flatten() {
            if proven && *outcome == LoginOutcome::PasswordRefused {
                words.push(format!("{node} does not accept the new password yet"));
            }
        }
        for standby in unnamed_standbys(self.looks()) {
            words.push(format!("not named in the settings: {standby}"));
        }
        words
    }

    /// The first thing that an operator has to know.
    pub(super) fn consumers_words(&self) -> String {
        if let Some(words) = self.consumers_of_target() {
            return words;
        }
        let current = self.weigh().current;
        let known = self.journal.knows_current() && self.subject.current.password.is_some();
        let user = Untrusted::new(self.subject.current_user().as_str());
        if current.is_everywhere() {
            format!("OK: they read {user}, which logs in")
        } else if !known {
            format!("NOT KNOWN: no password of {user} is known here, so nobody reads one from here")
        } else if current.refused > 0 || current.barred > 0 {
            format!("DOWN: they read {user}, which does not log in")
        } else {
            format!("NOT KNOWN: they read {user}, and the database does not say whether it logs in")
        }
    }

    /// Where the user that consumers read is the target, they read Y.
    fn consumers_of_target(&self) -> Option<String> {
        let back = self.journal.back.as_ref()?;
        let user = Untrusted::new(self.subject.user().as_str());
        if back.way == Way::Import {
            return Some(match (&self.journal.progress, self.subject.reads_target) {
                (Reached::Promoted { .. }, _) => format!("OK: they read {user}, which logs in"),
                (_, true) => {
                    format!("DOWN: they read {user} with an older password, which does not log in")
                }
                (_, false) => return None,
            });
        }
        if back.way != Way::Reapply {
            return None;
        }
        Some(match self.weigh().pending.is_everywhere() {
            true => format!("OK: they read {user}, which logs in"),
            false => format!(
                "DOWN: they read {user}, which does not log in until its password is set again"
            ),
        })
    }

    /// The evidence in words, for people.
    pub(super) fn evidence_words(&self) -> Vec<String> {
        let evidence = self.weigh();
        let user = Untrusted::new(self.subject.user().as_str());
        let current = Untrusted::new(self.subject.current_user().as_str());
        let way = self.journal.back.as_ref().map(|back| back.way);
        let of_current = match self.subject.reads_target {
            true => "previous",
            false => "current",
        };
        let mut words = vec![format!(
            "{current} with the {of_current} password: {}",
            evidence.current.word()
        )];
        let pending = match way {
            Some(Way::Import) => "password of the file",
            _ if self.journal.takes_known() || self.epoch.pending.is_none() => "password it has",
            _ => "pending password",
        };
        if self.epoch.pending.is_some() {
            words.push(format!(
                "{user} with the {pending}: {}",
                evidence.pending.word()
            ));
        }
        if self.epoch.previous.is_some() {
            words.push(format!(
                "{user} with the previous password: {}",
                evidence.previous.word()
            ));
        }
        if self.epoch.pooled.is_some() {
            words.push(format!(
                "{user} with the {pending} through the poolers: {}",
                evidence.pooled.word()
            ));
        }
        let outcomes = self.epoch.outcomes();
        words.extend(outcomes.filter_map(|(node, outcome)| troubling(node, outcome)));
        words.extend(self.replication_words());
        match evidence.server {
            ServerMatch::Same | ServerMatch::NotKnown => {}
            ServerMatch::WentBack => words.push("the server is older than it was".to_owned()),
            ServerMatch::Other => words.push("another server answers".to_owned()),
        }
        words.extend(self.unsound_words());
        if let Reached::Refused { code, message, .. } = &self.journal.progress {
            words.push(format!("the server refused the change: {message} ({code})"));
        }
        if !self.gate_words.is_empty() {
            words.push(format!("sessions of {user}: {}", self.gate_words));
        }
        words
    }

    /// Who of the pair is not what was recorded, as far as the catalog was asked.
    pub(super) fn unsound_words(&self) -> Vec<String> {
        let Some(facts) = &self.facts else {
            return Vec::new();
        };
        let admitted = self.journal.admitted.as_ref();
        let users = [self.subject.current_user(), self.subject.user()];
        let of_one = |index: usize| {
            let role = facts.roles[index].as_ref();
            let recorded = admitted.map(|admitted| &admitted.accounts[index]);
            let what = match (role, RoleKnowledge::of(role, recorded)) {
                (_, RoleKnowledge::Sound) => return None,
                (Some(role), RoleKnowledge::Mute) if role.expired => {
                    format!("has expired ({})", self.subject.engine.terms().expired)
                }
                (Some(role), RoleKnowledge::Mute) => match &role.unfit {
                    Some(unfit) => unfit.found.clone(),
                    None => "may be refused from here whatever its password".to_owned(),
                },
                (None, _) => "does not exist on the server".to_owned(),
                (Some(_), _) => "was dropped and made anew since the rotation began".to_owned(),
            };
            let user = Untrusted::new(users[index].as_str());
            Some(format!("{user} {what}"))
        };
        (0..2).filter_map(of_one).collect()
    }
}
