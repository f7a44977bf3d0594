//! One evaluation: what is known so far, and what each kind of expression means.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use super::{Evaluator, Loader, Unseal};
use crate::document::{Diagnostic, document_path_text, has_errors};
use crate::environment::expression::{
    Environment, Expression, ExpressionKind, Part, Rotation, SecretArgument, SecretExpression,
};
use crate::environment::value::{Value, ValueKind};
use crate::secret::Secret;

/// The deepest chain of expressions; each takes room on the stack.
const DEEPEST: usize = 400;
/// The most that a value may write when printed; references can multiply it.
const HEAVIEST: usize = 1_000_000;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// With keys and other environments.
    Open,
    /// With neither.
    Check,
}

/// Everything that one call on an [`Evaluator`] learns; it ends with the call.
pub(super) struct Session<'a> {
    pub(super) mode: Mode,
    loader: &'a dyn Loader,
    pub(super) root_name: String,
    scopes: RefCell<BTreeMap<String, ScopeOrFault<'a>>>,
    diagnostics: RefCell<Vec<Diagnostic>>,
    depth: Cell<usize>,
}

impl<'a> Session<'a> {
    pub(super) fn begin(evaluator: &Evaluator<'a>, mode: Mode) -> Self {
        let root = Rc::new(Scope {
            environment: Held::Borrowed(evaluator.environment),
            unseal: HeldUnseal::Borrowed(evaluator.unseal),
            memo: memo(evaluator.environment),
        });
        let name = evaluator.name.to_owned();
        Self {
            mode,
            loader: evaluator.loader,
            root_name: name.clone(),
            scopes: RefCell::new(BTreeMap::from([(name, Ok(root))])),
            diagnostics: RefCell::new(Vec::new()),
            depth: Cell::new(0),
        }
    }

