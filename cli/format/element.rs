//! `index`, `slice`, `len`, `join` and `split`: lists, maps and texts by their parts.

use serde_json::Value as Json;

use super::error::Complaint;
use super::function::int;
use super::shape::Shape;
use super::value::{Value, View, keys};

pub(super) fn len(value: &Value) -> Result<Value, Complaint> {
    let length = match value.view() {
        View::Text(text) => text.len(),
        View::List(items, _) => items.len(),
        View::Map(entries, _) => entries.len(),
        _ => {
            let message = format!("a value of type {} has no length", value.type_name());
            return Err(Complaint::new(message));
        }
    };
    Ok(Value::int(i64::try_from(length).unwrap_or(i64::MAX)))
}

/// `index x 1 "a"` is `x[1]["a"]`. A key that a map has not gives its type's zero.
pub(super) fn index(value: &Value, at: &[Value]) -> Result<Value, Complaint> {
    at.iter().try_fold(value.clone(), |value, at| match value.view() {
        View::Map(entries, element) => {
            let View::Text(key) = at.view() else {
                let message = format!("a key of type {} for a map of strings", at.type_name());
                return Err(Complaint::new(message));
            };
            Ok(match entries.get(key) {
                Some(json) => Value::new(json.clone(), element),
                None => Value::zero(element),
            })
        }
        View::List(items, element) => {
            let at = position(at, items.len())?;
            let item = items.get(at).ok_or_else(|| out_of_range(at))?;
            Ok(Value::new(item.clone(), element))
        }
        View::Text(text) => {
            let at = position(at, text.len())?;
            let byte = text.as_bytes().get(at).ok_or_else(|| out_of_range(at))?;
            Ok(Value::int(i64::from(*byte)))
        }
        _ => Err(Complaint::new(format!("a value of type {} has no parts", value.type_name()))),
    })
}

/// `slice x 1 2` is `x[1:2]`.
pub(super) fn slice(value: &Value, bounds: &[Value]) -> Result<Value, Complaint> {
    let length = match value.view() {
        View::Text(text) => text.len(),
        View::List(items, _) => items.len(),
        _ => {
            let message = format!("a value of type {} has no parts", value.type_name());
            return Err(Complaint::new(message));
        }
    };
    let bound = |at: usize, default| match bounds.get(at) {
        Some(bound) => position(bound, length),
        None => Ok(default),
    };
    let (start, end) = (bound(0, 0)?, bound(1, length)?);
    if bounds.len() > 2 && position(&bounds[2], length)? < end || bounds.len() > 3 {
        return Err(Complaint::new("too many bounds"));
    }
    if start > end {
        return Err(Complaint::new(format!("the start {start} is behind the end {end}")));
    }
    match value.view() {
        View::List(items, _) => {
            Ok(Value::new(Json::Array(items[start..end].to_vec()), value.shape))
        }
        View::Text(text) => match text.get(start..end) {
            Some(part) => Ok(Value::text(part)),
            None => Err(Complaint::new("a bound is inside a character")),
        },
        _ => Ok(value.clone()),
    }
}

/// The elements of a list, or the values of a map by their keys' order.
pub(super) fn join(value: &Value, separator: &str) -> Result<Value, Complaint> {
    let parts: Vec<String> = match value.view() {
        View::List(items, element) => {
            items.iter().map(|item| View::of(item, element).printed()).collect()
        }
        View::Map(entries, element) => {
            let part = |key| View::of(&entries[key], element).printed();
            keys(entries).into_iter().map(part).collect()
        }
        _ => {
            let message = format!("expected a list, not a value of type {}", value.type_name());
            return Err(Complaint::new(message));
        }
    };
    Ok(Value::text(parts.join(separator)))
}

pub(super) fn split(text: &str, separator: &str) -> Value {
    let parts: Vec<Json> = match separator {
        // Between all characters.
        "" => text.chars().map(|char| Json::from(char.to_string())).collect(),
        _ => text.split(separator).map(Json::from).collect(),
    };
    Value::new(Json::Array(parts), Shape::List(&Shape::Text))
}

fn position(at: &Value, length: usize) -> Result<usize, Complaint> {
    let at = int(at)?;
    match usize::try_from(at) {
        Ok(position) if position <= length => Ok(position),
        _ => Err(Complaint::new(format!("{at} is out of range"))),
    }
}

fn out_of_range(at: usize) -> Complaint {
    Complaint::new(format!("{at} is out of range"))
}
