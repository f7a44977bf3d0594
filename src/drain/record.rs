//! From one look at a node to what changes in its timeline.
//!
//! A look at a node where nothing happened costs three small writes, however many sessions
//! there are. What is kept is what was seen: a look without an answer ends nothing, and neither
//! does a view that hides something, for what it does not show may well be there.

use std::collections::HashMap;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::timeline::{
    Answered, CountedLogins, Ended, LastLook, NodeTimeline, Run, SeenSession, SessionKey,
};
use crate::model::{AccountSample, LoginCounter, ObservedSession, Sample, SessionKind, Standby};
use crate::untrusted::Untrusted;

/// Times that a server computes from whole seconds differ by as much from look to look.
const JITTER: TimeDelta = TimeDelta::milliseconds(1_500);

/// By how much a server's start has to differ to be another one; no server starts twice in
/// that time.
pub(super) const OTHER_START: TimeDelta = TimeDelta::seconds(3);

/// Takes one look into the timeline of its node, and answers what has to be stored of it.
pub fn absorb(node: &mut NodeTimeline, looked: &Looked<'_>, max_gap: Duration) -> Vec<Write> {
    let before = node.last.take();
    match &looked.answer {
        Ok((sample, account)) => {
            let mut writes = answered(node, before.as_ref(), looked, max_gap, (sample, account));
            let last = LastLook {
                at: looked.at,
                answered: Some(Answered {
                    at: looked.at,
                    server_time: sample.server_time,
                }),
                problem: None,
                grant: account.grant.clone(),
            };
            node.last = Some(last.clone());
            writes.push(Write::Looked(last));
            writes
        }
        Err(silence) => {
            let last = LastLook {
                at: looked.at,
                answered: before.and_then(|last| last.answered),
                problem: Some(silence.problem.clone()),
                grant: silence.grant.clone(),
            };
            node.last = Some(last.clone());
            vec![Write::Looked(last)]
        }
    }
}

/// What this sample is to the stretch before it.
struct Step {
    /// The clock of the node at this sample.
    now: DateTime<Utc>,
    /// Whether all sessions can be seen.
    is_complete: bool,
    /// The server was started anew since the sample before.
    is_restarted: bool,
    /// The newest stretch before this sample.
    before: Option<Run>,
    /// Whether this sample belongs to it.
    goes_on: bool,
    /// The last sample before this one that could see all sessions.
    last_complete: Option<DateTime<Utc>>,
}

fn answered(
    node: &mut NodeTimeline,
    before: Option<&LastLook>,
    looked: &Looked<'_>,
    max_gap: Duration,
    (sample, account): (&Sample, &AccountSample),
) -> Vec<Write> {
    let mut writes = Vec::new();
    let is_restarted = node
        .server_started
        .is_some_and(|known| (sample.server_started - known).abs() > OTHER_START);
    facts(node, sample, account, is_restarted, &mut writes);
    let last_run = node.runs.last().cloned();
    let gap = last_run
        .as_ref()
        .map(|run| gap(run, before, looked, sample.server_time));
    let numbers_begin_anew = is_restarted && has_sessions_without_start(node, account);
    let goes_on = last_run.as_ref().is_some_and(|run| {
        run.is_complete == account.complete
            && run.until <= sample.server_time
            && gap.is_some_and(|gap| gap <= max_gap)
            && !numbers_begin_anew
    });
    let last_complete = node.runs.iter().rfind(|run| run.is_complete);
    let step = Step {
        now: sample.server_time,
        is_complete: account.complete,
        is_restarted,
        last_complete: last_complete.map(|run| run.until),
        before: last_run,
        goes_on,
    };
    extend_run(node, &step, gap.unwrap_or_default(), &mut writes);
    sessions(node, &step, &account.sessions, &mut writes);
    if let Some(counter) = &account.counter {
        count(node, &step, counter, &mut writes);
    }
    writes
}

/// The time since the sample before: the larger of what the node's clock and this host's say.
fn gap(
    run: &Run,
    before: Option<&LastLook>,
    looked: &Looked<'_>,
    server_time: DateTime<Utc>,
) -> Duration {
    let by_node = (server_time - run.until).to_std().unwrap_or_default();
    let by_wall_clock = |answered: Answered| (looked.at - answered.at).to_std().unwrap_or_default();
    let answered = before.and_then(|last| last.answered);
    let by_host = match (answered, looked.elapsed) {
        // The clock that counts suspend is not set by anybody, so it is asked alone.
        (Some(answered), Some(elapsed)) if before.is_some_and(|last| last.at == answered.at) => {
            elapsed
        }
        // Looks in between had no answer.
        (Some(answered), elapsed) => by_wall_clock(answered).max(elapsed.unwrap_or_default()),
        (None, elapsed) => elapsed.unwrap_or_default(),
    };
    by_node.max(by_host)
}

