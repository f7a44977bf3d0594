//! Takes apart what `SHOW GRANTS` answers.
//!
//! MariaDB writes the hash of the password into the same line. It is stepped over where it
//! stands: nothing that this module returns, and no name that it copies, can hold it.

use std::collections::BTreeSet;

use super::Account;

/// The privilege to pass on the others that one has on the same object.
pub(super) const GRANT_OPTION: &str = "GRANT OPTION";
/// Every privilege that there is on an object of its kind, except to pass them on.
pub(super) const ALL: &str = "ALL PRIVILEGES";
/// As [`Held::privilege`] of a role that was granted.
pub(super) const MEMBER: &str = "MEMBER";
/// No privilege at all.
const USAGE: &str = "USAGE";

/// On what there is a privilege.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Object {
    /// A role, as one grants it.
    Role(Role),
    /// `*.*`.
    Global,
    /// A pattern of schema names, as it is stored.
    Schema(String),
    /// A table or view, with its schema first.
    Table([String; 2]),
    /// A column, with its schema and its table first.
    Column([String; 3]),
    /// A routine.
    Routine {
        /// Such as `PROCEDURE` or `PACKAGE BODY`.
        noun: String,
        /// Its schema and its name.
        parts: [String; 2],
    },
    /// An account in whose place one may act.
    Proxy(Account),
}

/// A role or, since both are granted to in the same way, a user.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Role {
    /// Its name.
    pub(super) name: String,
    /// MariaDB's roles have no host.
    pub(super) host: Option<String>,
}

/// One privilege.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Held {
    /// On what.
    pub(super) object: Object,
    /// Its name in capitals; of a role [`MEMBER`].
    pub(super) privilege: String,
    /// Whether this single privilege may be passed on: of roles, of proxies, and of MySQL's
    /// dynamic privileges. All others share one [`GRANT_OPTION`] for each object.
    pub(super) grantable: bool,
}

/// Everything that somebody has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Grants {
    /// What was granted.
    pub(super) held: BTreeSet<Held>,
    /// MySQL's partial revokes: schemas in which a global privilege does not count.
    pub(super) withheld: BTreeSet<Held>,
    /// The role that sessions begin with, where the answer tells it (MariaDB).
    pub(super) default_role: Option<Role>,
    /// Lines, counted from one, of which the form is not known.
    pub(super) unread: Vec<usize>,
}

/// One line of the answer.
#[derive(Debug, PartialEq, Eq)]
enum Line {
    Granted(Role, Vec<Held>),
    Withheld(Role, Vec<Held>),
    Default(Role, Role),
}

impl Grants {
    /// Reads an answer. MariaDB adds what a role has through others; `of` takes the lines
    /// of one name alone.
    pub(super) fn read<T: AsRef<str>>(lines: &[T], of: Option<&Role>) -> Self {
        let mut grants = Self::default();
        let is_wanted = |whose: &Role| of.is_none_or(|of| of == whose);
        for (index, line) in lines.iter().enumerate() {
            match read_line(line.as_ref()) {
                Some(Line::Granted(whose, held)) if is_wanted(&whose) => grants.held.extend(held),
                Some(Line::Withheld(whose, held)) if is_wanted(&whose) => {
                    grants.withheld.extend(held);
                }
                Some(Line::Default(whose, role)) if is_wanted(&whose) => {
                    grants.default_role = Some(role);
                }
                Some(_) => {}
                None => grants.unread.push(index + 1),
            }
        }
        grants
    }

    /// Adds what a session has through a role. The roles of the role are in effect with it,
    /// and still nothing that a session may choose by itself.
    pub(super) fn add(&mut self, other: Self) {
        let others = other.held.into_iter();
        self.held
            .extend(others.filter(|held| !matches!(held.object, Object::Role(_))));
        self.unread.extend(other.unread);
    }

    /// Whether this is in effect here, on the object itself or on what contains it.
    pub(super) fn covers(&self, wanted: &Held) -> bool {
        if self.has(&wanted.object, wanted) {
            return true;
        }
        let (schema, table) = match &wanted.object {
            Object::Schema(schema) => (Some(schema), None),
            Object::Table([schema, _]) => (Some(schema), None),
            Object::Column([schema, table, _]) => (Some(schema), Some([schema, table])),
            Object::Routine { parts, .. } => (Some(&parts[0]), None),
            Object::Role(_) | Object::Global | Object::Proxy(_) => (None, None),
        };
        let Some(schema) = schema else { return false };
        let by_table = table.is_some_and(|[schema, table]| {
            self.has(&Object::Table([schema.clone(), table.clone()]), wanted)
        });
        let is_narrower = !matches!(wanted.object, Object::Schema(_));
        let by_schema = is_narrower
            && self.held.iter().any(|held| match &held.object {
                Object::Schema(pattern) => {
                    (pattern == schema || without_escapes(pattern) == *schema)
                        && gives(held, wanted)
                }
                _ => false,
            });
        by_table || by_schema || (self.has(&Object::Global, wanted) && !self.withholds(wanted))
    }

