//! Expressions to values: lazily, each expression at most once.
//!
//! References walk through objects, lists and rotated state as expressions, so that
//! siblings of what is asked for are not evaluated. An expression that is met again
//! while it is being evaluated refers to itself.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use super::expression::{
    Access, Environment, Expression, ExpressionKind, Part, Rotation, SecretArgument,
    SecretExpression,
};
use super::inputs;
use super::parse::unknown_property;
use super::value::{Value, ValueKind};
use crate::document::{
    Diagnostic, PropertyPath, Segment, Span, document_path_text, has_errors, nearest,
};
use crate::model::{RotatedState, RotationInputs};
use crate::secret::Secret;

/// The deepest chain of expressions; each takes room on the stack.
const DEEPEST: usize = 400;
/// The most that a value may write when printed; references can multiply it.
const HEAVIEST: usize = 1_000_000;

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
        let session = self.session(Mode::Open);
        let root = session.root();
        let value = session.evaluate(&root, &self.environment.values);
        (value, session.finish())
    }

    /// One value; nothing else is evaluated.
    ///
    /// # Errors
    /// Nothing is at the path, or what is there could not be evaluated.
    pub fn open_path(&self, path: &PropertyPath) -> Result<Arc<Value>, Vec<Diagnostic>> {
        let session = self.session(Mode::Open);
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
        let session = self.session(Mode::Check);
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
                session.diagnostics.borrow_mut().extend(found);
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
        let session = self.session(Mode::Open);
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
        let session = self.session(Mode::Open);
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

    fn session(&self, mode: Mode) -> Session<'a> {
        let root = Rc::new(Scope {
            environment: Held::Borrowed(self.environment),
            unseal: HeldUnseal::Borrowed(self.unseal),
            memo: memo(self.environment),
        });
        Session {
            mode,
            loader: self.loader,
            root_name: self.name.to_owned(),
            scopes: RefCell::new(BTreeMap::from([(self.name.to_owned(), Ok(root))])),
            diagnostics: RefCell::new(Vec::new()),
            depth: Cell::new(0),
        }
    }
}

fn finished<T>(read: Option<T>, diagnostics: Vec<Diagnostic>) -> Result<T, Vec<Diagnostic>> {
    match read {
        Some(value) if !has_errors(&diagnostics) => Ok(value),
        _ => Err(diagnostics),
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// With keys and other environments.
    Open,
    /// With neither.
    Check,
}

enum Held<'a> {
    Borrowed(&'a Environment),
    Owned(Box<Environment>),
}

enum HeldUnseal<'a> {
    Borrowed(&'a dyn Unseal),
    Owned(Box<dyn Unseal>),
}

#[derive(Clone)]
enum Slot {
    Fresh,
    Busy,
    Done(Arc<Value>),
}

/// One environment and what is known of its expressions.
struct Scope<'a> {
    environment: Held<'a>,
    unseal: HeldUnseal<'a>,
    memo: RefCell<Vec<Slot>>,
}

impl Scope<'_> {
    fn environment(&self) -> &Environment {
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

fn memo(environment: &Environment) -> RefCell<Vec<Slot>> {
    RefCell::new(vec![Slot::Fresh; environment.expression_count])
}

/// One step of a reference and where it stands, if it stands in a document.
struct Target<'t> {
    segment: &'t Segment,
    span: Option<Span>,
}

/// Who asks; diagnostics of a reference belong to it.
struct Site<'t> {
    source: &'t str,
    path: String,
}

type ScopeOrFault<'a> = Result<Rc<Scope<'a>>, String>;

struct Session<'a> {
    mode: Mode,
    loader: &'a dyn Loader,
    root_name: String,
    scopes: RefCell<BTreeMap<String, ScopeOrFault<'a>>>,
    diagnostics: RefCell<Vec<Diagnostic>>,
    depth: Cell<usize>,
}

