//! How a value of the tree becomes a typed attribute, and an attribute a value of the output.

use std::collections::BTreeMap;

use thiserror::Error;

use crate::render::{Data, Form};
use crate::source::Span;
use crate::yaml::{Map, Node, Value};

/// `x-…` attributes by name, as they were written.
pub type Extensions = BTreeMap<String, Data>;

/// Why a value is not what its attribute takes.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ValueError {
    #[error("must be {wanted}, not {found}")]
    Unexpected { wanted: &'static str, found: String },
    #[error("invalid size: '{text}'")]
    Bytes { text: String },
    #[error("time: {why} duration {text:?}")]
    Duration { text: String, why: &'static str },
    #[error("invalid command {text:?}: {why}")]
    Command { text: String, why: &'static str },
    #[error("invalid value {text:?}, the only value allowed is 'all' or a number")]
    DeviceCount { text: String },
    #[error("invalid file mode {text:?}")]
    FileMode { text: String },
    #[error("invalid number {text:?}")]
    Number { text: String },
    #[error("bad host name '{text}'")]
    Host { text: String },
    #[error("invalid additional host, missing IP: {text}")]
    HostWithoutAddress { text: String },
    #[error("out of range: {text}")]
    Range { text: String },
}

/// A value that does not fit, and where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misfit {
    pub error: ValueError,
    pub span: Span,
    /// Keys from the record down to the value, innermost first.
    pub path: Vec<String>,
}

impl Misfit {
    pub(crate) fn new(error: ValueError, node: &Node) -> Misfit {
        Misfit { error, span: node.span, path: Vec::new() }
    }

    pub(crate) fn expected(wanted: &'static str, node: &Node) -> Misfit {
        Misfit::new(ValueError::Unexpected { wanted, found: kind(node).to_owned() }, node)
    }

    /// `services[web].mem_limit`
    pub(crate) fn describe(&self) -> String {
        let mut path = String::new();
        for (at, key) in self.path.iter().rev().enumerate() {
            match at {
                0 => path.push_str(key),
                1 => path.push_str(&format!("[{key}]")),
                _ if key.starts_with('[') => path.push_str(key),
                _ => path.push_str(&format!(".{key}")),
            }
        }
        path
    }

    fn below(mut self, key: String) -> Misfit {
        self.path.push(key);
        self
    }
}

pub(crate) fn kind(node: &Node) -> &'static str {
    match node.value {
        Value::Null => "nothing",
        Value::Bool(_) => "a boolean",
        Value::Int(_) | Value::Uint(_) | Value::Float(_) => "a number",
        Value::Timestamp(_) => "a date",
        Value::String(_) => "a string",
        Value::List(_) => "a list",
        Value::Map(_) => "a mapping",
    }
}

pub(crate) trait Attribute: Sized {
    fn decode(node: &Node) -> Result<Self, Misfit>;
    fn encode(&self, form: Form) -> Data;
    /// Whether the attribute is left out of the output.
    fn is_unset(&self, form: Form) -> bool;
}

pub(crate) fn field<T: Attribute + Default>(map: &Map, key: &str) -> Result<T, Misfit> {
    match map.get(key) {
        Some(node) => T::decode(node).map_err(|misfit| misfit.below(key.to_owned())),
        None => Ok(T::default()),
    }
}

/// The value below `key`, or below the name it has in JSON.
pub(crate) fn field_named<T: Attribute + Default>(
    map: &Map,
    key: &str,
    json: &str,
) -> Result<T, Misfit> {
    if key == json || map.contains(key) { field(map, key) } else { field(map, json) }
}

pub(crate) fn extensions(map: &Map) -> Extensions {
    map.iter()
        .filter(|(key, _)| key.starts_with("x-"))
        .map(|(key, node)| (key.to_owned(), Data::of(node)))
        .collect()
}

/// Extensions stand last in YAML; Go leaves them out of JSON.
pub(crate) fn put_extensions(
    fields: &mut Vec<(String, Data)>,
    extensions: &Extensions,
    form: Form,
) {
    if form == Form::Yaml {
        let Data::Map(entries) = sorted_map(extensions) else { return };
        fields.extend(entries);
    }
}

fn sorted_map(extensions: &Extensions) -> Data {
    Data::Map(extensions.iter().map(|(key, data)| (key.clone(), data.clone())).collect())
}

impl Attribute for String {
    fn decode(node: &Node) -> Result<String, Misfit> {
        match node.scalar_text() {
            Some(text) => Ok(text),
            None if node.is_null() => Ok(String::new()),
            None => Err(Misfit::expected("a string", node)),
        }
    }

    fn encode(&self, _: Form) -> Data {
        Data::text(self)
    }

    fn is_unset(&self, _: Form) -> bool {
        self.is_empty()
    }
}

