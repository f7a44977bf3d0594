//! Which other environments a document refers to.

use std::collections::BTreeSet;

use super::Environment;
use super::expression::{Access, Expression, ExpressionKind};
use crate::document::Segment;

impl Environment {
    /// Every `project/name` in `${environments.project.name…}`, managing credentials
    /// included.
    #[must_use]
    pub fn references(&self) -> BTreeSet<String> {
        let mut names = BTreeSet::new();
        visit(&self.values, &mut names);
        names
    }
}

fn visit(expression: &Expression, names: &mut BTreeSet<String>) {
    match &expression.kind {
        ExpressionKind::Interpolation(parts) => {
            for access in parts.iter().filter_map(|part| part.access.as_ref()) {
                names.extend(environment_name(access));
            }
        }
        ExpressionKind::Symbol(access) => names.extend(environment_name(access)),
        ExpressionKind::List(items) => items.iter().for_each(|item| visit(item, names)),
        ExpressionKind::Object(properties) => properties
            .iter()
            .for_each(|property| visit(&property.value, names)),
        ExpressionKind::Rotate(rotation) => {
            visit(&rotation.inputs, names);
            if let Some(state) = &rotation.state {
                visit(state, names);
            }
        }
        ExpressionKind::Invalid
        | ExpressionKind::Null
        | ExpressionKind::Bool(_)
        | ExpressionKind::Number(_)
        | ExpressionKind::Text(_)
        | ExpressionKind::Secret(_) => {}
    }
}

fn environment_name(access: &Access) -> Option<String> {
    let key = |index: usize| match &access.steps.get(index)?.segment {
        Segment::Key(key) => Some(key.as_str()),
        Segment::Index(_) => None,
    };
    (key(0)? == "environments").then_some(())?;
    Some(format!("{}/{}", key(1)?, key(2)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::Document;

    #[test]
    fn references_are_found_wherever_they_stand() {
        let text = "\
values:
  plain: ${environments.shop.one.a}
  text: a ${environments.shop.two.b} c ${plain}
  list: [1, \"${environments[\\\"shop\\\"].three}\"]
  db:
    fn::rotate::postgres:
      inputs:
        database:
          host: h
          port: 5432
          database: d
          managingUser:
            username: u
            password: ${environments.shop.managing.password}
        rotateUsers: {username1: a, username2: b}
";
        let document = Document::load(text, "d").expect("loads");
        let (environment, _) = Environment::parse(&document);
        let names: Vec<String> = environment.references().into_iter().collect();
        assert_eq!(
            names,
            ["shop/managing", "shop/one", "shop/three", "shop/two"]
        );
    }
}
