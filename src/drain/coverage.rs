//! What can be seen and what not. Coverage that is not complete is never a yes.

use chrono::{DateTime, Utc};

use super::judge::{PoolerAddress, Question};
use super::observed::ObservedNode;
use super::status::{Coverage, NodeCoverage, PoolerNote, View};
use super::timeline::{LastLook, NodeTimeline};
use super::words;
use crate::model::{Engine, Standby};
use crate::untrusted::Untrusted;

/// What may be said by a node.
pub(super) fn view(timeline: Option<&NodeTimeline>, question: &Question<'_>) -> View {
    let Some((node, last)) = timeline.and_then(|node| Some((node, node.last.as_ref()?))) else {
        return View::NeverSampled;
    };
    // A clock that was set back says as little of the age of a sample as a long time.
    let is_old = |at: DateTime<Utc>| words::elapsed((question.now - at).abs()) > question.max_gap;
    match last {
        LastLook { at, .. } if is_old(*at) => View::Stale,
        LastLook {
            problem: Some(_), ..
        } => View::Unreachable,
        LastLook { answered: None, .. } => View::NeverSampled,
        _ if node.runs.last().is_some_and(|run| run.is_complete) => View::Complete,
        _ => View::Masked,
    }
}

/// What can be seen of all nodes together.
pub(super) fn coverage(question: &Question<'_>, nodes: &[ObservedNode<'_>]) -> Coverage {
    let unnamed_standbys = unnamed_standbys(nodes);
    let all_complete = nodes.iter().all(|node| node.view == View::Complete);
    let answers = nodes.iter().map(|node| node.answered().map(|both| both.at));
    let oldest: Option<Vec<_>> = answers.collect();
    Coverage {
        complete: all_complete && !nodes.is_empty() && unnamed_standbys.is_empty(),
        sampled_at: oldest.and_then(|answers| answers.into_iter().min()),
        nodes: nodes.iter().map(|node| of_node(question, node)).collect(),
        unnamed_standbys,
        poolers: question
            .poolers
            .iter()
            .map(|pooler| PoolerNote {
                pooler: pooler.name.clone(),
                note: pooler_note(pooler, question.engine),
            })
            .collect(),
    }
}

fn of_node(question: &Question<'_>, node: &ObservedNode<'_>) -> NodeCoverage {
    let shown = u64::try_from(node.shown().count()).unwrap_or(u64::MAX);
    let last = node.timeline.and_then(|node| node.last.as_ref());
    NodeCoverage {
        node: node.node.to_string(),
        view: node.view,
        sampled_at: node.answered().map(|both| both.at),
        sessions: match node.view {
            View::Complete => Some(shown),
            // What is seen is there; that nothing is seen says nothing.
            View::Masked => (shown > 0).then_some(shown),
            View::Unreachable | View::Stale | View::NeverSampled => None,
        },
        problem: problem(question, node),
        grant: match node.view {
            View::Complete => None,
            _ => last.and_then(|last| last.grant.clone()),
        },
    }
}

fn problem(question: &Question<'_>, node: &ObservedNode<'_>) -> Option<String> {
    let last = node.timeline.and_then(|node| node.last.as_ref());
    let told = last.and_then(|last| last.problem.as_deref());
    match node.view {
        View::Complete => None,
        View::Masked => Some("not all of its sessions can be seen".to_owned()),
        View::Unreachable => Some(told.unwrap_or("no answer").to_owned()),
        View::Stale => {
            let at = last?.at;
            let ago = words::passed(words::elapsed((question.now - at).abs()));
            let told = told.map(|told| format!("; then it told nothing: {told}"));
            let when = match at <= question.now {
                true => format!("it was last asked {ago} ago"),
                false => format!("it was last asked {ago} from now, as this host's clock says"),
            };
            Some(format!("{when}{}", told.unwrap_or_default()))
        }
        View::NeverSampled => Some("nobody has looked there yet".to_owned()),
    }
}

/// Standbys that a node feeds and the settings do not name.
///
/// Each standby has one upstream, so they are counted: the standbys that are fed less the
/// named nodes that receive. Addresses differ on both sides of a proxy, so that which of them
/// it is cannot be told, and all are named when there is one too many.
fn unnamed_standbys(nodes: &[ObservedNode<'_>]) -> Vec<Untrusted> {
    let observed = nodes.iter().filter_map(|node| node.timeline);
    let receiving = observed.clone().filter(|node| node.receiving).count();
    let fed: Vec<&Standby> = observed.flat_map(|node| &node.standbys).collect();
    if fed.len() <= receiving {
        return Vec::new();
    }
    fed.into_iter().map(standby).collect()
}

fn standby(standby: &Standby) -> Untrusted {
    let name = match standby.application.as_str() {
        "" => "a standby",
        name => name,
    };
    match &standby.client {
        Some(client) => Untrusted::new(&format!("{name} at {client}")),
        None => Untrusted::new(name),
    }
}

fn pooler_note(pooler: &PoolerAddress, engine: Engine) -> String {
    format!(
        "clients behind it are not seen here, only the sessions that it keeps; {}",
        pooler_command(&pooler.database, engine)
    )
}

/// What ends the sessions that a pooler keeps, without hurting anybody.
pub(super) fn pooler_command(database: &str, engine: Engine) -> String {
    match engine {
        Engine::Postgres => {
            let name = Untrusted::new(database);
            let database = match name.as_str() {
                "" => String::new(),
                name if is_plain(name) => format!(" {name}"),
                name => format!(" \"{}\"", name.replace('"', "\"\"")),
            };
            format!(
                "on PgBouncer's admin console `RECONNECT{database};` ends each of them once it is \
                 idle, and `SHOW SERVERS;` lists them"
            )
        }
        Engine::Mysql => "they end by its own settings (ProxySQL: `mysql-connection_max_age_ms`; \
                          MaxScale: `persistmaxtime`), or at its restart"
            .to_owned(),
    }
}

fn is_plain(name: &str) -> bool {
    let part = |letter: char| letter.is_ascii_lowercase() || letter == '_';
    name.starts_with(part)
        && name
            .chars()
            .all(|letter| part(letter) || letter.is_ascii_digit())
}
