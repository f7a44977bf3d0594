//! Values out of a row of the text protocol, which sends all as text.

use chrono::{DateTime, Utc};
use mysql_async::Row;

/// A text; `None` for NULL and for a column that is not there.
pub(super) fn text(row: &Row, column: &str) -> Option<String> {
    let bytes = row.get_opt::<Option<Vec<u8>>, _>(column)?.ok().flatten()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// A number, if it is one.
pub(super) fn number<N: std::str::FromStr>(row: &Row, column: &str) -> Option<N> {
    text(row, column)?.parse().ok()
}

/// Whether it is 1; NULL is not.
pub(super) fn flag(row: &Row, column: &str) -> bool {
    text(row, column).is_some_and(|value| value == "1" || value.eq_ignore_ascii_case("on"))
}

/// A time from `UNIX_TIMESTAMP(NOW(6))`: seconds and microseconds.
pub(super) fn moment(row: &Row, column: &str) -> Option<DateTime<Utc>> {
    parse_moment(&text(row, column)?)
}

fn parse_moment(value: &str) -> Option<DateTime<Utc>> {
    let (seconds, fraction) = value.split_once('.').unwrap_or((value, "0"));
    let micros = format!("{fraction:0<6}").get(..6)?.parse::<u32>().ok()?;
    DateTime::from_timestamp(seconds.parse().ok()?, micros * 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_has_microseconds() {
        let moment = parse_moment("1795278404.301044").expect("a time");
        assert_eq!(moment.timestamp_micros(), 1_795_278_404_301_044);
        assert_eq!(
            parse_moment("7").expect("a time").timestamp_micros(),
            7_000_000
        );
        assert_eq!(parse_moment("x"), None);
    }
}
