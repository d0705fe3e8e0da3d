//! SOURCE_DATE_EPOCH: a number, or what to take the time of.

use std::collections::BTreeMap;

use parser::ast::{Add, ArgDecl, CopySource, Dockerfile, InstructionKind, Stage};
use parser::{Span, Word, expand};

use super::error::EpochStageProblem;
use super::{BaseImages, PlanError, PlanErrorKind, ResultExt};
use crate::fetch::git::check_checksum;
use crate::fetch::url::is_url;
use crate::fetch::{Checksum, GitRef};
use crate::named_context;
use crate::request::{BuildRequest, ContextSource};
use crate::scope::Variables;

const EPOCH: &str = "SOURCE_DATE_EPOCH";

/// The one source of a stage whose time is taken.
#[derive(Clone, Debug, PartialEq)]
pub enum EpochSource {
    /// A file on a server.
    File {
        url: String,
        checksum: Option<Checksum>,
    },
    Repository(Box<GitRef>),
}

/// As [`named_epoch`]; with `--reproducible` there is always one.
pub(super) fn resolve(
    dockerfile: &Dockerfile,
    request: &BuildRequest,
    images: &dyn BaseImages,
    globals: &mut Variables,
    build_args: &mut BTreeMap<String, String>,
) -> Result<Option<i64>, PlanError> {
    let named = named_epoch(dockerfile, request, images, globals, build_args)?;
    if named.is_none() && request.reproducible {
        build_args.insert(EPOCH.to_owned(), "0".to_owned());
        return Ok(Some(0));
    }
    Ok(named)
}

/// SOURCE_DATE_EPOCH of the request, else of a global ARG. It may name a context or a stage that is one source, whose
/// time it is then: that of a commit, of a file on a server, of the newest file in an archive. What has no time (a
/// directory) is as if the argument were not set.
fn named_epoch(
    dockerfile: &Dockerfile,
    request: &BuildRequest,
    images: &dyn BaseImages,
    globals: &mut Variables,
    build_args: &mut BTreeMap<String, String>,
) -> Result<Option<i64>, PlanError> {
    let given = build_args.get(EPOCH).cloned();
    let default = || globals.get(EPOCH).filter(|value| !value.is_empty()).map(str::to_owned);
    let Some(value) = given.or_else(default) else { return Ok(None) };
    let seconds = seconds(dockerfile, request, images, globals, &value)?;
    match seconds {
        Some(seconds) => {
            if let Some(argument) = build_args.get_mut(EPOCH) {
                *argument = seconds.to_string();
            }
            if globals.get(EPOCH).is_some() {
                globals.set(EPOCH, seconds.to_string());
            }
        }
        None => {
            build_args.remove(EPOCH);
            globals.remove(EPOCH);
        }
    }
    Ok(seconds)
}

fn seconds(
    dockerfile: &Dockerfile,
    request: &BuildRequest,
    images: &dyn BaseImages,
    globals: &Variables,
    value: &str,
) -> Result<Option<i64>, PlanError> {
    if value.is_empty() {
        return Ok(None);
    }
    if value == "context" {
        return Ok(match &request.context {
            ContextSource::Dir(_) => None,
            ContextSource::Fetched(fetched) => fetched.time(),
            ContextSource::Empty { time } => *time,
        });
    }
    if let Some(key) = named_context::find(request, value) {
        let failed = |source| PlanErrorKind::Base {
            name: key.clone(),
            canonical: format!("build context `{key}`"),
            suggestion: None,
            source,
        };
        return Ok(images.time_of_context(&key).map_err(failed)?);
    }
    if let Ok(seconds) = value.parse() {
        return Ok(Some(seconds));
    }
    let is_name = |name: &parser::Spanned<String>| name.value.eq_ignore_ascii_case(value);
    let stage =
        dockerfile.stages.iter().find(|stage| stage.from.name.as_ref().is_some_and(is_name));
    let Some(stage) = stage else {
        return Err(PlanErrorKind::Epoch { value: value.to_owned() }.into());
    };
    let source = SourceStage { dockerfile, request, globals }.source(stage)?;
    let failed = |source| PlanErrorKind::EpochSource { stage: value.to_owned(), source };
    images.time_of_source(&source).map_err(failed).at(stage.span)
}