fn has_sessions_without_start(node: &NodeTimeline, account: &AccountSample) -> bool {
    let is_without = |session: &ObservedSession| session.started.is_none();
    let open = node.sessions.iter().filter(|seen| seen.ended.is_none());
    account.sessions.iter().any(is_without) || open.map(|seen| &seen.session).any(is_without)
}

fn facts(
    node: &mut NodeTimeline,
    sample: &Sample,
    account: &AccountSample,
    is_restarted: bool,
    writes: &mut Vec<Write>,
) {
    let is_same = !is_restarted
        && node.server_started.is_some()
        && node.standbys == sample.standbys
        && node.receiving == sample.receiving
        && node.can_log_in == account.can_log_in;
    if is_same {
        return;
    }
    if is_restarted || node.server_started.is_none() {
        node.server_started = Some(sample.server_started);
    }
    node.standbys.clone_from(&sample.standbys);
    node.receiving = sample.receiving;
    node.can_log_in = account.can_log_in;
    writes.push(Write::Facts {
        server_started: node.server_started,
        standbys: node.standbys.clone(),
        receiving: node.receiving,
        can_log_in: node.can_log_in,
    });
}

fn extend_run(node: &mut NodeTimeline, step: &Step, gap: Duration, writes: &mut Vec<Write>) {
    if let Some(run) = node.runs.last_mut().filter(|_| step.goes_on) {
        run.until = step.now;
        run.samples += 1;
        run.longest_gap = run.longest_gap.max(gap);
        writes.push(Write::ExtendRun(run.clone()));
        return;
    }
    let run = Run {
        from: step.now,
        until: step.now,
        samples: 1,
        longest_gap: Duration::ZERO,
        is_complete: step.is_complete,
    };
    node.runs.push(run.clone());
    writes.push(Write::BeginRun(run));
}

/// By what a session of the sample before is found: its number, or what a prepared
/// transaction has instead.
fn handle(session: &ObservedSession) -> (i64, Option<&Untrusted>) {
    let is_prepared = session.kind == SessionKind::PreparedTransaction;
    (session.pid, is_prepared.then_some(&session.application))
}

fn sessions(
    node: &mut NodeTimeline,
    step: &Step,
    observed: &[ObservedSession],
    writes: &mut Vec<Write>,
) {
    let mut shown: HashMap<_, &ObservedSession> = HashMap::with_capacity(observed.len());
    shown.extend(observed.iter().map(|session| (handle(session), session)));
    for seen in node.sessions.iter_mut().filter(|seen| seen.ended.is_none()) {
        let found = shown.get(&handle(&seen.session)).copied();
        if let Some(now) = found.filter(|now| is_same(seen, now, step)) {
            let _known = shown.remove(&handle(now));
            if let Some(changed) = changed(&seen.session, now) {
                let key = seen.key();
                seen.session = changed.clone();
                let session = changed;
                writes.push(Write::Changed { key, session });
            }
        } else if has_ended(seen, found.is_some(), step) {
            let ended = Ended {
                last_seen: last_seen(seen, step),
                gone_at: step.now,
            };
            seen.ended = Some(ended);
            let key = seen.key();
            writes.push(Write::Gone { key, ended });
        }
    }
    // In the order of the sample, and each once, so that the same looks write the same rows.
    for session in observed {
        if shown.remove(&handle(session)).is_none() {
            continue;
        }
        let seen = SeenSession {
            session: session.clone(),
            // Only a sample that could see it tells that it was not there.
            not_before: step.last_complete.map(|sample| sample.min(step.now)),
            first_seen: step.now,
            ended: None,
        };
        node.sessions.push(seen.clone());
        writes.push(Write::Seen(seen));
    }
}

/// Whether a row of the sample with the same number is the same session.
fn is_same(seen: &SeenSession, now: &ObservedSession, step: &Step) -> bool {
    // A prepared transaction outlives its server, and nothing else does.
    if step.is_restarted && now.kind != SessionKind::PreparedTransaction {
        return false;
    }
    match (seen.session.started, now.started) {
        (Some(known), Some(started)) => known == started,
        // It was masked before. One that began after the last sample is another one.
        (None, Some(started)) => step.before.as_ref().is_none_or(|run| started <= run.until),
        // It is masked now, or its engine tells no start.
        (_, None) => true,
    }
}

/// Whether a session that the sample does not show is gone.
///
/// A view that hides something ends only what this same view has shown before: what was seen
/// with more rights may be there and hidden. Another session with its number proves its end
/// in any view, and so does a restart.
fn has_ended(seen: &SeenSession, number_is_taken: bool, step: &Step) -> bool {
    let survives_restart = seen.session.kind == SessionKind::PreparedTransaction;
    step.is_complete
        || number_is_taken
        || (step.is_restarted && !survives_restart)
        || shows_under_mask(seen, step.before.as_ref())
}

