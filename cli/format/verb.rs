//! `print`, `println` and `printf`, as Go's package fmt does them. Verbs beyond `%v %s %d %q %t %x %X %f`
//! are refused by name.

use serde_json::Value as Json;

use super::error::Complaint;
use super::value::{Value, View, float, keys};

/// Spaces stand between two values of which neither is a text.
pub(super) fn print(values: &[Value]) -> String {
    let mut text = String::new();
    let mut before_is_text = true;
    for value in values {
        let is_text = matches!(value.view(), View::Text(_));
        if !is_text && !before_is_text {
            text.push(' ');
        }
        text.push_str(&value.formatted());
        before_is_text = is_text;
    }
    text
}

/// Spaces between all values, and a newline.
pub(super) fn println(values: &[Value]) -> String {
    let values: Vec<String> = values.iter().map(Value::formatted).collect();
    values.join(" ") + "\n"
}

pub(super) fn printf(format: &str, arguments: &[Value]) -> Result<String, Complaint> {
    let mut text = String::new();
    let mut arguments = arguments.iter();
    let mut rest = format;
    while let Some((before, behind)) = rest.split_once('%') {
        text.push_str(before);
        let (directive, after) = Directive::read(behind)?;
        rest = after;
        match directive.verb {
            Some('%') => text.push('%'),
            None => text.push_str("%!(NOVERB)"),
            Some(verb) => match arguments.next() {
                Some(value) => text.push_str(&directive.format(verb, value)),
                None => text.push_str(&format!("%!{verb}(MISSING)")),
            },
        }
    }
    text.push_str(rest);
    let extra: Vec<String> = arguments.map(with_type).collect();
    if !extra.is_empty() {
        text.push_str(&format!("%!(EXTRA {})", extra.join(", ")));
    }
    Ok(text)
}

/// `%-5.2f`
#[derive(Clone, Copy, Debug, Default)]
struct Directive {
    left: bool,
    zeros: bool,
    plus: bool,
    width: usize,
    precision: Option<usize>,
    verb: Option<char>,
}

const VERBS: &str = "vsdqtxXf%";
/// Wider columns are mistakes, and would be memory.
const WIDEST: usize = 10_000;

impl Directive {
    fn read(text: &str) -> Result<(Directive, &str), Complaint> {
        let mut directive = Directive::default();
        let flags = text.len() - text.trim_start_matches(['-', '0', '+']).len();
        for flag in text[..flags].chars() {
            match flag {
                '-' => directive.left = true,
                '0' => directive.zeros = true,
                _ => directive.plus = true,
            }
        }
        let (width, mut rest) = number(&text[flags..])?;
        directive.width = width.unwrap_or(0);
        if let Some(behind) = rest.strip_prefix('.') {
            let (precision, behind) = number(behind)?;
            directive.precision = Some(precision.unwrap_or(0));
            rest = behind;
        }
        directive.verb = rest.chars().next();
        match directive.verb {
            Some(verb) if VERBS.contains(verb) => {}
            Some(verb) => return Err(Complaint::new(format!("`%{verb}` is not supported"))),
            None => {}
        }
        let length = directive.verb.map_or(0, char::len_utf8);
        Ok((directive, &rest[length..]))
    }

    fn format(self, verb: char, value: &Value) -> String {
        self.view(verb, value.view(), &value.type_name())
    }

    /// Lists and maps by their elements, each padded.
    fn view(self, verb: char, view: View<'_>, type_name: &str) -> String {
        let element = |json: &Json, shape| {
            let value = Value::new(json.clone(), shape);
            self.view(verb, value.view(), &value.type_name())
        };
        match view {
            View::List(items, shape) => {
                let items: Vec<String> = items.iter().map(|item| element(item, shape)).collect();
                format!("[{}]", items.join(" "))
            }
            View::Map(entries, shape) => {
                let key = |key| self.view(verb, View::Text(key), "string");
                let pair = |name| format!("{}:{}", key(name), element(&entries[name], shape));
                format!(
                    "map[{}]",
                    keys(entries).into_iter().map(pair).collect::<Vec<_>>().join(" ")
                )
            }
            view => match self.plain(verb, view) {
                Some(text) => self.padded(&text, matches!(view, View::Int(_) | View::Float(_))),
                None => format!("%!{verb}({})", typed(view, type_name)),
            },
        }
    }

