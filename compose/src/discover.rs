//! Which files make a project: those named, those of `COMPOSE_FILE`, or the ones found beside or above.

use std::collections::BTreeMap;
use std::io;

use thiserror::Error;

use crate::dotenv::{self, DotenvError};
use crate::load::{Files, InputFile, LoadOptions, LoadRequest, NameError, normalize_name};
use crate::paths::{join, parent};
use crate::source::{Sources, Span};

const NAMES: &[&str] =
    &["compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml"];
const OVERRIDES: &[&str] = &[
    "compose.override.yml",
    "compose.override.yaml",
    "docker-compose.override.yml",
    "docker-compose.override.yaml",
];

/// What the user typed and where, before anything is looked up.
#[derive(Clone, Debug)]
pub struct Invocation {
    /// `-f`, in order; `-` is standard input.
    pub files: Vec<String>,
    pub project_directory: Option<String>,
    pub env_files: Vec<String>,
    pub profiles: Vec<String>,
    pub name: Option<String>,
    /// Where the user is; absolute.
    pub directory: String,
    pub environment: BTreeMap<String, String>,
    pub options: LoadOptions,
}

#[derive(Debug, Error)]
pub enum DiscoverError {
    #[error("no configuration file provided: not found")]
    NoFile { directory: String },
    #[error("couldn't find env file: {path}")]
    NoEnvFile { path: String },
    #[error("cannot read {path}")]
    Read { path: String, source: io::Error },
    #[error("failed to read {path}: {source}")]
    EnvFile { path: String, source: DotenvError, sources: Box<Sources>, span: Span },
    #[error("{0}")]
    Name(NameError),
}

impl DiscoverError {
    pub fn hint(&self) -> Option<String> {
        match self {
            DiscoverError::NoFile { directory } => Some(format!(
                "looked for {} in {directory} and above; name one with -f",
                NAMES.join(", ")
            )),
            _ => None,
        }
    }
}

/// With the file, so that the line can be shown.
fn bad_env_file(path: String, text: &str, source: DotenvError) -> DiscoverError {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut sources = Box::new(Sources::default());
    let file = sources.add(&path, text);
    let (start, end) = source.place(text);
    DiscoverError::EnvFile { path, source, sources, span: Span { file, start, end } }
}

/// A request, and what is odd about how it came to be.
#[derive(Clone, Debug)]
pub struct Discovered {
    pub request: LoadRequest,
    pub warnings: Vec<String>,
}

/// Looks up files, variables and the name.
pub fn discover(invocation: &Invocation, files: &dyn Files) -> Result<Discovered, DiscoverError> {
    let mut search = Search {
        invocation,
        files,
        environment: invocation.environment.clone(),
        warnings: Vec::new(),
    };
    let pwd = invocation.directory.clone();
    search.environment.entry("PWD".to_owned()).or_insert(pwd);
    let here = invocation.project_directory.as_ref().map(|it| search.absolute(it));
    search.env_files(here.as_deref().unwrap_or(&invocation.directory))?;
    let paths = search.paths(here.as_deref())?;
    let first = paths.iter().find(|path| *path != "-").map(|path| parent(path));
    let directory = here.or(first).unwrap_or_else(|| invocation.directory.clone());
    search.env_files(&directory)?;
    let (name, name_is_chosen) = search.name(&directory)?;
    let request = LoadRequest {
        files: paths.into_iter().map(|path| InputFile { path, content: None }).collect(),
        name,
        name_is_chosen,
        profiles: search.profiles(),
        home: invocation.environment.get("HOME").cloned(),
        environment: search.environment,
        options: invocation.options,
        directory,
    };
    Ok(Discovered { request, warnings: search.warnings })
}

struct Search<'a> {
    invocation: &'a Invocation,
    files: &'a dyn Files,
    environment: BTreeMap<String, String>,
    warnings: Vec<String>,
}

