//! What is decided before the first FROM: arguments, base names, platforms, the time of the build.

use std::collections::{BTreeMap, BTreeSet};

use parser::ast::{ArgDecl, Dockerfile, InstructionKind, Stage};
use parser::expand::{self, Expanded};
use parser::suggest::suggest;
use parser::{Span, Word};
use store::{Platform, Reference};

use super::room::Room;
use super::{
    BaseImages, Context, ExpandedFrom, PlanError, PlanErrorKind, ResultExt, epoch, warnings,
};
use crate::progress::Warning;
use crate::request::BuildRequest;
use crate::scope::{self, Variables};

pub(super) fn resolve<'a>(
    dockerfile: &'a Dockerfile,
    request: &'a BuildRequest,
    platform: &Platform,
    images: &'a dyn BaseImages,
    warnings: &mut Vec<Warning>,
) -> Result<Context<'a>, PlanError> {
    check_syntax(dockerfile, request)?;
    let host = Platform::host().normalized();
    let target_stage = target_stage(dockerfile, request)?;
    let defaults = scope::platform_arguments(&host, platform, &target_stage, &request.build_args);
    warnings::check_default_bases(dockerfile, &defaults, warnings);
    let mut build_args = request.build_args.clone();
    let Globals { mut variables, uses } = global_arguments(dockerfile, defaults, &build_args)?;
    let epoch = epoch::resolve(dockerfile, request, images, &mut variables, &mut build_args)?;
    let mut context = Context {
        dockerfile,
        request,
        images,
        host,
        platform: platform.clone(),
        build_args,
        globals: variables,
        global_uses: uses,
        epoch,
        room: Room::default(),
        stages: Vec::new(),
        checks_only: false,
    };
    for stage in &dockerfile.stages {
        let expanded = expand_from(&context, stage, warnings).at(stage.span)?;
        context.stages.push(expanded);
    }
    Ok(context)
}

/// TARGETSTAGE: `--target` as given, else the name of the last stage.
fn target_stage(dockerfile: &Dockerfile, request: &BuildRequest) -> Result<String, PlanError> {
    let last = dockerfile.stages.last().ok_or(PlanErrorKind::NoStages)?;
    let last = last.from.name.as_ref().map(|name| name.value.clone());
    let target = request.target.clone().filter(|target| !target.is_empty());
    Ok(target.or(last).unwrap_or_default())
}

/// The ARGs before the first FROM, with the platform arguments.
pub(super) struct Globals {
    pub(super) variables: Variables,
    /// Which of them the default of each uses.
    uses: BTreeMap<String, BTreeSet<String>>,
}

/// The values of the ARGs before the first FROM, which see the ones above them.
pub(super) fn global_arguments(
    dockerfile: &Dockerfile,
    mut variables: Variables,
    build_args: &BTreeMap<String, String>,
) -> Result<Globals, PlanError> {
    let mut uses = BTreeMap::new();
    let escape = dockerfile.directives.escape;
    let room = Room::default();
    for declaration in declarations(dockerfile) {
        let name = declaration.name.text.as_str();
        let value = match (build_args.get(name), &declaration.default) {
            (Some(value), _) => Some(value.clone()),
            (None, Some(default)) => {
                let expanded = expand::expand(default, escape, &variables);
                let expanded = expanded.map_err(PlanErrorKind::from).at(default.span)?;
                room.take(expanded.value.len()).at(default.span)?;
                uses.insert(name.to_owned(), expanded.used);
                Some(expanded.value)
            }
            (None, None) => None,
        };
        if let Some(value) = value {
            variables.set(name, value);
        }
    }
    Ok(Globals { variables, uses })
}

/// The ARGs before the first FROM.
pub(super) fn declarations(dockerfile: &Dockerfile) -> impl Iterator<Item = &ArgDecl> {
    let kinds = dockerfile.global_args.iter().map(|instruction| &instruction.kind);
    kinds.flat_map(|kind| match kind {
        InstructionKind::Arg(declarations) => declarations.as_slice(),
        _ => &[],
    })
}

