//! `include`: other projects' resources, loaded with their own directory and variables.

use std::io;
use std::rc::Rc;

use thiserror::Error;

use super::env_files::unreadable;
use super::file::{Environment, Loader, Scope};
use super::{InputFile, ProblemKind};
use crate::dotenv;
use crate::paths::{join, parent, relative};
use crate::source::Span;
use crate::yaml::{Map, Node, Value};

#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum IncludeError {
    #[error("`include` must be a list")]
    NotList,
    #[error("include: path must not be empty")]
    NoPath,
    #[error("include cycle detected:\n{}\n include {}", files[0], files[1..].join("\n include "))]
    Cycle { files: Vec<String> },
    #[error("include: more than {limit} files deep")]
    TooDeep { limit: usize },
    #[error("{kind}.{name} conflicts with imported resource")]
    Conflict { kind: &'static str, name: String },
    #[error("include: cannot load {path}: remote files are not supported")]
    Remote { path: String },
    #[error("include: Couldn't find env file: {path}")]
    EnvFile { path: String },
}

/// Files that include each other.
const MAX_DEPTH: usize = 50;

/// Whether a file is in a git repository or a registry.
pub(super) fn is_remote(path: &str) -> bool {
    const REMOTE: &[&str] = &["https://", "http://", "git://", "ssh://", "oci://", "git@"];
    REMOTE.iter().any(|prefix| path.starts_with(prefix))
}

struct Entry {
    paths: Vec<String>,
    directory: Option<String>,
    env_files: Vec<String>,
    span: Span,
}

