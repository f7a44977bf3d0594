//! What the status says, as gauges.

use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

use super::Labels;
use crate::operations::{EnvironmentStatus, Status};

/// So many environments have series of their own; the others are counted.
const LABELLED: usize = 2000;

/// Registers all of them. An environment without a rotated secret has no series.
pub(super) fn register(registry: &mut Registry, status: &Status) {
    let environments = status.environments.iter();
    let all: Vec<&EnvironmentStatus> = environments.filter(|one| !one.paths.is_empty()).collect();
    let labelled = &all[..all.len().min(LABELLED)];
    of_the_store(registry, status, all.len() - labelled.len());
    let mut family = |name, help, unit: Option<Unit>, value: Value| {
        let family: Family<Labels, Gauge> = Family::default();
        for environment in labelled {
            let Some(value) = value(environment) else {
                continue;
            };
            let labels = vec![("environment", environment.environment.to_string())];
            family.get_or_create(&labels).set(value);
        }
        match unit {
            Some(unit) => registry.register_with_unit(name, help, unit, family),
            None => registry.register(name, help, family),
        }
    };
    family(
        "environment_healthy",
        "Whether the environment is as it should be",
        None,
        |one| Some(i64::from(one.health.is_healthy())),
    );
    family(
        "last_success_timestamp",
        "When all of the environment was last promoted",
        Some(Unit::Seconds),
        |one| one.health.last_success.map(|at| at.timestamp()),
    );
    family(
        "never_rotated",
        "Whether a rotated secret of it was never promoted",
        None,
        |one| Some(i64::from(one.health.never_rotated)),
    );
    family(
        "schedule_next_timestamp",
        "When its schedule starts next",
        Some(Unit::Seconds),
        |one| one.health.next_at.map(|at| at.timestamp()),
    );
    family(
        "schedule_paused",
        "Whether nothing is begun by its schedule",
        None,
        |one| {
            one.schedule
                .as_ref()
                .map(|_| i64::from(one.health.paused.is_some()))
        },
    );
    family(
        "overdue",
        "How long ago it should have been rotated",
        Some(Unit::Seconds),
        |one| Some(number(one.health.overdue_by_seconds.unwrap_or(0))),
    );
    family(
        "consecutive_failures",
        "Occurrences that led to no rotation since the last one",
        None,
        |one| Some(i64::from(one.health.consecutive_failures)),
    );
    family(
        "stuck_overlaps",
        "Outgoing users that should be out of use by now",
        None,
        |one| i64::try_from(one.health.stuck_overlap.len()).ok(),
    );
    family(
        "expired_waiver",
        "Whether its open rotation has a waiver that is older than a day",
        None,
        |one| Some(i64::from(one.health.expired_waiver)),
    );
    family(
        "rotation_open",
        "Whether a rotation of it is not closed",
        None,
        |one| Some(i64::from(one.open_rotation.is_some())),
    );
    family(
        "verification_failed",
        "Whether the last verification found a credential that is not as the store left it",
        None,
        |one| {
            one.health
                .verify
                .as_ref()
                .map(|verify| i64::from(verify.is_bad))
        },
    );
}

type Value = fn(&EnvironmentStatus) -> Option<i64>;

fn of_the_store(registry: &mut Registry, status: &Status, unlabelled: usize) {
    let mut gauge = |name, help, value: u64| {
        let gauge = Gauge::<i64>::default();
        gauge.set(number(value));
        registry.register(name, help, gauge);
    };
    let all = || status.environments.iter();
    let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
    let schedules = count(all().filter(|one| one.schedule.is_some()).count());
    let help = "Agents that live on this store";
    gauge("agents", help, count(status.agents.len()));
    let help = "Whether a freeze holds";
    gauge("frozen", help, u64::from(status.freeze.is_some()));
    let help = "Whether all is as it should be";
    gauge("healthy", help, u64::from(status.healthy));
    gauge("schedules", "Environments with a schedule", schedules);
    let waiting = all().map(|one| one.notices.waiting).sum();
    gauge(
        "notices_waiting",
        "Deliveries of notices that wait",
        waiting,
    );
    let dead = all().map(|one| one.notices.dead).sum();
    gauge(
        "notices_dead",
        "Deliveries of notices that were given up",
        dead,
    );
    let help = "Environments with rotated secrets beyond those with series of their own";
    gauge("environments_unlabelled", help, count(unlabelled));
}

fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