fn expand_from(
    context: &Context<'_>,
    stage: &Stage,
    warnings: &mut Vec<Warning>,
) -> Result<ExpandedFrom, PlanError> {
    let before = warnings.len();
    let from = &stage.from;
    let Expanded { value: base, mut used, .. } =
        expand_global(context, &from.base, stage.span, warnings)?;
    if base.is_empty() {
        return Err(PlanErrorKind::BlankBase { name: from.base.text.clone() }).at(from.base.span);
    }
    let platform = match &from.platform {
        Some(word) => Some(expand_platform(context, stage, word, &mut used, warnings)?),
        None => None,
    };
    warnings::skip_by_comments(&stage.comments, before, warnings);
    Ok(ExpandedFrom { base, platform, used })
}

fn expand_platform(
    context: &Context<'_>,
    stage: &Stage,
    word: &Word,
    arguments: &mut BTreeSet<String>,
    warnings: &mut Vec<Warning>,
) -> Result<Platform, PlanError> {
    let Expanded { value, unmatched, used, .. } =
        expand_global(context, word, stage.span, warnings)?;
    arguments.extend(used);
    let expression = word.text.clone();
    let known = || context.globals.names();
    let suggestion = unmatched.iter().find_map(|name| suggest(name, known())).map(str::to_owned);
    if value.is_empty() {
        return Err(PlanErrorKind::EmptyPlatform { expression, suggestion }).at(word.span);
    }
    warnings::check_from_platform(&context.globals, stage, word, &value, warnings);
    let parsed = value.parse();
    parsed.map_err(|_| PlanErrorKind::Platform { expression, value, suggestion }).at(word.span)
}

fn expand_global(
    context: &Context<'_>,
    word: &Word,
    stage: Span,
    warnings: &mut Vec<Warning>,
) -> Result<Expanded, PlanError> {
    let expanded = expand::expand(word, context.escape(), &context.globals)
        .map_err(PlanErrorKind::from)
        .at(word.span)?;
    context.room.take(expanded.value.len()).at(word.span)?;
    warnings::check_from_arguments(context, &expanded.unmatched, stage, warnings);
    Ok(expanded)
}

/// `# syntax=` and BUILDKIT_SYNTAX: our front end is docker/dockerfile, whatever its version.
fn check_syntax(dockerfile: &Dockerfile, request: &BuildRequest) -> Result<(), PlanError> {
    if let Some(image) = request.build_args.get("BUILDKIT_SYNTAX") {
        return match is_built_in(image) {
            true => Ok(()),
            false => Err(PlanErrorKind::Syntax { image: image.clone() }.into()),
        };
    }
    match &dockerfile.directives.syntax {
        Some(syntax) if !is_built_in(&syntax.value) => {
            Err(PlanErrorKind::Syntax { image: syntax.value.clone() }).at(syntax.span)
        }
        _ => Ok(()),
    }
}

fn is_built_in(image: &str) -> bool {
    // The first word is the image; what follows is for the front end.
    let image = image.split_whitespace().next().unwrap_or_default();
    if matches!(image, "" | "dockerfile.v0" | "dockerfile.v1") {
        return true;
    }
    image.parse::<Reference>().is_ok_and(|reference| {
        reference.domain() == "docker.io"
            && matches!(reference.repository(), "docker/dockerfile" | "docker/dockerfile-upstream")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_dockers_front_end_is_built_in() {
        for good in [
            "docker/dockerfile:1",
            "docker.io/docker/dockerfile:1.7-labs",
            "docker/dockerfile-upstream:master",
            "dockerfile.v0",
        ] {
            assert!(is_built_in(good), "{good}");
        }
        for bad in ["example.com/docker/dockerfile", "devthefuture/dockerfile-x", "docker/other"] {
            assert!(!is_built_in(bad), "{bad}");
        }
    }
}
