//! When an environment is rotated by itself.

use std::time::Duration;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;

use super::{Field, Reader};
use crate::document::{Literal, NodeKind};
use crate::model::{
    CronExpression, MissedRule, Paused, Recurrence, Schedule, civil_time, time_zone,
};

/// More often than this no two users can take turns.
const SHORTEST_PERIOD: Duration = Duration::from_secs(60);

impl Reader<'_> {
    /// A schedule without a time asks for nothing, as long as it says nothing else either.
    pub(super) fn schedule(
        &mut self,
        schedule: &Field<'_>,
    ) -> Option<(Schedule, crate::document::Span)> {
        let known = [
            "cron", "every", "once", "timezone", "window", "jitter", "missed", "paused",
        ];
        let before = self.diagnostics.len();
        let fields = self.fields(schedule, &known);
        let fields: Vec<&Field<'_>> = fields
            .iter()
            .filter(|field| !field.node.is_null())
            .collect();
        // Civil times are read by it, wherever it stands.
        let zone = fields.iter().find(|field| field.name() == "timezone");
        let timezone = zone.and_then(|field| self.zone(field)).unwrap_or(Tz::UTC);
        let mut when: Vec<(&Field<'_>, Option<Recurrence>)> = Vec::new();
        let mut found = Schedule {
            recurrence: Recurrence::Every(Duration::MAX),
            timezone,
            window: None,
            jitter: Duration::ZERO,
            missed: MissedRule::default(),
            paused: None,
        };
        for field in &fields {
            match field.name() {
                "cron" => when.push((field, self.cron(field))),
                "every" => when.push((field, self.every(field))),
                "once" => when.push((field, self.time(field, timezone).map(Recurrence::Once))),
                "window" => found.window = self.window(field),
                "jitter" => found.jitter = self.duration(field).unwrap_or_default(),
                "missed" => {
                    let choices = [MissedRule::RunOnce, MissedRule::Skip];
                    let choices = choices.map(|rule| (rule.as_str(), rule));
                    found.missed = self.choice(field, &choices).unwrap_or_default();
                }
                "paused" => found.paused = self.paused(field, timezone),
                _ => {}
            }
        }
        if let [_, (second, _), ..] = &when[..] {
            let summary = "a schedule has one of `cron`, `every` and `once`";
            self.error(second, summary, Some("remove the other one".to_owned()));
        }
        let Some((_, recurrence)) = when.into_iter().next() else {
            let says_more = |field: &&&Field<'_>| match field.node.literal() {
                Some(Literal::Bool(false)) => field.name() != "paused",
                _ => true,
            };
            if fields.iter().any(|field| says_more(&field)) {
                let hint = "say when: cron: \"0 3 * * SUN\", every: 30d, or once: 2027-01-10 03:00";
                let summary = "the schedule does not say when";
                self.error(schedule, summary, Some(hint.to_owned()));
            }
            return None;
        };
        found.recurrence = recurrence?;
        if self.diagnostics.len() > before {
            return None;
        }
        if let Some(window) = found.window
            && found.jitter >= window
        {
            let summary = "`jitter` is not shorter than `window`, so that some environments would \
                           start after it";
            self.error(schedule, summary, Some("make `window` longer".to_owned()));
        }
        Some((found, schedule.node.span))
    }

    fn zone(&mut self, field: &Field<'_>) -> Option<Tz> {
        let text = self.text(field)?;
        match time_zone(&text) {
            Ok(zone) => Some(zone),
            Err(hint) => {
                self.error(field, "there is no such time zone", Some(hint));
                None
            }
        }
    }

    fn cron(&mut self, field: &Field<'_>) -> Option<Recurrence> {
        let text = self.text(field)?;
        match text.parse::<CronExpression>() {
            Ok(expression) => Some(Recurrence::Cron(expression)),
            Err(fault) => {
                self.error(field, fault.message, Some(fault.hint));
                None
            }
        }
    }

    fn every(&mut self, field: &Field<'_>) -> Option<Recurrence> {
        let period = self.duration(field)?;
        if period < SHORTEST_PERIOD {
            self.error(field, "a schedule recurs every minute at most", None);
            return None;
        }
        Some(Recurrence::Every(period))
    }

    fn window(&mut self, field: &Field<'_>) -> Option<Duration> {
        let window = self.duration(field)?;
        if window.is_zero() {
            let hint = "write how long after its time a rotation may start, such as 2h";
            self.error(field, "nothing could start in it", Some(hint.to_owned()));
            return None;
        }
        Some(window)
    }

    fn time(&mut self, field: &Field<'_>, zone: Tz) -> Option<DateTime<Utc>> {
        let text = self.text(field)?;
        match civil_time(&text, zone) {
            Ok(time) => Some(time),
            Err(fault) => {
                self.error(field, fault.message, Some(fault.hint));
                None
            }
        }
    }

    /// `true`, or an object that says why and until when.
    fn paused(&mut self, field: &Field<'_>, zone: Tz) -> Option<Paused> {
        if matches!(field.node.kind, NodeKind::Scalar(_)) {
            return self.boolean(field)?.then(Paused::default);
        }
        let mut paused = Paused::default();
        for part in self.fields(field, &["reason", "until"]) {
            match part.name() {
                _ if part.node.is_null() => {}
                "reason" => paused.reason = self.text(&part),
                _ => paused.until = self.time(&part, zone),
            }
        }
        Some(paused)
    }
}
