//! `rcompose config`

use std::fs;

use anyhow::{Context, Result};
use cli::environment::Environment;
use cli::{Exit, output, report};
use compose::load::{LoadOptions, load, load_model, names_in_use};
use compose::render::{Data, Form, json, yaml};
use compose::{Loaded, Project};

use super::{digests, find, listing, variables};
use crate::args::{ConfigArgs, DocumentFormat, ProjectArgs};
use crate::disk::Disk;

pub(super) fn run(
    args: &ConfigArgs,
    project: &ProjectArgs,
    environment: &Environment,
) -> Result<Exit> {
    let list = &args.listing;
    if list.variables {
        return variables::run(args, project, environment);
    }
    if list.any() {
        return listing::run(args, project, environment);
    }
    let text = if args.no_interpolate {
        model(args, project, environment)?
    } else {
        // What is printed can be read again: a dollar is not the start of a variable.
        document(args, project, environment)?.replace('$', "$$")
    };
    deliver(args, &text)
}

/// To where it was asked for.
pub(super) fn deliver(args: &ConfigArgs, text: &str) -> Result<Exit> {
    match &args.output {
        _ if args.quiet => {}
        Some(path) => {
            fs::write(path, text).with_context(|| format!("cannot write `{}`", path.display()))?;
        }
        None => output::write(text)?,
    }
    Ok(Exit::Success)
}

/// Without a project there are no services to choose from.
pub(super) fn warn_of_all(args: &ConfigArgs, flag: &str) {
    if !args.services_wanted.is_empty() {
        let text = format!("`{flag}` shows all services, whichever are named");
        report::Report::warning(text).print();
    }
}

/// Which stages the flags leave out.
pub(super) fn options(args: &ConfigArgs, project: &ProjectArgs) -> LoadOptions {
    LoadOptions {
        interpolate: !args.no_interpolate,
        validate: true,
        normalize: !args.no_normalize && !project.compatibility,
        resolve_paths: !args.no_path_resolution,
        check_consistency: !args.no_consistency,
        resolve_environment: !args.no_env_resolution,
        discard_env_files: true,
    }
}

/// The project with the services and resources that were asked for.
pub(super) fn selected(
    args: &ConfigArgs,
    project: &ProjectArgs,
    options: LoadOptions,
    environment: &Environment,
) -> Result<Project> {
    let found = find(project, options, environment)?;
    let Loaded { project: mut loaded, warnings, tree, .. } = load(&found.request, &Disk)?;
    // The process ends soon: freeing a large tree value by value takes a tenth of what loading it took.
    std::mem::forget(tree);
    report::compose::warnings(&warnings);
    loaded.select(&args.services_wanted)?;
    if !project.all_resources {
        loaded.drop_unused();
    }
    Ok(loaded)
}

fn document(args: &ConfigArgs, project: &ProjectArgs, environment: &Environment) -> Result<String> {
    let mut loaded = selected(args, project, options(args, project), environment)?;
    if args.resolve_image_digests || args.lock_image_digests {
        digests::pin(&mut loaded)?;
    }
    if !args.no_consistency
        && let Some(error) = names_in_use(&loaded).into_iter().next()
    {
        return Err(error.into());
    }
    if args.lock_image_digests {
        loaded = digests::only_images(loaded);
    }
    let (document, text);
    match args.format.unwrap_or(DocumentFormat::Yaml) {
        DocumentFormat::Yaml => {
            document = loaded.document(Form::Yaml);
            text = yaml(&document);
        }
        DocumentFormat::Json => {
            document = loaded.document(Form::Json);
            text = json(&document, 2);
        }
    }
    // As the tree, and the project it is made of.
    std::mem::forget((document, loaded));
    Ok(text)
}

/// The merged tree with its variables.
fn model(args: &ConfigArgs, project: &ProjectArgs, environment: &Environment) -> Result<String> {
    warn_of_all(args, "--no-interpolate");
    let found = find(project, options(args, project), environment)?;
    let (mut tree, warnings) = load_model(&found.request, &Disk)?;
    report::compose::warnings(&warnings);
    if args.resolve_image_digests || args.lock_image_digests {
        digests::pin_tree(&mut tree)?;
    }
    if args.lock_image_digests {
        digests::retain_images(&mut tree);
    }
    let data = Data::of(&tree);
    Ok(match args.format.unwrap_or(DocumentFormat::Yaml) {
        DocumentFormat::Yaml => yaml(&data),
        DocumentFormat::Json => json(&data, 2),
    })
}
