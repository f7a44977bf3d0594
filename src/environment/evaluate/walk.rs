//! References: steps through expressions as far as possible, then through values.

use std::sync::Arc;

use super::session::{Mode, Scope, Session};
use crate::document::{Diagnostic, Segment, Span, document_path_text};
use crate::environment::expression::{Access, Expression, ExpressionKind};
use crate::environment::parse::unknown_property;
use crate::environment::value::{Value, ValueKind};

/// One step of a reference and where it stands, if it stands in a document.
pub(super) struct Target<'t> {
    pub(super) segment: &'t Segment,
    pub(super) span: Option<Span>,
}

/// Who asks; diagnostics of a reference belong to it.
pub(super) struct Site<'t> {
    pub(super) source: &'t str,
    pub(super) path: String,
}

impl<'a> Session<'a> {
    /// What a reference in `expression` leads to.
    pub(super) fn access(
        &self,
        scope: &Scope<'a>,
        expression: &Expression,
        access: &Access,
    ) -> Arc<Value> {
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

    /// What a reference that stands in no document of ours leads to.
    pub(super) fn reference(
        &self,
        scope: &Scope<'a>,
        expression: &Expression,
        steps: &[Segment],
    ) -> Arc<Value> {
        let targets: Vec<Target<'_>> = steps
            .iter()
            .map(|segment| Target {
                segment,
                span: None,
            })
            .collect();
        let environment = scope.environment();
        let site = Site {
            source: &environment.source,
            path: document_path_text(&expression.path),
        };
        match steps.first() {
            Some(Segment::Key(root)) if root == "environments" => {
                self.implicit_import(scope, expression, &targets, &site)
            }
            _ => self.walk(scope, &environment.values, &targets, &site),
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

    /// Follows steps through expressions as far as possible, then through values.
    pub(super) fn walk(
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
        self.report([diagnostic]);
        Arc::new(Value::unknown(false))
    }
}

const INDEX_OF_OBJECT: &str = "cannot access an object property using an integer index";
const NAME_IN_LIST: &str = "cannot access an array element using a property name";

fn out_of_bounds(index: usize, length: usize) -> String {
    format!("array index {index} out-of-bounds for array of length {length}")
}