    pub(super) fn root(&self) -> Rc<Scope<'a>> {
        self.scopes
            .borrow()
            .get(&self.root_name)
            .and_then(|scope| scope.as_ref().ok().cloned())
            .expect("the root is put there when the session begins")
    }

    pub(super) fn finish(&self) -> Vec<Diagnostic> {
        self.diagnostics.take()
    }

    pub(super) fn result(&self, value: Arc<Value>) -> Result<Arc<Value>, Vec<Diagnostic>> {
        let diagnostics = self.finish();
        if has_errors(&diagnostics) {
            return Err(diagnostics);
        }
        Ok(value)
    }

    pub(super) fn report(&self, found: impl IntoIterator<Item = Diagnostic>) {
        self.diagnostics.borrow_mut().extend(found);
    }

    pub(super) fn error(
        &self,
        scope: &Scope<'_>,
        expression: &Expression,
        summary: impl Into<String>,
    ) {
        let diagnostic = Diagnostic::error(summary)
            .with_place(&scope.environment().source, expression.span)
            .with_path(document_path_text(&expression.path));
        self.report([diagnostic]);
    }

    pub(super) fn evaluate(&self, scope: &Scope<'a>, expression: &Expression) -> Arc<Value> {
        let slot = scope.memo.borrow()[expression.id].clone();
        match slot {
            Slot::Done(value) => return value,
            Slot::Busy => {
                let summary = format!("cyclic reference to {}", expression.reference_text());
                self.error(scope, expression, summary);
                return Arc::new(Value::unknown(false));
            }
            Slot::Fresh => {}
        }
        if self.depth.get() >= DEEPEST {
            self.error(scope, expression, "references are nested too deeply");
            return Arc::new(Value::unknown(false));
        }
        scope.memo.borrow_mut()[expression.id] = Slot::Busy;
        self.depth.set(self.depth.get() + 1);
        let mut value = self.evaluate_fresh(scope, expression);
        self.depth.set(self.depth.get() - 1);
        if value.weight() > HEAVIEST {
            self.error(scope, expression, "the value is too large");
            value = Arc::new(Value::unknown(value.contains_secret()));
        }
        scope.memo.borrow_mut()[expression.id] = Slot::Done(Arc::clone(&value));
        value
    }

    fn evaluate_fresh(&self, scope: &Scope<'a>, expression: &Expression) -> Arc<Value> {
        let value = match &expression.kind {
            ExpressionKind::Invalid => Value::unknown(false),
            ExpressionKind::Null => Value::new(ValueKind::Null, false),
            ExpressionKind::Bool(value) => Value::new(ValueKind::Bool(*value), false),
            ExpressionKind::Number(number) => Value::new(ValueKind::Number(number.clone()), false),
            ExpressionKind::Text(text) => {
                Value::new(ValueKind::String(Secret::new(text.to_string())), false)
            }
            ExpressionKind::Interpolation(parts) => self.interpolate(scope, expression, parts),
            ExpressionKind::Symbol(access) => return self.access(scope, expression, access),
            ExpressionKind::List(items) => {
                let items = items.iter().map(|item| self.evaluate(scope, item));
                Value::new(ValueKind::List(items.collect()), false)
            }
            ExpressionKind::Object(properties) => {
                let mut ordered: Vec<_> = properties.iter().collect();
                ordered.sort_by(|one, other| one.key.cmp(&other.key));
                let properties = ordered
                    .into_iter()
                    .map(|property| (property.key.clone(), self.evaluate(scope, &property.value)));
                Value::new(ValueKind::Object(properties.collect()), false)
            }
            ExpressionKind::Secret(secret) => self.secret(scope, expression, secret),
            ExpressionKind::Rotate(rotation) => {
                return match self.opened_state(rotation) {
                    Some(state) => self.evaluate(scope, state),
                    None => Arc::new(Value::unknown(false)),
                };
            }
        };
        Arc::new(value)
    }

    /// What a rotated secret's value is read from; a check knows none.
    pub(super) fn opened_state<'e>(&self, rotation: &'e Rotation) -> Option<&'e Expression> {
        let is_readable = self.mode == Mode::Open && rotation.state_is_valid;
        rotation.state.as_ref().filter(|_| is_readable)
    }

    fn secret(
        &self,
        scope: &Scope<'a>,
        expression: &Expression,
        secret: &SecretExpression,
    ) -> Value {
        let text = match &secret.form {
            SecretArgument::Plain(plain) => Ok(plain.duplicate()),
            SecretArgument::Ciphertext(_) if self.mode == Mode::Check => {
                return Value::unknown(true);
            }
            SecretArgument::Ciphertext(ciphertext) => scope.unseal(ciphertext),
        };
        match text {
            Ok(text) => Value::new(ValueKind::String(text), true),
            Err(why) => {
                self.error(scope, expression, why);
                Value::unknown(true)
            }
        }
    }

    fn interpolate(&self, scope: &Scope<'a>, expression: &Expression, parts: &[Part]) -> Value {
        let mut text = zeroize::Zeroizing::new(String::new());
        let mut secret = false;
        let mut unknown = false;
        let mut weight = 0_usize;
        for part in parts {
            text.push_str(&part.text);
            let Some(access) = &part.access else {
                continue;
            };
            let value = self.access(scope, expression, access);
            secret |= value.contains_secret();
            unknown |= value.unknown;
            weight = weight.saturating_add(value.weight());
            if weight > HEAVIEST || text.len() > HEAVIEST * 16 {
                self.error(scope, expression, "the value is too large");
                return Value::unknown(secret);
            }
            value.write_text(&mut text);
        }
        if unknown {
            return Value::unknown(secret);
        }
        Value::new(ValueKind::String(Secret::new(text.to_string())), secret)
    }

    /// The scope of an environment; it is loaded at most once.
    pub(super) fn scope(&self, name: &str) -> ScopeOrFault<'a> {
        if let Some(known) = self.scopes.borrow().get(name) {
            return known.clone();
        }
        let scope = self.loader.load(name).map(|loaded| {
            Rc::new(Scope {
                memo: memo(&loaded.environment),
                environment: Held::Owned(Box::new(loaded.environment)),
                unseal: HeldUnseal::Owned(loaded.unseal),
            })
        });
        self.scopes
            .borrow_mut()
            .insert(name.to_owned(), scope.clone());
        scope
    }
}

/// A scope, or why there is none.
pub(super) type ScopeOrFault<'a> = Result<Rc<Scope<'a>>, String>;

/// One environment and what is known of its expressions.
pub(super) struct Scope<'a> {
    environment: Held<'a>,
    unseal: HeldUnseal<'a>,
    memo: RefCell<Vec<Slot>>,
}

impl Scope<'_> {
    pub(super) fn environment(&self) -> &Environment {
        match &self.environment {
            Held::Borrowed(environment) => environment,
            Held::Owned(environment) => environment,
        }
    }

    fn unseal(&self, ciphertext: &str) -> Result<Secret, String> {
        match &self.unseal {
            HeldUnseal::Borrowed(unseal) => unseal.unseal(ciphertext),
            HeldUnseal::Owned(unseal) => unseal.unseal(ciphertext),
        }
    }
}

enum Held<'a> {
    Borrowed(&'a Environment),
    Owned(Box<Environment>),
}

enum HeldUnseal<'a> {
    Borrowed(&'a dyn Unseal),
    Owned(Box<dyn Unseal>),
}

/// What is known of one expression.
#[derive(Clone)]
enum Slot {
    Fresh,
    /// It is being evaluated: whoever meets it now has gone in a circle.
    Busy,
    Done(Arc<Value>),
}

fn memo(environment: &Environment) -> RefCell<Vec<Slot>> {
    RefCell::new(vec![Slot::Fresh; environment.expression_count])
}
