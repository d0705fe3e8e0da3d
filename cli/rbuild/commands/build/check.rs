//! `rbuild check`, `rbuild build --check` and `--call check`: the warnings of a Dockerfile, and nothing built.

use anyhow::{Context, Result, bail};
use builder::BuildError;
use builder::progress::Warning;
use cli::environment::Environment;
use cli::report::{Report, checks};
use cli::{Exit, output, report};
use parser::Source;
use store::Store;

use super::{context, failure, fields, request, source};
use crate::args::{BuildArgs, CheckArgs, CheckFormat};

pub(crate) fn run(args: &CheckArgs, environment: &Environment) -> Result<Exit> {
    let build = BuildArgs {
        context: args.context.clone(),
        file: args.file.clone(),
        target: args.target.clone(),
        build_args: args.build_args.clone(),
        platform: args.platform.clone(),
        build_contexts: args.build_contexts.clone(),
        ..BuildArgs::default()
    };
    check(&build, args.format, environment)
}

/// The format, when `--check` or `--call` ask for a check instead of a build.
pub(super) fn asked(args: &BuildArgs) -> Result<Option<CheckFormat>> {
    let check = args.check.is_some_and(|value| value.unwrap_or(true));
    let Some(call) = &args.call else { return Ok(check.then_some(CheckFormat::Text)) };
    let about = || format!("`--call {call}`");
    let mut asked = check.then_some(CheckFormat::Text);
    for (at, (name, value)) in fields::parse(call).with_context(about)?.into_iter().enumerate() {
        match (at, name.as_str(), value.as_deref()) {
            (0, "build" | "", None) => {}
            (0, "check" | "lint", None) => asked = Some(CheckFormat::Text),
            (0, other, None) => {
                bail!("`rbuild build --call {other}` is not supported; known are build and check")
            }
            (_, "format", Some("text")) if asked.is_some() => {}
            (_, "format", Some("json")) if asked.is_some() => asked = Some(CheckFormat::Json),
            (_, "format", Some("sarif")) if asked.is_some() => asked = Some(CheckFormat::Sarif),
            _ => bail!("{}: expected `check[,format=text|json|sarif]`", about()),
        }
    }
    Ok(asked)
}

/// Ends with failure when a rule has something to say.
pub(super) fn check(
    args: &BuildArgs,
    format: CheckFormat,
    environment: &Environment,
) -> Result<Exit> {
    let request = request::resolve(args, context::read(args)?, environment)?;
    let source = source(&request);
    let store = existing_store(environment);
    match builder::check(&request, store.as_ref()) {
        Ok(warnings) => show(&source, &warnings, format),
        Err(error) => fail(&source, &error, format),
    }
}

fn show(source: &Source, warnings: &[Warning], format: CheckFormat) -> Result<Exit> {
    let (found, remarks): (Vec<_>, Vec<_>) =
        warnings.iter().partition(|warning| warning.rule.is_some());
    for remark in remarks {
        report::dockerfile::warning(source, None, &remark.message, remark.span);
    }
    let text = match format {
        CheckFormat::Text => checks::text(source, &found),
        CheckFormat::Json => checks::json(source, &found, None),
        CheckFormat::Sarif => checks::sarif(source, &found, true),
    };
    output::write(&text)?;
    Ok(if found.is_empty() { Exit::Success } else { Exit::Failure })
}

/// The report goes to stderr in any format; what reads stdout still gets a document.
fn fail(source: &Source, error: &BuildError, format: CheckFormat) -> Result<Exit> {
    failure::print(error, source, &[]);
    match format {
        CheckFormat::Text => {}
        CheckFormat::Json => output::write(&checks::json(source, &[], Some(error)))?,
        CheckFormat::Sarif => output::write(&checks::sarif(source, &[], false))?,
    }
    Ok(Exit::Failure)
}

/// A check needs no store and makes none.
fn existing_store(environment: &Environment) -> Option<Store> {
    let locations = environment.locations();
    if !locations.root.join("schema.json").exists() {
        return None;
    }
    match Store::open(&locations.root, &locations.state) {
        Ok(store) => Some(store),
        Err(error) => {
            Report::warning(format!("checked without the images of the store: {error}")).print();
            None
        }
    }
}
