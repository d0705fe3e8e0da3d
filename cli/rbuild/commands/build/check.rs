//! `rbuild check`, `rbuild build --check` and `--call check`: the warnings of a Dockerfile, and nothing built.

use anyhow::Result;
use builder::Checked;
use cli::environment::Environment;
use cli::report::{Report, checks};
use cli::{Exit, output};
use parser::{Source, Span};
use store::Store;

use super::{failure, look_at, source};
use crate::args::{BuildArgs, CheckArgs, CheckFormat};

pub(crate) fn run(args: &CheckArgs, environment: &Environment) -> Result<Exit> {
    let build = BuildArgs {
        context: args.context.clone(),
        file: args.file.clone(),
        target: args.target.clone(),
        build_args: args.build_args.clone(),
        platform: args.platform.clone(),
        build_contexts: args.build_contexts.clone(),
        strict: args.strict,
        ..BuildArgs::default()
    };
    check(
        &build,
        args.format,
        false,
        if args.extra { Rules::All } else { Rules::BuildKits },
        environment,
    )
}

/// Which rules are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rules {
    BuildKits,
    /// Also those of `--extra`.
    All,
}

/// Ends with failure when a rule has something to say, unless `lenient`.
pub(super) fn check(
    args: &BuildArgs,
    format: CheckFormat,
    lenient: bool,
    rules: Rules,
    environment: &Environment,
) -> Result<Exit> {
    look_at(args, environment, |request| {
        let store = existing_store(environment);
        let mut checked = builder::check(request, store.as_ref());
        if rules == Rules::All {
            checked.warnings.extend(builder::check_extra(request));
            let place = |span: Span| span.start;
            checked.warnings.sort_by_key(|warning| warning.span.map_or(usize::MAX, place));
        }
        show(&source(request), &checked, format, lenient)
    })
}

/// Remarks and the error go to stderr in any format; what reads stdout still gets a document.
fn show(source: &Source, checked: &Checked, format: CheckFormat, lenient: bool) -> Result<Exit> {
    let error = checked.error.as_ref();
    let (found, remarks): (Vec<_>, Vec<_>) =
        checked.warnings.iter().partition(|warning| warning.rule.is_some());
    for remark in remarks {
        checks::report(source, remark).print();
    }
    if let (Some(error), CheckFormat::Json | CheckFormat::Sarif) = (error, format) {
        failure::print(error, source, &[]);
    }
    output::write(&match format {
        CheckFormat::Text => checks::text(source, &found, error.is_none()),
        CheckFormat::Json => checks::json(source, &found, error),
        CheckFormat::Sarif => checks::sarif(source, &found, error.is_none()),
    })?;
    if let (Some(error), CheckFormat::Text) = (error, format) {
        failure::print(error, source, &[]);
    }
    let passed = lenient || (found.is_empty() && error.is_none());
    Ok(if passed { Exit::Success } else { Exit::Failure })
}

/// A check needs no store and makes none.
pub(super) fn existing_store(environment: &Environment) -> Option<Store> {
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
