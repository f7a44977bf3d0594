//! What a change of a user sends: which statements it takes, and what stands in them.

use zeroize::Zeroizing;

use super::super::{Change, ChangePart, NewPassword};
use super::MysqlFlavour;
use super::accounts::{AccountOfServer, ED25519, NATIVE};
use super::sql::{self, NewHash};
use crate::model::UserName;
use crate::secret::{CachingSha2Hash, Ed25519Hash, NativePasswordHash, VerifierError};
use crate::untrusted::Untrusted;

/// MySQL: all rows at once, then the end of a retained password. MariaDB: row by row.
pub(super) fn parts(flavour: MysqlFlavour, rows: &[AccountOfServer]) -> Vec<ChangePart> {
    let shown = |rows: &[AccountOfServer]| {
        let shown: Vec<String> = rows
            .iter()
            .map(|row| format!("{}@{}", row.user, row.host))
            .collect();
        Untrusted::new(&shown.join(", "))
    };
    match flavour {
        _ if rows.is_empty() => Vec::new(),
        MysqlFlavour::MariaDb => rows
            .iter()
            .enumerate()
            .map(|(number, row)| ChangePart {
                number,
                words: shown(std::slice::from_ref(row)),
            })
            .collect(),
        MysqlFlavour::MySql => {
            let retained: Vec<AccountOfServer> =
                rows.iter().filter(|row| row.retained).cloned().collect();
            let mut parts = vec![ChangePart {
                number: 0,
                words: shown(rows),
            }];
            if !retained.is_empty() {
                parts.push(ChangePart {
                    number: 1,
                    words: Untrusted::new(&format!(
                        "the retained password of {}",
                        shown(&retained)
                    )),
                });
            }
            parts
        }
    }
}

/// A statement and the hashes in it, which no message may repeat.
pub(super) struct Statement {
    pub(super) text: Zeroizing<String>,
    /// User and host, where it changes one row alone.
    pub(super) row: Option<(String, String)>,
    pub(super) hashes: Vec<Zeroizing<String>>,
}

impl Statement {
    /// A server quotes what it does not understand, and a hash allows to guess offline.
    pub(super) fn without_hashes(&self, message: Untrusted) -> Untrusted {
        const TELLING: usize = 8;
        let tells = self.hashes.iter().any(|hash| {
            let windows = hash.as_bytes().windows(TELLING);
            windows
                .filter_map(|window| std::str::from_utf8(window).ok())
                .any(|part| message.as_str().contains(part))
        });
        match tells {
            true => Untrusted::new("the server quotes the statement, which is not repeated here"),
            false => message,
        }
    }
}

/// Whether a change has nothing to do in a part, that of a retained password: a lock locks
/// out whoever has it, too.
pub(super) fn is_idle(flavour: MysqlFlavour, part: &ChangePart, change: Change<'_>) -> bool {
    let keeps = matches!(change, Change::Lock(_) | Change::Unlock(_));
    keeps && flavour == MysqlFlavour::MySql && part.number > 0
}

/// The statement of a part; `None` where a name cannot be written, and where there is none.
pub(super) fn statement(
    flavour: MysqlFlavour,
    rows: &[AccountOfServer],
    part: usize,
    change: Change<'_>,
) -> Result<Option<Statement>, VerifierError> {
    let (new, lets_in) = match change {
        Change::Password(new) => (new, true),
        Change::Scramble(new) => (new, false),
        Change::Lock(_) => return Ok(lock(flavour, rows, part, true)),
        Change::Unlock(_) => return Ok(lock(flavour, rows, part, false)),
    };
    let rows: Vec<&AccountOfServer> = match flavour {
        MysqlFlavour::MariaDb => rows.iter().skip(part).take(1).collect(),
        MysqlFlavour::MySql if part == 0 => rows.iter().collect(),
        MysqlFlavour::MySql => {
            let retained = rows.iter().filter(|row| row.retained);
            let names: Vec<(&str, &str)> = retained
                .map(|row| (row.user.as_str(), row.host.as_str()))
                .collect();
            return Ok(sql::discard_old(&names).map(|text| Statement {
                text: Zeroizing::new(text),
                row: None,
                hashes: Vec::new(),
            }));
        }
    };
    let hashes: Vec<Zeroizing<String>> = rows
        .iter()
        .map(|row| hash(flavour, &row.plugin, new))
        .collect::<Result<_, _>>()?;
    let new_hashes: Vec<NewHash<'_>> = rows
        .iter()
        .zip(&hashes)
        .map(|(row, hash)| NewHash {
            user: &row.user,
            host: &row.host,
            plugin: &row.plugin,
            hash,
        })
        .collect();
    let text = sql::alter_user(flavour, &new_hashes, lets_in);
    Ok(text.map(|text| Statement {
        text: Zeroizing::new(text),
        row: match &rows[..] {
            [row] => Some((row.user.clone(), row.host.clone())),
            _ => None,
        },
        hashes,
    }))
}

