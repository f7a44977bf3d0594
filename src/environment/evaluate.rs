//! Expressions to values: lazily, each expression at most once.
//!
//! [`session`] evaluates and remembers, [`walk`] follows references. A reference walks
//! through objects, lists and rotated state as expressions, so that siblings of what is
//! asked for are not evaluated. An expression that is met again while it is being
//! evaluated refers to itself.

use std::sync::Arc;

use super::expression::{Environment, Expression, ExpressionKind, Rotation};
use super::inputs;
use super::interpolation::{RawPart, split};
use super::value::{Value, ValueKind};
use crate::document::{Diagnostic, PropertyPath, Segment, has_errors, nearest};
use crate::model::{Credential, RotatedState, RotationInputs};
use crate::secret::Secret;

mod rendering;
mod session;
mod walk;

use session::{Mode, Session};
use walk::{Site, Target};

/// Opens ciphertexts of one environment.
pub trait Unseal {
    /// The plaintext, or why there is none, without any part of it.
    ///
    /// # Errors
    /// A sentence for the operator.
    fn unseal(&self, ciphertext: &str) -> Result<Secret, String>;
}

/// Another environment, as a reference needs it.
pub struct Loaded {
    /// Its document.
    pub environment: Environment,
    /// What opens its secrets.
    pub unseal: Box<dyn Unseal>,
}

/// Finds other environments.
pub trait Loader {
    /// Loads `project/name`.
    ///
    /// # Errors
    /// A sentence for the operator.
    fn load(&self, name: &str) -> Result<Loaded, String>;
}

/// Evaluates one environment. Each call starts anew.
pub struct Evaluator<'a> {
    environment: &'a Environment,
    name: &'a str,
    loader: &'a dyn Loader,
    unseal: &'a dyn Unseal,
}

impl<'a> Evaluator<'a> {
    /// `name` is the environment's own `project/name`.
    #[must_use]
    pub fn new(
        environment: &'a Environment,
        name: &'a str,
        loader: &'a dyn Loader,
        unseal: &'a dyn Unseal,
    ) -> Self {
        Self {
            environment,
            name,
            loader,
            unseal,
        }
    }

    /// Everything that consumers read.
    #[must_use]
    pub fn open(&self) -> (Arc<Value>, Vec<Diagnostic>) {
        let session = Session::begin(self, Mode::Open);
        let root = session.root();
        let value = session.evaluate(&root, &self.environment.values);
        (value, session.finish())
    }

    /// One value; nothing else is evaluated.
    ///
    /// # Errors
    /// Nothing is at the path, or what is there could not be evaluated.
    pub fn open_path(&self, path: &PropertyPath) -> Result<Arc<Value>, Vec<Diagnostic>> {
        let session = Session::begin(self, Mode::Open);
        let root = session.root();
        let steps: Vec<Target<'_>> = path
            .segments()
            .iter()
            .map(|segment| Target {
                segment,
                span: None,
            })
            .collect();
        let site = Site {
            source: &self.environment.source,
            path: path.to_string(),
        };
        let value = session.walk(&root, &self.environment.values, &steps, &site);
        session.result(value)
    }

    /// Evaluates without keys and without other environments: what needs them is
    /// unknown. Inputs of rotated secrets are checked as well.
    #[must_use]
    pub fn check(&self) -> (Arc<Value>, Vec<Diagnostic>) {
        let session = Session::begin(self, Mode::Check);
        let root = session.root();
        let value = session.evaluate(&root, &self.environment.values);
        for rotated in self.environment.rotated_secrets() {
            if let Some((_, rotation)) = self.environment.rotation(&rotated.path) {
                let value = session.evaluate(&root, &rotation.inputs);
                let mut found = Vec::new();
                let _ = inputs::read_inputs(
                    &value,
                    &rotation.inputs,
                    &self.environment.source,
                    inputs::Unknowns::Tolerated,
                    &mut found,
                );
                session.report(found);
            }
        }
        (value, session.finish())
    }

    /// The evaluated `inputs` of a rotated secret.
    ///
    /// # Errors
    /// It is not there, an input cannot be evaluated, is missing or is not valid.
    pub fn rotation_inputs(&self, path: &PropertyPath) -> Result<RotationInputs, Vec<Diagnostic>> {
        let rotation = self.rotation(path)?;
        let session = Session::begin(self, Mode::Open);
        let root = session.root();
        let value = session.evaluate(&root, &rotation.inputs);
        let mut diagnostics = session.finish();
        if has_errors(&diagnostics) {
            return Err(diagnostics);
        }
        let read = inputs::read_inputs(
            &value,
            &rotation.inputs,
            &self.environment.source,
            inputs::Unknowns::Refused,
            &mut diagnostics,
        );
        finished(read, diagnostics)
    }

