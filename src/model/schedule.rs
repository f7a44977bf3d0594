//! Schedules as nouns: when an environment is rotated without anybody asking. What follows from
//! one at a given time is the room `schedule/`.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, NaiveTime, SubsecRound, Utc};
use chrono_tz::{TZ_VARIANTS, Tz};
use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};

use super::{Civil, resolve};
use crate::document::nearest;

/// When an environment is rotated by the agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    /// When.
    pub recurrence: Recurrence,
    /// By the clocks of which place.
    pub timezone: Tz,
    /// How long after an occurrence a rotation may start; without it a default that depends on
    /// the recurrence.
    pub window: Option<Duration>,
    /// Environments start up to so much later, each always by the same time.
    pub jitter: Duration,
    /// What becomes of an occurrence whose window passes while nobody can act.
    pub missed: MissedRule,
    /// Nothing is begun while this stands.
    pub paused: Option<Paused>,
}

/// When a schedule's occurrences are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recurrence {
    /// At the civil times that an expression names.
    Cron(CronExpression),
    /// So long after the last rotation.
    Every(Duration),
    /// Once.
    Once(DateTime<Utc>),
}

/// What becomes of an occurrence whose window passes while no agent is alive, or while it is
/// paused.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum MissedRule {
    /// One rotation stands for all that were missed, as soon as it may.
    #[default]
    RunOnce,
    /// It is told, and the next occurrence is waited for.
    Skip,
}

impl MissedRule {
    /// The word in settings.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RunOnce => "run-once",
            Self::Skip => "skip",
        }
    }
}

/// Why and until when a schedule is paused.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Paused {
    /// Why, in an operator's words.
    pub reason: Option<String>,
    /// It goes on by itself then; without it somebody has to resume it.
    pub until: Option<DateTime<Utc>>,
}

impl Schedule {
    /// What makes two schedules the same one: their occurrences. A schedule whose occurrences
    /// change begins anew, so that setting one never rotates anything.
    #[must_use]
    pub fn identity(&self) -> String {
        match &self.recurrence {
            Recurrence::Cron(expression) => format!("cron {expression} {}", self.timezone),
            Recurrence::Every(period) => format!("every {}ms", period.as_millis()),
            Recurrence::Once(time) => format!("once {}", time.to_rfc3339()),
        }
    }

    /// Whether nothing is begun by it at a time.
    #[must_use]
    pub fn is_paused(&self, now: DateTime<Utc>) -> bool {
        let until = self.paused.as_ref().map(|paused| paused.until);
        until.is_some_and(|until| until.is_none_or(|until| until > now))
    }
}

/// A cron expression of five fields: minute, hour, day of the month, month, day of the week;
/// with names, `L` and `#`.
#[derive(Clone)]
pub struct CronExpression {
    text: String,
    cron: Box<Cron>,
}

/// What is wrong with an expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CronFault {
    /// What.
    pub message: String,
    /// What to write.
    pub hint: String,
}

impl CronExpression {
    /// The next civil time that it names, after one, or that one itself.
    #[must_use]
    pub fn next(&self, from: NaiveDateTime, inclusive: bool) -> Option<NaiveDateTime> {
        // On a calendar without jumps; which instant a civil time is comes later.
        let found = self.cron.find_next_occurrence(&from.and_utc(), inclusive);
        found.ok().map(|time| time.naive_utc())
    }

    /// The last civil time that it names, up to and with one.
    #[must_use]
    pub fn previous(&self, up_to: NaiveDateTime) -> Option<NaiveDateTime> {
        let found = self.cron.find_previous_occurrence(&up_to.and_utc(), true);
        found.ok().map(|time| time.naive_utc())
    }

    /// In words, such as `At 03:00, on Sunday`.
    #[must_use]
    pub fn in_words(&self) -> String {
        self.cron.describe().trim_end_matches('.').to_owned()
    }
}

impl fmt::Display for CronExpression {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(&self.text)
    }
}

impl fmt::Debug for CronExpression {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "CronExpression({:?})", self.text)
    }
}

