//! Sizes: a number of bytes, or with a unit of 1024.

use super::attribute::{Attribute, Misfit, ValueError};
use crate::render::{Data, Form};
use crate::yaml::{Node, Value};

/// A number of bytes; -1 where that means "no limit".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bytes(pub i64);

impl Bytes {
    /// `640kb`, `1.5 GiB`, `-1`.
    pub fn parse(text: &str) -> Result<Bytes, ValueError> {
        let error = || ValueError::Bytes { text: text.to_owned() };
        let end =
            text.rfind(|char: char| char.is_ascii_digit() || char == '.').ok_or_else(error)?;
        let (number, unit) = text.split_at(end + 1);
        let unit = unit.strip_prefix(' ').unwrap_or(unit);
        let number: f64 = number.parse().map_err(|_| error())?;
        if number.is_sign_negative() && number != -1.0 && !unit.is_empty() || number.is_infinite() {
            return Err(error());
        }
        let scale = scale(unit).ok_or_else(error)?;
        Ok(Bytes((number * scale as f64) as i64))
    }
}

fn scale(unit: &str) -> Option<i64> {
    let unit = unit.to_ascii_lowercase();
    let letter = match unit.as_str() {
        "" | "b" => return Some(1),
        unit => unit.strip_suffix("ib").or_else(|| unit.strip_suffix('b')).unwrap_or(unit),
    };
    let power = match letter {
        "k" => 1,
        "m" => 2,
        "g" => 3,
        "t" => 4,
        "p" => 5,
        _ => return None,
    };
    Some(1 << (10 * power))
}

impl Attribute for Bytes {
    fn decode(node: &Node) -> Result<Bytes, Misfit> {
        match &node.value {
            Value::Null => Ok(Bytes(0)),
            Value::String(text) => Bytes::parse(text).map_err(|error| Misfit::new(error, node)),
            Value::Int(value) => Ok(Bytes(*value)),
            Value::Float(value) => Ok(Bytes(*value as i64)),
            _ => Err(Misfit::expected("a size like `64m`", node)),
        }
    }

    fn encode(&self, _: Form) -> Data {
        Data::text(self.0.to_string())
    }

    fn is_unset(&self, _: Form) -> bool {
        self.0 == 0
    }
}