impl Search<'_> {
    fn absolute(&self, path: &str) -> String {
        if path.starts_with('/') {
            crate::paths::clean(path)
        } else {
            join(&self.invocation.directory, path)
        }
    }

    fn variable(&self, name: &str) -> Option<&str> {
        self.environment.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// Adds the variables of env files that are not set yet.
    fn env_files(&mut self, directory: &str) -> Result<(), DiscoverError> {
        let mut paths: Vec<String> =
            self.invocation.env_files.iter().filter(|it| !it.is_empty()).cloned().collect();
        if paths.is_empty() {
            let named = self.variable("COMPOSE_ENV_FILES").unwrap_or_default();
            paths = named.split(',').filter(|it| !it.is_empty()).map(str::to_owned).collect();
        }
        let mut paths: Vec<String> = paths.iter().map(|path| self.absolute(path)).collect();
        if paths.is_empty() {
            let default = join(directory, ".env");
            if self.default_is_off() || !self.files.is_file(&default) {
                return Ok(());
            }
            paths.push(default);
        }
        let mut found = BTreeMap::new();
        for path in paths {
            let bytes = self.files.read(&path).map_err(|source| match source.kind() {
                io::ErrorKind::NotFound => DiscoverError::NoEnvFile { path: path.clone() },
                _ => DiscoverError::Read { path: path.clone(), source },
            })?;
            let text = String::from_utf8_lossy(&bytes);
            let lookup = |name: &str| self.environment.get(name).cloned();
            dotenv::parse(&text, &mut found, &lookup)
                .map_err(|error| bad_env_file(path, &text, error))?;
        }
        for (name, value) in found {
            self.environment.entry(name).or_insert(value);
        }
        Ok(())
    }

    fn default_is_off(&self) -> bool {
        let value = self.variable("COMPOSE_DISABLE_ENV_FILE").unwrap_or_default();
        matches!(value.to_ascii_lowercase().as_str(), "1" | "true" | "t")
    }

    /// Absolute paths, or `-`.
    fn paths(&mut self, here: Option<&str>) -> Result<Vec<String>, DiscoverError> {
        let placed = |search: &Self, path: &str| {
            if path == "-" { path.to_owned() } else { search.absolute(path) }
        };
        if !self.invocation.files.is_empty() {
            return Ok(self.invocation.files.iter().map(|path| placed(self, path)).collect());
        }
        if let Some(list) = self.variable("COMPOSE_FILE") {
            let separator = self.variable("COMPOSE_PATH_SEPARATOR").unwrap_or(":");
            return Ok(list.split(separator).map(|path| placed(self, path)).collect());
        }
        let start = here.unwrap_or(&self.invocation.directory).to_owned();
        let mut directory = start.clone();
        loop {
            if let Some(path) = self.pick(&directory, NAMES, "config") {
                let over = self.pick(&directory, OVERRIDES, "override");
                return Ok([path].into_iter().chain(over).collect());
            }
            let above = parent(&directory);
            if above == directory {
                return Err(DiscoverError::NoFile { directory: start });
            }
            directory = above;
        }
    }

    /// The first of the names that exists.
    fn pick(&mut self, directory: &str, names: &[&str], what: &str) -> Option<String> {
        let found: Vec<String> = names
            .iter()
            .map(|name| join(directory, name))
            .filter(|path| self.files.is_file(path))
            .collect();
        let winner = found.first()?.clone();
        if found.len() > 1 {
            let found = found.join(", ");
            self.warnings.push(format!(
                "Found multiple {what} files with supported names: {found}; using {winner}"
            ));
        }
        Some(winner)
    }

    fn name(&self, directory: &str) -> Result<(String, bool), DiscoverError> {
        let typed = self.invocation.name.as_deref().filter(|name| !name.is_empty());
        if let Some(name) = typed.or_else(|| self.variable("COMPOSE_PROJECT_NAME")) {
            if normalize_name(name) != name {
                let name = name.to_owned();
                return Err(DiscoverError::Name(NameError::Invalid { name }));
            }
            return Ok((name.to_owned(), true));
        }
        let base = directory.rsplit('/').next().unwrap_or_default();
        Ok((normalize_name(base), false))
    }

    fn profiles(&self) -> Vec<String> {
        if !self.invocation.profiles.is_empty() {
            return self.invocation.profiles.clone();
        }
        let list = self.variable("COMPOSE_PROFILES").unwrap_or_default();
        list.split(',').map(str::trim).filter(|it| !it.is_empty()).map(str::to_owned).collect()
    }
}