    /// The evaluated `state` of a rotated secret, if it has one.
    ///
    /// # Errors
    /// It is not there, or its state cannot be evaluated or is not valid.
    pub fn state(&self, path: &PropertyPath) -> Result<Option<RotatedState>, Vec<Diagnostic>> {
        let rotation = self.rotation(path)?;
        let Some(state) = &rotation.state else {
            return Ok(None);
        };
        let session = Session::begin(self, Mode::Open);
        let root = session.root();
        let value = session.evaluate(&root, state);
        let mut diagnostics = session.finish();
        if has_errors(&diagnostics) {
            return Err(diagnostics);
        }
        let source = &self.environment.source;
        let read = inputs::read_state(&value, state, source, &mut diagnostics);
        finished(read.map(Some), diagnostics)
    }

    /// The user and password that a reference of the settings leads to, such as
    /// `${environments.shop.managing.monitor}`. `name` is what the settings call it.
    ///
    /// # Errors
    /// It is no reference, leads nowhere, or to something else. None of them has a place: they
    /// are about the settings, whose text is not known here.
    pub fn credential(&self, name: &str, text: &str) -> Result<Credential, Vec<Diagnostic>> {
        let hint = "write a reference to an object with `username` and `password`, such as \
                    ${environments.shop.managing.monitor}";
        self.referred(name, text, hint, |value, asking, found| {
            inputs::read_credential(value, asking, &self.environment.source, found)
        })
    }

    /// The secret text that a reference of the settings leads to, such as
    /// `${environments.ops.webhooks.handover}`. `name` is what the settings call it.
    ///
    /// # Errors
    /// As for [`Evaluator::credential`]; a text that is not sealed is no secret, either.
    pub fn secret(&self, name: &str, text: &str) -> Result<Secret, Vec<Diagnostic>> {
        let hint = "write a reference to a {fn::secret: …}, such as \
                    ${environments.ops.webhooks.handover}";
        self.referred(name, text, hint, |value, _, found| {
            let text = value.as_secret().filter(|_| value.secret);
            if text.is_none() {
                let summary = match value.kind {
                    ValueKind::String(_) => "expected a secret, got a plain string".to_owned(),
                    _ => format!("expected a secret, got {}", value.type_name()),
                };
                found.push(Diagnostic::error(summary).with_path(name).with_hint(hint));
            }
            text.map(Secret::duplicate)
        })
    }

    /// What a reference of the settings leads to, as `read` takes it.
    fn referred<T>(
        &self,
        name: &str,
        text: &str,
        hint: &str,
        read: impl FnOnce(&Value, &Expression, &mut Vec<Diagnostic>) -> Option<T>,
    ) -> Result<T, Vec<Diagnostic>> {
        let steps = lone_reference(text)
            .map_err(|summary| vec![Diagnostic::error(summary).with_path(name).with_hint(hint)])?;
        let session = Session::begin(self, Mode::Open);
        let asking = Expression {
            id: usize::MAX,
            span: self.environment.values.span,
            path: vec![Segment::from(name)],
            kind: ExpressionKind::Null,
        };
        let value = session.reference(&session.root(), &asking, &steps);
        let mut diagnostics = session.finish();
        let mut found = None;
        if !has_errors(&diagnostics) {
            found = read(&value, &asking, &mut diagnostics);
        }
        finished(found, diagnostics).map_err(|found| {
            let without_place = |mut one: Diagnostic| {
                one.place = None;
                one
            };
            found.into_iter().map(without_place).collect()
        })
    }

    fn rotation(&self, path: &PropertyPath) -> Result<&'a Rotation, Vec<Diagnostic>> {
        if let Some((_, rotation)) = self.environment.rotation(path) {
            return Ok(rotation);
        }
        let known: Vec<String> = self
            .environment
            .rotated_secrets()
            .iter()
            .map(|rotated| rotated.path.to_string())
            .collect();
        let wanted = path.to_string();
        let mut diagnostic =
            Diagnostic::error(format!("{wanted} is not a rotated secret")).with_path(&wanted);
        if let Some(near) = nearest(&wanted, known.iter().map(String::as_str)) {
            diagnostic = diagnostic.with_hint(format!("did you mean {near}?"));
        } else if !known.is_empty() {
            diagnostic = diagnostic.with_hint(format!("there are: {}", known.join(", ")));
        }
        Err(vec![diagnostic])
    }
}

/// The steps of a text that is one reference and nothing else.
fn lone_reference(text: &str) -> Result<Vec<Segment>, String> {
    let (mut parts, faults) = split(text.trim());
    if let Some(fault) = faults.first() {
        return Err(fault.summary.to_owned());
    }
    match parts.pop() {
        Some(RawPart {
            text,
            access: Some(access),
        }) if parts.is_empty() && text.is_empty() => {
            Ok(access.into_iter().map(|step| step.segment).collect())
        }
        _ => Err("expected a reference and nothing else".to_owned()),
    }
}

fn finished<T>(read: Option<T>, diagnostics: Vec<Diagnostic>) -> Result<T, Vec<Diagnostic>> {
    match read {
        Some(value) if !has_errors(&diagnostics) => Ok(value),
        _ => Err(diagnostics),
    }
}
