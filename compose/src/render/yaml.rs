//! YAML as Go's yaml.v3 writes it with an indent of two.

use super::Data;
use super::data::natural;
use super::json::widened;
use crate::yaml::{float_text, looks_like_string};

/// Bytes of a key that is written as `key: value`; longer ones have lines of their own.
const LONGEST_SIMPLE_KEY: usize = 128;

/// The document, with a newline at its end.
pub fn text(data: &Data) -> String {
    let mut out = String::new();
    match data {
        Data::Record(fields) | Data::Map(fields) if !fields.is_empty() => {
            block_map(&mut out, data, 0, false);
        }
        Data::List(list) if !list.is_empty() => block_list(&mut out, list, 0, false),
        data => {
            scalar(&mut out, data, 0);
            out.push('\n');
        }
    }
    out
}

/// The value after `key:` or `-`, up to and with its newline.
fn value(out: &mut String, data: &Data, level: usize, after_dash: bool) {
    match data {
        Data::Record(fields) | Data::Map(fields) if !fields.is_empty() => {
            if after_dash {
                out.push(' ');
            } else {
                out.push('\n');
            }
            block_map(out, data, level, after_dash);
        }
        Data::List(list) if !list.is_empty() => {
            out.push(if after_dash { ' ' } else { '\n' });
            block_list(out, list, level, after_dash);
        }
        data => {
            out.push(' ');
            scalar(out, data, level);
            out.push('\n');
        }
    }
}

/// Keys one below the other; the first is on the line of the dash when there is one.
fn block_map(out: &mut String, data: &Data, level: usize, mut inline: bool) {
    for (key, field) in sorted(data) {
        if !inline {
            indent(out, level);
        }
        inline = false;
        if key.len() <= LONGEST_SIMPLE_KEY && !key.contains(is_break) {
            simple_key(out, key);
            out.push(':');
            value(out, field, level + 1, false);
        } else {
            out.push_str("? ");
            string(out, key, level + 1);
            out.push('\n');
            indent(out, level);
            out.push(':');
            value(out, field, level + 1, true);
        }
    }
}

fn sorted(data: &Data) -> Vec<&(String, Data)> {
    match data {
        Data::Record(fields) => fields.iter().collect(),
        Data::Map(fields) => {
            let mut fields: Vec<_> = fields.iter().collect();
            fields.sort_by(|a, b| natural(&a.0, &b.0));
            fields
        }
        _ => Vec::new(),
    }
}

fn block_list(out: &mut String, list: &[Data], level: usize, mut inline: bool) {
    for item in list {
        if !inline {
            indent(out, level);
        }
        inline = false;
        out.push('-');
        value(out, item, level + 1, true);
    }
}

fn indent(out: &mut String, level: usize) {
    (0..level).for_each(|_| out.push_str("  "));
}

fn scalar(out: &mut String, data: &Data, level: usize) {
    match data {
        Data::Null => out.push_str("null"),
        Data::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Data::Int(value) => out.push_str(&format!("{value}")),
        Data::Uint(value) => out.push_str(&format!("{value}")),
        Data::Float(value) => out.push_str(&float(*value)),
        Data::Float32(value) => out.push_str(&float(widened(*value))),
        Data::Timestamp(text) => out.push_str(text),
        Data::Text(text) => string(out, text, level),
        Data::List(_) => out.push_str("[]"),
        Data::Record(_) | Data::Map(_) => out.push_str("{}"),
    }
}

fn float(value: f64) -> String {
    match value {
        _ if value.is_nan() => ".nan".to_owned(),
        f64::INFINITY => ".inf".to_owned(),
        f64::NEG_INFINITY => "-.inf".to_owned(),
        _ => float_text(value),
    }
}

fn simple_key(out: &mut String, key: &str) {
    let traits = Traits::of(key);
    match () {
        () if !looks_like_string(key) => double_quoted(out, key),
        () if traits.plain && !key.contains('\n') => out.push_str(key),
        () if traits.single_quotes && !key.contains('\n') => single_quoted(out, key),
        () => double_quoted(out, key),
    }
}

fn string(out: &mut String, text: &str, level: usize) {
    let traits = Traits::of(text);
    if text.contains('\n') {
        if traits.block { literal(out, text, level) } else { double_quoted(out, text) }
    } else if !looks_like_string(text) {
        double_quoted(out, text);
    } else if traits.plain {
        out.push_str(text);
    } else if traits.single_quotes {
        single_quoted(out, text);
    } else {
        double_quoted(out, text);
    }
}

/// What styles a text can be written in.
struct Traits {
    plain: bool,
    single_quotes: bool,
    block: bool,
}