    /// Whether a global privilege does not count on this object, or in part of it.
    fn withholds(&self, wanted: &Held) -> bool {
        let schema = match &wanted.object {
            Object::Schema(schema) | Object::Table([schema, _]) | Object::Column([schema, ..]) => {
                schema
            }
            Object::Routine { parts, .. } => &parts[0],
            Object::Role(_) | Object::Global | Object::Proxy(_) => return false,
        };
        self.withheld.iter().any(|held| {
            held.object == Object::Schema(schema.clone())
                && (held.privilege == wanted.privilege || wanted.privilege == ALL)
        })
    }

    fn has(&self, object: &Object, wanted: &Held) -> bool {
        let mut held = self.held.iter();
        held.any(|held| held.object == *object && gives(held, wanted))
    }
}

/// Whether a privilege, wherever it is held, is the wanted one.
fn gives(held: &Held, wanted: &Held) -> bool {
    let is_dynamic = wanted.privilege.contains('_');
    let by_all = held.privilege == ALL && wanted.privilege != GRANT_OPTION && !is_dynamic;
    (held.privilege == wanted.privilege || by_all) && (held.grantable || !wanted.grantable)
}

/// The one schema that a pattern without wildcards means.
fn without_escapes(pattern: &str) -> String {
    pattern.replace("\\_", "_").replace("\\%", "%")
}

/// `None` where the form is not known.
fn read_line(line: &str) -> Option<Line> {
    let mut reader = Reader { rest: line };
    match reader.word()? {
        "GRANT" => reader.grant("TO"),
        "REVOKE" => match reader.grant("FROM")? {
            Line::Granted(whose, held) => Some(Line::Withheld(whose, held)),
            _ => None,
        },
        "SET" => {
            reader.expect("DEFAULT")?;
            reader.expect("ROLE")?;
            let role = reader.role()?;
            reader.expect("FOR")?;
            Some(Line::Default(reader.role()?, role))
        }
        _ => None,
    }
}

/// A piece of a line. Quoted pieces are copied only where they are names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token<'a> {
    Word(&'a str),
    Quoted(char, &'a str),
    Mark(char),
}

/// A privilege or role before it is known which, with its columns.
struct Item<'a> {
    first: Token<'a>,
    words: Vec<&'a str>,
    host: Option<Token<'a>>,
    columns: Vec<String>,
}

struct Reader<'a> {
    rest: &'a str,
}

impl<'a> Reader<'a> {
    /// All after `GRANT` or `REVOKE`, up to the end.
    fn grant(&mut self, towards: &str) -> Option<Line> {
        let mut items = vec![self.item()?];
        while self.takes(Token::Mark(',')) {
            items.push(self.item()?);
        }
        if self.takes(Token::Word(towards)) {
            let roles: Option<Vec<Role>> = items.iter().map(Item::role).collect();
            let whose = self.role()?;
            let is_admin = self.ends_with_option("ADMIN")?;
            let held = roles?.into_iter().map(|role| Held {
                object: Object::Role(role),
                privilege: MEMBER.to_owned(),
                grantable: is_admin,
            });
            return Some(Line::Granted(whose, held.collect()));
        }
        self.expect("ON")?;
        let object = match &items[..] {
            [item] if item.words == ["PROXY"] => Object::Proxy(self.account()?),
            _ => self.object()?,
        };
        self.expect(towards)?;
        let whose = self.role()?;
        let is_grantable = self.ends_with_option("GRANT")?;
        let mut held = Vec::new();
        for item in items {
            item.privileges(&object, is_grantable, &mut held)?;
        }
        if is_grantable && held.iter().all(|held| !held.grantable) {
            held.push(Held {
                object,
                privilege: GRANT_OPTION.to_owned(),
                grantable: false,
            });
        }
        Some(Line::Granted(whose, held))
    }