/// Whether a stretch of samples whose view hides something has shown this session.
pub(super) fn shows_under_mask(seen: &SeenSession, run: Option<&Run>) -> bool {
    run.is_some_and(|run| {
        !run.is_complete
            && (seen.first_seen >= run.from || seen.session.kind == SessionKind::Masked)
    })
}

fn last_seen(seen: &SeenSession, step: &Step) -> DateTime<Utc> {
    let before = step.before.as_ref();
    let sample = match before {
        Some(run) if run.is_complete || shows_under_mask(seen, before) => Some(run.until),
        _ => step.last_complete,
    };
    sample.map_or(seen.first_seen, |sample| sample.max(seen.first_seen))
}

/// What is known of a session now, if it differs from what was known.
fn changed(known: &ObservedSession, now: &ObservedSession) -> Option<ObservedSession> {
    let merged = ObservedSession {
        // What a mask hides now was told before.
        started: now.started.or(known.started),
        client: now.client.clone().or_else(|| known.client.clone()),
        ..now.clone()
    };
    let is_same = merged.kind == known.kind
        && merged.started == known.started
        && merged.application == known.application
        && merged.client == known.client
        && merged.database == known.database
        && merged.state == known.state
        && merged.command == known.command
        && is_near(merged.state_since, known.state_since)
        && is_near(merged.transaction_since, known.transaction_since);
    (!is_same).then_some(merged)
}

fn is_near(one: Option<DateTime<Utc>>, other: Option<DateTime<Utc>>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => (one - other).abs() <= JITTER,
        (one, other) => one.is_none() && other.is_none(),
    }
}

fn count(node: &mut NodeTimeline, step: &Step, counter: &LoginCounter, writes: &mut Vec<Write>) {
    let tells_the_same = |known: &LoginCounter| {
        known.source == counter.source
            && known.total == counter.total
            && known.refused == counter.refused
            && !began_anew(known, counter)
    };
    let last = node.counters.last_mut();
    let goes_on = |last: &CountedLogins| {
        !step.is_restarted && last.until <= step.now && tells_the_same(&last.counter)
    };
    if let Some(last) = last.filter(|last| goes_on(last)) {
        last.until = step.now;
        writes.push(Write::ExtendCounter { until: step.now });
        return;
    }
    let counted = CountedLogins {
        from: step.now,
        until: step.now,
        counter: counter.clone(),
    };
    node.counters.push(counted.clone());
    writes.push(Write::BeginCounter(counted));
}

/// Whether a counter no longer goes on from what it told before.
pub(super) fn began_anew(known: &LoginCounter, now: &LoginCounter) -> bool {
    let since_moved = match (known.since, now.since) {
        (Some(known), Some(now)) => (now - known).abs() > OTHER_START,
        (known, now) => known.is_some() != now.is_some(),
    };
    known.source != now.source || now.total < known.total || since_moved
}

/// One look at a node, as the sampler made it.
#[derive(Debug, Clone)]
pub struct Looked<'a> {
    /// When, by this host's clock.
    pub at: DateTime<Utc>,
    /// How long after the look before it, by this host's clock that counts suspend; `None`
    /// where this process did not make that one.
    pub elapsed: Option<Duration>,
    /// What the node told, or why it told nothing.
    pub answer: Result<(&'a Sample, &'a AccountSample), Silence>,
}

/// Why a node told nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Silence {
    /// In words.
    pub problem: String,
    /// The statement that mends it, if one does.
    pub grant: Option<String>,
}

/// One change of a node's timeline, as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Write {
    /// The last attempt, in place of the one before.
    Looked(LastLook),
    /// What the node told of itself, in place of what it told before.
    Facts {
        /// When it was started.
        server_started: Option<DateTime<Utc>>,
        /// The standbys that it feeds.
        standbys: Vec<Standby>,
        /// Whether it is one itself.
        receiving: bool,
        /// Whether the outgoing user may log in there.
        can_log_in: Option<bool>,
    },
    /// A new stretch of samples.
    BeginRun(Run),
    /// The newest stretch goes on; in place of what it was.
    ExtendRun(Run),
    /// A session that was not there before.
    Seen(SeenSession),
    /// What a session does has changed.
    Changed {
        /// Which.
        key: SessionKey,
        /// What it does now.
        session: ObservedSession,
    },
    /// A session is gone.
    Gone {
        /// Which.
        key: SessionKey,
        /// When it went.
        ended: Ended,
    },
    /// The counter told something new.
    BeginCounter(CountedLogins),
    /// The counter told the same as before, up to now.
    ExtendCounter {
        /// The sample that told it.
        until: DateTime<Utc>,
    },
}
