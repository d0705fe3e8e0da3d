//! What to load, and how.

use std::collections::BTreeMap;

/// One `-f`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputFile {
    /// Absolute path, or `-` for standard input.
    pub path: String,
    /// Set when the text was read already.
    pub content: Option<String>,
}

/// A request without a default: everything is said.
#[derive(Clone, Debug)]
pub struct LoadRequest {
    /// Later ones over earlier ones.
    pub files: Vec<InputFile>,
    /// Absolute; relative paths start here.
    pub directory: String,
    pub environment: BTreeMap<String, String>,
    /// The project's name, unless a file says another.
    pub name: String,
    /// The name was chosen: files are not asked, and it must be well-formed.
    pub name_is_chosen: bool,
    /// Active profiles; `*` for all.
    pub profiles: Vec<String>,
    /// What `~` stands for.
    pub home: Option<String>,
    pub options: LoadOptions,
}

/// Stages to leave out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoadOptions {
    pub interpolate: bool,
    pub validate: bool,
    pub normalize: bool,
    pub resolve_paths: bool,
    pub check_consistency: bool,
    /// Read env files into `environment`.
    pub resolve_environment: bool,
    /// Forget which env files and label files were read.
    pub discard_env_files: bool,
}

impl LoadOptions {
    pub const ALL: LoadOptions = LoadOptions {
        interpolate: true,
        validate: true,
        normalize: true,
        resolve_paths: true,
        check_consistency: true,
        resolve_environment: true,
        discard_env_files: true,
    };
}