/// The statement of a part that locks, or lets in again.
fn lock(
    flavour: MysqlFlavour,
    rows: &[AccountOfServer],
    part: usize,
    locked: bool,
) -> Option<Statement> {
    let rows: &[AccountOfServer] = match (flavour, part) {
        (MysqlFlavour::MariaDb, part) => rows.get(part..=part)?,
        (MysqlFlavour::MySql, 0) => rows,
        (MysqlFlavour::MySql, _) => return None,
    };
    let names = rows
        .iter()
        .map(|row| (row.user.as_str(), row.host.as_str()));
    let names: Vec<(&str, &str)> = names.collect();
    sql::lock_user(&names, locked).map(|text| Statement {
        text: Zeroizing::new(text),
        row: None,
        hashes: Vec::new(),
    })
}

/// What the plugin stores, as a literal of the statement.
fn hash(
    flavour: MysqlFlavour,
    plugin: &str,
    new: NewPassword<'_>,
) -> Result<Zeroizing<String>, VerifierError> {
    let quoted = |text: &str| Zeroizing::new(format!("'{text}'"));
    Ok(match (flavour, plugin) {
        (MysqlFlavour::MariaDb, ED25519) => quoted(Ed25519Hash::derive(new.password)?.as_str()),
        (_, NATIVE) => quoted(NativePasswordHash::derive(new.password)?.as_str()),
        _ => CachingSha2Hash::derive(new.password, new.salt)?.hex_literal(),
    })
}

/// What S3 will send, with a mark in place of each hash. `rows` are host and plugin.
pub(super) fn shown_statement(
    flavour: MysqlFlavour,
    user: &UserName,
    rows: &[(&str, &str)],
    statements: usize,
) -> String {
    const MARK: &str = "‹hash›";
    let all: Vec<NewHash<'_>> = rows
        .iter()
        .map(|(host, plugin)| NewHash {
            user: user.as_str(),
            host,
            plugin,
            hash: MARK,
        })
        .collect();
    let mut shown: Vec<String> = match flavour {
        MysqlFlavour::MariaDb => all
            .chunks(1)
            .filter_map(|row| sql::alter_user(flavour, row, true))
            .collect(),
        MysqlFlavour::MySql => sql::alter_user(flavour, &all, true).into_iter().collect(),
    };
    if flavour == MysqlFlavour::MySql && statements > 1 {
        let names: Vec<(&str, &str)> = rows
            .iter()
            .map(|(host, _)| (user.as_str(), *host))
            .collect();
        shown.extend(sql::discard_old(&names));
    }
    shown.join("; ")
}

/// What lets the user in again on all its rows.
pub(super) fn shown_unlock(flavour: MysqlFlavour, user: &UserName, hosts: &[&str]) -> String {
    let rows: Vec<(&str, &str)> = hosts.iter().map(|host| (user.as_str(), *host)).collect();
    let together = match flavour {
        MysqlFlavour::MariaDb => 1,
        MysqlFlavour::MySql => rows.len().max(1),
    };
    let all = rows.chunks(together);
    let shown: Vec<String> = all.filter_map(|rows| sql::lock_user(rows, false)).collect();
    shown.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lets_in_again_is_shown_for_each_row() {
        let user = UserName::new("app").expect("a name");
        let hosts = ["%", "10.0.0.1"];
        assert_eq!(
            shown_unlock(MysqlFlavour::MySql, &user, &hosts),
            "ALTER USER `app`@`%`, `app`@`10.0.0.1` ACCOUNT UNLOCK"
        );
        assert_eq!(
            shown_unlock(MysqlFlavour::MariaDb, &user, &hosts),
            "ALTER USER `app`@`%` ACCOUNT UNLOCK; ALTER USER `app`@`10.0.0.1` ACCOUNT UNLOCK"
        );
    }

    #[test]
    fn what_the_server_quotes_of_a_hash_is_not_repeated() {
        let statement = Statement {
            text: Zeroizing::new(String::new()),
            row: None,
            hashes: vec![Zeroizing::new("0x2441243030352432586f".to_owned())],
        };
        let kept = Untrusted::new("Access denied; you need the CREATE USER privilege");
        assert_eq!(statement.without_hashes(kept.clone()), kept);
        let quoted = Untrusted::new("syntax error near '0x24412430' at line 1");
        let told = statement.without_hashes(quoted);
        assert!(!told.as_str().contains("24412430"), "{told}");
    }
}
