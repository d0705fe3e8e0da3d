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
    if a.is_ascii() && b.is_ascii() {
        return compare(a.as_bytes(), b.as_bytes());
    }
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    compare(&a, &b)
}

fn compare<T: Copy + Into<char>>(a: &[T], b: &[T]) -> Ordering {
    let char = |text: &[T], at: usize| -> char { text[at].into() };
    let mut digits = false;
    for at in 0..a.len().min(b.len()) {
        let (char_a, char_b) = (char(a, at), char(b, at));
        if char_a == char_b {
            digits = char_a.is_ascii_digit();
            continue;
        }
        let (letter_a, letter_b) = (char_a.is_alphabetic(), char_b.is_alphabetic());
        if letter_a && letter_b {
            return char_a.cmp(&char_b);
        }
        if letter_a || letter_b {
            let before = if digits { letter_a } else { letter_b };
            return if before { Ordering::Less } else { Ordering::Greater };
        }
        return numbers(a, b, at);
    }
    a.len().cmp(&b.len())
}

/// The first difference is between digits or signs: numbers there compare by value.
fn numbers<T: Copy + Into<char>>(a: &[T], b: &[T], at: usize) -> Ordering {
    let char = |text: &[T], at: usize| -> char { text[at].into() };
    let mut leading_zero_a = 0i64;
    let mut leading_zero_b = 0i64;
    if char(a, at) == '0' || char(b, at) == '0' {
        let mut back = at;
        while back > 0 && char(a, back - 1).is_ascii_digit() {
            back -= 1;
            if char(a, back) != '0' {
                leading_zero_a = 1;
                leading_zero_b = 1;
                break;
            }
        }
    }
    let (end_a, value_a) = number_at(a, at, &mut leading_zero_a);
    let (end_b, value_b) = number_at(b, at, &mut leading_zero_b);
    value_a.cmp(&value_b).then(end_a.cmp(&end_b)).then(char(a, at).cmp(&char(b, at)))
}

fn number_at<T: Copy + Into<char>>(text: &[T], at: usize, value: &mut i64) -> (usize, i64) {
    let mut end = at;
    while let Some(digit) = text.get(end).and_then(|&char| char.into().to_digit(10)) {
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
