//! A value of a template: JSON seen through its shape. Fields, truth and printing are Go's.

use std::sync::LazyLock;

use serde_json::{Map, Number, Value as Json};

use super::error::Complaint;
use super::execute::MissingKey;
use super::shape::{Shape, Struct};

/// None is no value at all: a key that a map has not.
#[derive(Clone, Debug, PartialEq)]
pub struct Value {
    pub(super) json: Option<Json>,
    pub(super) shape: Shape,
}

/// What there is to see in a value.
#[derive(Clone, Copy, Debug)]
pub(super) enum View<'a> {
    /// No value, or `null` where anything may be.
    Nil,
    NilPointer(&'static Struct),
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(&'a str),
    List(&'a [Json], Shape),
    Map(&'a Map<String, Json>, Shape),
    Struct(&'a Map<String, Json>, &'static Struct),
}

static EMPTY: LazyLock<Map<String, Json>> = LazyLock::new(Map::new);

impl Value {
    pub fn new(json: Json, shape: Shape) -> Value {
        Value { json: Some(json), shape }
    }

    pub(super) fn text(text: impl Into<String>) -> Value {
        Value::new(Json::String(text.into()), Shape::Text)
    }

    pub(super) fn bool(value: bool) -> Value {
        Value::new(Json::Bool(value), Shape::Bool)
    }

    pub(super) fn int(value: i64) -> Value {
        Value::new(Json::from(value), Shape::Int)
    }

    pub(super) fn float(value: f64) -> Value {
        Value::new(Number::from_f64(value).map_or(Json::Null, Json::Number), Shape::Float)
    }

    pub(super) fn missing() -> Value {
        Value { json: None, shape: Shape::Any }
    }

    /// What a variable of this type holds before anything is assigned.
    pub(super) fn zero(shape: Shape) -> Value {
        let json = match shape {
            Shape::Text => Json::String(String::new()),
            Shape::Int | Shape::Float => Json::from(0),
            Shape::Bool => Json::Bool(false),
            Shape::Struct(_) => Json::Object(Map::new()),
            Shape::Any | Shape::List(_) | Shape::Map(_) | Shape::Pointer(_) => Json::Null,
        };
        Value::new(json, shape)
    }

    pub(super) fn view(&self) -> View<'_> {
        match &self.json {
            Some(json) => View::of(json, self.shape),
            None => View::Nil,
        }
    }

    /// `.name` of the value.
    pub(super) fn field(&self, name: &str, missing: MissingKey) -> Result<Value, Complaint> {
        match self.view() {
            View::Nil if self.json.is_none() => match missing {
                MissingKey::NoValue => Ok(Value::missing()),
                MissingKey::Error => Err(no_entry(name)),
            },
            View::Map(entries, element) => match (entries.get(name), missing) {
                (Some(json), _) => Ok(Value::new(json.clone(), element)),
                (None, MissingKey::NoValue) => Ok(Value::missing()),
                (None, MissingKey::Error) => Err(no_entry(name)),
            },
            View::Struct(object, fields) => {
                let shape = fields.field(name).ok_or_else(|| no_field(name, fields))?;
                Ok(match object.get(name) {
                    Some(json) => Value::new(json.clone(), shape),
                    None => Value::zero(shape),
                })
            }
            View::Nil => Err(Complaint::new(format!("`.{name}` of null"))),
            View::NilPointer(fields) => {
                Err(Complaint::new(format!("`.{name}` of {}, which is not there", fields.name)))
            }
            _ => Err(Complaint::new(format!("a value of type {} has no fields", self.type_name()))),
        }
    }

    /// Whether `if` takes it for true: not empty, not zero, not nil.
    pub(super) fn truth(&self) -> bool {
        match self.view() {
            View::Nil | View::NilPointer(_) => false,
            View::Bool(value) => value,
            View::Int(value) => value != 0,
            View::Float(value) => value != 0.0,
            View::Text(text) => !text.is_empty(),
            View::List(items, _) => !items.is_empty(),
            View::Map(entries, _) => !entries.is_empty(),
            View::Struct(..) => true,
        }
    }

    /// What `{{…}}` prints.
    pub(super) fn printed(&self) -> String {
        match self.view() {
            View::Nil => "<no value>".to_owned(),
            view => view.printed(),
        }
    }

    /// What `printf "%v"` and `print` make of it.
    pub(super) fn formatted(&self) -> String {
        self.view().printed()
    }

    /// As JSON: keys of maps sorted, fields of structs in their order.
    pub(super) fn to_json(&self) -> Json {
        match &self.json {
            Some(json) => sorted(json, self.shape),
            None => Json::Null,
        }
    }

    pub(super) fn type_name(&self) -> String {
        match self.view() {
            View::Nil => "<nil>".to_owned(),
            View::NilPointer(fields) => format!("*{}", fields.name),
            View::Bool(_) => "bool".to_owned(),
            View::Int(_) => "int".to_owned(),
            View::Float(_) => "float64".to_owned(),
            View::Text(_) => "string".to_owned(),
            View::List(_, element) => format!("[]{}", element.name()),
            View::Map(_, element) => format!("map[string]{}", element.name()),
            View::Struct(_, fields) => fields.name.to_owned(),
        }
    }
}

impl<'a> View<'a> {
    /// Where JSON and shape disagree the JSON is right.
    pub(super) fn of(json: &'a Json, shape: Shape) -> View<'a> {
        match (json, shape) {
            (Json::Null, Shape::List(element)) => View::List(&[], *element),
            (Json::Null, Shape::Map(element)) => View::Map(&EMPTY, *element),
            (Json::Null, Shape::Pointer(fields)) => View::NilPointer(fields),
            (Json::Null, _) => View::Nil,
            (Json::Bool(value), _) => View::Bool(*value),
            (Json::Number(number), shape) => match number.as_i64() {
                Some(int) if shape != Shape::Float => View::Int(int),
                _ => View::Float(number.as_f64().unwrap_or(f64::NAN)),
            },
            (Json::String(text), _) => View::Text(text),
            (Json::Array(items), Shape::List(element)) => View::List(items, *element),
            (Json::Array(items), _) => View::List(items, Shape::Any),
            (Json::Object(object), Shape::Struct(fields) | Shape::Pointer(fields)) => {
                View::Struct(object, fields)
            }
            (Json::Object(object), Shape::Map(element)) => View::Map(object, *element),
            (Json::Object(object), _) => View::Map(object, Shape::Any),
        }
    }

    /// As Go's `%v`.
    pub(super) fn printed(self) -> String {
        match self {
            View::Nil | View::NilPointer(_) => "<nil>".to_owned(),
            View::Bool(value) => value.to_string(),
            View::Int(value) => value.to_string(),
            View::Float(value) => float(value),
            View::Text(text) => text.to_owned(),
            View::List(items, element) => {
                let items = items.iter().map(|item| View::of(item, element).printed());
                format!("[{}]", items.collect::<Vec<_>>().join(" "))
            }
            View::Map(entries, element) => {
                let pair = |key| format!("{key}:{}", View::of(&entries[key], element).printed());
                let pairs: Vec<String> = keys(entries).into_iter().map(pair).collect();
                format!("map[{}]", pairs.join(" "))
            }
            View::Struct(object, fields) => {
                let field = |(name, shape): &(&str, Shape)| match object.get(*name) {
                    Some(json) => View::of(json, *shape).printed(),
                    None => Value::zero(*shape).formatted(),
                };
                format!("{{{}}}", fields.fields.iter().map(field).collect::<Vec<_>>().join(" "))
            }
        }
    }
}

/// The keys in the order `range` and printing go through them.
pub(super) fn keys(entries: &Map<String, Json>) -> Vec<&str> {
    let mut keys: Vec<&str> = entries.keys().map(String::as_str).collect();
    keys.sort_unstable();
    keys
}

/// As Go's `%v` of a float64: shortest, with an exponent from 21 digits on and below 0.0001.
pub(super) fn float(value: f64) -> String {
    let exponent = format!("{value:e}");
    let power: i32 = exponent.split_once('e').and_then(|(_, e)| e.parse().ok()).unwrap_or(0);
    if value == 0.0 || (-4..21).contains(&power) || !value.is_finite() {
        return value.to_string();
    }
    let digits = exponent.split_once('e').map_or("", |(digits, _)| digits);
    let sign = if power < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", power.abs())
}

fn sorted(json: &Json, shape: Shape) -> Json {
    match (View::of(json, shape), json) {
        (View::Map(entries, element), Json::Object(_)) => {
            let pair = |key: &str| (key.to_owned(), sorted(&entries[key], element));
            Json::Object(keys(entries).into_iter().map(pair).collect())
        }
        (View::Struct(object, fields), _) => {
            let pair = |(key, value): (&String, &Json)| {
                (key.clone(), sorted(value, fields.field(key).unwrap_or(Shape::Any)))
            };
            Json::Object(object.iter().map(pair).collect())
        }
        (View::List(items, element), Json::Array(_)) => {
            Json::Array(items.iter().map(|item| sorted(item, element)).collect())
        }
        _ => json.clone(),
    }
}

fn no_entry(name: &str) -> Complaint {
    Complaint::new(format!("there is no `{name}`"))
}

fn no_field(name: &str, fields: &Struct) -> Complaint {
    let names: Vec<&str> = fields.fields.iter().map(|(name, _)| *name).collect();
    Complaint {
        message: format!("{} has no field `{name}`", fields.name),
        hint: Some(format!("the fields are {}", names.join(", "))),
    }
}
