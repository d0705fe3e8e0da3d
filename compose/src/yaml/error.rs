//! What can be wrong with YAML text.

use thiserror::Error;

#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum YamlError {
    #[error("yaml: {info}")]
    Syntax { info: String },
    #[error("yaml: mapping key {key:?} already defined at line {line}")]
    DuplicateKey { key: String, line: u32 },
    #[error("non-string key {}: {key}", place(path))]
    KeyNotString { path: String, key: String },
    #[error("yaml: a mapping or list cannot be a key")]
    KeyNotScalar,
    #[error("yaml: cycle detected: node at path {at} references node at path {anchor}")]
    ContainsItself { at: String, anchor: String },
    #[error("yaml: document contains excessive aliasing")]
    ExcessiveAliasing,
    #[error("yaml: nested deeper than {limit} levels")]
    TooDeep { limit: usize },
    #[error("yaml: more than {limit} values in one file")]
    TooManyNodes { limit: usize },
    #[error("yaml: the file has {bytes} bytes, more than {limit}")]
    TooLarge { bytes: usize, limit: usize },
    #[error("yaml: a key has more than {limit} bytes")]
    LongKey { limit: usize },
    #[error("yaml: more than {limit} values are marked `!reset` or `!override`")]
    TooManyResets { limit: usize },
    #[error("yaml: map merge requires map or sequence of maps as the value")]
    MergeNotMap,
    #[error("yaml: cannot decode `{text}` as {wanted}")]
    BadTag { text: String, wanted: &'static str },
}

impl YamlError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            YamlError::KeyNotString { key, .. } => Some(format!("write the key as \"{key}\"")),
            YamlError::DuplicateKey { .. } => Some("remove one of the two".to_owned()),
            YamlError::Syntax { info } if info.contains("tab") => {
                Some("indent with spaces".to_owned())
            }
            _ => None,
        }
    }
}

fn place(path: &str) -> String {
    if path.is_empty() { "at top level".to_owned() } else { format!("in {path}") }
}
