//! Build checks: the rules that come for free while planning. Names and texts are BuildKit's.

mod file;
mod stage;

use parser::Span;
use parser::ast::Dockerfile;
use parser::check::CheckOptions;

pub(super) use file::{
    check_base_platform, check_default_bases, check_from_arguments, check_from_platform,
    check_unused_arguments, of_file,
};
pub(super) use stage::{
    SeenOnce, check_ignored, check_json_form, check_legacy_pairs, check_ports, check_secret,
    check_undefined, relative_workdir,
};

use super::{PlanError, PlanErrorKind, ResultExt};
use crate::progress::Warning;

fn rule(name: &'static str, message: String, span: Span) -> Warning {
    Warning { rule: Some(name), message, span: Some(span) }
}

/// `# check=`: drops the rules to skip; with `error=true` those that remain fail the build.
pub(super) fn fail_if_asked(
    dockerfile: &Dockerfile,
    warnings: &mut Vec<Warning>,
) -> Result<(), PlanError> {
    let Some(check) = &dockerfile.directives.check else { return Ok(()) };
    let options = CheckOptions::parse(&check.value).map_err(PlanErrorKind::Check).at(check.span)?;
    let is_skipped = |name: &str| {
        options.skip.iter().any(|skip| skip.eq_ignore_ascii_case(name) || skip == "all")
    };
    warnings.retain(|warning| !warning.rule.is_some_and(is_skipped));
    let mut rules: Vec<&str> = Vec::new();
    for name in warnings.iter().filter_map(|warning| warning.rule) {
        if !rules.contains(&name) {
            rules.push(name);
        }
    }
    if options.error && !rules.is_empty() {
        return Err(PlanErrorKind::Lint { rules: rules.join(", ") }).at(check.span);
    }
    Ok(())
}

fn did_you_mean(prefix: &str, suggestion: Option<&str>) -> String {
    suggestion.map_or(String::new(), |name| format!(" (did you mean {prefix}{name}?)"))
}