impl PartialEq for CronExpression {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for CronExpression {}

/// Each minute by itself takes 169 characters.
const LONGEST_EXPRESSION: usize = 500;
/// No zone has a name that is half as long.
const LONGEST_NAME: usize = 64;
/// Times are compared and added to: far from what a calendar can hold.
const YEARS: RangeInclusive<i32> = 1900..=9998;

/// The fields in their order.
const FIELDS: [&str; 5] = [
    "minute",
    "hour",
    "day of the month",
    "month",
    "day of the week",
];
const MONTHS: [&str; 12] = [
    "JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC",
];
const WEEKDAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

impl FromStr for CronExpression {
    type Err = CronFault;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() > LONGEST_EXPRESSION {
            return Err(fault(format!(
                "a cron expression has at most {LONGEST_EXPRESSION} characters"
            )));
        }
        let fields: Vec<&str> = text.split_whitespace().collect();
        if fields.len() != FIELDS.len() {
            return Err(fault(format!(
                "a cron expression has five fields, and this has {}",
                fields.len()
            )));
        }
        for (at, field) in fields.iter().enumerate() {
            check_field(at, field)?;
        }
        let text = fields.join(" ").to_uppercase();
        let parser = CronParser::builder()
            .seconds(Seconds::Disallowed)
            .year(Year::Disallowed)
            .build();
        let cron = parser
            .parse(&text)
            .map_err(|error| fault(error.to_string().trim_end_matches('.').to_owned()))?;
        let found = Self {
            text,
            cron: Box::new(cron),
        };
        // Eight years hold each day that there is, but around a century without a leap day.
        let begin = NaiveDate::default().and_time(NaiveTime::MIN);
        match found.next(begin, true) {
            Some(_) => Ok(found),
            None => Err(fault("it names a day that no year has".to_owned())),
        }
    }
}

/// The parser takes a weekday's name for a minute, and more of the kind.
fn check_field(at: usize, field: &str) -> Result<(), CronFault> {
    let name = FIELDS[at];
    let upper = field.to_uppercase();
    let strange = upper
        .chars()
        .find(|letter| !letter.is_ascii_alphanumeric() && !"*,-/#?".contains(*letter));
    if let Some(strange) = strange {
        return Err(fault(format!("{strange:?} has no meaning in the {name}")));
    }
    let words = upper.split(|letter: char| !letter.is_ascii_alphabetic());
    for word in words.filter(|word| !word.is_empty()) {
        let is_known = match at {
            2 => ["L", "W", "LW"].contains(&word),
            3 => MONTHS.contains(&word),
            4 => word == "L" || WEEKDAYS.contains(&word.strip_suffix('L').unwrap_or(word)),
            _ => false,
        };
        if !is_known {
            return Err(fault(format!("{word:?} has no meaning in the {name}")));
        }
    }
    if at != 4 && upper.contains('#') {
        return Err(fault(format!("\"#\" has no meaning in the {name}")));
    }
    Ok(())
}

fn fault(message: String) -> CronFault {
    let hint = "write minute, hour, day of the month, month and day of the week, such as \
                \"0 3 * * SUN\", \"30 2 L * *\" (the last day) or \"0 4 * * MON#1\" (the first \
                Monday)";
    CronFault {
        message,
        hint: hint.to_owned(),
    }
}

/// The time zone of a name.
///
/// # Errors
/// What may have been meant.
pub fn time_zone(name: &str) -> Result<Tz, String> {
    name.parse().map_err(|_| {
        let names = TZ_VARIANTS.iter().map(|zone| zone.name());
        let is_short = name.len() <= LONGEST_NAME;
        match is_short.then(|| nearest(name, names)).flatten() {
            Some(near) => format!("did you mean {near:?}?"),
            None => "write a name of the IANA database, such as Europe/Berlin or UTC".to_owned(),
        }
    })
}

