//! JSON as Go's encoding/json writes it: `<`, `>` and `&` escaped, map keys sorted by bytes.

use super::Data;
use crate::yaml::go_float;

/// Without any space.
pub fn compact(data: &Data) -> String {
    let mut text = String::new();
    write(&mut text, data, None);
    text
}

/// Two spaces for each level, no newline at the end.
pub fn indented(data: &Data) -> String {
    let mut text = String::new();
    write(&mut text, data, Some(0));
    text
}

fn write(out: &mut String, data: &Data, level: Option<usize>) {
    match data {
        Data::Null => out.push_str("null"),
        Data::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Data::Int(value) => out.push_str(&format!("{value}")),
        Data::Uint(value) => out.push_str(&format!("{value}")),
        Data::Float(value) => out.push_str(&float(*value)),
        Data::Float32(value) => out.push_str(&float(widened(*value))),
        Data::Timestamp(text) | Data::Text(text) => string(out, text),
        Data::List(list) => list_text(out, list, level),
        Data::Record(fields) => object(out, fields.iter(), level),
        Data::Map(fields) => {
            let mut sorted: Vec<&(String, Data)> = fields.iter().collect();
            sorted.sort_by(|a, b| a.0.cmp(&b.0));
            object(out, sorted.into_iter(), level);
        }
    }
}

fn list_text(out: &mut String, list: &[Data], level: Option<usize>) {
    if list.is_empty() {
        return out.push_str("[]");
    }
    out.push('[');
    for (at, item) in list.iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        newline(out, level.map(|it| it + 1));
        write(out, item, level.map(|it| it + 1));
    }
    newline(out, level);
    out.push(']');
}

fn object<'a>(
    out: &mut String,
    fields: impl Iterator<Item = &'a (String, Data)>,
    level: Option<usize>,
) {
    let mut first = true;
    out.push('{');
    for (key, value) in fields {
        if !first {
            out.push(',');
        }
        first = false;
        newline(out, level.map(|it| it + 1));
        string(out, key);
        out.push(':');
        if level.is_some() {
            out.push(' ');
        }
        write(out, value, level.map(|it| it + 1));
    }
    if !first {
        newline(out, level);
    }
    out.push('}');
}

fn newline(out: &mut String, level: Option<usize>) {
    if let Some(level) = level {
        out.push('\n');
        out.push_str(&"  ".repeat(level));
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
