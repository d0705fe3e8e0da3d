//! The functions: Go's own and Docker's.

use super::compare::{equal, less};
use super::document;
use super::element;
use super::error::Complaint;
use super::execute::Functions;
use super::value::{Value, View};
use super::verb;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Function {
    And,
    Or,
    Not,
    Len,
    Index,
    Slice,
    Print,
    Printf,
    Println,
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
    Json,
    Join,
    Split,
    Lower,
    Upper,
    Title,
    Pad,
    Truncate,
}

/// Name, and how many arguments it takes: at least, at most.
const TABLE: &[(&str, Function, usize, usize)] = &[
    ("and", Function::And, 1, usize::MAX),
    ("or", Function::Or, 1, usize::MAX),
    ("not", Function::Not, 1, 1),
    ("len", Function::Len, 1, 1),
    ("index", Function::Index, 1, usize::MAX),
    ("slice", Function::Slice, 1, usize::MAX),
    ("print", Function::Print, 0, usize::MAX),
    ("printf", Function::Printf, 1, usize::MAX),
    ("println", Function::Println, 0, usize::MAX),
    ("eq", Function::Eq, 2, usize::MAX),
    ("ne", Function::Ne, 2, 2),
    ("lt", Function::Lt, 2, 2),
    ("le", Function::Le, 2, 2),
    ("gt", Function::Gt, 2, 2),
    ("ge", Function::Ge, 2, 2),
    ("json", Function::Json, 1, 1),
    ("join", Function::Join, 2, 2),
    ("split", Function::Split, 2, 2),
    ("lower", Function::Lower, 1, 1),
    ("upper", Function::Upper, 1, 1),
    ("title", Function::Title, 1, 1),
    ("pad", Function::Pad, 3, 3),
    ("truncate", Function::Truncate, 2, 2),
];

impl Function {
    pub(super) fn named(name: &str) -> Option<Function> {
        TABLE.iter().find(|row| row.0 == name).map(|row| row.1)
    }

    pub(super) fn names() -> impl Iterator<Item = &'static str> {
        TABLE.iter().map(|row| row.0)
    }

    pub(super) fn name(self) -> &'static str {
        self.row().0
    }

    fn row(self) -> &'static (&'static str, Function, usize, usize) {
        TABLE.iter().find(|row| row.1 == self).unwrap_or(&TABLE[0])
    }

    /// Whether it makes another text of a text, which the names of columns are spared.
    fn changes_text(self) -> bool {
        use Function::{Join, Json, Lower, Split, Title, Truncate, Upper};
        matches!(self, Json | Join | Split | Lower | Upper | Title | Truncate)
    }
}

pub(super) fn call(
    function: Function,
    arguments: &[Value],
    functions: Functions,
) -> Result<Value, Complaint> {
    check_count(function, arguments.len())?;
    if functions == Functions::Header && function.changes_text() {
        return Ok(arguments[0].clone());
    }
    use Function as F;
    let all = arguments;
    let truth = |result: Result<bool, Complaint>| result.map(Value::bool);
    let name = function.name();
    let result = match function {
        F::And | F::Or => Ok(all[all.len() - 1].clone()),
        F::Not => Ok(Value::bool(!all[0].truth())),
        F::Len => element::len(&all[0]),
        F::Index => element::index(&all[0], &all[1..]),
        F::Slice => element::slice(&all[0], &all[1..]),
        F::Print => Ok(Value::text(verb::print(all))),
        F::Println => Ok(Value::text(verb::println(all))),
        F::Printf => text(&all[0]).and_then(|f| verb::printf(f, &all[1..])).map(Value::text),
        F::Eq => truth(equal(&all[0], &all[1..])),
        F::Ne => truth(equal(&all[0], &all[1..]).map(|equal| !equal)),
        F::Lt => truth(less(&all[0], &all[1])),
        F::Ge => truth(less(&all[0], &all[1]).map(|less| !less)),
        F::Le => truth(not_greater(&all[0], &all[1])),
        F::Gt => truth(not_greater(&all[0], &all[1]).map(|le| !le)),
        F::Json => Ok(Value::text(document::one_line(&all[0].to_json()))),
        F::Join => text(&all[1]).and_then(|separator| element::join(&all[0], separator)),
        F::Split => text(&all[0]).and_then(|whole| Ok(element::split(whole, text(&all[1])?))),
        F::Lower => text(&all[0]).map(|text| Value::text(text.to_lowercase())),
        F::Upper => text(&all[0]).map(|text| Value::text(text.to_uppercase())),
        F::Title => text(&all[0]).map(|text| Value::text(title(text))),
        F::Pad => pad(&all[0], &all[1], &all[2]),
        F::Truncate => truncate(&all[0], &all[1]),
    };
    result.map_err(|complaint| Complaint {
        message: format!("`{name}`: {}", complaint.message),
        hint: complaint.hint,
    })
}