impl Traits {
    fn of(text: &str) -> Traits {
        let mut chars = text.chars().peekable();
        let mut look = Look::default();
        if text.starts_with("---") || text.starts_with("...") {
            look.indicators = true;
        }
        let (mut first, mut after_space) = (true, true);
        while let Some(char) = chars.next() {
            let next = chars.peek();
            look.indicator(char, first, after_space, next.is_none_or(|next| is_blank(*next)));
            look.spaces(char, first, next.is_none());
            after_space = is_blank(char);
            first = false;
        }
        look.traits()
    }
}

#[derive(Default)]
struct Look {
    indicators: bool,
    special: bool,
    tab: bool,
    line_breaks: bool,
    leading_space: bool,
    trailing_space: bool,
    break_space: bool,
    space_break: bool,
    previous_space: bool,
    previous_break: bool,
}

impl Look {
    fn indicator(&mut self, char: char, first: bool, after_space: bool, before_space: bool) {
        self.indicators |= match char {
            '#' if first => true,
            ',' | '[' | ']' | '{' | '}' | '&' | '*' | '!' | '|' | '>' | '\'' | '"' | '%' | '@'
            | '`' => first,
            '?' | '-' => first && before_space,
            ':' => before_space,
            '#' => after_space,
            _ => false,
        };
        if char == '\t' {
            self.tab = true;
        } else if !is_printable(char) {
            self.special = true;
        }
    }

    fn spaces(&mut self, char: char, first: bool, last: bool) {
        if char == ' ' {
            self.leading_space |= first;
            self.trailing_space |= last;
            self.break_space |= self.previous_break;
            self.previous_space = true;
            self.previous_break = false;
        } else if is_break(char) {
            self.line_breaks = true;
            self.space_break |= self.previous_space;
            self.previous_space = false;
            self.previous_break = true;
        } else {
            self.previous_space = false;
            self.previous_break = false;
        }
    }

    fn traits(&self) -> Traits {
        let mut traits = Traits { plain: true, single_quotes: true, block: true };
        if self.leading_space || self.trailing_space {
            traits.plain = false;
        }
        if self.trailing_space {
            traits.block = false;
        }
        if self.break_space {
            traits.plain = false;
            traits.single_quotes = false;
        }
        if self.space_break || self.tab || self.special {
            traits.plain = false;
            traits.single_quotes = false;
        }
        if self.space_break || self.special {
            traits.block = false;
        }
        if self.line_breaks || self.indicators {
            traits.plain = false;
        }
        traits
    }
}

fn is_break(char: char) -> bool {
    matches!(char, '\r' | '\n' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

fn is_blank(char: char) -> bool {
    matches!(char, ' ' | '\t') || is_break(char)
}

fn is_printable(char: char) -> bool {
    matches!(char,
        '\n' | '\u{20}'..='\u{7e}' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}')
        && char != '\u{feff}'
}

fn single_quoted(out: &mut String, text: &str) {
    out.push('\'');
    out.push_str(&text.replace('\'', "''"));
    out.push('\'');
}

fn double_quoted(out: &mut String, text: &str) {
    out.push('"');
    for char in text.chars() {
        match char {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\0' => out.push_str("\\0"),
            '\u{7}' => out.push_str("\\a"),
            '\u{8}' => out.push_str("\\b"),
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\u{b}' => out.push_str("\\v"),
            '\u{c}' => out.push_str("\\f"),
            '\r' => out.push_str("\\r"),
            '\u{1b}' => out.push_str("\\e"),
            '\u{85}' => out.push_str("\\N"),
            '\u{2028}' => out.push_str("\\L"),
            '\u{2029}' => out.push_str("\\P"),
            _ if is_printable(char) => out.push(char),
            _ if (char as u32) <= 0xff => out.push_str(&format!("\\x{:02X}", char as u32)),
            _ if (char as u32) <= 0xffff => out.push_str(&format!("\\u{:04X}", char as u32)),
            _ => out.push_str(&format!("\\U{:08X}", char as u32)),
        }
    }
    out.push('"');
}

/// `|`, an indentation hint when the text begins with a space, and what becomes of the last newlines.
fn literal(out: &mut String, text: &str, level: usize) {
    out.push('|');
    if text.starts_with(' ') || text.starts_with(is_break) {
        out.push('2');
    }
    let body = text.trim_end_matches('\n');
    match text.len() - body.len() {
        0 => out.push('-'),
        1 if !body.is_empty() => {}
        _ => out.push('+'),
    }
    let level = level.max(1);
    let lines = text.strip_suffix('\n').unwrap_or(text);
    for line in lines.split('\n') {
        out.push('\n');
        if !line.is_empty() {
            indent(out, level);
            out.push_str(line);
        }
    }
}
