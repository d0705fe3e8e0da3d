//! `--format` of commands that print documents: indented JSON, `json` on one line, or a template.

use serde::Serialize;
use serde_json::Value as Json;
use serde_json::ser::{PrettyFormatter, Serializer};

use super::error::TemplateError;
use super::execute::{MissingKey, Template};
use super::shape::Shape;
use super::value::Value;
use crate::terminal_text;

/// A format that was understood.
#[derive(Clone, Debug)]
pub enum DocumentFormat {
    Indented,
    OneLine,
    Template(Template),
}

/// What a template made of several documents.
#[derive(Debug, Default)]
pub struct Rendered {
    pub text: String,
    pub errors: Vec<TemplateError>,
}

impl DocumentFormat {
    pub fn parse(format: Option<&str>) -> Result<DocumentFormat, TemplateError> {
        Ok(match format {
            None | Some("") => DocumentFormat::Indented,
            Some("json") => DocumentFormat::OneLine,
            Some(text) => DocumentFormat::Template(Template::parse(text)?),
        })
    }

    /// One document.
    pub fn one(&self, document: &Json, shape: Shape) -> Result<String, TemplateError> {
        Ok(match self {
            DocumentFormat::Indented => indented(document) + "\n",
            DocumentFormat::OneLine => one_line(document) + "\n",
            DocumentFormat::Template(template) => filled(template, document, shape)? + "\n",
        })
    }

    /// Several documents, each with its type: one JSON array, or a line for each.
    pub fn all(&self, documents: Vec<(Json, Shape)>) -> Rendered {
        let DocumentFormat::Template(template) = self else {
            let array = documents.into_iter().map(|(document, _)| document).collect();
            let text = match self {
                DocumentFormat::Indented => indented(&array),
                _ => one_line(&array),
            };
            return Rendered { text: text + "\n", errors: Vec::new() };
        };
        let mut rendered = Rendered::default();
        for (document, shape) in &documents {
            match filled(template, document, *shape) {
                Ok(line) => rendered.text.push_str(&(line + "\n")),
                Err(error) => rendered.errors.push(error),
            }
        }
        if rendered.text.is_empty() {
            rendered.text.push('\n');
        }
        rendered
    }
}

/// As docker: what the types do not have may still be in the JSON.
fn filled(template: &Template, document: &Json, shape: Shape) -> Result<String, TemplateError> {
    let typed = Value::new(document.clone(), shape);
    template.execute(&typed, MissingKey::NoValue).or_else(|error| {
        let raw = Value::new(document.clone(), Shape::Any);
        template.execute(&raw, MissingKey::Error).map_err(|_| error)
    })
}

fn indented(document: &Json) -> String {
    let mut bytes = Vec::new();
    let mut serializer =
        Serializer::with_formatter(&mut bytes, PrettyFormatter::with_indent(b"    "));
    // Values of JSON always serialise into memory.
    match document.serialize(&mut serializer) {
        Ok(()) => escaped(String::from_utf8(bytes).unwrap_or_default()),
        Err(_) => one_line(document),
    }
}

/// JSON of a value, on one line.
pub(super) fn one_line(document: &Json) -> String {
    escaped(document.to_string())
}

/// JSON asks for escapes of the oldest control characters only; the others steer terminals too. They stand in
/// texts, so that the escape means the same.
fn escaped(json: String) -> String {
    let steers = |char: &char| *char != '\n' && terminal_text::steers(*char);
    if !json.chars().any(|char| steers(&char)) {
        return json;
    }
    let escape = |char: char| match steers(&char) {
        true => format!("\\u{:04x}", u32::from(char)),
        false => char.to_string(),
    };
    json.chars().map(escape).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn json_steers_no_terminal_and_means_the_same() {
        let document = json!({ "a\u{9b}": ["\x1b\x7f\u{202e}", "é\n"] });
        for text in [indented(&document), one_line(&document)] {
            assert!(
                text.chars().all(|char| char == '\n' || !terminal_text::steers(char)),
                "{text}"
            );
            assert_eq!(serde_json::from_str::<Json>(&text).unwrap(), document);
        }
        let plain = one_line(&json!("\u{7f}é"));
        assert_eq!(plain, r#""\u007fé""#);
    }
}