impl Attribute for bool {
    fn decode(node: &Node) -> Result<bool, Misfit> {
        match &node.value {
            Value::Bool(value) => Ok(*value),
            Value::Null => Ok(false),
            Value::String(text) if text == "true" => Ok(true),
            Value::String(text) if text == "false" => Ok(false),
            _ => Err(Misfit::expected("a boolean", node)),
        }
    }

    fn encode(&self, _: Form) -> Data {
        Data::Bool(*self)
    }

    fn is_unset(&self, _: Form) -> bool {
        !self
    }
}

/// A whole number from a number or its digits in quotes.
pub(crate) fn integer(node: &Node) -> Result<i64, Misfit> {
    let number = |text: &str| ValueError::Number { text: text.to_owned() };
    match &node.value {
        Value::Null => Ok(0),
        Value::Int(value) => Ok(*value),
        Value::Uint(value) => {
            i64::try_from(*value).map_err(|_| Misfit::new(number(&value.to_string()), node))
        }
        Value::Float(value) if value.abs() < 9e15 => Ok(*value as i64),
        Value::String(text) => match text.trim().parse().ok() {
            Some(value) => Ok(value),
            None => Err(Misfit::new(number(text), node)),
        },
        _ => Err(Misfit::expected("a number", node)),
    }
}

macro_rules! integers {
    ($($type:ty),*) => { $(
        impl Attribute for $type {
            fn decode(node: &Node) -> Result<$type, Misfit> {
                let value = integer(node)?;
                <$type>::try_from(value)
                    .map_err(|_| Misfit::new(ValueError::Range { text: value.to_string() }, node))
            }

            fn encode(&self, _: Form) -> Data {
                Data::Int(*self as i64)
            }

            fn is_unset(&self, _: Form) -> bool {
                *self == 0
            }
        }
    )* };
}

integers!(i64, u64, u32, u16, i32);

impl Attribute for f32 {
    fn decode(node: &Node) -> Result<f32, Misfit> {
        match &node.value {
            Value::Null => Ok(0.0),
            Value::Int(value) => Ok(*value as f32),
            Value::Uint(value) => Ok(*value as f32),
            Value::Float(value) => Ok(*value as f32),
            Value::String(text) => text
                .parse()
                .map_err(|_| Misfit::new(ValueError::Number { text: text.clone() }, node)),
            _ => Err(Misfit::expected("a number", node)),
        }
    }

    fn encode(&self, _: Form) -> Data {
        Data::Float32(*self)
    }

    fn is_unset(&self, _: Form) -> bool {
        *self == 0.0
    }
}

impl<T: Attribute> Attribute for Option<T> {
    fn decode(node: &Node) -> Result<Option<T>, Misfit> {
        if node.is_null() { Ok(None) } else { T::decode(node).map(Some) }
    }

    fn encode(&self, form: Form) -> Data {
        self.as_ref().map_or(Data::Null, |value| value.encode(form))
    }

    fn is_unset(&self, _: Form) -> bool {
        self.is_none()
    }
}

impl<T: Attribute> Attribute for Vec<T> {
    fn decode(node: &Node) -> Result<Vec<T>, Misfit> {
        match &node.value {
            Value::Null => Ok(Vec::new()),
            Value::List(list) => list
                .iter()
                .enumerate()
                .map(|(at, node)| T::decode(node).map_err(|it| it.below(format!("[{at}]"))))
                .collect(),
            _ => Err(Misfit::expected("a list", node)),
        }
    }

    fn encode(&self, form: Form) -> Data {
        Data::List(self.iter().map(|item| item.encode(form)).collect())
    }

    fn is_unset(&self, _: Form) -> bool {
        self.is_empty()
    }
}

impl<T: Attribute> Attribute for BTreeMap<String, T> {
    fn decode(node: &Node) -> Result<BTreeMap<String, T>, Misfit> {
        match &node.value {
            Value::Null => Ok(BTreeMap::new()),
            Value::Map(map) => map
                .iter()
                .map(|(key, node)| match T::decode(node) {
                    Ok(value) => Ok((key.to_owned(), value)),
                    Err(misfit) => Err(misfit.below(key.to_owned())),
                })
                .collect(),
            _ => Err(Misfit::expected("a mapping", node)),
        }
    }

    fn encode(&self, form: Form) -> Data {
        Data::Map(self.iter().map(|(key, value)| (key.clone(), value.encode(form))).collect())
    }

    fn is_unset(&self, _: Form) -> bool {
        self.is_empty()
    }
}

impl<T: Attribute> Attribute for Box<T> {
    fn decode(node: &Node) -> Result<Box<T>, Misfit> {
        T::decode(node).map(Box::new)
    }

    fn encode(&self, form: Form) -> Data {
        T::encode(self, form)
    }

    fn is_unset(&self, form: Form) -> bool {
        T::is_unset(self, form)
    }
}
