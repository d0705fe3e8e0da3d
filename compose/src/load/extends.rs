//! `extends`: a service on top of another, of the same file or of one more.

use std::collections::{BTreeMap, HashSet};
use std::rc::Rc;

use thiserror::Error;

use super::bounds::Bounds;
use super::file::{Environment, Loader, Scope};
use super::{InputFile, ProblemKind};
use crate::merge::{merge_service, reset_service};
use crate::path::TreePath;
use crate::paths::{Base, join, parent, relative, resolve_paths};
use crate::schema::nearest;
use crate::source::Span;
use crate::yaml::{Map, Node, Value};

#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ExtendsError {
    #[error("services must be a mapping")]
    ServicesNotMapping,
    #[error("services.{name} must be a mapping")]
    NotMapping { name: String },
    #[error("extends.{name}.service is required")]
    NoService { name: String },
    #[error(
        "cannot extend service {name:?} in {file}: service {base:?} not found{}",
        within(other)
    )]
    NotFound {
        name: String,
        file: String,
        base: String,
        other: Option<String>,
        nearest: Option<String>,
    },
    #[error("cannot extend service {name:?} in {file}: no services section")]
    NoServices { name: String, file: String },
    #[error("Circular reference:\n{}", chain(steps))]
    Circular { steps: Vec<(String, String)> },
    #[error("cannot extend service {name:?} from {file}: remote files are not supported")]
    Remote { name: String, file: String },
}

impl ExtendsError {
    pub fn hint(&self) -> Option<String> {
        match self {
            ExtendsError::NotFound { nearest: Some(nearest), .. } => {
                Some(format!("did you mean `{nearest}`?"))
            }
            _ => None,
        }
    }
}

fn within(file: &Option<String>) -> String {
    file.as_ref().map(|file| format!(" in {file}")).unwrap_or_default()
}

fn chain(steps: &[(String, String)]) -> String {
    let line = |(at, (file, service)): (usize, &(String, String))| {
        let extends = if at == 0 { "" } else { "extends " };
        format!("  {extends}{service} in {file}")
    };
    steps.iter().enumerate().map(line).collect::<Vec<_>>().join("\n")
}

/// What `!reset` takes away from the services below.
type Resets = Vec<Rc<HashSet<TreePath>>>;

/// Services of a file with paths relative to the directory of another, and what they take away: by path, directory
/// and variables. Many services may extend those of one file.
pub(super) type ExtendedFiles = BTreeMap<(String, String, *const Environment), ExtendedFile>;

#[derive(Clone, Debug)]
pub(super) struct ExtendedFile {
    services: Rc<Node>,
    resets: Rc<HashSet<TreePath>>,
    /// Kept, so that no other set of variables gets its address.
    _environment: Rc<Environment>,
}

/// Where a chain of services has come to.
struct Link<'a> {
    file: String,
    scope: &'a Scope,
    resets: Resets,
    /// File and service of each step.
    steps: Vec<(String, String)>,
}

