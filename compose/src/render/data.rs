//! What the writers write.

use std::cmp::Ordering;

use crate::yaml::{Node, Value};

#[derive(Clone, Debug, PartialEq)]
pub enum Data {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Float(f64),
    Float32(f32),
    /// A date, written without quotes in YAML.
    Timestamp(String),
    Text(String),
    List(Vec<Data>),
    /// Fields in a fixed order.
    Record(Vec<(String, Data)>),
    /// Keys that the writer sorts.
    Map(Vec<(String, Data)>),
}

impl Data {
    pub fn text(text: impl Into<String>) -> Data {
        Data::Text(text.into())
    }

    /// A tree as it is, with sorted keys.
    pub fn of(node: &Node) -> Data {
        match &node.value {
            Value::Null => Data::Null,
            Value::Bool(value) => Data::Bool(*value),
            Value::Int(value) => Data::Int(*value),
            Value::Uint(value) => Data::Uint(*value),
            Value::Float(value) => Data::Float(*value),
            Value::Timestamp(text) => Data::Timestamp(text.clone()),
            Value::String(text) => Data::Text(text.clone()),
            Value::List(list) => Data::List(list.iter().map(Data::of).collect()),
            Value::Map(map) => {
                Data::Map(map.iter().map(|(key, node)| (key.to_owned(), Data::of(node))).collect())
            }
        }
    }

    /// The value of a key of a map or record.
    pub fn get(&self, key: &str) -> Option<&Data> {
        match self {
            Data::Record(fields) | Data::Map(fields) => {
                fields.iter().find(|(name, _)| name == key).map(|(_, data)| data)
            }
            _ => None,
        }
    }
}

/// How yaml.v3 sorts keys: letters last, numbers in them by value.
pub(super) fn natural(a: &str, b: &str) -> Ordering {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut digits = false;
    for at in 0..a.len().min(b.len()) {
        if a[at] == b[at] {
            digits = a[at].is_ascii_digit();
            continue;
        }
        let (letter_a, letter_b) = (a[at].is_alphabetic(), b[at].is_alphabetic());
        if letter_a && letter_b {
            return a[at].cmp(&b[at]);
        }
        if letter_a || letter_b {
            let before = if digits { letter_a } else { letter_b };
            return if before { Ordering::Less } else { Ordering::Greater };
        }
        return numbers(&a, &b, at);
    }
    a.len().cmp(&b.len())
}

/// The first difference is between digits or signs: numbers there compare by value.
fn numbers(a: &[char], b: &[char], at: usize) -> Ordering {
    let mut leading_zero_a = 0i64;
    let mut leading_zero_b = 0i64;
    if a[at] == '0' || b[at] == '0' {
        let mut back = at;
        while back > 0 && a[back - 1].is_ascii_digit() {
            back -= 1;
            if a[back] != '0' {
                leading_zero_a = 1;
                leading_zero_b = 1;
                break;
            }
        }
    }
    let (end_a, value_a) = number_at(a, at, &mut leading_zero_a);
    let (end_b, value_b) = number_at(b, at, &mut leading_zero_b);
    value_a.cmp(&value_b).then(end_a.cmp(&end_b)).then(a[at].cmp(&b[at]))
}

fn number_at(text: &[char], at: usize, value: &mut i64) -> (usize, i64) {
    let mut end = at;
    while let Some(digit) = text.get(end).and_then(|char| char.to_digit(10)) {
        *value = value.wrapping_mul(10).wrapping_add(i64::from(digit));
        end += 1;
    }
    (end, *value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_sort_by_the_numbers_in_them() {
        let mut keys =
            ["i10", "i9", "a-b", "a", "aB", "ab", "A", "x2y", "x10", "-", "1", "10", "2"];
        keys.sort_by(|a, b| natural(a, b));
        assert_eq!(
            keys,
            ["-", "1", "2", "10", "A", "a", "a-b", "aB", "ab", "i9", "i10", "x2y", "x10"]
        );
    }
}
