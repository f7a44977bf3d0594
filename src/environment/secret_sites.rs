//! Where secrets stand in a document: what sealing has to visit at a save.

use super::Environment;
use super::expression::{Expression, ExpressionKind, Rotation, SecretArgument};
use crate::document::{Diagnostic, PropertyPath, Segment, Span, document_path_text};
use crate::secret::Secret;

/// Which half of a rotated secret's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// What consumers read.
    Current,
    /// The idle user.
    Previous,
}

/// How a secret is written.
#[derive(Debug)]
pub enum SecretForm {
    /// In plaintext; a save seals it.
    Plain(Secret),
    /// As an envelope.
    Ciphertext(String),
}

/// One `fn::secret`.
#[derive(Debug)]
pub struct SecretSite {
    /// The value of `fn::secret`, from the document's root.
    pub document_path: Vec<Segment>,
    /// How it is written.
    pub form: SecretForm,
    /// Its rotated secret and role, where it stands in `state`.
    pub rotated: Option<(PropertyPath, Role)>,
    /// Where it stands in the text.
    pub span: Span,
}

impl Environment {
    /// Every `fn::secret` of the document, in the order of the text.
    #[must_use]
    pub fn secret_sites(&self) -> Vec<SecretSite> {
        let mut sites = Vec::new();
        visit(&self.values, None, &mut sites);
        sites
    }
}

fn visit(
    expression: &Expression,
    rotated: Option<&(PropertyPath, Role)>,
    sites: &mut Vec<SecretSite>,
) {
    match &expression.kind {
        ExpressionKind::List(items) => {
            for item in items {
                visit(item, rotated, sites);
            }
        }
        ExpressionKind::Object(properties) => {
            for property in properties {
                visit(&property.value, rotated, sites);
            }
        }
        ExpressionKind::Secret(secret) => sites.push(SecretSite {
            document_path: secret.argument_path.clone(),
            form: match &secret.form {
                SecretArgument::Plain(plain) => SecretForm::Plain(plain.duplicate()),
                SecretArgument::Ciphertext(text) => SecretForm::Ciphertext(text.clone()),
            },
            rotated: rotated.cloned(),
            span: secret.argument,
        }),
        ExpressionKind::Rotate(rotation) => visit_rotation(expression, rotation, sites),
        _ => {}
    }
}

fn visit_rotation(expression: &Expression, rotation: &Rotation, sites: &mut Vec<SecretSite>) {
    let from = sites.len();
    visit(&rotation.inputs, None, sites);
    let path = PropertyPath(expression.path.get(1..).unwrap_or_default().to_vec());
    if let Some(state) = &rotation.state
        && let ExpressionKind::Object(properties) = &state.kind
    {
        for property in properties {
            let role = match property.key.as_str() {
                "current" => Some(Role::Current),
                "previous" => Some(Role::Previous),
                _ => None,
            };
            let rotated = role.map(|role| (path.clone(), role));
            visit(&property.value, rotated.as_ref(), sites);
        }
    }
    // `state` may stand above `inputs`.
    sites[from..].sort_by_key(|site| site.span.start);
}

/// What evaluation accepts, as the language does, and a save does not: a password in
/// `state` that is not under `fn::secret`.
#[must_use]
pub fn check_for_saving(environment: &Environment) -> Vec<Diagnostic> {
    let mut diagnostics = Vec::new();
    for rotated in environment.rotated_secrets() {
        let Some((_, rotation)) = environment.rotation(&rotated.path) else {
            continue;
        };
        for role in ["current", "previous"] {
            let password = rotation
                .state
                .as_ref()
                .and_then(|state| state.property(role))
                .and_then(|user| user.property("password"));
            let Some(password) = password else {
                continue;
            };
            if matches!(password.kind, ExpressionKind::Secret(_)) {
                continue;
            }
            diagnostics.push(
                Diagnostic::error("a password in state must stand under fn::secret")
                    .with_place(environment.source(), password.span)
                    .with_path(document_path_text(&password.path))
                    .with_hint("write `password: {fn::secret: …}`; it is sealed when it is saved"),
            );
        }
    }
    diagnostics
}