impl Loader<'_> {
    /// Resolves every `extends` of a document. None when that failed.
    pub(super) fn extend(
        &mut self,
        root: &mut Node,
        file: &str,
        scope: &Scope,
        resets: &HashSet<TreePath>,
    ) -> Option<()> {
        let Some(node) = root.as_map_mut()?.get_mut("services") else { return Some(()) };
        let span = node.span;
        let Some(services) = node.as_map_mut() else {
            if !node.is_null() {
                let error = ExtendsError::ServicesNotMapping;
                self.problem(ProblemKind::Extends(error), span);
                return None;
            }
            return Some(());
        };
        let names: Vec<String> = services
            .iter()
            .filter(|(_, node)| node.as_map().is_none_or(|map| map.contains("extends")))
            .map(|(name, _)| name.to_owned())
            .collect();
        let resets = Rc::new(resets.clone());
        for name in names {
            let link = Link {
                file: file.to_owned(),
                scope,
                resets: vec![Rc::clone(&resets)],
                steps: Vec::new(),
            };
            let extended = self.extended(&name, services, link)?;
            let key_span = services.key_span(&name).unwrap_or(span);
            services.insert(name, key_span, extended);
        }
        Some(())
    }

    /// The service with what it extends below it.
    fn extended(&mut self, name: &str, services: &Map, mut link: Link<'_>) -> Option<Node> {
        let service = services.get(name)?.clone();
        if service.is_null() {
            return Some(service);
        }
        let span = service.span;
        let Some(map) = service.as_map() else {
            let error = ExtendsError::NotMapping { name: name.to_owned() };
            self.problem(ProblemKind::Extends(error), span);
            return None;
        };
        let Some(extends) = map.get("extends") else { return Some(service) };
        let (base, file) = self.target(name, extends)?;
        let other = match file {
            Some((path, place)) => Some(self.other_file(name, &base, &path, place, &mut link)?),
            None => None,
        };
        let other: Option<&Node> = other.as_deref();
        let services = match other {
            Some(node) => node.as_map()?,
            None => services,
        };
        if !services.contains(&base) {
            let nearest = nearest(&base, services.keys()).map(str::to_owned);
            let (name, file) = (name.to_owned(), link.file.clone());
            let error = ExtendsError::NotFound { name, file, base, other: None, nearest };
            self.problem(ProblemKind::Extends(error), extends.span);
            return None;
        }
        let step = (link.file.clone(), name.to_owned());
        let seen = link.steps.contains(&step);
        link.steps.push(step);
        if seen {
            let error = ExtendsError::Circular { steps: link.steps };
            self.problem(ProblemKind::Extends(error), extends.span);
            return None;
        }
        let bound = Bounds::chain(link.steps.len());
        self.within(bound, extends.span)?;
        let resets = link.resets.clone();
        let mut below = self.extended(&base, services, link)?;
        if below.is_null() {
            return Some(service);
        }
        let bound = self.bounds.extend(below.size());
        self.within(bound, extends.span)?;
        for resets in &resets {
            reset_service(&mut below, name, resets);
        }
        match merge_service(below, service) {
            Ok(mut merged) => {
                merged.as_map_mut()?.remove("extends");
                Some(merged)
            }
            Err((error, span)) => {
                self.problem(ProblemKind::Merge(error), span);
                None
            }
        }
    }

    /// The service that is extended, and the file it is in.
    fn target(&mut self, name: &str, extends: &Node) -> Option<(String, Option<(String, Span)>)> {
        let service = extends.as_str().or_else(|| extends.get("service").and_then(Node::as_str));
        let Some(service) = service else {
            let error = ExtendsError::NoService { name: name.to_owned() };
            self.problem(ProblemKind::Extends(error), extends.span);
            return None;
        };
        let file = extends.get("file").filter(|it| !it.is_null());
        let file = file.and_then(|node| Some((node.as_str()?.to_owned(), node.span)));
        Some((service.to_owned(), file))
    }

    /// The services of another file, with paths relative to this one's directory.
    fn other_file(
        &mut self,
        name: &str,
        base: &str,
        path: &str,
        place: Span,
        link: &mut Link<'_>,
    ) -> Option<Rc<Node>> {
        if super::include::is_remote(path) {
            let (name, file) = (name.to_owned(), path.to_owned());
            self.problem(ProblemKind::Extends(ExtendsError::Remote { name, file }), place);
            return None;
        }
        let absolute =
            if path.starts_with('/') { path.to_owned() } else { join(&link.scope.directory, path) };
        let file = self.extended_file(&absolute, place, link)?;
        link.resets.push(file.resets);
        let services = file.services;
        if !matches!(services.value, Value::Map(_)) {
            let (name, file) = (name.to_owned(), absolute);
            self.problem(ProblemKind::Extends(ExtendsError::NoServices { name, file }), place);
            return None;
        }
        if services.get(base).is_none() {
            let known = services.as_map().into_iter().flat_map(Map::keys);
            let error = ExtendsError::NotFound {
                name: name.to_owned(),
                file: link.file.clone(),
                base: base.to_owned(),
                other: Some(path.to_owned()),
                nearest: nearest(base, known).map(str::to_owned),
            };
            self.problem(ProblemKind::Extends(error), place);
            return None;
        }
        link.file = path.to_owned();
        Some(services)
    }

    /// Reads it once.
    fn extended_file(
        &mut self,
        absolute: &str,
        place: Span,
        link: &Link<'_>,
    ) -> Option<ExtendedFile> {
        let environment = &link.scope.environment;
        let directory = link.scope.directory.clone();
        let key = (absolute.to_owned(), directory, Rc::as_ptr(environment));
        if let Some(file) = self.extended.get(&key) {
            return Some(file.clone());
        }
        let before = self.problems.len();
        let parsed = self.parsed(&InputFile { path: absolute.to_owned(), content: None });
        if self.problems.len() > before
            && let Some(problem) = self.problems.last_mut()
            && !problem.span.is_somewhere()
        {
            problem.span = place;
        }
        let mut tree = None;
        let mut resets = HashSet::new();
        for document in parsed.documents.as_ref()? {
            let root = self.interpolated(document.root.clone(), &link.scope.environment);
            tree = Some(self.merge_document(tree, root, &parsed.name, false)?);
            resets.extend(document.resets.iter().cloned());
        }
        let mut tree = tree.unwrap_or_else(|| Node::map(place));
        let directory = relative(&link.scope.directory, &parent(absolute));
        let home = self.request.home.as_deref();
        let errors =
            resolve_paths(&mut tree, Base { directory: &directory, home }, &|it| it.to_owned());
        for (error, span) in errors {
            self.problem(ProblemKind::Path(error), span);
        }
        let services = tree.as_map_mut().and_then(|map| map.remove("services"));
        let file = ExtendedFile {
            services: Rc::new(services.unwrap_or_else(|| Node::new(Value::Null, place))),
            resets: Rc::new(resets),
            _environment: Rc::clone(environment),
        };
        self.extended.insert(key, file.clone());
        Some(file)
    }
}