impl Loader<'_> {
    /// Takes in what a document includes. None when that failed.
    pub(super) fn include(
        &mut self,
        root: &mut Node,
        scope: &Scope,
        included: &[String],
    ) -> Option<()> {
        let root = root.as_map_mut()?;
        let Some(include) = root.get("include") else { return Some(()) };
        let entries = self.entries(include)?;
        root.remove("include");
        if included.len() > MAX_DEPTH {
            let span = entries.first().map_or(Span::NOWHERE, |entry| entry.span);
            self.problem(ProblemKind::Include(IncludeError::TooDeep { limit: MAX_DEPTH }), span);
            return None;
        }
        for entry in entries {
            for _ in &entry.paths {
                let bound = self.bounds.include();
                self.within(bound, entry.span)?;
            }
            let imported = self.included(&entry, scope, included)?;
            self.import(imported, root, entry.span)?;
        }
        Some(())
    }

    fn entries(&mut self, include: &Node) -> Option<Vec<Entry>> {
        if include.is_null() {
            return Some(Vec::new());
        }
        let Some(list) = include.as_list() else {
            self.problem(ProblemKind::Include(IncludeError::NotList), include.span);
            return None;
        };
        let texts = |node: Option<&Node>| -> Vec<String> {
            match node.map(|node| &node.value) {
                Some(Value::String(text)) => vec![text.clone()],
                Some(Value::List(list)) => {
                    list.iter().filter_map(|it| it.as_str().map(str::to_owned)).collect()
                }
                _ => Vec::new(),
            }
        };
        let mut entries = Vec::new();
        for node in list {
            let entry = Entry {
                paths: match node.as_str() {
                    Some(path) => vec![path.to_owned()],
                    None => texts(node.get("path")),
                },
                directory: node.get("project_directory").and_then(Node::as_str).map(str::to_owned),
                env_files: texts(node.get("env_file")),
                span: node.span,
            };
            if entry.paths.is_empty() {
                self.problem(ProblemKind::Include(IncludeError::NoPath), node.span);
                return None;
            }
            entries.push(entry);
        }
        Some(entries)
    }

    fn included(&mut self, entry: &Entry, scope: &Scope, included: &[String]) -> Option<Node> {
        let absolute = |path: &str| {
            if path.starts_with('/') { path.to_owned() } else { join(&scope.directory, path) }
        };
        if let Some(path) = entry.paths.iter().find(|path| is_remote(path)) {
            let error = IncludeError::Remote { path: path.clone() };
            self.problem(ProblemKind::Include(error), entry.span);
            return None;
        }
        let paths: Vec<String> = entry.paths.iter().map(|path| absolute(path)).collect();
        if included.contains(&paths[0]) {
            let mut files = included.to_vec();
            files.push(paths[0].clone());
            self.problem(ProblemKind::Include(IncludeError::Cycle { files }), entry.span);
            return None;
        }
        let directory = match &entry.directory {
            Some(directory) => absolute(directory),
            None => parent(&paths[0]),
        };
        let environment = self.include_environment(entry, scope, &directory)?;
        let inner = Scope {
            base: relative(&scope.directory, &directory),
            directory,
            environment: Rc::new(environment),
        };
        let files: Vec<InputFile> =
            paths.into_iter().map(|path| InputFile { path, content: None }).collect();
        let before = self.problems.len();
        let merged = self.merged(&files, &inner, included);
        if let Some(merged) = &merged {
            self.note_variables(merged, &inner);
        }
        for problem in &mut self.problems[before..] {
            if !problem.span.is_somewhere() {
                problem.span = entry.span;
            }
        }
        merged
    }

    /// Configs and secrets of an included project are read by that project's variables.
    fn note_variables(&mut self, tree: &Node, scope: &Scope) {
        for kind in ["configs", "secrets"] {
            let objects = tree.get(kind).and_then(Node::as_map);
            let objects = objects.into_iter().flat_map(|map| map.iter().map(|(_, node)| node));
            let names = objects.filter_map(|it| it.get("environment").and_then(Node::as_str));
            for name in names {
                if let Some(value) = scope.environment.get(name) {
                    let value = value.clone();
                    self.of_included.entry(name.to_owned()).or_insert(value);
                }
            }
        }
    }

    /// The including file's variables, then those of the env files.
    fn include_environment(
        &mut self,
        entry: &Entry,
        scope: &Scope,
        directory: &str,
    ) -> Option<Environment> {
        let mut files = Vec::new();
        if entry.env_files.is_empty() {
            let default = join(directory, ".env");
            if self.files.is_file(&default) {
                files.push(default);
            }
        }
        for file in entry.env_files.iter().filter(|file| *file != "/dev/null") {
            let absolute =
                if file.starts_with('/') { file.clone() } else { join(&scope.directory, file) };
            files.push(absolute);
        }
        let mut found = Environment::new();
        for path in files {
            let bytes = match self.files.read(&path) {
                Ok(bytes) => bytes,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    let error = IncludeError::EnvFile { path };
                    self.problem(ProblemKind::Include(error), entry.span);
                    return None;
                }
                Err(error) => {
                    self.problem(unreadable(path, &error), entry.span);
                    return None;
                }
            };
            let text = String::from_utf8_lossy(&bytes);
            let bound = self.bounds.env_file(text.len());
            self.within(bound, entry.span)?;
            let outer = |name: &str| scope.environment.get(name).cloned();
            if let Err(error) = dotenv::parse(&text, &mut found, &outer) {
                let (kind, span) = *self.bad_env_file(path, &text, error);
                self.problem(kind, span.unwrap_or(entry.span));
                return None;
            }
        }
        let mut environment = (*scope.environment).clone();
        for (name, value) in found {
            environment.entry(name).or_insert(value);
        }
        Some(environment)
    }

    fn import(&mut self, imported: Node, root: &mut Map, span: Span) -> Option<()> {
        let Value::Map(mut imported) = imported.value else { return Some(()) };
        for kind in ["services", "volumes", "networks", "secrets", "configs", "models"] {
            let Some(Value::Map(from)) = imported.remove(kind).map(|node| node.value) else {
                continue;
            };
            if root.get(kind).and_then(Node::as_map).is_none() {
                root.set(kind, Node::map(span));
            }
            let Some(to) = root.get_mut(kind).and_then(Node::as_map_mut) else { continue };
            let mut conflicts = Vec::new();
            for (name, key_span, node) in from.into_entries() {
                match to.get(&name) {
                    None => to.insert(name, key_span, node),
                    Some(existing) if existing.value == node.value => {}
                    Some(existing) => conflicts.push((name, existing.span)),
                }
            }
            for (name, span) in conflicts {
                self.problem(ProblemKind::Include(IncludeError::Conflict { kind, name }), span);
            }
        }
        Some(())
    }
}
