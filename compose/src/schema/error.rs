//! Where a tree departs from the tables.

use thiserror::Error;

#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SchemaError {
    #[error("{path} additional properties '{key}' not allowed")]
    UnknownKey { path: String, key: String, nearest: Option<&'static str> },
    #[error("{path} must be {wanted}{}", after_comma(found))]
    WrongKind { path: String, wanted: String, found: &'static str, example: Option<&'static str> },
    #[error("{path} missing property '{key}'")]
    MissingKey { path: String, key: &'static str },
    #[error("{path} value must be one of {}", quoted(allowed))]
    NotAllowed { path: String, allowed: &'static [&'static str], nearest: Option<&'static str> },
    #[error("{path} items at {first} and {second} are equal")]
    Equal { path: String, first: usize, second: usize },
    #[error("{path} must be greater than or equal to {least}")]
    TooSmall { path: String, least: i64 },
    #[error("{path} must be less than or equal to {most}")]
    TooLarge { path: String, most: i64 },
    #[error("{path} '{text}' does not match pattern '{pattern}'")]
    NoMatch { path: String, text: String, pattern: &'static str },
}

impl SchemaError {
    pub fn hint(&self) -> Option<String> {
        match self {
            SchemaError::UnknownKey { nearest: Some(nearest), .. }
            | SchemaError::NotAllowed { nearest: Some(nearest), .. } => {
                Some(format!("did you mean `{nearest}`?"))
            }
            SchemaError::UnknownKey { path, key, .. } if named(path) => {
                Some(format!("a name has letters, digits, `.`, `_` and `-` only; rename `{key}`"))
            }
            SchemaError::Equal { .. } => Some("remove one of the two".to_owned()),
            SchemaError::WrongKind { found: "a date", .. } => {
                Some("put the date in quotes".to_owned())
            }
            SchemaError::WrongKind { wanted, found: "a number", .. } if wanted == "a string" => {
                Some("put the number in quotes".to_owned())
            }
            SchemaError::WrongKind { example: Some(example), .. } => {
                Some(format!("expected {example}"))
            }
            _ => None,
        }
    }
}

/// Whether the keys below a path are names that users choose.
fn named(path: &str) -> bool {
    ["services", "networks", "volumes", "secrets", "configs", "models"].contains(&path)
}

fn after_comma(found: &str) -> String {
    if found.is_empty() { String::new() } else { format!(", not {found}") }
}

fn quoted(values: &[&str]) -> String {
    let quoted: Vec<String> = values.iter().map(|value| format!("'{value}'")).collect();
    quoted.join(", ")
}
