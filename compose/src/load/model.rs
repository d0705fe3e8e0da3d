//! The stages in their order.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::bounds::Bounds;
use super::extends::ExtendedFiles;
use super::file::{Environment, Loader, Scope};
use super::{
    Files, InputFile, LoadError, LoadRequest, NameError, ProblemKind, Warning, consistency,
    defaults, normalize, project_name, rules,
};
use crate::Project;
use crate::canonical::canonical;
use crate::interpolate::Growth;
use crate::merge::{merge, reset, unique};
use crate::paths::{Base, resolve_paths};
use crate::schema;
use crate::source::{Sources, Span};
use crate::yaml::{Map, Node, Value};

/// A project and what is odd about it.
#[derive(Clone, Debug)]
pub struct Loaded {
    pub project: Project,
    /// The tree the project was made from; its values know their places.
    pub tree: Node,
    pub warnings: Vec<Warning>,
    pub sources: Sources,
}

/// Loads a project.
pub fn load(request: &LoadRequest, files: &dyn Files) -> Result<Loaded, LoadError> {
    let mut loader = Loader::new(request, files);
    let project = loader.tree().and_then(|tree| Some((loader.project(&tree)?, tree)));
    loader.finish(project).map(|((project, tree), sources, warnings)| Loaded {
        project,
        tree,
        warnings,
        sources,
    })
}

/// Only the merged tree: what `config --no-interpolate` and `--variables` look at.
pub fn load_model(
    request: &LoadRequest,
    files: &dyn Files,
) -> Result<(Node, Vec<Warning>), LoadError> {
    let mut loader = Loader::new(request, files);
    let tree = loader.tree();
    loader.finish(tree).map(|(tree, _, warnings)| (tree, warnings))
}

