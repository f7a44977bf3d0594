//! Who stands in the way of a change that ran into its time-out: a backup's lock, or a
//! global read lock, which nobody notices until something is to be written.

use super::answer::{number, text};
use super::managing::MysqlManaging;
use super::{MysqlFlavour, sql};
use crate::untrusted::Untrusted;

/// `ER_LOCK_WAIT_TIMEOUT`, and MariaDB's `ER_STATEMENT_TIMEOUT`.
const TIMED_OUT: [u16; 2] = [1205, 1969];

impl MysqlManaging {
    /// Adds to a time-out who holds what was waited for.
    pub(super) async fn name_holders(&mut self, code: u16, message: Untrusted) -> Untrusted {
        if !TIMED_OUT.contains(&code) {
            return message;
        }
        let holders = match self.flavour() {
            MysqlFlavour::MySql => self.holders().await,
            // Its list of metadata locks is a plugin that is seldom there.
            MysqlFlavour::MariaDb => Vec::new(),
        };
        let who = match holders.is_empty() {
            true => "a global read lock or a backup's lock may be held (FLUSH TABLES WITH READ \
                     LOCK, LOCK INSTANCE FOR BACKUP, BACKUP STAGE)"
                .to_owned(),
            false => holders.join("; "),
        };
        Untrusted::new(&format!("{message}; {who}"))
    }

    async fn holders(&mut self) -> Vec<String> {
        // Whoever may not see them is told of the possibility alone.
        let asked = self.run(sql::LOCK_HOLDERS).await;
        let rows = asked.and_then(Result::ok).unwrap_or_default();
        rows.iter()
            .map(|row| {
                let word = |column| text(row, column).unwrap_or_default();
                let lock = match word("lock_kind").as_str() {
                    "BACKUP LOCK" => "a backup's lock (LOCK INSTANCE FOR BACKUP)",
                    _ => "a global read lock (FLUSH TABLES WITH READ LOCK)",
                };
                format!(
                    "{} from {} holds {lock} in connection {}",
                    Untrusted::new(&word("user")),
                    Untrusted::new(&word("host")),
                    number::<u64>(row, "id").unwrap_or_default()
                )
            })
            .collect()
    }
}
