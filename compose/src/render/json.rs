//! JSON as Go's encoding/json writes it: `<`, `>` and `&` escaped, map keys sorted by bytes.

use super::Data;
use crate::yaml::go_float;

/// Without any space.
pub fn compact(data: &Data) -> String {
    let mut text = String::new();
    Writer { out: &mut text, indent: None }.value(data, 0);
    text
}

/// So many spaces for each level, no newline at the end.
pub fn indented(data: &Data, indent: usize) -> String {
    let mut text = String::new();
    Writer { out: &mut text, indent: Some(indent) }.value(data, 0);
    text
}

struct Writer<'a> {
    out: &'a mut String,
    indent: Option<usize>,
}

impl Writer<'_> {
    fn value(&mut self, data: &Data, level: usize) {
        match data {
            Data::Null => self.out.push_str("null"),
            Data::Bool(value) => self.out.push_str(if *value { "true" } else { "false" }),
            Data::Int(value) => self.out.push_str(&value.to_string()),
            Data::Uint(value) => self.out.push_str(&value.to_string()),
            Data::Float(value) => self.out.push_str(&float(*value)),
            Data::Float32(value) => self.out.push_str(&float(widened(*value))),
            Data::Timestamp(text) | Data::Text(text) => string(self.out, text),
            Data::List(list) => self.list(list, level),
            Data::Record(fields) => self.object(&fields.iter().collect::<Vec<_>>(), level),
            Data::Map(fields) => {
                let mut sorted: Vec<&(String, Data)> = fields.iter().collect();
                sorted.sort_by(|a, b| a.0.cmp(&b.0));
                self.object(&sorted, level);
            }
        }
    }

    fn list(&mut self, list: &[Data], level: usize) {
        self.out.push('[');
        for (at, item) in list.iter().enumerate() {
            self.separate(at, level + 1);
            self.value(item, level + 1);
        }
        self.close(list.is_empty(), ']', level);
    }

    fn object(&mut self, fields: &[&(String, Data)], level: usize) {
        self.out.push('{');
        for (at, (key, value)) in fields.iter().enumerate() {
            self.separate(at, level + 1);
            string(self.out, key);
            self.out.push_str(if self.indent.is_some() { ": " } else { ":" });
            self.value(value, level + 1);
        }
        self.close(fields.is_empty(), '}', level);
    }

    fn separate(&mut self, at: usize, level: usize) {
        if at > 0 {
            self.out.push(',');
        }
        self.newline(level);
    }

    fn close(&mut self, empty: bool, bracket: char, level: usize) {
        if !empty {
            self.newline(level);
        }
        self.out.push(bracket);
    }

    fn newline(&mut self, level: usize) {
        if let Some(indent) = self.indent {
            self.out.push('\n');
            self.out.push_str(&" ".repeat(indent * level));
        }
    }
}

fn string(out: &mut String, text: &str) {
    out.push('"');
    for char in text.chars() {
        match char {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                out.push_str(&format!("\\u{:04x}", char as u32))
            }
            _ if (char as u32) < 0x20 => out.push_str(&format!("\\u{:04x}", char as u32)),
            _ => out.push(char),
        }
    }
    out.push('"');
}

/// The double whose shortest digits are those of the single.
pub(super) fn widened(value: f32) -> f64 {
    value.to_string().parse().unwrap_or(f64::from(value))
}

/// Go cleans `e-09` to `e-9`.
fn float(value: f64) -> String {
    let text = go_float(value, -6, 21);
    match text.split_once("e-0") {
        Some((digits, exponent)) => format!("{digits}e-{exponent}"),
        None => text,
    }
}