/// A time with its offset (RFC 3339), or a civil time of a place: `2027-01-10 03:00`.
///
/// # Errors
/// What is wrong with it, and what to write.
pub fn civil_time(text: &str, zone: Tz) -> Result<DateTime<Utc>, CronFault> {
    let is_near = |year: i32| YEARS.contains(&year);
    let with_offset = DateTime::parse_from_rfc3339(text).ok();
    if let Some(time) = with_offset.filter(|time| is_near(time.year())) {
        // What is stored of an occurrence is no finer; it would come once more after itself.
        return Ok(time.to_utc().trunc_subsecs(6));
    }
    let civil = read_civil(text).filter(|civil| is_near(civil.year()));
    let civil = civil.ok_or_else(|| CronFault {
        message: match text.len() <= LONGEST_NAME {
            true => format!("{text:?} is no time"),
            false => "it is no time".to_owned(),
        },
        hint: "write it with its offset, such as 2027-01-10T03:00:00Z, or by the schedule's time \
               zone, such as 2027-01-10 03:00"
            .to_owned(),
    })?;
    match resolve(zone, civil) {
        Civil::Once(time) => Ok(time),
        Civil::Twice(first) => Err(CronFault {
            message: format!("{text} comes twice in {zone}, since the clocks are set back"),
            hint: format!(
                "write it with its offset; the first is {}",
                first.to_rfc3339()
            ),
        }),
        Civil::Skipped(after) => Err(CronFault {
            message: format!("{text} never comes in {zone}: the clocks are set forward over it"),
            hint: format!(
                "the next time there is {}",
                after.with_timezone(&zone).to_rfc3339()
            ),
        }),
    }
}

fn read_civil(text: &str) -> Option<NaiveDateTime> {
    let formats = [
        "%Y-%m-%dT%H:%M:%S",
        "%Y-%m-%d %H:%M:%S",
        "%Y-%m-%dT%H:%M",
        "%Y-%m-%d %H:%M",
    ];
    let mut read = formats.iter();
    let found = read.find_map(|format| NaiveDateTime::parse_from_str(text, format).ok());
    found.or_else(|| {
        let day = text.parse::<NaiveDate>().ok()?;
        Some(day.and_time(NaiveTime::MIN))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cron(text: &str) -> Result<CronExpression, CronFault> {
        text.parse()
    }

    #[test]
    fn an_expression_has_five_fields_and_names_where_they_mean_something() {
        for text in [
            "0 3 * * SUN",
            "*/15 * * * *",
            "0 3 L * *",
            "0 4 * * MON#1",
            "0 4 * * 5L",
            "0 4 * * FRIL",
            "0 3 1,15 JAN-MAR *",
            "0 3 15W * *",
            "0 3 29 2 *",
            "0 0 * * 7",
        ] {
            assert!(cron(text).is_ok(), "{text}: {:?}", cron(text));
        }
        for (text, part) in [
            ("", "five fields"),
            ("0 3 * *", "has 4"),
            ("0 0 3 * * SUN", "has 6"),
            ("@daily", "five fields"),
            ("MON 2 * * *", "in the minute"),
            ("0 3 * * MONDAY", "\"MONDAY\""),
            ("0 3 JAN * *", "in the day of the month"),
            ("0 3 31 2 *", "no year has"),
            ("61 3 * * *", ""),
            ("0 3 +1 * SUN", "'+'"),
            ("0 3 1#2 * *", "\"#\""),
        ] {
            let found = cron(text).expect_err(text);
            assert!(found.message.contains(part), "{text}: {found:?}");
        }
        assert_eq!(
            cron(" 0  3 * * sun ").expect("parses").to_string(),
            "0 3 * * SUN"
        );
    }

    #[test]
    fn a_time_that_never_comes_or_comes_twice_is_refused() {
        let berlin = chrono_tz::Europe::Berlin;
        let read = |text| civil_time(text, berlin).map(|time| time.to_rfc3339());
        assert_eq!(
            read("2027-01-10 03:00").as_deref(),
            Ok("2027-01-10T02:00:00+00:00")
        );
        assert_eq!(
            read("2027-01-10T03:00:00Z").as_deref(),
            Ok("2027-01-10T03:00:00+00:00")
        );
        assert_eq!(
            read("2027-01-10T03:00:00.123456789Z").as_deref(),
            Ok("2027-01-10T03:00:00.123456+00:00")
        );
        assert_eq!(
            read("2027-01-10").as_deref(),
            Ok("2027-01-09T23:00:00+00:00")
        );
        for (text, part) in [
            ("2027-03-28 02:30", "never comes"),
            ("2027-10-31 02:30", "comes twice"),
            ("tomorrow", "is no time"),
        ] {
            let found = civil_time(text, berlin).expect_err(text);
            assert!(found.message.contains(part), "{found:?}");
        }
        assert!(time_zone("Europe/Berlin").is_ok());
        let near = time_zone("Europe/Berln").expect_err("a typo");
        assert!(near.contains("Europe/Berlin"), "{near}");
    }
}
