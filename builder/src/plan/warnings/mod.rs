//! Build checks: the rules that come for free while planning. Names and texts are BuildKit's.

mod extra;
mod file;
mod shell;
mod stage;

use parser::Span;
use parser::ast::Dockerfile;
use parser::check::CheckOptions;

pub(crate) use extra::check as check_extra;
pub(super) use file::{
    check_base_platform, check_default_bases, check_from_arguments, check_from_platform,
    check_unused_arguments, of_file, of_instructions,
};
pub(super) use stage::{
    SeenOnce, check_ignored, check_json_form, check_legacy_pairs, check_ports, check_secret,
    check_undefined, ignored_keep_git_dir, link_beside_chmod, relative_workdir,
};

use super::{PlanError, PlanErrorKind};
use crate::progress::Warning;
use crate::request::BuildRequest;

fn rule(name: &'static str, message: String, span: Span) -> Warning {
    Warning::rule(name, message, span)
}

/// With `error=true` the rules that were broken fail the build.
pub(super) fn violation(
    dockerfile: &Dockerfile,
    options: &CheckOptions,
    warnings: &[Warning],
) -> Option<PlanError> {
    let mut rules: Vec<&str> = Vec::new();
    for name in warnings.iter().filter_map(|warning| warning.rule) {
        if !rules.contains(&name) {
            rules.push(name);
        }
    }
    (options.error && !rules.is_empty()).then(|| PlanError {
        kind: PlanErrorKind::Lint { rules: rules.join(", ") },
        span: directive_span(dockerfile),
    })
}

/// `# check=` and BUILDKIT_DOCKERFILE_CHECK: drops the rules to skip, and the experimental ones nobody asked for.
pub(super) fn skip_by_options(
    dockerfile: &Dockerfile,
    request: &BuildRequest,
    warnings: &mut Vec<Warning>,
) -> Result<CheckOptions, PlanError> {
    let directive = dockerfile.directives.check.as_ref();
    let given = request.build_args.get("BUILDKIT_DOCKERFILE_CHECK");
    let text = given.or(directive.map(|check| &check.value)).map_or("", String::as_str);
    let options = CheckOptions::parse(text).map_err(|error| PlanError {
        kind: PlanErrorKind::Check(Box::new(error)),
        span: directive_span(dockerfile),
    })?;
    warnings.retain(|warning| match warning.rule {
        Some(EXPERIMENTAL) => names(&options.experimental, EXPERIMENTAL),
        _ => !skips(&options, warning),
    });
    Ok(options)
}

/// With `--strict` the first quirk fails the build.
pub(super) fn strange(request: &BuildRequest, warnings: &mut Vec<Warning>) -> Option<PlanError> {
    let quirk = |warning: &Warning| request.strict && warning.quirk.is_some();
    let at = warnings.iter().position(quirk)?;
    let Warning { quirk, message, span, .. } = warnings.remove(at);
    Some(PlanError { kind: PlanErrorKind::Quirk { quirk: quirk?, message }, span })
}

fn directive_span(dockerfile: &Dockerfile) -> Option<Span> {
    dockerfile.directives.check.as_ref().map(|check| check.span)
}

/// The only rule that is off unless asked for; `skip=all` leaves it on.
const EXPERIMENTAL: &str = "InvalidDefinitionDescription";

fn skips(options: &CheckOptions, warning: &Warning) -> bool {
    warning.rule.is_some_and(|rule| rule != EXPERIMENTAL && names(&options.skip, rule))
}

fn names(list: &[String], rule: &str) -> bool {
    list.iter().any(|name| name.eq_ignore_ascii_case(rule) || name == "all")
}

/// `# check=skip=RULE // why` above an instruction: drops its warnings, those from position `from` on.
pub(super) fn skip_by_comments(comments: &[String], from: usize, warnings: &mut Vec<Warning>) {
    for comment in comments {
        let Some((name, value)) = comment.split_once('=') else { continue };
        if !name.trim().eq_ignore_ascii_case("check") {
            continue;
        }
        let value = value.split_once(" //").map_or(value, |(value, _)| value);
        let Ok(options) = CheckOptions::parse(value.trim()) else { continue };
        let kept: Vec<Warning> =
            warnings.drain(from..).filter(|warning| !skips(&options, warning)).collect();
        warnings.extend(kept);
    }
}

fn did_you_mean(prefix: &str, suggestion: Option<&str>) -> String {
    suggestion.map_or(String::new(), |name| format!(" (did you mean {prefix}{name}?)"))
}
