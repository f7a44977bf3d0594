//! Times as whole microseconds, which compare in SQL as they do here.

use chrono::{DateTime, Utc};
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};

/// A time, as the tables of overlaps and observations hold it. What is finer is cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Micros(pub(super) DateTime<Utc>);

impl ToSql for Micros {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.0.timestamp_micros().into())
    }
}

impl FromSql for Micros {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let number = value.as_i64()?;
        let time = DateTime::from_timestamp_micros(number);
        time.map(Self).ok_or(FromSqlError::OutOfRange(number))
    }
}

/// The time in a column that may be empty.
pub(super) fn time(column: Option<Micros>) -> Option<DateTime<Utc>> {
    column.map(|Micros(time)| time)
}

/// A column that may be empty.
pub(super) fn micros(time: Option<DateTime<Utc>>) -> Option<Micros> {
    time.map(Micros)
}
