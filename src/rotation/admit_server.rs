//! Whether it is the right server, and whose the pair on it is: the first cases of the
//! table that look at a database.

use super::admit::{Facts, refuse};
use super::identity::{
    ServerMatch, describe_server, is_of_other_data, is_other_certificate, match_server,
};
use super::refusal::{AdmitCase, Refusal};
use super::words::shown;
use crate::model::settings::TlsMode;
use crate::model::{EnvironmentName, LoginOutcome, ManagingFacts, Node};

pub(super) fn check_owner(facts: &Facts<'_>) -> Result<(), Refusal> {
    let Some(owner) = facts.owner else {
        return Ok(());
    };
    refuse(
        AdmitCase::OwnedElsewhere,
        owner.words(),
        owner.remedy(facts.environment),
    )
}

/// A standby may be behind the mark and is no copy; that it is one is said further down.
pub(super) fn check_server(facts: &Facts<'_>, managing: &ManagingFacts) -> Result<(), Refusal> {
    let seen = &managing.identity;
    for (node, other) in facts.others {
        if is_of_other_data(&other.identity, seen) {
            return refuse(
                AdmitCase::OtherServer,
                format!(
                    "{node} is named as a node of {}, and it is another server: system {}, not {}",
                    facts.node, other.identity.system, seen.system
                ),
                "mend `databases.\"*\".nodes` in the settings".to_owned(),
            );
        }
    }
    match match_server(facts.recorded_server, seen) {
        ServerMatch::Same | ServerMatch::NotKnown => return Ok(()),
        ServerMatch::WentBack if managing.read_only => return Ok(()),
        ServerMatch::WentBack | ServerMatch::Other => {}
    }
    let Some((found, meaning)) = describe_server(facts.recorded_server, seen) else {
        return Ok(());
    };
    refuse(
        AdmitCase::OtherServer,
        format!(
            "{}: {found}; that is {meaning}; {}",
            facts.node,
            consumers_there(facts)
        ),
        accept_remedy(facts.environment),
    )
}

/// A renewal is no reason to refuse where the name in the certificate is verified. Where it
/// is not, a known certificate is all that tells the server from somebody in between.
pub(super) fn check_certificate(
    facts: &Facts<'_>,
    managing: &ManagingFacts,
) -> Result<Vec<String>, Refusal> {
    let (recorded, seen) = (facts.recorded_certificate, managing.certificate.as_deref());
    if !is_other_certificate(recorded, seen) {
        return Ok(Vec::new());
    }
    let message = certificate_words(facts.node, recorded, seen);
    match facts.tls {
        TlsMode::VerifyFull => Ok(vec![message]),
        TlsMode::VerifyCa | TlsMode::Require | TlsMode::Disable => refuse(
            AdmitCase::OtherServer,
            format!("{message}; its host name is not verified (`tls.mode`)"),
            accept_remedy(facts.environment),
        ),
    }
}

/// That another certificate was shown, with enough of both to compare them elsewhere.
pub(super) fn certificate_words(node: &Node, recorded: Option<&str>, seen: Option<&str>) -> String {
    let short = |text: Option<&str>| {
        text.unwrap_or_default()
            .chars()
            .take(16)
            .collect::<String>()
    };
    format!(
        "{node} shows another certificate than before: SHA-256 {}…, before {}…",
        short(seen),
        short(recorded)
    )
}

/// Whether what consumers read is accepted there: after a restore it often is not.
fn consumers_there(facts: &Facts<'_>) -> String {
    let name = shown(facts.current);
    let mut outcomes = facts.current_logins.iter().map(|(_, outcome)| outcome);
    match outcomes.any(|outcome| matches!(outcome, LoginOutcome::PasswordRefused)) {
        true => format!("what consumers read ({name}) does not log in there"),
        false => format!("what consumers read ({name}) logs in there"),
    }
}

/// What is done about a server that is not the recorded one.
pub(super) fn accept_remedy(environment: &EnvironmentName) -> String {
    format!(
        "find out which server it is; if it is the right one: handover doctor {environment} \
         --accept-server; if not, mend `inputs.database.host`, or the name that it stands for"
    )
}