    /// None if the verb is not for such values.
    fn plain(self, verb: char, view: View<'_>) -> Option<String> {
        let sign = |negative: bool| if self.plus && !negative { "+" } else { "" };
        Some(match (verb, view) {
            ('v' | 's', View::Text(text)) => self.cut(text).to_owned(),
            ('q', View::Text(text)) => quoted(self.cut(text)),
            ('x', View::Text(text)) => text.bytes().map(|byte| format!("{byte:02x}")).collect(),
            ('X', View::Text(text)) => text.bytes().map(|byte| format!("{byte:02X}")).collect(),
            ('v' | 't', View::Bool(value)) => value.to_string(),
            ('v' | 'd', View::Int(value)) => format!("{}{value}", sign(value < 0)),
            ('x', View::Int(value)) => hexadecimal(value, sign(value < 0)),
            ('X', View::Int(value)) => hexadecimal(value, sign(value < 0)).to_uppercase(),
            ('q', View::Int(value)) => character(value),
            ('v', View::Float(value)) => format!("{}{}", sign(value < 0.0), float(value)),
            ('f', View::Float(value)) => {
                format!("{}{value:.*}", sign(value < 0.0), self.precision.unwrap_or(6))
            }
            ('v', view @ (View::Nil | View::NilPointer(_) | View::Struct(..))) => view.printed(),
            _ => return None,
        })
    }

    fn cut(self, text: &str) -> &str {
        let end = self.precision.and_then(|precision| text.char_indices().nth(precision));
        &text[..end.map_or(text.len(), |(at, _)| at)]
    }

    fn padded(self, text: &str, is_number: bool) -> String {
        let missing = self.width.saturating_sub(text.chars().count());
        if self.left {
            return text.to_owned() + &" ".repeat(missing);
        }
        if !self.zeros {
            return " ".repeat(missing) + text;
        }
        let sign = if is_number && text.starts_with(['-', '+']) { 1 } else { 0 };
        format!("{}{}{}", &text[..sign], "0".repeat(missing), &text[sign..])
    }
}

fn number(text: &str) -> Result<(Option<usize>, &str), Complaint> {
    let end = text.find(|char: char| !char.is_ascii_digit()).unwrap_or(text.len());
    if end == 0 {
        return Ok((None, text));
    }
    match text[..end].parse() {
        Ok(number) if number <= WIDEST => Ok((Some(number), &text[end..])),
        _ => Err(Complaint::new(format!("`%{}` is too wide", &text[..end]))),
    }
}

fn with_type(value: &Value) -> String {
    typed(value.view(), &value.type_name())
}

fn typed(view: View<'_>, type_name: &str) -> String {
    match view {
        View::Nil => "<nil>".to_owned(),
        view => format!("{type_name}={}", view.printed()),
    }
}

fn hexadecimal(value: i64, sign: &str) -> String {
    let minus = if value < 0 { "-" } else { sign };
    format!("{minus}{:x}", value.unsigned_abs())
}

fn character(value: i64) -> String {
    let char = u32::try_from(value).ok().and_then(char::from_u32).unwrap_or('\u{fffd}');
    match char {
        '\'' => r"'\''".to_owned(),
        '"' => "'\"'".to_owned(),
        char => format!("'{}'", escaped(char)),
    }
}

/// As Go's strconv.Quote.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.chars().map(escaped).collect::<String>())
}

fn escaped(char: char) -> String {
    match char {
        '"' => "\\\"".to_owned(),
        '\\' => r"\\".to_owned(),
        '\x07' => r"\a".to_owned(),
        '\x08' => r"\b".to_owned(),
        '\x0c' => r"\f".to_owned(),
        '\n' => r"\n".to_owned(),
        '\r' => r"\r".to_owned(),
        '\t' => r"\t".to_owned(),
        '\x0b' => r"\v".to_owned(),
        '\0'..='\x1f' | '\x7f' => format!("\\x{:02x}", u32::from(char)),
        char if char.is_control() => format!("\\u{:04x}", u32::from(char)),
        char => char.to_string(),
    }
}
