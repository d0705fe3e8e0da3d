//! `--format` of commands that print documents: indented JSON, `json` on one line, or a template.

use serde::Serialize;
use serde_json::Value as Json;
use serde_json::ser::{PrettyFormatter, Serializer};

use super::error::TemplateError;
use super::execute::{MissingKey, Template};
use super::shape::Shape;
use super::value::Value;

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
            DocumentFormat::OneLine => format!("{document}\n"),
            DocumentFormat::Template(template) => filled(template, document, shape)? + "\n",
        })
    }

    /// Several documents: one JSON array, or a line for each.
    pub fn all(&self, documents: Vec<Json>, shape: Shape) -> Rendered {
        let DocumentFormat::Template(template) = self else {
            let array = Json::Array(documents);
            let text = match self {
                DocumentFormat::Indented => indented(&array),
                _ => array.to_string(),
            };
            return Rendered { text: text + "\n", errors: Vec::new() };
        };
        let mut rendered = Rendered::default();
        for document in &documents {
            match filled(template, document, shape) {
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
        Ok(()) => String::from_utf8(bytes).unwrap_or_default(),
        Err(_) => document.to_string(),
    }
}
