//! From a node to a typed instruction: one function per instruction, every error collected.

mod command;
mod config;
mod copy;
mod env;
mod from;
mod onbuild;
mod run;

pub(crate) use onbuild::forbidden as forbidden_trigger;

use crate::ast::{Instruction, InstructionKind, Stage, Warning, Word};
use crate::error::{ErrorKind, ParseError};
use crate::expand::{self, ExpandErrorKind};
use crate::flag::{FlagTable, Flags};
use crate::keyword::Keyword;
use crate::span::Span;
use crate::syntax::{Arguments, Node};

/// What a node means.
pub(crate) enum Typed {
    Stage(Box<Stage>),
    Instruction(Box<Instruction>),
}

/// Where errors and warnings go while nodes are read.
#[derive(Debug)]
pub(crate) struct Findings {
    pub(crate) escape: char,
    pub(crate) errors: Vec<ParseError>,
    pub(crate) warnings: Vec<Warning>,
}

/// A node being read, with the place to report to.
pub(crate) struct Request<'a> {
    keyword: Keyword,
    node: &'a Node,
    findings: &'a mut Findings,
}

/// Reads a node. `None` when it has errors; they are in `findings` then.
pub(crate) fn read(node: &Node, findings: &mut Findings) -> Option<Typed> {
    let Some(keyword) = Keyword::parse(&node.keyword.value) else {
        let name = node.keyword.value.clone();
        let kind = ErrorKind::UnknownInstruction { suggestion: Keyword::suggest(&name), name };
        findings.errors.push(ParseError::new(kind, node.keyword.span));
        return None;
    };
    let errors_before = findings.errors.len();
    let mut request = Request { keyword, node, findings };
    let typed = if keyword == Keyword::From {
        from::stage(&mut request).map(|stage| Typed::Stage(Box::new(stage)))
    } else {
        kind(&mut request).map(|kind| Typed::Instruction(Box::new(instruction(node, kind))))
    };
    match &typed {
        Some(Typed::Stage(stage)) => check_words(&stage.expandable(), findings),
        Some(Typed::Instruction(instruction)) => {
            check_words(&instruction.kind.expandable(), findings)
        }
        None => {}
    }
    typed.filter(|_| findings.errors.len() == errors_before)
}

/// Reports words that no variables could make valid. (BuildKit does so only for stages it builds.)
fn check_words(words: &[&Word], findings: &mut Findings) {
    let no_variables = std::collections::BTreeMap::new();
    for word in words {
        let Err(error) = expand::expand(word, findings.escape, &no_variables) else { continue };
        if let ExpandErrorKind::Syntax(cause) = error.kind {
            let kind = ErrorKind::BadWord { word: error.word, cause };
            findings.errors.push(ParseError::new(kind, error.span));
        }
    }
}

fn kind(request: &mut Request<'_>) -> Option<InstructionKind> {
    match request.keyword {
        Keyword::Add => copy::add(request).map(InstructionKind::Add),
        Keyword::Arg => env::arg(request).map(InstructionKind::Arg),
        Keyword::Cmd => command::command(request).map(InstructionKind::Cmd),
        Keyword::Copy => copy::copy(request).map(InstructionKind::Copy),
        Keyword::Entrypoint => command::command(request).map(InstructionKind::Entrypoint),
        Keyword::Env => env::pairs(request).map(InstructionKind::Env),
        Keyword::Expose => config::expose(request).map(InstructionKind::Expose),
        Keyword::From => None,
        Keyword::Healthcheck => command::healthcheck(request).map(InstructionKind::Healthcheck),
        Keyword::Label => env::pairs(request).map(InstructionKind::Label),
        Keyword::Maintainer => config::single(request).map(InstructionKind::Maintainer),
        Keyword::Onbuild => onbuild::onbuild(request).map(InstructionKind::Onbuild),
        Keyword::Run => run::run(request).map(InstructionKind::Run),
        Keyword::Shell => command::shell(request).map(InstructionKind::Shell),
        Keyword::Stopsignal => config::single(request).map(InstructionKind::Stopsignal),
        Keyword::User => config::single(request).map(InstructionKind::User),
        Keyword::Volume => config::volume(request).map(InstructionKind::Volume),
        Keyword::Workdir => config::single(request).map(InstructionKind::Workdir),
    }
}

fn instruction(node: &Node, kind: InstructionKind) -> Instruction {
    Instruction {
        keyword: node.keyword.clone(),
        kind,
        span: node.span,
        original: node.original.trim().to_owned(),
        comments: node.comments.clone(),
        heredocs: node.heredocs.clone(),
    }
}

impl Request<'_> {
    fn name(&self) -> &'static str {
        self.keyword.name()
    }

    fn error(&mut self, kind: ErrorKind, span: Span) {
        self.findings.errors.push(ParseError::new(kind, span));
    }

    /// Reports an error of the instruction as a whole; shown at the keyword, where something is missing.
    fn fail<T>(&mut self, kind: ErrorKind) -> Option<T> {
        let span = self.node.keyword.span;
        self.error(kind, span);
        None
    }

    fn flags(&mut self, table: FlagTable) -> Flags {
        let (flags, errors) = Flags::read(self.name(), table, &self.node.flags);
        self.findings.errors.extend(errors);
        flags
    }

    /// The arguments of an instruction that takes a list.
    fn words(&self) -> &[Word] {
        match &self.node.arguments {
            Arguments::Words(words) | Arguments::Json(words) => words,
            _ => &[],
        }
    }
}

/// What a comment `# name description` above an instruction says about a name.
fn description(node: &Node, name: &str) -> Option<String> {
    if name.is_empty() {
        return None;
    }
    let rest = node.comments.iter().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))?;
    Some(rest.to_owned())
}
