//! Evaluated `inputs` and `state` of a rotated secret as typed nouns.

use super::expression::Expression;
use super::parse::{below, unknown_property};
use super::value::{Value, ValueKind};
use crate::document::{Diagnostic, Segment, document_path_text};
use crate::model::{Credential, RotatedState, RotationInputs, UserName};
use crate::secret::Secret;

/// What to say of a value that is not known.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Unknowns {
    /// Nothing: it will be known when it is needed.
    Tolerated,
    /// It is needed now.
    Refused,
}

/// Reads the inputs of two users that take turns. All problems are reported at once;
/// without a result there is at least one, or something is unknown and tolerated.
pub(super) fn read_inputs(
    value: &Value,
    expression: &Expression,
    source: &str,
    unknowns: Unknowns,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<RotationInputs> {
    let mut reader = Reader {
        source,
        unknowns,
        diagnostics,
    };
    let root = Field::root(value, expression);
    reader.object(&root, &["database", "rotateUsers"], &[])?;
    let database = root.get("database");
    let users = root.get("rotateUsers");
    let mut host = None;
    let mut port = None;
    let mut name = None;
    let mut managing = None;
    if let Some(database) = &database
        && reader
            .object(
                database,
                &["database", "host", "managingUser", "port"],
                &["connector"],
            )
            .is_some()
    {
        if let Some(connector) = database.get("connector")
            && !matches!(connector.value.kind, ValueKind::Null)
        {
            reader.error(
                &connector,
                "connector is not supported yet",
                Some("remove it: the connection is direct"),
            );
        }
        host = database.get("host").and_then(|host| reader.host(&host));
        port = database.get("port").and_then(|port| reader.port(&port));
        name = database
            .get("database")
            .and_then(|name| reader.non_empty(&name))
            .map(|text| text.expose().to_owned());
        managing = database
            .get("managingUser")
            .and_then(|user| reader.credential(&user, &["password", "username"], &[]));
    }
    let mut pair = None;
    if let Some(users) = &users
        && reader
            .object(users, &["username1", "username2"], &[])
            .is_some()
    {
        let first = users.get("username1").and_then(|user| reader.user(&user));
        let second = users.get("username2").and_then(|user| reader.user(&user));
        if let (Some(first), Some(second)) = (first, second) {
            if first == second {
                let hint = "two users take turns; create a second one";
                reader.error(
                    users,
                    "username1 and username2 must be different users",
                    Some(hint),
                );
            } else {
                pair = Some([first, second]);
            }
        }
    }
    let (managing, users) = (managing?, pair?);
    if users.contains(&managing.username)
        && let Some(database) = &database
    {
        let hint = "a rotation would change the password that it works with";
        reader.error(
            database,
            "the managing user cannot be one of rotateUsers",
            Some(hint),
        );
        return None;
    }
    Some(RotationInputs {
        host: host?,
        port: port?,
        database: name?,
        managing,
        users,
    })
}

/// Reads an evaluated state.
pub(super) fn read_state(
    value: &Value,
    expression: &Expression,
    source: &str,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<RotatedState> {
    let mut reader = Reader {
        source,
        unknowns: Unknowns::Refused,
        diagnostics,
    };
    let root = Field::root(value, expression);
    reader.object(&root, &["current", "previous"], &[])?;
    let current = root
        .get("current")
        .and_then(|user| reader.credential(&user, &["password", "username"], &[]));
    let previous = root
        .get("previous")
        .and_then(|user| reader.credential(&user, &["username"], &["password"]));
    Some(RotatedState {
        current: current?,
        previous: previous?,
    })
}

/// Reads a user with a password.
pub(super) fn read_credential(
    value: &Value,
    expression: &Expression,
    source: &str,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Credential> {
    let mut reader = Reader {
        source,
        unknowns: Unknowns::Refused,
        diagnostics,
    };
    let root = Field::root(value, expression);
    reader.credential(&root, &["password", "username"], &[])
}

/// A value with the nearest expression that it came from.
struct Field<'a> {
    value: &'a Value,
    expression: &'a Expression,
    path: Vec<Segment>,
}

impl<'a> Field<'a> {
    fn root(value: &'a Value, expression: &'a Expression) -> Self {
        Self {
            value,
            expression,
            path: expression.path.clone(),
        }
    }

    fn get(&self, key: &str) -> Option<Field<'a>> {
        let ValueKind::Object(properties) = &self.value.kind else {
            return None;
        };
        Some(Field {
            value: properties.get(key)?,
            expression: self.expression.property(key).unwrap_or(self.expression),
            path: below(&self.path, key),
        })
    }
}

struct Reader<'a> {
    source: &'a str,
    unknowns: Unknowns,
    diagnostics: &'a mut Vec<Diagnostic>,
}

