//! Env files and label files of services.

use std::collections::BTreeMap;

use super::file::Loader;
use super::{Problem, ProblemKind};
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
    pub(super) fn resolve_environment(&mut self, project: &mut Project, tree: &Node) {
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
                    let (kind, span) = *failure;
                    let span = span.unwrap_or_else(|| named(tree, name, "env_file", at));
                    self.problems.push(Problem::new(kind, span));
                }
            }
            for (name, value) in found {
                service.environment.0.entry(name).or_insert(Some(value));
            }
        }
    }

    fn env_file(
        &mut self,
        file: &EnvFile,
        service: &Service,
        outer: &Variables,
        found: &mut Variables,
    ) -> Result<(), Failure> {
        let path = file.path.clone();
        let Ok(bytes) = self.files.read(&path) else {
            let missing = ProblemKind::EnvFileMissing { path };
            return if file.required { Err(Box::new((missing, None))) } else { Ok(()) };
        };
        let text = String::from_utf8_lossy(&bytes);
        // The project's variables come first, then the service's.
        let lookup = |name: &str| {
            let own = || service.environment.0.get(name).cloned().flatten();
            outer.get(name).cloned().or_else(own)
        };
        if file.format == "raw" {
            dotenv::parse_raw(&text, found, &lookup);
            return self.count(&text, found);
        }
        match dotenv::parse(&text, found, &lookup) {
            Ok(()) => self.count(&text, found),
            Err(error) => Err(self.bad_env_file(path, &text, error)),
        }
    }

    /// Takes the labels of label files below those of `labels`.
    pub(super) fn resolve_labels(&mut self, project: &mut Project, tree: &Node) {
        for (name, service) in &mut project.services {
            let mut found = Variables::new();
            for (at, path) in service.label_file.0.iter().enumerate() {
                let result = self.label_file(path, &project.environment, &mut found);
                if let Err(failure) = result {
                    let (kind, span) = *failure;
                    let span = span.unwrap_or_else(|| named(tree, name, "label_file", at));
                    self.problems.push(Problem::new(kind, span));
                }
            }
            for (name, value) in found {
                service.labels.0.entry(name).or_insert(value);
            }
        }
    }

    fn label_file(
        &mut self,
        path: &str,
        outer: &Variables,
        found: &mut Variables,
    ) -> Result<(), Failure> {
        let path = path.to_owned();
        let Ok(bytes) = self.files.read(&path) else {
            return Err(Box::new((ProblemKind::EnvFileMissing { path }, None)));
        };
        let text = String::from_utf8_lossy(&bytes);
        match dotenv::parse(&text, found, &|name: &str| outer.get(name).cloned()) {
            Ok(()) => self.count(&text, found),
            Err(error) => Err(self.bad_env_file(path, &text, error)),
        }
    }

    fn count(&mut self, text: &str, found: &Variables) -> Result<(), Failure> {
        let values: usize = found.iter().map(|(name, value)| name.len() + value.len()).sum();
        self.bounds
            .env_file(text.len() + values)
            .map_err(|error| Box::new((ProblemKind::Bound(error), None)))
    }

    /// The file becomes one of the sources, so that the line can be shown.
    pub(super) fn bad_env_file(&mut self, path: String, text: &str, error: DotenvError) -> Failure {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let file = self.sources.add(&path, text);
        let (start, end) = error.place(text);
        Box::new((ProblemKind::EnvFile { path, error }, Some(Span { file, start, end })))
    }
}

/// Where a service names a file.
fn named(tree: &Node, service: &str, key: &str, at: usize) -> Span {
    let list = tree.get("services").and_then(|it| it.get(service)).and_then(|it| it.get(key));
    let entry = list.and_then(Node::as_list).and_then(|list| list.get(at));
    let path = entry.map(|entry| entry.get("path").unwrap_or(entry));
    path.map_or(Span::NOWHERE, |node| node.span)
}