/// A stage that is nothing but one remote source, which the time is taken of; nothing of it is built for that.
struct SourceStage<'a> {
    dockerfile: &'a Dockerfile,
    request: &'a BuildRequest,
    globals: &'a Variables,
}

impl SourceStage<'_> {
    fn source(&self, stage: &Stage) -> Result<EpochSource, PlanError> {
        let base = self.expand(&stage.from.base, self.globals)?;
        if base != "scratch" {
            return Err(refused(EpochStageProblem::Base)).at(stage.span);
        }
        let mut variables = Variables::default();
        let mut found = None;
        for instruction in &stage.instructions {
            match &instruction.kind {
                InstructionKind::Arg(declared) => self.declare(declared, &mut variables)?,
                InstructionKind::Add(add) if found.is_none() => {
                    found = Some(self.added(add, &variables, instruction.span)?);
                }
                InstructionKind::Add(_) => {
                    return Err(refused(EpochStageProblem::NotOneAdd)).at(instruction.span);
                }
                _ => {
                    let keyword = instruction.keyword.value.to_uppercase();
                    let problem = EpochStageProblem::Instruction { keyword };
                    return Err(refused(problem)).at(instruction.span);
                }
            }
        }
        found.ok_or(refused(EpochStageProblem::NotOneAdd)).at(stage.span)
    }

    fn expand(&self, word: &Word, variables: &Variables) -> Result<String, PlanError> {
        let escape = self.dockerfile.directives.escape;
        let expanded = expand::expand(word, escape, variables).map_err(PlanErrorKind::from);
        Ok(expanded.at(word.span)?.value)
    }

    /// As in every stage; but the time itself is not known yet.
    fn declare(&self, declared: &[ArgDecl], variables: &mut Variables) -> Result<(), PlanError> {
        for declaration in declared.iter().filter(|declaration| declaration.name.text != EPOCH) {
            let name = &declaration.name.text;
            let value = match (self.request.build_args.get(name), &declaration.default) {
                (Some(given), _) => Some(given.clone()),
                (None, Some(default)) => Some(self.expand(default, variables)?),
                (None, None) => self.globals.get(name).map(str::to_owned),
            };
            if let Some(value) = value {
                variables.set(name, value);
            }
        }
        Ok(())
    }

    fn added(
        &self,
        add: &Add,
        variables: &Variables,
        span: Span,
    ) -> Result<EpochSource, PlanError> {
        let [CopySource::Path(word)] = add.sources.as_slice() else {
            return Err(refused(EpochStageProblem::NotOneAdd)).at(span);
        };
        let text = self.expand(word, variables)?;
        let checksum =
            add.checksum.as_ref().map(|word| self.expand(word, variables)).transpose()?;
        let checksum = checksum.filter(|text| !text.is_empty());
        let git = GitRef::parse(&text).map_err(PlanErrorKind::from).at(word.span)?;
        if let Some(mut git) = git.filter(|git| !git.without_scheme) {
            if let Some(checksum) = checksum {
                if !check_checksum(&checksum) {
                    return Err(PlanErrorKind::GitChecksum { checksum }).at(span);
                }
                git.checksum = checksum;
            }
            return Ok(EpochSource::Repository(Box::new(git)));
        }
        if !is_url(&text) {
            return Err(refused(EpochStageProblem::Local)).at(word.span);
        }
        let parse = |text: String| {
            Checksum::parse(&text).map_err(|source| PlanErrorKind::Checksum { text, source })
        };
        let checksum = checksum.map(parse).transpose().at(span)?;
        Ok(EpochSource::File { url: text, checksum })
    }
}

fn refused(problem: EpochStageProblem) -> PlanErrorKind {
    PlanErrorKind::EpochStage { problem }
}
