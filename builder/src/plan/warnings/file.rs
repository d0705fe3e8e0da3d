//! Checks of the file as a whole and of FROM.

use std::collections::BTreeSet;

use parser::ast::{
    CommandForm, CopySource, Dockerfile, Instruction, InstructionKind, Run, Stage, WarningKind,
};
use parser::suggest::suggest;
use parser::{Span, Spanned, Word, expand};
use store::{ImageConfig, Platform, Reference};

use super::super::{Context, global};
use super::{did_you_mean, rule, skip_by_comments};
use crate::progress::Warning;
use crate::quirk::Quirk;
use crate::request::BuildRequest;
use crate::scope::{self, Variables};

/// What can be said without knowing any variable.
pub(in crate::plan) fn of_file(dockerfile: &Dockerfile, request: &BuildRequest) -> Vec<Warning> {
    let mut warnings = of_instructions(dockerfile, request);
    keyword_casing(dockerfile, &mut warnings);
    warnings
}

/// What can be said of each instruction, also when others are missing because they are broken.
pub(in crate::plan) fn of_instructions(
    dockerfile: &Dockerfile,
    request: &BuildRequest,
) -> Vec<Warning> {
    let mut warnings = Vec::new();
    for warning in &dockerfile.warnings {
        warnings.push(match &warning.kind {
            WarningKind::EmptyContinuation { .. } => {
                rule("NoEmptyContinuation", "Empty continuation line".to_owned(), warning.span)
            }
            WarningKind::IgnoredFlag { flag } => {
                let message = format!("{flag} has no effect here and is ignored");
                Warning::quirk(Quirk::IgnoredFlag, message, warning.span)
            }
            WarningKind::BrokenTrigger { error } => {
                let message =
                    format!("ONBUILD trigger will fail in every build that uses it: {error}");
                Warning::quirk(Quirk::BrokenTrigger, message, warning.span)
            }
        });
    }
    for instruction in &dockerfile.global_args {
        description_of_arg(instruction, &mut warnings);
    }
    let mut names = BTreeSet::new();
    for stage in &dockerfile.stages {
        let from = warnings.len();
        stage_name(stage, request, &mut names, &mut warnings);
        as_casing(stage, &mut warnings);
        if let Some(name) = &stage.from.name {
            description("FROM", &[name.value.as_str()], &stage.comments, stage.span, &mut warnings);
        }
        skip_by_comments(&stage.comments, from, &mut warnings);
        for instruction in &stage.instructions {
            let from = warnings.len();
            maintainer(instruction, &mut warnings);
            mistaken_json(instruction, &mut warnings);
            description_of_arg(instruction, &mut warnings);
            skip_by_comments(&instruction.comments, from, &mut warnings);
        }
    }
    warnings
}

fn stage_name<'a>(
    stage: &'a Stage,
    request: &BuildRequest,
    seen: &mut BTreeSet<&'a str>,
    warnings: &mut Vec<Warning>,
) {
    let Some(Spanned { value: name, span }) = &stage.from.name else { return };
    let typed = request.dockerfile.text.get(span.start..span.end).unwrap_or_default();
    let typed = String::from_utf8_lossy(typed);
    if typed.to_lowercase() == *name && typed != *name {
        let message = format!("Stage name '{typed}' should be lowercase");
        warnings.push(rule("StageNameCasing", message, stage.span));
    }
    if matches!(name.as_str(), "scratch" | "context") {
        let message = format!("Stage name should not use the same name as reserved stage {name:?}");
        warnings.push(rule("ReservedStageName", message, stage.span));
    }
    if !seen.insert(name) {
        let message = format!("Duplicate stage name {name:?}, stage names should be unique");
        warnings.push(rule("DuplicateStageName", message, stage.span));
    }
}