impl<'a> Session<'a> {
    fn root(&self) -> Rc<Scope<'a>> {
        self.scopes
            .borrow()
            .get(&self.root_name)
            .and_then(|scope| scope.as_ref().ok().cloned())
            .expect("the root is put there when the session begins")
    }

    fn finish(&self) -> Vec<Diagnostic> {
        self.diagnostics.take()
    }

    fn result(&self, value: Arc<Value>) -> Result<Arc<Value>, Vec<Diagnostic>> {
        let diagnostics = self.finish();
        if has_errors(&diagnostics) {
            return Err(diagnostics);
        }
        Ok(value)
    }

    fn error(&self, scope: &Scope<'_>, expression: &Expression, summary: impl Into<String>) {
        let diagnostic = Diagnostic::error(summary)
            .with_place(&scope.environment().source, expression.span)
            .with_path(document_path_text(&expression.path));
        self.diagnostics.borrow_mut().push(diagnostic);
    }

    fn evaluate(&self, scope: &Scope<'a>, expression: &Expression) -> Arc<Value> {
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
    fn opened_state<'e>(&self, rotation: &'e Rotation) -> Option<&'e Expression> {
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

    fn access(&self, scope: &Scope<'a>, expression: &Expression, access: &Access) -> Arc<Value> {
        let steps: Vec<Target<'_>> = access
            .steps
            .iter()
            .map(|step| Target {
                segment: &step.segment,
                span: Some(step.span),
            })
            .collect();
        let environment = scope.environment();
        let site = Site {
            source: &environment.source,
            path: document_path_text(&expression.path),
        };
        match access.steps.first().map(|step| &step.segment) {
            Some(Segment::Key(root)) if root == "environments" => {
                self.implicit_import(scope, expression, &steps, &site)
            }
            // Refused when parsing.
            Some(Segment::Key(root))
                if root.is_empty() || root == "context" || root == "imports" =>
            {
                Arc::new(Value::unknown(false))
            }
            Some(Segment::Key(_)) => self.walk(scope, &environment.values, &steps, &site),
            _ => Arc::new(Value::unknown(false)),
        }
    }

    /// `environments.PROJECT.NAME.path…`
    fn implicit_import(
        &self,
        scope: &Scope<'a>,
        expression: &Expression,
        steps: &[Target<'_>],
        site: &Site<'_>,
    ) -> Arc<Value> {
        let [_, project, name, rest @ ..] = steps else {
            return Arc::new(Value::unknown(false));
        };
        let (Segment::Key(project), Segment::Key(name)) = (project.segment, name.segment) else {
            return Arc::new(Value::unknown(false));
        };
        let full = format!("{project}/{name}");
        if self.mode == Mode::Check && full != self.root_name {
            return Arc::new(Value::unknown(false));
        }
        match self.scope(&full) {
            Ok(other) => self.walk(&other, &other.environment().values, rest, site),
            Err(why) => {
                self.error(scope, expression, why);
                Arc::new(Value::unknown(false))
            }
        }
    }

    fn scope(&self, name: &str) -> ScopeOrFault<'a> {
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

    /// Follows steps through expressions as far as possible, then through values.
    fn walk(
        &self,
        scope: &Scope<'a>,
        from: &Expression,
        steps: &[Target<'_>],
        site: &Site<'_>,
    ) -> Arc<Value> {
        let mut receiver = from;
        let mut rest = steps;
        while let Some((step, behind)) = rest.split_first() {
            receiver = match (&receiver.kind, step.segment) {
                (ExpressionKind::Object(properties), Segment::Key(key)) => {
                    match properties.iter().find(|property| property.key == *key) {
                        Some(property) => &property.value,
                        None => {
                            let known = properties.iter().map(|property| property.key.as_str());
                            return self.no_such(site, step, unknown_property(key, known));
                        }
                    }
                }
                (ExpressionKind::List(items), Segment::Index(index)) => match items.get(*index) {
                    Some(item) => item,
                    None => return self.no_such(site, step, out_of_bounds(*index, items.len())),
                },
                (ExpressionKind::Object(_), Segment::Index(_)) => {
                    return self.no_such(site, step, INDEX_OF_OBJECT.to_owned());
                }
                (ExpressionKind::List(_), Segment::Key(_)) => {
                    return self.no_such(site, step, NAME_IN_LIST.to_owned());
                }
                (ExpressionKind::Rotate(rotation), _) => match self.opened_state(rotation) {
                    Some(state) => {
                        receiver = state;
                        continue;
                    }
                    None => return Arc::new(Value::unknown(false)),
                },
                _ => break,
            };
            rest = behind;
        }
        let value = self.evaluate(scope, receiver);
        self.walk_value(value, rest, site)
    }

    fn walk_value(&self, from: Arc<Value>, steps: &[Target<'_>], site: &Site<'_>) -> Arc<Value> {
        let mut value = from;
        for step in steps {
            let next = match (&value.kind, step.segment) {
                (ValueKind::Unknown, _) => return Arc::new(Value::unknown(value.secret)),
                (ValueKind::Object(properties), Segment::Key(key)) => properties
                    .get(key)
                    .cloned()
                    .ok_or_else(|| unknown_property(key, properties.keys().map(String::as_str))),
                (ValueKind::List(items), Segment::Index(index)) => items
                    .get(*index)
                    .cloned()
                    .ok_or_else(|| out_of_bounds(*index, items.len())),
                (ValueKind::Object(_), Segment::Index(_)) => Err(INDEX_OF_OBJECT.to_owned()),
                (ValueKind::List(_), Segment::Key(_)) => Err(NAME_IN_LIST.to_owned()),
                _ => Err("receiver must be an array or an object".to_owned()),
            };
            value = match next {
                Ok(next) => next,
                Err(summary) => return self.no_such(site, step, summary),
            };
        }
        value
    }

    fn no_such(&self, site: &Site<'_>, step: &Target<'_>, summary: String) -> Arc<Value> {
        let mut diagnostic = Diagnostic::error(summary).with_path(&site.path);
        if let Some(span) = step.span {
            diagnostic = diagnostic.with_place(site.source, span);
        }
        self.diagnostics.borrow_mut().push(diagnostic);
        Arc::new(Value::unknown(false))
    }
}

const INDEX_OF_OBJECT: &str = "cannot access an object property using an integer index";
const NAME_IN_LIST: &str = "cannot access an array element using a property name";

fn out_of_bounds(index: usize, length: usize) -> String {
    format!("array index {index} out-of-bounds for array of length {length}")
}
