//! What a project may be called.

use thiserror::Error;

#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum NameError {
    #[error(
        "invalid project name {name:?}: must consist only of lowercase alphanumeric characters, hyphens, and underscores as well as start with a letter or number"
    )]
    Invalid { name: String },
    #[error("project name must not be empty")]
    Empty,
}

/// Lower case; characters that may not be in a name are dropped, so are `-` and `_` at its start.
pub fn normalize_name(name: &str) -> String {
    let kept: String = name
        .to_lowercase()
        .chars()
        .filter(|it| it.is_ascii_lowercase() || it.is_ascii_digit() || matches!(it, '-' | '_'))
        .collect();
    kept.trim_start_matches(['-', '_']).to_owned()
}

/// Whether a chosen name is well-formed.
pub(super) fn check(name: &str) -> Result<(), NameError> {
    if normalize_name(name) == name {
        return Ok(());
    }
    Err(NameError::Invalid { name: name.to_owned() })
}