impl Reader<'_> {
    fn error(&mut self, field: &Field<'_>, summary: &str, hint: Option<&str>) {
        let diagnostic = Diagnostic::error(summary);
        self.report(
            field,
            match hint {
                Some(hint) => diagnostic.with_hint(hint),
                None => diagnostic,
            },
        );
    }

    fn report(&mut self, field: &Field<'_>, diagnostic: Diagnostic) {
        self.diagnostics.push(
            diagnostic
                .with_place(self.source, field.expression.span)
                .with_path(document_path_text(&field.path)),
        );
    }

    fn wrong_type(&mut self, field: &Field<'_>, expected: &str) {
        if matches!(field.value.kind, ValueKind::Unknown) {
            if self.unknowns == Unknowns::Refused {
                self.error(
                    field,
                    "the value is unknown",
                    Some("it must be known when rotating"),
                );
            }
            return;
        }
        let summary = format!("expected {expected}, got {}", field.value.type_name());
        self.error(field, &summary, None);
    }

    /// Checks for an object, its required keys and keys that mean nothing.
    fn object(&mut self, field: &Field<'_>, required: &[&str], optional: &[&str]) -> Option<()> {
        let ValueKind::Object(properties) = &field.value.kind else {
            self.wrong_type(field, "object");
            return None;
        };
        let known = || required.iter().chain(optional).copied();
        for key in properties.keys() {
            if !known().any(|name| name == key) {
                let field = field.get(key)?;
                let summary = unknown_property(key, known());
                self.report(&field, Diagnostic::warning(summary));
            }
        }
        let missing: Vec<&str> = required
            .iter()
            .copied()
            .filter(|key| !properties.contains_key(*key))
            .collect();
        if !missing.is_empty() {
            let summary = format!("missing required properties: {}", missing.join(", "));
            self.error(field, &summary, None);
        }
        Some(())
    }

    fn string<'v>(&mut self, field: &Field<'v>) -> Option<&'v Secret> {
        let text = field.value.as_secret();
        if text.is_none() {
            self.wrong_type(field, "string");
        }
        text
    }

    fn non_empty<'v>(&mut self, field: &Field<'v>) -> Option<&'v Secret> {
        let text = self.string(field)?;
        if text.expose().is_empty() {
            self.error(field, "the value must not be empty", None);
            return None;
        }
        if text.expose().chars().any(char::is_control) {
            self.error(field, "the value must not contain control characters", None);
            return None;
        }
        Some(text)
    }

    fn host(&mut self, field: &Field<'_>) -> Option<String> {
        let host = self.non_empty(field)?.expose().to_owned();
        if host.chars().any(char::is_whitespace) {
            self.error(field, "a host name must not contain spaces", None);
            return None;
        }
        Some(host)
    }

    fn port(&mut self, field: &Field<'_>) -> Option<u16> {
        let text = match &field.value.kind {
            ValueKind::Number(number) => number.as_str(),
            ValueKind::String(text) => text.expose(),
            _ => {
                self.wrong_type(field, "number");
                return None;
            }
        };
        let is_decimal = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let port = text
            .parse::<u16>()
            .ok()
            .filter(|port| is_decimal && *port > 0);
        if port.is_none() {
            self.error(field, "a port is a whole number from 1 to 65535", None);
        }
        port
    }

    fn user(&mut self, field: &Field<'_>) -> Option<UserName> {
        let text = self.string(field)?;
        match UserName::new(text.expose()) {
            Ok(name) => Some(name),
            Err(why) => {
                self.error(field, &why.to_string(), None);
                None
            }
        }
    }

    fn credential(
        &mut self,
        field: &Field<'_>,
        required: &[&str],
        optional: &[&str],
    ) -> Option<Credential> {
        self.object(field, required, optional)?;
        let username = field.get("username").and_then(|name| self.user(&name));
        let mut password = None;
        if let Some(found) = field.get("password") {
            password = Some(self.string(&found)?.duplicate());
            if password
                .as_ref()
                .is_some_and(|text| text.expose().is_empty())
            {
                self.error(&found, "a password must not be empty", None);
                return None;
            }
        } else if required.contains(&"password") {
            return None;
        }
        Some(Credential {
            username: username?,
            password,
        })
    }
}