fn check_count(function: Function, count: usize) -> Result<(), Complaint> {
    let (name, _, least, most) = *function.row();
    let wants = match (least, most) {
        _ if (least..=most).contains(&count) => return Ok(()),
        (_, usize::MAX) => format!("at least {least}"),
        _ => least.to_string(),
    };
    let plural = if least == 1 { "" } else { "s" };
    Err(Complaint::new(format!("`{name}` wants {wants} argument{plural}, there are {count}")))
}

/// Less or equal, as Go composes it.
fn not_greater(a: &Value, b: &Value) -> Result<bool, Complaint> {
    Ok(less(a, b)? || equal(a, std::slice::from_ref(b))?)
}

/// An argument that must be text.
pub(super) fn text(value: &Value) -> Result<&str, Complaint> {
    match value.view() {
        View::Text(text) => Ok(text),
        _ => Err(wrong_type("a string", value)),
    }
}

/// An argument that must be a number without fraction.
pub(super) fn int(value: &Value) -> Result<i64, Complaint> {
    match value.view() {
        View::Int(int) => Ok(int),
        _ => Err(wrong_type("an int", value)),
    }
}

fn wrong_type(wanted: &str, value: &Value) -> Complaint {
    Complaint::new(format!("expected {wanted}, not a value of type {}", value.type_name()))
}

/// The first letter of every word in upper case; words are what Go's strings.Title takes for them (`It'S`).
fn title(text: &str) -> String {
    let mut result = String::new();
    let mut before = ' ';
    for char in text.chars() {
        let is_separator = match before.is_ascii() {
            true => !before.is_ascii_alphanumeric() && before != '_',
            false => before.is_whitespace(),
        };
        match is_separator {
            true => result.extend(char.to_uppercase()),
            false => result.push(char),
        }
        before = char;
    }
    result
}

/// Spaces around a text that is not empty.
fn pad(value: &Value, before: &Value, after: &Value) -> Result<Value, Complaint> {
    const WIDEST: i64 = 10_000;
    let width = |value| match int(value)? {
        width @ 0..=WIDEST => Ok(usize::try_from(width).unwrap_or(0)),
        width => Err(Complaint::new(format!("{width} spaces cannot be"))),
    };
    let (text, before, after) = (text(value)?, width(before)?, width(after)?);
    if text.is_empty() {
        return Ok(value.clone());
    }
    Ok(Value::text(format!("{}{text}{}", " ".repeat(before), " ".repeat(after))))
}

/// The first bytes of a text; a character that would be split is left out.
fn truncate(value: &Value, length: &Value) -> Result<Value, Complaint> {
    let (text, length) = (text(value)?, int(length)?);
    let length = usize::try_from(length)
        .map_err(|_| Complaint::new(format!("the length {length} is negative")))?;
    if text.len() <= length {
        return Ok(value.clone());
    }
    let end = (0..=length).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    Ok(Value::text(&text[..end]))
}