    fn item(&mut self) -> Option<Item<'a>> {
        let first = self.token()?;
        let mut item = Item {
            first,
            words: Vec::new(),
            host: None,
            columns: Vec::new(),
        };
        match first {
            Token::Mark(_) => return None,
            Token::Quoted(..) => {}
            Token::Word(word) => {
                item.words.push(word);
                while let Some(Token::Word(word)) = self.peek() {
                    if matches!(word, "ON" | "TO" | "FROM") {
                        break;
                    }
                    self.token();
                    item.words.push(word);
                }
            }
        }
        if self.takes(Token::Mark('@')) {
            item.host = Some(self.token()?);
        }
        if self.takes(Token::Mark('(')) {
            item.columns.push(self.name()?);
            while self.takes(Token::Mark(',')) {
                item.columns.push(self.name()?);
            }
            self.takes(Token::Mark(')')).then_some(())?;
        }
        Some(item)
    }

    fn object(&mut self) -> Option<Object> {
        let mut noun: Vec<&str> = Vec::new();
        let mut schema = self.token()?;
        while !self.takes(Token::Mark('.')) {
            let Token::Word(word) = schema else {
                return None;
            };
            noun.push(word);
            schema = self.token()?;
        }
        let thing = self.token()?;
        match (&noun[..], schema, thing) {
            ([] | ["TABLE"], Token::Word("*"), Token::Word("*")) => Some(Object::Global),
            ([] | ["TABLE"], schema, Token::Word("*")) => Some(Object::Schema(name_of(schema)?)),
            ([] | ["TABLE"], schema, table) => {
                Some(Object::Table([name_of(schema)?, name_of(table)?]))
            }
            (noun, schema, routine) => Some(Object::Routine {
                noun: noun.join(" "),
                parts: [name_of(schema)?, name_of(routine)?],
            }),
        }
    }

    fn role(&mut self) -> Option<Role> {
        let name = self.name()?;
        let host = match self.takes(Token::Mark('@')) {
            true => Some(self.name()?),
            false => None,
        };
        Some(Role { name, host })
    }

    fn account(&mut self) -> Option<Account> {
        let role = self.role()?;
        Some(Account {
            user: role.name,
            host: role.host?,
        })
    }

    /// Steps over the rest, and so over the password's hash.
    fn ends_with_option(&mut self, which: &str) -> Option<bool> {
        let mut found = false;
        while self.peek().is_some() {
            let is_which = self.token()? == Token::Word(which);
            found |= is_which && self.peek() == Some(Token::Word("OPTION"));
        }
        self.rest.trim_start().is_empty().then_some(found)
    }

    fn expect(&mut self, word: &str) -> Option<()> {
        self.takes(Token::Word(word)).then_some(())
    }

    fn takes(&mut self, token: Token<'_>) -> bool {
        let is_there = self.peek() == Some(token);
        if is_there {
            self.token();
        }
        is_there
    }

    fn word(&mut self) -> Option<&'a str> {
        match self.token()? {
            Token::Word(word) => Some(word),
            _ => None,
        }
    }

    fn name(&mut self) -> Option<String> {
        name_of(self.token()?)
    }

    fn peek(&self) -> Option<Token<'a>> {
        Reader { rest: self.rest }.token()
    }

    fn token(&mut self) -> Option<Token<'a>> {
        let rest = self.rest.trim_start();
        let first = rest.chars().next()?;
        let (token, length) = match first {
            '`' | '"' | '\'' => {
                let end = end_of_quoted(rest, first)?;
                (Token::Quoted(first, &rest[1..end]), end + 1)
            }
            ',' | '(' | ')' | '.' | '@' => (Token::Mark(first), 1),
            _ => {
                let is_end =
                    |character: char| character.is_whitespace() || "`\"',().@".contains(character);
                let end = rest.find(is_end).unwrap_or(rest.len());
                (Token::Word(&rest[..end]), end)
            }
        };
        self.rest = &rest[length..];
        Some(token)
    }
}

impl Item<'_> {
    /// As a role, which has no columns and is one word where it is not quoted.
    fn role(&self) -> Option<Role> {
        let is_name = self.columns.is_empty() && self.words.len() <= 1;
        let host = match self.host {
            Some(host) => Some(name_of(host)?),
            None => None,
        };
        is_name.then_some(())?;
        Some(Role {
            name: name_of(self.first)?,
            host,
        })
    }

    /// As privileges, one for each column.
    fn privileges(&self, object: &Object, is_grantable: bool, held: &mut Vec<Held>) -> Option<()> {
        let privilege = self.words.join(" ");
        let is_single = matches!(object, Object::Proxy(_)) || privilege.contains('_');
        if self.words.is_empty() || self.host.is_some() {
            return None;
        }
        if privilege == USAGE {
            return Some(());
        }
        let one = |object| Held {
            object,
            privilege: privilege.clone(),
            grantable: is_grantable && is_single,
        };
        match object {
            Object::Table([schema, table]) if !self.columns.is_empty() => {
                let columns = self.columns.iter();
                held.extend(columns.map(|column| {
                    one(Object::Column([
                        schema.clone(),
                        table.clone(),
                        column.clone(),
                    ]))
                }));
            }
            _ if !self.columns.is_empty() => return None,
            _ => held.push(one(object.clone())),
        }
        Some(())
    }
}

/// Where the closing mark of a quoted piece stands.
fn end_of_quoted(text: &str, mark: char) -> Option<usize> {
    let mut characters = text.char_indices().skip(1).peekable();
    while let Some((at, character)) = characters.next() {
        // Only texts have escapes; the session that asks has no `NO_BACKSLASH_ESCAPES`.
        if character == '\\' && mark == '\'' {
            characters.next();
        } else if character == mark && characters.next_if(|(_, next)| *next == mark).is_none() {
            return Some(at);
        }
    }
    None
}

fn name_of(token: Token<'_>) -> Option<String> {
    match token {
        Token::Word(word) => Some(word.to_owned()),
        Token::Quoted(mark, inner) => {
            let doubled = format!("{mark}{mark}");
            Some(inner.replace(&doubled, &mark.to_string()))
        }
        Token::Mark(_) => None,
    }
}

#[cfg(test)]
#[path = "grants_tests.rs"]
mod tests;
