//! Env files and label files of services.

use std::collections::BTreeMap;
use std::io;

use super::ProblemKind;
use super::file::Loader;
use crate::Project;
use crate::dotenv::{self, DotenvError};
use crate::model::{EnvFile, Service};
use crate::source::Span;
use crate::yaml::Node;

type Variables = BTreeMap<String, String>;
/// What is wrong, and where: in the file, or where it is named.
type Failure = Box<(ProblemKind, Option<Span>)>;

impl Loader<'_> {
    /// Takes the variables of env files below those of `environment`.
    pub(super) fn resolve_environment(&mut self, project: &mut Project, tree: &Node) -> Option<()> {
        for (name, service) in &mut project.services {
            for (name, value) in &mut service.environment.0 {
                if value.is_none() {
                    *value = project.environment.get(name).cloned();
                }
            }
            let mut found = Variables::new();
            for (at, file) in service.env_file.iter().enumerate() {
                let result = self.env_file(file, service, &project.environment, &mut found);
                if let Err(failure) = result {
                    self.bad_file(*failure, || named(tree, name, "env_file", at))?;
                }
            }
            for (name, value) in found {
                service.environment.0.entry(name).or_insert(Some(value));
            }
        }
        Some(())
    }

    /// None when enough was read.
    fn bad_file(
        &mut self,
        (kind, span): (ProblemKind, Option<Span>),
        named: impl FnOnce() -> Span,
    ) -> Option<()> {
        let goes_on = !matches!(kind, ProblemKind::Bound(_));
        self.problem(kind, span.unwrap_or_else(named));
        goes_on.then_some(())
    }

    fn env_file(
        &mut self,
        file: &EnvFile,
        service: &Service,
        outer: &Variables,
        found: &mut Variables,
    ) -> Result<(), Failure> {
        let path = file.path.clone();
        let bytes = match self.files.read(&path) {
            Err(error) if !file.required && error.kind() == io::ErrorKind::NotFound => {
                return Ok(());
            }
            read => read.map_err(|error| Box::new((unreadable(path.clone(), &error), None)))?,
        };
        let text = String::from_utf8_lossy(&bytes);
        let before = self.count(text.len(), found)?;
        // The project's variables come first, then the service's.
        let lookup = |name: &str| {
            let own = || service.environment.0.get(name).cloned().flatten();
            outer.get(name).cloned().or_else(own)
        };
        if file.format == "raw" {
            dotenv::parse_raw(&text, found, &lookup);
        } else if let Err(error) = dotenv::parse(&text, found, &lookup) {
            return Err(self.bad_env_file(path, &text, error));
        }
        self.count(size(found).saturating_sub(before), found).map(drop)
    }

    /// Takes the labels of label files below those of `labels`.
    pub(super) fn resolve_labels(&mut self, project: &mut Project, tree: &Node) -> Option<()> {
        for (name, service) in &mut project.services {
            let mut found = Variables::new();
            for (at, path) in service.label_file.0.iter().enumerate() {
                let result = self.label_file(path, &project.environment, &mut found);
                if let Err(failure) = result {
                    self.bad_file(*failure, || named(tree, name, "label_file", at))?;
                }
            }
            for (name, value) in found {
                service.labels.0.entry(name).or_insert(value);
            }
        }
        Some(())
    }

    fn label_file(
        &mut self,
        path: &str,
        outer: &Variables,
        found: &mut Variables,
    ) -> Result<(), Failure> {
        let read = self.files.read(path);
        let bytes = read.map_err(|error| Box::new((unreadable(path.to_owned(), &error), None)))?;
        let text = String::from_utf8_lossy(&bytes);
        let before = self.count(text.len(), found)?;
        if let Err(error) = dotenv::parse(&text, found, &|name: &str| outer.get(name).cloned()) {
            return Err(self.bad_env_file(path.to_owned(), &text, error));
        }
        self.count(size(found).saturating_sub(before), found).map(drop)
    }

    /// Counts so many bytes, and says how large what was found is.
    fn count(&mut self, bytes: usize, found: &Variables) -> Result<usize, Failure> {
        let counted = self.bounds.env_file(bytes);
        counted.map_err(|error| Box::new((ProblemKind::Bound(error), None)))?;
        Ok(size(found))
    }

    /// The file becomes one of the sources, so that the line can be shown.
    pub(super) fn bad_env_file(&mut self, path: String, text: &str, error: DotenvError) -> Failure {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let file = self.sources.add(&path, text);
        let (start, end) = error.place(text);
        Box::new((ProblemKind::EnvFile { path, error }, Some(Span { file, start, end })))
    }
}

fn size(found: &Variables) -> usize {
    found.iter().map(|(name, value)| name.len() + value.len()).sum()
}

/// What keeps a file from being read.
pub(super) fn unreadable(path: String, error: &io::Error) -> ProblemKind {
    match error.kind() {
        io::ErrorKind::NotFound => ProblemKind::EnvFileMissing { path },
        _ => ProblemKind::EnvFileUnreadable { path, why: error.to_string() },
    }
}

/// Where a service names a file.
fn named(tree: &Node, service: &str, key: &str, at: usize) -> Span {
    let list = tree.get("services").and_then(|it| it.get(service)).and_then(|it| it.get(key));
    let entry = list.and_then(Node::as_list).and_then(|list| list.get(at));
    let path = entry.map(|entry| entry.get("path").unwrap_or(entry));
    path.map_or(Span::NOWHERE, |node| node.span)
}
