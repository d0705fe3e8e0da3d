//! Checks of the instructions of a stage.

use std::collections::{BTreeMap, BTreeSet};

use parser::Span;
use parser::ast::{CommandForm, Instruction, InstructionKind, KeyValue};
use parser::suggest::suggest;
use store::ImageConfig;

use super::{did_you_mean, rule};
use crate::context::ignore::Ignore;
use crate::progress::Warning;
use crate::quirk::Quirk;
use crate::scope::Scope;

/// The last CMD, ENTRYPOINT and HEALTHCHECK of a stage are the only ones that count.
#[derive(Debug, Default)]
pub(in crate::plan) struct SeenOnce(BTreeMap<&'static str, Span>);

impl SeenOnce {
    pub(in crate::plan) fn check(
        &mut self,
        instruction: &Instruction,
        warnings: &mut Vec<Warning>,
    ) {
        let name = match instruction.kind {
            InstructionKind::Cmd(_) => "CMD",
            InstructionKind::Entrypoint(_) => "ENTRYPOINT",
            InstructionKind::Healthcheck(_) => "HEALTHCHECK",
            _ => return,
        };
        if let Some(before) = self.0.insert(name, instruction.span) {
            let message = format!(
                "Multiple {name} instructions should not be used in the same stage because only the last one will be used"
            );
            warnings.push(rule("MultipleInstructionsDisallowed", message, before));
        }
    }
}

/// A shell between the container and its process swallows signals.
pub(in crate::plan) fn check_json_form(
    instruction: &Instruction,
    command: &CommandForm,
    config: &ImageConfig,
    warnings: &mut Vec<Warning>,
) {
    if matches!(command, CommandForm::Shell { .. }) && config.config.shell.is_empty() {
        let keyword = &instruction.keyword.value;
        let message = format!(
            "JSON arguments recommended for {keyword} to prevent unintended behavior related to OS signals"
        );
        warnings.push(rule("JSONArgsRecommended", message, instruction.span));
    }
}

pub(in crate::plan) fn check_legacy_pairs(
    instruction: &Instruction,
    pairs: &[KeyValue],
    warnings: &mut Vec<Warning>,
) {
    let keyword = &instruction.keyword.value;
    for _ in pairs.iter().filter(|pair| pair.legacy) {
        let message = format!(
            "\"{keyword} key=value\" should be used instead of legacy \"{keyword} key value\" format"
        );
        warnings.push(rule("LegacyKeyValueFormat", message, instruction.span));
    }
}

pub(in crate::plan) fn check_undefined(
    scope: &Scope,
    unmatched: &BTreeSet<String>,
    span: Span,
    warnings: &mut Vec<Warning>,
) {
    for name in unmatched.iter().filter(|name| !scope.is_declared(name)) {
        let suggestion = did_you_mean("$", suggest(name, scope.variables().names()));
        let message = format!("Usage of undefined variable '${name}'{suggestion}");
        warnings.push(rule("UndefinedVar", message, span));
    }
}

/// Modes cannot be set without the files below, so BuildKit makes an ordinary layer.
pub(in crate::plan) fn link_beside_chmod(span: Span, warnings: &mut Vec<Warning>) {
    let message = "BuildKit ignores `--link` beside `--chmod`".to_owned();
    warnings.push(Warning::quirk(Quirk::LinkBesideChmod, message, span));
}

pub(in crate::plan) fn ignored_keep_git_dir(why: &str, span: Span, warnings: &mut Vec<Warning>) {
    let message = format!("BuildKit ignores `--keep-git-dir` here: {why}");
    warnings.push(Warning::quirk(Quirk::IgnoredFlag, message, span));
}

pub(in crate::plan) fn relative_workdir(path: &str, span: Span, warnings: &mut Vec<Warning>) {
    let message =
        format!("Relative workdir {path:?} can have unexpected results if the base image changes");
    warnings.push(rule("WorkdirRelativePath", message, span));
}

pub(in crate::plan) fn check_ports(
    instruction: &Instruction,
    specs: &[String],
    warnings: &mut Vec<Warning>,
) {
    for spec in specs {
        let protocol = spec.rsplit_once('/').map_or("", |(_, protocol)| protocol);
        if protocol != protocol.to_lowercase() {
            let message =
                format!("Defined protocol '{spec}' in EXPOSE instruction should be lowercase");
            warnings.push(rule("ExposeProtoCasing", message, instruction.span));
        }
        if spec.contains(':') {
            let message = format!(
                "EXPOSE instruction should not define an IP address or host-port mapping, found '{spec}'"
            );
            warnings.push(rule("ExposeInvalidFormat", message, instruction.span));
        }
    }
}

const SECRET_WORDS: [&str; 10] = [
    "apikey",
    "auth",
    "credential",
    "credentials",
    "key",
    "password",
    "pword",
    "passwd",
    "secret",
    "token",
];
const HARMLESS_WORDS: [&str; 3] = ["public", "file", "version"];

/// Values of ARG and ENV can be read from the image.
pub(in crate::plan) fn check_secret(
    keyword: &str,
    name: &str,
    span: Span,
    warnings: &mut Vec<Warning>,
) {
    let lower = name.to_lowercase();
    let has = |words: &[&str]| lower.split('_').any(|part| words.contains(&part));
    if has(&SECRET_WORDS) && !has(&HARMLESS_WORDS) {
        let message =
            format!("Do not use ARG or ENV instructions for sensitive data ({keyword} {name:?})");
        warnings.push(rule("SecretsUsedInArgOrEnv", message, span));
    }
}

/// A source of COPY or ADD that `.dockerignore` leaves out. Files with `!` patterns are not judged.
pub(in crate::plan) fn check_ignored(
    ignore: Option<&[u8]>,
    keyword: &str,
    source: &str,
    span: Span,
    warnings: &mut Vec<Warning>,
) {
    let Some(text) = ignore else { return };
    let patterns = crate::context::ignore::read_patterns(text);
    if patterns.is_empty() || patterns.iter().any(|pattern| pattern.starts_with(b"!")) {
        return;
    }
    let Ok(ignore) = Ignore::parse(text) else { return };
    let path = String::from_utf8_lossy(&crate::glob::clean(source)).into_owned();
    let path = path.trim_start_matches('/');
    let is_root = matches!(path, "" | ".");
    let everything = |pattern: &Vec<u8>| matches!(pattern.as_slice(), b"*" | b"**" | b"**/*");
    let ignored = match is_root {
        true => patterns.iter().any(everything),
        false => ignore.matches(path),
    };
    if ignored {
        let verb = if keyword == "ADD" { "Add" } else { "Copy" };
        let path = if is_root { "." } else { path };
        let message =
            format!("Attempting to {verb} file {path:?} that is excluded by .dockerignore");
        warnings.push(rule("CopyIgnoredFile", message, span));
    }
}
