//! The template of a file with the values of an environment.

use std::sync::Arc;

use super::session::{Mode, Session};
use super::{Evaluator, Expression, ExpressionKind};
use crate::document::{Diagnostic, Segment, document_path_text, has_errors};
use crate::environment::template::{Rendered, Template};
use crate::environment::value::{Value, ValueKind};
use crate::secret::Secret;

impl Evaluator<'_> {
    /// The text of a template whose place in the settings is `at`.
    ///
    /// # Errors
    /// A reference leads nowhere, to a whole object or list, or to a value that is not known
    /// yet. None of them has a place in the document: they are about the settings.
    pub fn render(&self, template: &Template, at: &[Segment]) -> Result<Rendered, Vec<Diagnostic>> {
        let values = self.values_of(template, at)?;
        let unknown = template
            .references()
            .zip(&values)
            .filter(|(_, value)| value.unknown);
        let diagnostics: Vec<Diagnostic> = unknown
            .map(|(steps, _)| {
                let path = document_path_text(steps);
                Diagnostic::error(format!("{path} has no value yet"))
                    .with_path(document_path_text(at))
                    .with_hint("a rotated secret without `state` gets one by its first rotation")
            })
            .collect();
        if has_errors(&diagnostics) {
            return Err(diagnostics);
        }
        let texts: Vec<Secret> = values.iter().map(|value| text_of(value)).collect();
        let hidden = values.iter().zip(&texts);
        let hidden = hidden.filter(|(value, _)| value.contains_secret());
        Ok(Rendered {
            text: template.fill(&texts),
            secrets: hidden.map(|(_, text)| text.duplicate()).collect(),
        })
    }

    /// The same check for a save: a value that is not known yet will be known at a promote.
    ///
    /// # Errors
    /// As for [`Evaluator::render`], what is not known yet apart.
    pub fn check_template(
        &self,
        template: &Template,
        at: &[Segment],
    ) -> Result<(), Vec<Diagnostic>> {
        self.values_of(template, at).map(drop)
    }

    fn values_of(
        &self,
        template: &Template,
        at: &[Segment],
    ) -> Result<Vec<Arc<Value>>, Vec<Diagnostic>> {
        let session = Session::begin(self, Mode::Open);
        let asking = Expression {
            id: usize::MAX,
            span: self.environment.values.span,
            path: at.to_vec(),
            kind: ExpressionKind::Null,
        };
        let root = session.root();
        let mut values = Vec::new();
        let mut odd = Vec::new();
        for steps in template.references() {
            let value = session.reference(&root, &asking, steps);
            if matches!(value.kind, ValueKind::List(_) | ValueKind::Object(_)) {
                let summary = format!("{} is an {}", document_path_text(steps), value.type_name());
                let hint = "a file holds single values: refer to each of them";
                odd.push(
                    Diagnostic::error(summary)
                        .with_path(document_path_text(at))
                        .with_hint(hint),
                );
            }
            values.push(value);
        }
        let mut diagnostics = session.finish();
        diagnostics.extend(odd);
        if !has_errors(&diagnostics) {
            return Ok(values);
        }
        for one in &mut diagnostics {
            one.place = None;
        }
        Err(diagnostics)
    }
}

/// What stands in the file in place of a reference.
fn text_of(value: &Value) -> Secret {
    let mut text = zeroize::Zeroizing::new(String::new());
    value.write_text(&mut text);
    Secret::new(text.as_str().to_owned())
}