impl<'a> Loader<'a> {
    fn new(request: &'a LoadRequest, files: &'a dyn Files) -> Loader<'a> {
        Loader {
            request,
            files,
            sources: Sources::default(),
            problems: Vec::new(),
            warnings: Vec::new(),
            parsed: BTreeMap::new(),
            name: None,
            bounds: Bounds::default(),
            growth: Growth::default(),
            extended: ExtendedFiles::new(),
            of_included: Environment::new(),
        }
    }

    fn finish<T>(self, result: Option<T>) -> Result<(T, Sources, Vec<Warning>), LoadError> {
        match result {
            Some(value) if self.problems.is_empty() => Ok((value, self.sources, self.warnings)),
            _ => Err(LoadError {
                problems: self.problems,
                warnings: self.warnings,
                sources: self.sources,
            }),
        }
    }

    /// The merged and, if wanted, normalised tree.
    fn tree(&mut self) -> Option<Node> {
        if self.request.files.is_empty() {
            self.problem(ProblemKind::NoFile, Span::NOWHERE);
            return None;
        }
        let name = self.project_name()?;
        let mut environment = self.request.environment.clone();
        environment.insert("COMPOSE_PROJECT_NAME".to_owned(), name.clone());
        let scope = Scope {
            directory: self.request.directory.clone(),
            base: self.request.directory.clone(),
            environment: Rc::new(environment),
        };
        let files = self.request.files.clone();
        let mut tree = self.merged(&files, &scope, &[])?;
        if tree.as_map().is_some_and(Map::is_empty) {
            self.problem(ProblemKind::Empty, tree.span);
            return None;
        }
        if self.request.options.validate && name.is_empty() {
            self.problem(ProblemKind::Name(NameError::Empty), Span::NOWHERE);
            return None;
        }
        if self.request.options.normalize {
            let span = tree.span;
            let map = tree.as_map_mut()?;
            map.set("name", Node::string(name, span));
            normalize(&mut tree, &self.passed_through(&scope));
        }
        Some(tree)
    }

    /// The values that names without one take. None, where variables stay as they are written.
    fn passed_through(&self, scope: &Scope) -> Rc<Environment> {
        if self.request.options.interpolate { Rc::clone(&scope.environment) } else { Rc::default() }
    }

    fn project_name(&mut self) -> Option<String> {
        if self.name.is_none() {
            self.name = self.find_project_name();
        }
        self.name.clone()
    }

    fn find_project_name(&mut self) -> Option<String> {
        let request = self.request;
        if request.name_is_chosen {
            if let Err(error) = project_name::check(&request.name) {
                self.problem(ProblemKind::Name(error), Span::NOWHERE);
                return None;
            }
            return Some(request.name.clone());
        }
        let mut found = None;
        for file in &request.files {
            let parsed = self.parsed(file);
            for document in parsed.documents.iter().flatten() {
                let name = document.root.get("name").filter(|it| it.as_str() != Some(""));
                found = name.filter(|it| it.as_str().is_some()).cloned().or(found);
            }
        }
        let Some(found) = found else { return Some(request.name.clone()) };
        let mut holder = Node::map(found.span);
        holder.as_map_mut()?.set("name", found);
        let environment = request.environment.clone();
        let name = self.interpolated(holder, &environment);
        let name = name.get("name").and_then(Node::as_str).unwrap_or_default();
        Some(project_name::normalize_name(name))
    }

    /// Files merged in order, and the stages that come after merging.
    pub(super) fn merged(
        &mut self,
        files: &[InputFile],
        scope: &Scope,
        included: &[String],
    ) -> Option<Node> {
        let mut tree = None;
        for file in files {
            tree = self.merge_file(tree, file, scope, included)?;
        }
        let mut tree = tree.unwrap_or_else(|| Node::map(Span::NOWHERE));
        defaults::set(&mut tree);
        if self.request.options.validate {
            for (error, span) in rules::check(&tree) {
                self.problem(ProblemKind::Rule(error), span);
            }
        }
        let including = scope.base != scope.directory;
        if self.request.options.resolve_paths || including {
            let base = Base { directory: &scope.base, home: self.request.home.as_deref() };
            let files = self.files;
            let errors = resolve_paths(&mut tree, base, &|path| files.follow_links(path));
            for (error, span) in errors {
                self.problem(ProblemKind::Path(error), span);
            }
        }
        normalize::pass_through(&mut tree, &self.passed_through(scope));
        Some(tree)
    }

    fn merge_file(
        &mut self,
        mut tree: Option<Node>,
        file: &InputFile,
        scope: &Scope,
        included: &[String],
    ) -> Option<Option<Node>> {
        let parsed = self.parsed_last(file);
        let documents = parsed.documents?;
        let mut included = included.to_vec();
        included.push(file.path.clone());
        for document in documents {
            let root = document.root;
            let span = root.span;
            if root.is_null() {
                self.problem(ProblemKind::Empty, span);
                return None;
            }
            if root.as_map().is_none() {
                self.problem(ProblemKind::NotMapping, span);
                return None;
            }
            let mut root = self.interpolated(root, &scope.environment);
            self.extend(&mut root, &file.path, scope, &document.resets)?;
            if let Some(tree) = &mut tree {
                reset(tree, &document.resets);
            }
            self.include(&mut root, scope, &included)?;
            tree = Some(self.merge_document(tree, root, &parsed.name, true)?);
        }
        Some(tree)
    }

    /// One document over what there is, checked and in long forms.
    pub(super) fn merge_document(
        &mut self,
        base: Option<Node>,
        root: Node,
        name: &str,
        check: bool,
    ) -> Option<Node> {
        let mut tree = match base {
            None => root,
            Some(base) => match merge(base, root) {
                Ok(tree) => tree,
                Err((error, span)) => {
                    self.problem(ProblemKind::Merge(error), span);
                    return None;
                }
            },
        };
        let before = self.problems.len();
        self.unique(&mut tree);
        if check && self.request.options.validate {
            for (error, span) in schema::check(&tree) {
                self.problem(ProblemKind::Schema { name: name.to_owned(), error }, span);
            }
            let map = tree.as_map_mut()?;
            if map.remove("version").is_some() {
                self.warn(Warning::Version { file: name.to_owned() });
            }
        }
        if self.problems.len() > before {
            return None;
        }
        let found = canonical(&mut tree, !self.request.options.interpolate);
        for path in found.old_external {
            self.warn(Warning::OldExternal { path });
        }
        for (error, span) in found.errors {
            self.problem(ProblemKind::Form(error), span);
        }
        omit_empty_dns(&mut tree);
        self.unique(&mut tree);
        Some(tree)
    }

    fn unique(&mut self, tree: &mut Node) {
        for (error, span) in unique(tree) {
            self.problem(ProblemKind::Unique(error), span);
        }
    }

    /// The typed project of a tree.
    fn project(&mut self, tree: &Node) -> Option<Project> {
        if !self.problems.is_empty() {
            return None;
        }
        let map = tree.as_map()?;
        let mut project = match Project::from_tree(map) {
            Ok(project) => project,
            Err(misfit) => {
                let path = misfit.describe();
                let kind = ProblemKind::Value { path, error: misfit.error };
                self.problem(kind, misfit.span);
                return None;
            }
        };
        if project.name.is_empty() || !self.request.options.normalize {
            project.name = self.project_name()?;
        }
        project.directory = self.request.directory.clone().into();
        project.files = self.request.files.iter().map(|file| file.path.clone().into()).collect();
        project.environment = self.environment(&project.name);
        for (name, value) in &self.of_included {
            project.environment.entry(name.clone()).or_insert_with(|| value.clone());
        }
        project.apply_profiles(&self.request.profiles);
        if self.request.options.check_consistency {
            for (error, span) in consistency::check(&mut project, tree) {
                self.problem(ProblemKind::Consistency(error), span);
            }
        }
        if self.problems.is_empty() {
            self.read_files_of(&mut project, tree);
        }
        Some(project)
    }

    /// Env files and label files.
    fn read_files_of(&mut self, project: &mut Project, tree: &Node) {
        let options = self.request.options;
        let enough = options.resolve_environment
            && self.resolve_environment(project, tree).is_none()
            || self.resolve_labels(project, tree).is_none();
        if enough {
            return;
        }
        if options.discard_env_files {
            for service in project.services.values_mut() {
                service.label_file.0.clear();
                if options.resolve_environment {
                    service.env_file.clear();
                }
            }
        }
    }

    fn environment(&self, name: &str) -> Environment {
        let mut environment = self.request.environment.clone();
        environment.insert("COMPOSE_PROJECT_NAME".to_owned(), name.to_owned());
        environment
    }
}

/// `dns: ${UNSET}` is no server.
fn omit_empty_dns(tree: &mut Node) {
    let services = tree.as_map_mut().and_then(|map| map.get_mut("services"));
    let Some(services) = services.and_then(Node::as_map_mut) else { return };
    for (_, service) in services.iter_mut() {
        let Some(service) = service.as_map_mut() else { continue };
        if let Some(Value::List(list)) = service.get_mut("dns").map(|node| &mut node.value) {
            list.retain(|node| !node.is_null() && node.as_str() != Some(""));
        }
    }
}
