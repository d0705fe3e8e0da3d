//! One file: read, parsed, its variables replaced.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use super::bounds::{Bounds, MAX_PROBLEMS};
use super::extends::ExtendedFiles;
use super::{BoundError, Files, InputFile, LoadRequest, Problem, ProblemKind, Warning};
use crate::interpolate::{Growth, Variables, cast_of, interpolate};
use crate::source::{Sources, Span};
use crate::yaml::{self, Document, Node};

/// Variables by name.
pub(super) type Environment = BTreeMap<String, String>;

/// Where files and relative paths are looked for.
#[derive(Clone, Debug)]
pub(super) struct Scope {
    /// Absolute.
    pub(super) directory: String,
    /// What relative paths are resolved against: `directory`, or its path from the including directory.
    pub(super) base: String,
    pub(super) environment: Rc<Environment>,
}

/// A load under way.
pub(super) struct Loader<'a> {
    pub(super) request: &'a LoadRequest,
    pub(super) files: &'a dyn Files,
    pub(super) sources: Sources,
    pub(super) problems: Vec<Problem>,
    pub(super) warnings: Vec<Warning>,
    /// Files that were parsed already, by path.
    pub(super) parsed: BTreeMap<String, Rc<Parsed>>,
    pub(super) bounds: Bounds,
    /// What variables have added to texts.
    pub(super) growth: Growth,
    /// Services of files that others extend.
    pub(super) extended: ExtendedFiles,
    /// Variables that configs and secrets of included projects take their content from, where only those know them.
    pub(super) of_included: Environment,
    /// Of the project, once it was found.
    pub(super) name: Option<String>,
}

/// A file as it was written.
#[derive(Clone, Debug)]
pub(super) struct Parsed {
    pub(super) name: String,
    /// None when it could not be read or parsed; that is reported already.
    pub(super) documents: Option<Vec<Document>>,
}

impl Loader<'_> {
    pub(super) fn problem(&mut self, kind: ProblemKind, span: Span) {
        if self.problems.len() < MAX_PROBLEMS {
            self.problems.push(Problem::new(kind, span));
        }
    }

    /// Whether it is within bounds; else a problem at the place.
    pub(super) fn within(&mut self, result: Result<(), BoundError>, span: Span) -> Option<()> {
        result.map_err(|error| self.problem(ProblemKind::Bound(error), span)).ok()
    }

    pub(super) fn warn(&mut self, warning: Warning) {
        if !self.warnings.contains(&warning) {
            self.warnings.push(warning);
        }
    }

    /// Reads and parses a file, once.
    pub(super) fn parsed(&mut self, file: &InputFile) -> Rc<Parsed> {
        if let Some(parsed) = self.parsed.get(&file.path) {
            return Rc::clone(parsed);
        }
        let parsed = Rc::new(self.parse(file));
        self.parsed.insert(file.path.clone(), Rc::clone(&parsed));
        parsed
    }

    /// The same, not kept for another time: most files are needed once, and a copy costs as much as parsing.
    pub(super) fn parsed_last(&mut self, file: &InputFile) -> Parsed {
        let parsed = self.parsed(file);
        // Standard input cannot be read again.
        if parsed.documents.is_some() && file.path != "-" {
            self.parsed.remove(&file.path);
        }
        Rc::unwrap_or_clone(parsed)
    }

    fn parse(&mut self, file: &InputFile) -> Parsed {
        let name = if file.path == "-" { "<stdin>".to_owned() } else { file.path.clone() };
        let text = self.text(file);
        let id = self.sources.add(&name, text.as_deref().unwrap_or_default());
        let bound = self.bounds.text(text.as_ref().map_or(0, String::len));
        let text = text.filter(|_| self.within(bound, Span::NOWHERE).is_some());
        let parsed = text.map(|text| yaml::parse(&text, id));
        let documents = match parsed {
            Some(Ok(documents)) => {
                let span = documents.last().map_or(Span::NOWHERE, |it| it.root.span);
                self.within(Bounds::documents(documents.len()), span).map(|()| documents)
            }
            Some(Err((error, span))) => {
                self.problem(ProblemKind::Yaml { name: name.clone(), error }, span);
                None
            }
            None => None,
        };
        Parsed { name, documents }
    }

    fn text(&mut self, file: &InputFile) -> Option<String> {
        let given = self.request.files.iter().find(|it| it.path == file.path);
        if let Some(content) = file.content.as_ref().or_else(|| given?.content.as_ref()) {
            return Some(content.clone());
        }
        let path = file.path.clone();
        match self.files.read(&path).map(String::from_utf8) {
            Ok(Ok(text)) => Some(text),
            Ok(Err(_)) => {
                self.problem(ProblemKind::NotText { path }, Span::NOWHERE);
                None
            }
            Err(error) => {
                let error = Arc::new(error);
                self.problem(ProblemKind::Read { path, error }, Span::NOWHERE);
                None
            }
        }
    }

    /// A document with its variables replaced.
    pub(super) fn interpolated(&mut self, mut root: Node, environment: &Environment) -> Node {
        if !self.request.options.interpolate {
            return root;
        }
        let mut variables =
            Variables::after(|name: &str| environment.get(name).cloned(), self.growth);
        let found = interpolate(&mut root, &mut variables, &cast_of);
        self.growth = variables.growth;
        for name in variables.unset {
            self.warn(Warning::Unset { name });
        }
        for text in found.old_booleans {
            self.warn(Warning::OldBoolean { text });
        }
        for (error, span) in found.errors {
            self.problem(ProblemKind::Interpolation(error), span);
        }
        root
    }
}
