//! The disk that fails where the tests want it to.
//!
//! Without the cargo feature `failpoints` nothing of this is left. With it,
//! `HANDOVER_STORE_FULL_AT=n` takes the room from the n-th write of this process and from
//! all that follow it, and `HANDOVER_STORE_READ_ONLY_AT=n` takes the right to write. Both
//! are SQLite's own doing, so that its errors and its rolling back are the real ones.

#[cfg(not(feature = "failpoints"))]
use rusqlite::Connection;

#[cfg(not(feature = "failpoints"))]
#[inline]
pub(super) fn before_write(_: &Connection) -> rusqlite::Result<()> {
    Ok(())
}

#[cfg(not(feature = "failpoints"))]
#[inline]
pub(super) fn before_commit(_: &Connection) -> rusqlite::Result<()> {
    Ok(())
}

#[cfg(feature = "failpoints")]
pub(super) use armed::{before_commit, before_write};

#[cfg(feature = "failpoints")]
mod armed {
    use std::sync::LazyLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    use rusqlite::Connection;

    /// How many writes this process has begun.
    static WRITES: AtomicU64 = AtomicU64::new(0);
    static FULL_AT: LazyLock<Option<u64>> = LazyLock::new(|| number("HANDOVER_STORE_FULL_AT"));
    static READ_ONLY_AT: LazyLock<Option<u64>> =
        LazyLock::new(|| number("HANDOVER_STORE_READ_ONLY_AT"));

    fn number(name: &str) -> Option<u64> {
        let text = std::env::var(name).ok()?;
        Some(text.parse().expect("the number of a write"))
    }

    fn has_come(at: Option<u64>) -> bool {
        at.is_some_and(|at| WRITES.load(Ordering::Relaxed) >= at)
    }

    pub(in super::super) fn before_write(connection: &Connection) -> rusqlite::Result<()> {
        WRITES.fetch_add(1, Ordering::Relaxed);
        if has_come(*READ_ONLY_AT) {
            connection.pragma_update(None, "query_only", "ON")?;
        }
        if has_come(*FULL_AT) {
            let pages: i64 = connection.query_row("PRAGMA page_count", [], |row| row.get(0))?;
            let limit = format!("PRAGMA max_page_count = {pages}");
            connection.query_row(&limit, [], |_| Ok(()))?;
        }
        Ok(())
    }

    /// What was written may have fitted into pages that had room; this never does.
    pub(in super::super) fn before_commit(connection: &Connection) -> rusqlite::Result<()> {
        if has_come(*FULL_AT) {
            connection.execute_batch(
                "CREATE TABLE more_than_fits (bytes BLOB); \
                 INSERT INTO more_than_fits VALUES (zeroblob(100000000))",
            )?;
        }
        Ok(())
    }
}
