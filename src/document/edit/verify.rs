//! The check of an edit by a second, independent reader.

use serde_yaml::Value;

use super::{load, refuse};
use crate::document::emit::flow_text;
use crate::document::{Diagnostic, Fragment, ScalarStyle, Segment};

/// Compares before and after: equal everywhere but at the path.
pub(super) fn check(
    before: &str,
    after: &str,
    at: &[Segment],
    value: Option<&Fragment>,
) -> Result<(), Diagnostic> {
    let broken = || {
        refuse(at, "the edit would change more than its place")
            .with_hint("edit this place by hand; nothing was changed")
    };
    load(after).map_err(|_| broken())?;
    let mut expected = parse(before).ok_or_else(broken)?;
    let found = parse(after).ok_or_else(broken)?;
    let done = match value {
        Some(value) => {
            let value = to_value(value).ok_or_else(broken)?;
            put(&mut expected, at, value)
        }
        None => take(&mut expected, at),
    };
    if done.is_none() || normal(expected) != normal(found) {
        return Err(broken());
    }
    Ok(())
}

fn parse(text: &str) -> Option<Value> {
    serde_yaml::from_str(text).ok()
}

/// To this reader an empty document is null; to us it is an empty object.
fn normal(value: Value) -> Value {
    match value {
        Value::Null => Value::Mapping(serde_yaml::Mapping::new()),
        other => other,
    }
}

fn to_value(fragment: &Fragment) -> Option<Value> {
    Some(match fragment {
        Fragment::Null => Value::Null,
        Fragment::Bool(value) => Value::Bool(*value),
        Fragment::Number(_) => parse(&flow_text(fragment, ScalarStyle::Plain))?,
        Fragment::String(text) => Value::String(text.clone()),
        Fragment::Mapping(entries) => {
            let mut mapping = serde_yaml::Mapping::new();
            for (key, value) in entries {
                let earlier = mapping.insert(Value::String(key.clone()), to_value(value)?);
                if earlier.is_some() {
                    return None;
                }
            }
            Value::Mapping(mapping)
        }
        Fragment::Sequence(items) => {
            Value::Sequence(items.iter().map(to_value).collect::<Option<_>>()?)
        }
    })
}

fn put(place: &mut Value, at: &[Segment], value: Value) -> Option<()> {
    let Some((first, rest)) = at.split_first() else {
        *place = value;
        return Some(());
    };
    match first {
        Segment::Index(index) => put(place.as_sequence_mut()?.get_mut(*index)?, rest, value),
        Segment::Key(key) => {
            if place.is_null() {
                *place = Value::Mapping(serde_yaml::Mapping::new());
            }
            let mapping = place.as_mapping_mut()?;
            let slot = mapping
                .entry(Value::String(key.clone()))
                .or_insert(Value::Null);
            put(slot, rest, value)
        }
    }
}

fn take(place: &mut Value, at: &[Segment]) -> Option<()> {
    let (last, parents) = at.split_last()?;
    let mut place = place;
    for segment in parents {
        place = match segment {
            Segment::Index(index) => place.as_sequence_mut()?.get_mut(*index)?,
            Segment::Key(key) => place.as_mapping_mut()?.get_mut(key.as_str())?,
        };
    }
    match last {
        Segment::Index(index) => {
            let items = place.as_sequence_mut()?;
            (*index < items.len()).then(|| items.remove(*index))?;
        }
        Segment::Key(key) => {
            place.as_mapping_mut()?.shift_remove(key.as_str())?;
        }
    }
    Some(())
}
