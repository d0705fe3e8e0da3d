//! JSON to trees and back.

use compose::render::{Data, json};
use compose::source::Span;
use compose::yaml::{Map, Node, Value};
use serde_json::Value as Json;

/// A tree without places.
pub(crate) fn node(json: &Json) -> Node {
    let value = match json {
        Json::Null => Value::Null,
        Json::Bool(value) => Value::Bool(*value),
        Json::Number(number) => match number.as_i64() {
            Some(value) => Value::Int(value),
            None => Value::Float(number.as_f64().unwrap()),
        },
        Json::String(text) => Value::String(text.clone()),
        Json::Array(list) => Value::List(list.iter().map(node).collect()),
        Json::Object(fields) => {
            let mut map = Map::default();
            for (key, value) in fields {
                map.insert(key.clone(), Span::NOWHERE, node(value));
            }
            Value::Map(map)
        }
    };
    Node::new(value, Span::NOWHERE)
}

pub(crate) fn of_node(node: &Node) -> Json {
    of_data(&Data::of(node))
}

pub(crate) fn of_data(data: &Data) -> Json {
    serde_json::from_str(&json(data, 2)).unwrap()
}

/// Equal, where 1 and 1.0 are.
pub(crate) fn same(a: &Json, b: &Json) -> bool {
    match (a, b) {
        (Json::Number(a), Json::Number(b)) => a.as_f64() == b.as_f64(),
        (Json::Array(a), Json::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
        }
        (Json::Object(a), Json::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| same(a, b)))
        }
        (a, b) => a == b,
    }
}