/// `from x as y` and `FROM x AS y`, not a mixture.
fn as_casing(stage: &Stage, warnings: &mut Vec<Warning>) {
    let Some(keyword) = &stage.from.as_keyword else { return };
    let (from, keyword) = (stage.keyword.value.as_str(), keyword.value.as_str());
    let matching = match casing(from) {
        Some(Casing::Lower) => keyword == keyword.to_lowercase(),
        Some(Casing::Upper) => keyword == keyword.to_uppercase(),
        None => true,
    };
    if !matching {
        let message = format!("'{keyword}' and '{from}' keywords' casing do not match");
        warnings.push(rule("FromAsCasing", message, stage.span));
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Casing {
    Lower,
    Upper,
}

fn casing(keyword: &str) -> Option<Casing> {
    if keyword == keyword.to_lowercase() {
        Some(Casing::Lower)
    } else if keyword == keyword.to_uppercase() {
        Some(Casing::Upper)
    } else {
        None
    }
}

/// All keywords in the case of the majority.
fn keyword_casing(dockerfile: &Dockerfile, warnings: &mut Vec<Warning>) {
    let keywords: Vec<(&Spanned<String>, Span)> = dockerfile
        .stages
        .iter()
        .flat_map(|stage| {
            let own = stage.instructions.iter().map(|own| (&own.keyword, own.span));
            std::iter::once((&stage.keyword, stage.span)).chain(own)
        })
        .collect();
    let count = |wanted: Casing| {
        keywords.iter().filter(|(keyword, _)| casing(&keyword.value) == Some(wanted)).count()
    };
    let (majority, name) = match count(Casing::Lower) > count(Casing::Upper) {
        true => (Casing::Lower, "lowercase"),
        false => (Casing::Upper, "uppercase"),
    };
    for (keyword, span) in keywords {
        if casing(&keyword.value) != Some(majority) {
            let keyword = &keyword.value;
            let message = format!(
                "Command '{keyword}' should match the case of the command majority ({name})"
            );
            warnings.push(rule("ConsistentInstructionCasing", message, span));
        }
    }
}

fn maintainer(instruction: &Instruction, warnings: &mut Vec<Warning>) {
    if matches!(instruction.kind, InstructionKind::Maintainer(_)) {
        let message = "Maintainer instruction is deprecated in favor of using label";
        warnings.push(rule("MaintainerDeprecated", message.to_owned(), instruction.span));
    }
}

/// `CMD ['a']` or `RUN ["a" "b"]`: no JSON, so words for the shell or names of files.
fn mistaken_json(instruction: &Instruction, warnings: &mut Vec<Warning>) {
    let joined =
        |words: &[Word]| words.iter().map(|word| word.text.as_str()).collect::<Vec<_>>().join(" ");
    let copied = |sources: &[CopySource], dest: &Word| {
        let paths = sources.iter().filter_map(|source| match source {
            CopySource::Path(word) => Some(word.clone()),
            CopySource::Heredoc(_) => None,
        });
        joined(&paths.chain([dest.clone()]).collect::<Vec<_>>())
    };
    let text = match &instruction.kind {
        InstructionKind::Run(Run { command: CommandForm::Shell { text, .. }, .. })
        | InstructionKind::Cmd(CommandForm::Shell { text, .. })
        | InstructionKind::Entrypoint(CommandForm::Shell { text, .. }) => text.clone(),
        InstructionKind::Copy(copy) => copied(&copy.sources, &copy.dest),
        InstructionKind::Add(add) => copied(&add.sources, &add.dest),
        InstructionKind::Volume(words) => joined(words),
        _ => return,
    };
    if is_meant_as_json(&text) {
        let taken = match &instruction.kind {
            InstructionKind::Copy(_) | InstructionKind::Add(_) | InstructionKind::Volume(_) => {
                "takes its words for paths"
            }
            _ => "gives it to the shell",
        };
        let message = format!("this is no JSON array of strings: BuildKit {taken}");
        warnings.push(Warning::quirk(Quirk::MistakenJson, message, instruction.span));
    }
}

/// In brackets, beginning with a quote. The shell's `[ "$a" = b ]` has a blank first, and no commas behind quotes.
fn is_meant_as_json(text: &str) -> bool {
    let inner = text.trim().strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let Some(inner) = inner else { return false };
    let quotes = ['"', '\'', '“', '”', '‘', '’'];
    let has_commas = || quotes.iter().any(|quote| inner.contains(&format!("{quote},")));
    inner.trim_start().starts_with(quotes) && (inner.starts_with(quotes) || has_commas())
}

fn description_of_arg(instruction: &Instruction, warnings: &mut Vec<Warning>) {
    if let InstructionKind::Arg(declarations) = &instruction.kind {
        let names: Vec<&str> =
            declarations.iter().map(|declaration| declaration.name.text.as_str()).collect();
        description("ARG", &names, &instruction.comments, instruction.span, warnings);
    }
}

/// The comment right above an ARG or a FROM describes it and starts with its name.
fn description(
    keyword: &str,
    names: &[&str],
    comments: &[String],
    span: Span,
    warnings: &mut Vec<Warning>,
) {
    let Some(comment) = comments.last().filter(|comment| !comment.is_empty()) else { return };
    let first = comment.split(' ').next().unwrap_or_default();
    if names.contains(&first) {
        return;
    }
    let example = if let [name] = names { name } else { "<arg_key>" };
    let message =
        format!("Comment for {keyword} should follow the format: `# {example} <description>`");
    warnings.push(rule("InvalidDefinitionDescription", message, span));
}

/// Every base name is a name also when no build argument is given.
pub(in crate::plan) fn check_default_bases(
    dockerfile: &Dockerfile,
    defaults: &Variables,
    warnings: &mut Vec<Warning>,
) {
    let none = Default::default();
    let Ok(global::Globals { variables, .. }) =
        global::global_arguments(dockerfile, defaults.clone(), &none)
    else {
        return; // the same mistake is an error in a moment
    };
    for stage in &dockerfile.stages {
        let base = &stage.from.base;
        let Ok(name) = expand::expand(base, dockerfile.directives.escape, &variables) else {
            return;
        };
        let is_stage = |stage: &Stage| {
            let named = stage.from.name.as_ref();
            named.is_some_and(|stage| stage.value == name.value.to_lowercase())
        };
        if name.value.parse::<Reference>().is_err() && !dockerfile.stages.iter().any(is_stage) {
            let base = &base.text;
            let message =
                format!("Default value for ARG {base} results in empty or invalid base image name");
            warnings.push(rule("InvalidDefaultArgInFrom", message, stage.span));
        }
    }
}

/// FROM sees the ARGs before it and the platform arguments, nothing else.
pub(in crate::plan) fn check_from_arguments(
    context: &Context<'_>,
    unmatched: &BTreeSet<String>,
    span: Span,
    warnings: &mut Vec<Warning>,
) {
    let declared = global::declarations(context.dockerfile).map(|arg| arg.name.text.as_str());
    let known: Vec<&str> = declared.chain(context.globals.names()).collect();
    for name in unmatched.iter().filter(|name| !known.contains(&name.as_str())) {
        let suggestion = did_you_mean("", suggest(name, known.iter().copied()));
        let message = format!("FROM argument '{name}' is not declared{suggestion}");
        warnings.push(rule("UndefinedArgInFrom", message, span));
    }
}

pub(in crate::plan) fn check_from_platform(
    globals: &Variables,
    stage: &Stage,
    word: &Word,
    value: &str,
    warnings: &mut Vec<Warning>,
) {
    let text = word.text.as_str();
    if matches!(text, "$TARGETPLATFORM" | "${TARGETPLATFORM}")
        && globals.get("TARGETPLATFORM") == Some(value)
    {
        let message = format!(
            "Setting platform to predefined {text} in FROM is redundant as this is the default behavior"
        );
        warnings.push(rule("RedundantTargetPlatform", message, stage.span));
    }
    if text.contains('$') {
        return;
    }
    let Ok(platform) = value.parse::<Platform>() else { return };
    let name = stage.from.name.as_ref().map_or("", |name| name.value.as_str());
    if !name.contains(&platform.os) && !name.contains(&platform.architecture) {
        let message = format!("FROM --platform flag should not use constant value {value:?}");
        warnings.push(rule("FromPlatformFlagConstDisallowed", message, stage.span));
    }
}

pub(in crate::plan) fn check_base_platform(
    name: &str,
    config: &ImageConfig,
    expected: &Platform,
    span: Span,
    warnings: &mut Vec<Warning>,
) {
    if config.os == expected.os && config.architecture == expected.architecture {
        return;
    }
    let (actual, expected) = (config.platform().normalized(), expected.normalized());
    let message = format!(
        "Base image {name} was pulled with platform \"{actual}\", expected \"{expected}\" for current build"
    );
    warnings.push(rule("InvalidBaseImagePlatform", message, span));
}

/// A `--build-arg` nobody declares is most often a typing mistake.
pub(in crate::plan) fn check_unused_arguments(context: &Context<'_>, warnings: &mut Vec<Warning>) {
    let stages = context.dockerfile.stages.iter().flat_map(|stage| &stage.instructions);
    let instructions = context.dockerfile.global_args.iter().chain(stages);
    let declared: BTreeSet<&str> = instructions
        .filter_map(|instruction| match &instruction.kind {
            InstructionKind::Arg(declarations) => Some(declarations),
            _ => None,
        })
        .flatten()
        .map(|declaration| declaration.name.text.as_str())
        .collect();
    let given = context.request.build_args.keys().map(String::as_str);
    let unused: Vec<&str> =
        given.filter(|name| !declared.contains(name) && !scope::is_predefined(name)).collect();
    if !unused.is_empty() {
        let message = format!("one or more build-args were not consumed: {}", unused.join(", "));
        warnings.push(Warning::remark(message));
    }
}
